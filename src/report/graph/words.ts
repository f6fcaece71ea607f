/** What the drawings of a graph say in the same words: links, published ports, who has which network. Pure. */
import type { Graph, GraphLink, GraphNetwork, GraphNode, GraphPublished } from "../../observe/graph.ts";

/** "5: veth1a2b3c4@if2", as `ip link` shows it; without indexes only the name. */
export function linkLabel({ index, name, kind, peer, parent }: GraphLink): string {
  const other = peer ?? parent;
  // a VLAN and its parent are in one namespace, where the parent has a name
  const far = other?.index === undefined ? "" : kind === "vlan" ? `@${other.link}` : `@if${other.index}`;
  return `${index === undefined ? "" : `${index}: `}${name}${far}`;
}

/** What is wrong with a link; "" when nothing is. */
export function linkTrouble({ drift, up }: GraphLink): string {
  if (drift === "missing") return "missing";
  return [...(drift === "foreign" ? ["not of this lab"] : []), ...(up ? [] : ["down"])].join(", ");
}

export interface PublishedPort {
  /** "0.0.0.0:8080", "[::]:3000-3005", "127.0.0.1:53"; none in gateway mode routed. */
  readonly from: readonly string[];
  readonly container: string;
  readonly address: string;
  /** "80/tcp", "3000-3005/tcp" */
  readonly port: string;
}

interface Run {
  readonly binding: GraphPublished;
  length: number;
}

/** Bindings as few arrows: ports in a row are one, and so are the host's addresses that lead to the same port. */
export function publishedPorts(bindings: readonly GraphPublished[]): PublishedPort[] {
  const runs: Run[] = [];
  for (const binding of bindings) {
    const open = runs.find((run) => continues(run, binding));
    if (open) open.length++;
    else runs.push({ binding, length: 1 });
  }
  const arrows = new Map<string, PublishedPort & { readonly from: string[] }>();
  for (const { binding, length } of runs) {
    const { hostIp, hostPort, container, address, port, proto } = binding;
    const to = `${range(port, length)}/${proto}`;
    const key = JSON.stringify([container, address, to]);
    const arrow = arrows.get(key) ?? { from: [], container, address, port: to };
    if (hostPort !== undefined) arrow.from.push(`${bracket(hostIp)}:${range(hostPort, length)}`);
    arrows.set(key, arrow);
  }
  return [...arrows.values()];
}

function continues({ binding: first, length }: Run, next: GraphPublished): boolean {
  const sameWay =
    first.hostIp === next.hostIp &&
    first.container === next.container &&
    first.address === next.address &&
    first.proto === next.proto;
  if (!sameWay || next.port !== first.port + length) return false;
  return first.hostPort === undefined ? next.hostPort === undefined : next.hostPort === first.hostPort + length;
}

const bracket = (address: string): string => (address.includes(":") ? `[${address}]` : address);
const range = (first: number, length: number): string => (length === 1 ? `${first}` : `${first}-${first + length - 1}`);

/** "serves 80/tcp, 3000-3005/tcp": ports in a row are one. "" when there are none. */
export function servedText(serves: readonly string[]): string {
  const runs: { first: number; length: number; proto: string }[] = [];
  for (const text of serves) {
    const [port = "", proto = ""] = text.split("/");
    const open = runs.find((run) => run.proto === proto && run.first + run.length === Number(port));
    if (open) open.length++;
    else runs.push({ first: Number(port), length: 1, proto });
  }
  return runs.length === 0 ? "" : `serves ${runs.map((r) => `${range(r.first, r.length)}/${r.proto}`).join(", ")}`;
}

/** Containers that live in the network of another node. */
export function sharersOf(graph: Graph, node: GraphNode): GraphNode[] {
  return graph.nodes.filter((n) =>
    node.kind === "host" ? n.sandbox === "host" && n.status === "running" : n.sharedWith === node.name,
  );
}

/** "agent (prom/node-exporter), serves 9100/tcp" */
export function describeSharer(node: GraphNode): string {
  const served = servedText(node.serves);
  return `${node.name}${node.image ? ` (${node.image})` : ""}${served ? `, ${served}` : ""}`;
}

