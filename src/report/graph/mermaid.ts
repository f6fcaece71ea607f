/**
 * A graph for Mermaid, which GitHub and GitLab draw in Markdown: a flowchart with a box for the host, one for each of its networks,
 * and an edge for each veth pair and each macvlan. Ids are ours, and what stands in a label is escaped character by character, so no name can end one.
 */
import type { Graph, GraphLink, GraphNetwork, GraphNode } from "../../observe/graph.ts";
import { cleanStrings } from "../clean.ts";
import {
  apartOf,
  describeApart,
  describeSharer,
  linkLabel,
  linkTrouble,
  type MacvlanEndpoint,
  macvlanLabel,
  macvlansOn,
  networksOn,
  networkTraits,
  parentsOf,
  publishedPorts,
  servedText,
  sharersOf,
  wayInText,
  waysIn,
} from "./words.ts";

export function renderGraphMermaid(dirty: Graph): string {
  const graph = cleanStrings(dirty);
  const ids = idsOf(graph);
  const lines = [
    "---",
    `title: ${JSON.stringify(`lab ${graph.lab}`)}`,
    "---",
    "flowchart TB",
    ...graph.nodes.filter((n) => n.kind !== "container" && n.kind !== "host").map((n) => `  ${machine(graph, n, ids)}`),
    ...graph.nodes.filter((n) => n.kind === "host").flatMap((n) => hostLines(graph, n, ids)),
    ...graph.networks.flatMap((n) => networkLines(graph, n, ids)),
    ...pluggedContainers(graph)
      .filter((n) => homeOf(n) === undefined)
      .map((n) => `  ${ids(n.name)}["${containerLabel(graph, n)}"]`),
    ...apartOf(graph).map((n) => `  ${ids(n.name)}["${label([describeApart(n)])}"]`),
    ...graph.pairs.map((pair) => `  ${pairEdge(graph, pair, ids)}`),
    ...graph.nodes.flatMap((node) =>
      parentsOf(graph, node).flatMap((parent) =>
        macvlansOn(graph, node, parent).map((macvlan) => `  ${macvlanEdge(graph, node, parent, macvlan, ids)}`),
      ),
    ),
    ...publishedPorts(graph.published).map(
      (p, i) => `  published${i} -. "${label([`to ${p.address}:${p.port}`])}" .-> ${ids(p.container)}`,
    ),
    "  classDef bridge stroke-width:3px",
    "  classDef published stroke-dasharray:4 3",
  ];
  return `${lines.join("\n")}\n`;
}

/** Id of a node, or of a bridge in one: words of a name could be words of Mermaid's ("end"). */
type Ids = (node: string, bridge?: string) => string;

function idsOf(graph: Graph): Ids {
  const numbers = new Map(graph.nodes.map((n, i) => [n.name, i]));
  return (node, bridge) => {
    const at = numbers.get(node) ?? numbers.size;
    const links = graph.nodes[at]?.links ?? [];
    return bridge === undefined ? `n${at}` : `n${at}b${links.findIndex((l) => l.name === bridge)}`;
  };
}

/** A machine of the world in one box, and a switch as its bridge. */
function machine(graph: Graph, node: GraphNode, ids: Ids): string {
  const ways = node.kind === "router" ? waysIn(graph) : [];
  const text = label([
    node.name,
    ...node.links.filter((l) => !l.master).map(linkText),
    ...(node.gateway ? [`default via ${node.gateway.via}`] : []),
    ...graph.nat.filter((n) => n.node === node.name).map((n) => `NAT ${n.rule}`),
    ...ways.map(wayInText),
  ]);
  const bridge = node.links.find((l) => l.kind === "bridge" && node.kind === "switch");
  return bridge ? `${ids(node.name, bridge.name)}[["${text}"]]:::bridge` : `${ids(node.name)}["${text}"]`;
}

