/** A part of a graph: some nodes and networks, and what they hang on. Pure. */
import { DocknetError } from "../errors.ts";
import type { Graph, GraphNode } from "./graph.ts";

/**
 * Keeps what is named and what stands between it and the internet: a container's networks, the host, the LAN, the router. A network
 * that is named keeps its containers.
 * @param names of nodes, services or networks; empty: all. @throws DocknetError NOT_FOUND
 */
export function selectGraph(graph: Graph, names: readonly string[]): Graph {
  if (names.length === 0) return graph;
  const nodes = new Map<string, GraphNode>();
  const networks = new Set<string>();
  for (const name of names) {
    const found = graph.nodes.filter((n) => n.name === name || n.service === name);
    const network = graph.networks.find((n) => n.name === name || (n.driver === "bridge" && n.bridge === name));
    if (found.length === 0 && !network) throw notFound(graph, name);
    if (network) networks.add(network.name);
    const members = graph.nodes.filter(
      (n) => network && n.kind === "container" && n.links.some((l) => l.network === network.name),
    );
    for (const node of [...found, ...members]) nodes.set(node.name, node);
  }
  for (const node of [...nodes.values()]) {
    const owner = graph.nodes.find((n) => n.name === node.sharedWith);
    for (const kept of owner ? [node, owner] : [node]) {
      nodes.set(kept.name, kept);
      // whoever names the host wants all that hangs on it
      const met = kept.kind === "host" ? graph.networks.map((n) => n.name) : kept.links.map((l) => l.network);
      for (const network of met) if (network) networks.add(network);
    }
  }
  const needsHost = networks.size > 0 || [...nodes.values()].some((n) => n.kind === "container");
  const isKept = (node: GraphNode): boolean =>
    nodes.has(node.name) || WAY_OUT.has(node.kind) || (needsHost && node.kind === "host");
  return cut(graph, isKept, networks);
}

/** What everything hangs on. */
const WAY_OUT: ReadonlySet<GraphNode["kind"]> = new Set(["internet", "router", "switch"]);

function cut(graph: Graph, isKept: (node: GraphNode) => boolean, networks: ReadonlySet<string>): Graph {
  const kept = new Set(graph.nodes.filter(isKept).map((n) => n.name));
  const nodes = graph.nodes.filter(isKept).map((node) => ({
    ...node,
    links: node.links.filter((l) => (!l.peer || kept.has(l.peer.node)) && (!l.network || networks.has(l.network))),
  }));
  const hasLink = (node: string, link: string): boolean =>
    nodes.some((n) => n.name === node && n.links.some((l) => l.name === link));
  return {
    ...graph,
    nodes,
    networks: graph.networks.filter((n) => networks.has(n.name)),
    pairs: graph.pairs.filter((p) => p.ends.every((end) => hasLink(end.node, end.link))),
    ports: graph.ports.filter((p) => hasLink(p.node, p.link)),
    published: graph.published.filter((p) => kept.has(p.container)),
    nat: graph.nat.filter((n) => kept.has(n.node) && (!n.network || networks.has(n.network))),
  };
}

function notFound(graph: Graph, name: string): DocknetError {
  const known = [...graph.networks.map((n) => n.name), ...graph.nodes.map((n) => n.name)];
  return new DocknetError("NOT_FOUND", `No network, service, container or node "${name}" in lab ${graph.lab}`, {
    remedy: `There are ${known.slice(0, 16).join(", ")}${known.length > 16 ? " and others" : ""}`,
  });
}
