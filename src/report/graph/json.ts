/** A graph as JSON: docknet's published contract, described by graph.schema.json. */
import type { Graph } from "../../observe/graph.ts";
import { renderCleanJson } from "../clean.ts";

export function renderGraphJson(graph: Graph): string {
  return renderCleanJson(graph);
}
