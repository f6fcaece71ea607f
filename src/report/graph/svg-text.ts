/** What stands in the cards of a picture. Pure. */
import type { Graph, GraphLink, GraphNode } from "../../observe/graph.ts";
import { type Card, type CardLine, cardOf, type TextKind } from "./svg-card.ts";
import {
  describeApart,
  describeSharer,
  linkLabel,
  linkTrouble,
  networksOn,
  networkTraits,
  publishedPorts,
  servedText,
  sharersOf,
  wayInText,
  waysIn,
} from "./words.ts";

const line = (kind: TextKind, text: string, key?: string): CardLine => ({ kind, text, ...(key ? { key } : {}) });

/** A machine of the world; of the host only what is no bridge. */
export function machineLines(graph: Graph, node: GraphNode): CardLine[] {
  const bridges = new Set(node.links.filter((l) => l.kind === "bridge").map((l) => l.name));
  const own = node.links.filter((l) => !bridges.has(l.name) && !(l.master && bridges.has(l.master)));
  const ways = node.kind === "router" ? waysIn(graph) : [];
  return [
    line("name", node.name),
    ...own.flatMap((link) => linkLines(node, link)),
    ...(node.serves.length > 0 ? [line("dim", servedText(node.serves))] : []),
    ...graph.nat
      .filter((n) => n.node === node.name && n.network === undefined)
      .map((n) => line("dim", `NAT ${n.rule}`)),
    ...ways.map((way, i) => line("good", wayInText(way), `way in ${i}`)),
  ];
}

export function switchLines(node: GraphNode): CardLine[] {
  const ports = node.links.filter((l) => l.kind !== "bridge");
  return [
    line("name", node.name),
    ...node.links.filter((l) => l.kind === "bridge").map((l) => line("plain", linkLabel(l))),
    ...(ports.length > 0 ? [line("dim", `ports  ${ports.map(withTrouble).join("   ")}`)] : []),
  ];
}

export function bridgeCard(graph: Graph, bridge: GraphLink, colour: number): Card {
  const [network] = networksOn(graph, bridge);
  return cardOf(
    "bridge",
    [
      line("name", network ? network.name : bridge.name),
      line("plain", [withTrouble(bridge), ...bridge.addresses].join("  ")),
      ...(network ? [line("dim", networkTraits(graph, network).join(", "))] : []),
    ],
    colour,
  );
}

/** A link of the host on which macvlans stand; its addresses are the host's, and stand there. */
export function parentCard(graph: Graph, parent: GraphLink, colour: number): Card {
  const networks = networksOn(graph, parent);
  return cardOf(
    "parent",
    [
      line("name", parent.name),
      line("dim", "parent of macvlans"),
      ...networks.map((n) => line("dim", `${n.name}: ${networkTraits(graph, n).join(", ")}`)),
    ],
    colour,
  );
}

/** "veth1a2b3c4@if2 on br-0123456789ab" */
export const portText = (port: GraphLink): string => `${withTrouble(port)}${port.master ? ` on ${port.master}` : ""}`;

/** @param otherEnd of a link: what of the host it hangs on, in words */
export function containerCard(
  graph: Graph,
  node: GraphNode,
  colour: number,
  otherEnd: (link: GraphLink) => string | undefined,
): Card {
  const published = publishedPorts(graph.published.filter((p) => p.container === node.name));
  return cardOf(
    "container",
    [
      line("name", node.name),
      ...(node.image ? [line("dim", node.image)] : []),
      ...node.links.flatMap((link) => {
        const far = otherEnd(link);
        return [...linkLines(node, link), ...(far ? [line("dim", `⇄ ${far}`)] : [])];
      }),
      ...(node.gateway || node.links.length === 0 ? [] : [line("dim", "no default route")]),
      ...(node.serves.length > 0 ? [line("dim", servedText(node.serves))] : []),
      ...published.map(({ from, port }) =>
        line("good", from.length > 0 ? `${from.join(", ")} → ${port}` : `routed → ${port}`),
      ),
      ...sharersOf(graph, node).map((n) => line("dim", `shared with ${describeSharer(n)}`)),
    ],
    colour,
  );
}

function linkLines(node: GraphNode, link: GraphLink): CardLine[] {
  const kind = linkTrouble(link) ? "bad" : "plain";
  return [
    line(kind, [withTrouble(link), ...link.addresses].join("  "), link.name),
    ...(node.gateway?.link === link.name ? [line("dim", `default via ${node.gateway.via}`)] : []),
  ];
}

function withTrouble(link: GraphLink): string {
  const trouble = linkTrouble(link);
  return trouble ? `${linkLabel(link)} (${trouble})` : linkLabel(link);
}

/** One per arrow into the host. */
export const publishedCards = (graph: Graph): Card[] =>
  publishedPorts(graph.published).map(({ from, container, address, port }) =>
    cardOf("published", [
      line("good", `${from.length > 0 ? from.join(", ") : "routed"} → ${container} ${address}:${port}`),
    ]),
  );

/** A container in the host's own network. */
export const hostModeCard = (node: GraphNode): Card =>
  cardOf("container", [
    line("name", node.name),
    ...(node.image ? [line("dim", node.image)] : []),
    line("dim", "in the host's network"),
    ...(node.serves.length > 0 ? [line("dim", servedText(node.serves))] : []),
  ]);

export const apartCard = (node: GraphNode): Card => cardOf("apart", [line("dim", describeApart(node))]);
