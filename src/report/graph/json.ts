/** A graph as JSON: docknet's published contract, described by graph.schema.json. */
import type { Graph } from "../../observe/graph.ts";
import { escapeJson } from "../clean.ts";

export function renderGraphJson(graph: Graph): string {
  return `${escapeJson(JSON.stringify(graph, null, 2))}\n`;
}