function hostLines(graph: Graph, host: GraphNode, ids: Ids): string[] {
  const own = host.links.filter((l) => l.kind !== "bridge" && !l.master);
  const bridges = host.links.filter((l) => l.kind === "bridge");
  return [
    `  subgraph host["${label([host.name])}"]`,
    `    ${ids(host.name)}["${label([...own.map(linkText), ...(host.gateway ? [`default via ${host.gateway.via}`] : [])])}"]`,
    ...publishedPorts(graph.published).map(
      ({ from, port }, i) => `    published${i}(["${label(from.length > 0 ? from : [`routed ${port}`])}"]):::published`,
    ),
    ...bridges.map((b) => {
      const [network] = networksOn(graph, b);
      const text = [
        linkText(b),
        ...(network ? [`network ${network.name}`, networkTraits(graph, network).join(", ")] : []),
      ];
      return `    ${ids(host.name, b.name)}[["${label(text)}"]]:::bridge`;
    }),
    ...sharersOf(graph, host).map(
      (n) => `    ${ids(n.name)}["${label([describeSharer(n), "in the host's network"])}"]`,
    ),
    "  end",
    ...bridges
      .filter((b) => networksOn(graph, b).length > 0)
      .map((b) => `  ${ids(host.name)} --- ${ids(host.name, b.name)}`),
  ];
}

/** Those that an edge leads to. */
function pluggedContainers(graph: Graph): GraphNode[] {
  const apart = apartOf(graph);
  return graph.nodes.filter((n) => n.kind === "container" && n.links.length > 0 && !apart.includes(n));
}

/** The first network that a container is on. */
const homeOf = (node: GraphNode): string | undefined => node.links.find((l) => l.network !== undefined)?.network;

/** A network of macvlans has no bridge whose box could tell what it does. */
function networkLines(graph: Graph, network: GraphNetwork, ids: Ids): string[] {
  const members = pluggedContainers(graph).filter((n) => homeOf(n) === network.name);
  if (members.length === 0) return [];
  const traits = network.driver === "macvlan" ? [networkTraits(graph, network).join(", ")] : [];
  return [
    `  subgraph network${graph.networks.indexOf(network)}["${label([`network ${network.name}`, ...traits])}"]`,
    ...members.map((node) => `    ${ids(node.name)}["${containerLabel(graph, node)}"]`),
    "  end",
  ];
}

function containerLabel(graph: Graph, node: GraphNode): string {
  return label([
    node.name,
    ...(node.image ? [node.image] : []),
    ...node.links.map(linkText),
    ...(node.serves.length > 0 ? [servedText(node.serves)] : []),
    ...sharersOf(graph, node).map((n) => `shared with ${describeSharer(n)}`),
  ]);
}

/** Between a bridge and what is plugged into it, with the name of each end; a machine without a bridge is its own end. */
function pairEdge(graph: Graph, { ends }: Graph["pairs"][number], ids: Ids): string {
  const [a, b] = ends.map((end) => {
    const node = graph.nodes.find((n) => n.name === end.node);
    const link = node?.links.find((l) => l.name === end.link);
    const text = `${end.node} ${link ? linkLabel(link) : end.link}`;
    return { id: ids(end.node, link?.master), text };
  }) as [{ id: string; text: string }, { id: string; text: string }];
  return `${a.id} -- "${label([a.text, b.text])}" --- ${b.id}`;
}

/** From the machine that has the parent: nothing of its own stands between. */
function macvlanEdge(
  graph: Graph,
  node: GraphNode,
  parent: GraphLink,
  { node: far, link }: MacvlanEndpoint,
  ids: Ids,
): string {
  const text = [`${node.name} ${linkLabel(parent)}`, macvlanLabel(graph, link), `${far.name} ${linkLabel(link)}`];
  return `${ids(node.name)} -- "${label(text)}" --- ${ids(far.name)}`;
}

function linkText(link: GraphLink): string {
  const trouble = linkTrouble(link);
  return [linkLabel(link), ...link.addresses, ...(trouble ? [`(${trouble})`] : [])].join(" ");
}

/**
 * Lines of a label. Letters, digits and harmless marks stand as they are, all else as its number: quotes, brackets, backticks,
 * "#" and "&" mean something to Mermaid or to the HTML that it makes. Source: mermaid docs/syntax/flowchart.md, entity codes; and
 * packages/mermaid/src/utils.ts encodeEntities, which takes the last ";" from a line with "style" or "classDef", ":" and "#".
 */
const label = (lines: readonly string[]): string => lines.map(escapeLabel).join("<br/>");

const escapeLabel = (text: string): string =>
  text.replace(/[^\p{L}\p{M}\p{N} .,:/_→-]|s(?=tyle)|c(?=lassDef)/gu, (c) => `#${c.codePointAt(0)};`);
