/** `docknet graph`: a lab as data to draw, with what the kernel says of its links, or without privilege as the lab wants it. */
import { readMachine } from "../kernel/machine.ts";
import { readWiring } from "../kernel/wiring.ts";
import type { Graph } from "../observe/graph.ts";
import { graphOf } from "../observe/graph-of.ts";
import { selectGraph } from "../observe/graph-select.ts";
import { layoutOf } from "../plan/layout-of.ts";
import type { State } from "../state/state.ts";
import type { Site } from "./site.ts";
import { VERSION } from "./verify.ts";

export interface GraphOptions {
  /** Nodes, services or networks: these and what they hang on; empty: all. */
  readonly only?: readonly string[];
  /** As the lab wants it: the kernel is not asked, and links have no indexes. */
  readonly planned?: boolean;
}

/** Changes nothing. @throws DocknetError NOT_FOUND */
export function graphSite(site: Site, { only = [], planned = false }: GraphOptions = {}): Graph {
  const wiring = planned ? undefined : readWiring(site.executor);
  return selectGraph(graphOf(VERSION, site.state, site.layout, wiring), only);
}

/** What building a state would give. Needs no privilege. @throws DocknetError NOT_FOUND */
export function graphState(state: State, only: readonly string[] = []): Graph {
  return selectGraph(graphOf(VERSION, state, layoutOf(state, readMachine())), only);
}