/** A container without a way to anywhere, and why: "lonely: no network", "old: exited". */
export function describeApart(node: GraphNode): string {
  if (node.status !== "running") return `${node.name}: ${node.status}`;
  if (node.sandbox === "shared") return `${node.name}: the network that it shared is gone`;
  if (node.links.length > 0)
    return `${node.name}: ${node.links.map((l) => `${linkLabel(l)} (${linkTrouble(l) || "in no bridge"})`).join(", ")}`;
  return `${node.name}: no network, only lo`;
}

/** Is its other end a port of a bridge, or is it a macvlan on a link of the picture? */
function isPlugged(graph: Graph, { peer, parent }: GraphLink): boolean {
  const far = graph.nodes.find((n) => n.name === (peer ?? parent)?.node);
  return (
    far?.links.some((l) => (peer ? l.name === peer.link && l.master !== undefined : l.name === parent?.link)) ?? false
  );
}

/** A macvlan with the node that it is in. */
export interface MacvlanEndpoint {
  readonly node: GraphNode;
  readonly link: GraphLink;
}

/** The macvlans on a link. */
export function macvlansOn(graph: Graph, node: GraphNode, parent: GraphLink): MacvlanEndpoint[] {
  return graph.nodes.flatMap((n) =>
    n.links
      .filter((l) => l.kind === "macvlan" && l.parent?.node === node.name && l.parent.link === parent.name)
      .map((link) => ({ node: n, link })),
  );
}

/** Links of a node that are no bridges, and on which macvlans or networks of such stand. */
export function parentsOf(graph: Graph, node: GraphNode): GraphLink[] {
  return node.links.filter(
    (l) =>
      l.kind !== "bridge" &&
      (macvlansOn(graph, node, l).length > 0 || (node.kind === "host" && networksOn(graph, l).length > 0)),
  );
}

/** Docker's networks on a link of the host: on a bridge one, on a parent of macvlans maybe several. */
export function networksOn({ networks }: Graph, { name }: GraphLink): GraphNetwork[] {
  return networks.filter((n) => (n.driver === "bridge" ? n.bridge : n.parent) === name);
}

/** "macvlan private"; of what is no network's only "macvlan". */
export function macvlanLabel({ networks }: Graph, { network }: GraphLink): string {
  const found = networks.find((n) => n.name === network);
  return found?.driver === "macvlan" ? `macvlan ${found.mode}` : "macvlan";
}

/** Containers that hang on no bridge, nor on another node or its links. */
export function apartOf(graph: Graph): GraphNode[] {
  return graph.nodes.filter(
    (n) =>
      n.kind === "container" &&
      !n.links.some((l) => isPlugged(graph, l)) &&
      !(n.status === "running" && n.sandbox === "host") &&
      n.sharedWith === undefined,
  );
}

/** "172.17.0.0/16, internal, icc off, MASQUERADE": what a network does with packets. */
export function networkTraits(graph: Graph, network: GraphNetwork): string[] {
  if (network.driver === "macvlan")
    return [network.subnet, ...(network.internal ? ["internal"] : []), `macvlan in mode ${network.mode}`];
  const nat = graph.nat.find((n) => n.network === network.name);
  return [
    network.subnet,
    ...(network.internal ? ["internal"] : []),
    ...(network.icc ? [] : ["icc off"]),
    ...(network.mode === "nat" ? [] : [network.mode]),
    ...(nat ? [nat.kind] : []),
  ];
}

/** What leads from the internet through the router: its forwards, then its 1:1 addresses. */
export function waysIn(graph: Graph): { readonly from: string; readonly both: boolean; readonly to: string }[] {
  return [
    ...graph.forwards.map((f) => ({
      from: `${f.address}:${f.port}/${f.proto}`,
      both: false,
      to: `${f.to}:${f.toPort}`,
    })),
    ...graph.statics.map((s) => ({ from: s.address, both: true, to: s.to })),
  ];
}

/** "203.0.113.91:8080/tcp → 192.168.0.10:8080", "203.0.113.92 ↔ 192.168.0.10" */
export const wayInText = ({ from, both, to }: ReturnType<typeof waysIn>[number]): string =>
  `${from} ${both ? "↔" : "→"} ${to}`;
