/**
 * A graph for a terminal: the world's machines above each other, the host as a box whose bridges, and parents of macvlans, are rails
 * on the left, and every container as a box on the right at the end of its veth pair. Both ends show their indexes, as `ip link` does:
 *
 *     ┌──┴─ @host ───────────────────────────────────────────────────────────────┐
 *     │ 2: eth0@if5 192.168.0.10/24 default via 192.168.0.1                      │
 *  ──▶│ 0.0.0.0:8080 ─▶ web 172.17.0.2:80/tcp                                    │
 *     ├──────────────────────────────────┬───────────────────────────────────────┘
 *     │ ┬ 3: docker0 172.17.0.1/16       │
 *     │ │ network bridge                 │  ┌─ web ─────────────────────────────┐
 *     │ └─ 4: veth1a2b3c4@if2 ───────────┼──┤ 2: eth0@if4 172.17.0.2/16         │
 *     │                                  │  └───────────────────────────────────┘
 *     └──────────────────────────────────┘
 */
import type { Graph, GraphLink, GraphNode } from "../../observe/graph.ts";
import { cleanStrings } from "../clean.ts";
import { Pen, type PenOptions, rulePieces } from "../pen.ts";
import { plural } from "../summary.ts";
import { border, type Line, type Piece, paintLine, plain, row, wire, words, wrapWords } from "./text-box.ts";
import { type Rail, type RailPort, railLines, railsWidth } from "./text-rail.ts";
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
  waysIn,
} from "./words.ts";

/** Columns left of the boxes, for the arrows that lead into them. */
const MARGIN = 4;
const ARROW = " ──▶";

export function renderGraphText(dirty: Graph, options: PenOptions): string {
  const graph = cleanStrings(dirty);
  const pen = new Pen(options);
  const width = pen.width - MARGIN;
  const blocks = graph.nodes.filter((n) => n.kind !== "container" && n.kind !== "neighbour");
  const shown = new Set<string>();
  const lines = [
    ...titleLines(graph, pen),
    [],
    ...blocks.flatMap((node, i) =>
      indent(blockRows({ graph, node, width, up: i > 0, down: i < blocks.length - 1, shown })),
    ),
    ...apartLines(graph, width),
  ];
  return `${lines.map((line) => paintLine(line, pen, options.ascii ?? false)).join("\n")}\n`;
}

function titleLines(graph: Graph, pen: Pen): Line[] {
  const namespaces = graph.nodes.filter((n) => n.kind !== "container" || isNamespace(n)).length;
  const macvlans = graph.nodes.flatMap((n) =>
    n.links.filter((l) => l.kind === "macvlan" && l.drift !== "missing"),
  ).length;
  const counts = [
    plural(namespaces, "namespace"),
    plural(graph.networks.length, "network"),
    plural(graph.pairs.length, "veth pair"),
    ...(macvlans > 0 ? [plural(macvlans, "macvlan")] : []),
  ];
  const how = graph.measured ? "indexes as `ip link` shows them" : "as planned: the kernel gives indexes";
  return wrapWords([{ text: `lab ${graph.lab}:`, style: "bold" }, ...words(`${counts.join(", ")}; ${how}`)], pen.width);
}

const isNamespace = ({ status, sandbox }: GraphNode): boolean =>
  status === "running" && (sandbox === "own" || sandbox === "none");

// --- machines --------------------------------------------------------------------------------------------------------

interface NodeBlock {
  readonly graph: Graph;
  readonly node: GraphNode;
  /** Columns of the box, borders included. */
  readonly width: number;
  /** Does a wire come from the box above, go to the box below? */
  readonly up: boolean;
  readonly down: boolean;
  /** Nodes that have been drawn: their second link stands alone. */
  readonly shown: Set<string>;
}

/** A line of the page, and the arrow in its margin, if any. */
interface Row {
  readonly line: Line;
  readonly arrow?: Piece;
}

const bare = (line: Line): Row => ({ line });

/** The head as wide as the page, the bridges below it in a column of their own, what hangs on them beside. */
function blockRows(block: NodeBlock): Row[] {
  const { graph, node, width, up, down, shown } = block;
  const rails = [
    ...node.links.filter((l) => l.kind === "bridge").map((bridge) => bridgeRail(block, bridge)),
    ...parentsOf(graph, node).map((parent) => parentRail(block, parent)),
  ];
  const head = headRows(block);
  const column = rails.length > 0 ? railsWidth(rails, width) : width;
  const title: Piece = { text: node.name, style: "bold" };
  const below = rails.flatMap((rail, i) => [
    ...(i > 0 ? [row([], column)] : []),
    ...railLines(rail, column, width, shown),
  ]);
  return [
    bare(border(head.length > 0 ? width : column, ["┌", "┐"], title, up ? "┴" : "")),
    ...head,
    ...(head.length > 0 && rails.length > 0 ? [bare(separator(column, width))] : []),
    ...below.map(bare),
    bare(border(column, ["└", "┘"], undefined, down ? "┬" : "")),
  ];
}

const separator = (column: number, width: number): Line => [
  wire(`├${"─".repeat(column - 2)}┬${"─".repeat(Math.max(0, width - column - 1))}┘`),
];

const indent = (rows: readonly Row[]): Line[] =>
  rows.map(({ line, arrow }) => [arrow ?? plain(" ".repeat(MARGIN)), ...line]);

function headRows({ graph, node, width }: NodeBlock): Row[] {
  const text = (pieces: readonly Piece[]): Row[] =>
    wrapWords(pieces, width - 4).map((line) => ({ line: row(line, width) }));
  const arrow = (pieces: readonly Piece[]): Row[] =>
    text(pieces).map((r, i) => (i === 0 ? { ...r, arrow: { text: ARROW, style: "green" } } : r));
  const onRails = new Set(node.links.flatMap((l) => (l.kind === "bridge" ? [l.name] : [])));
  const own = node.links.filter((l) => !onRails.has(l.name) && !(l.master && onRails.has(l.master)));
  return [
    ...own.flatMap((link) => text([...linkPieces(link), ...gatewayPieces(node, link)])),
    ...(node.kind === "internet" && node.serves.length > 0 ? text(words(servedText(node.serves))) : []),
    ...graph.nat
      .filter((n) => n.node === node.name && n.network === undefined)
      .flatMap((n) => text([{ text: "NAT", style: "yellow" }, ...rulePieces(n.rule).map(plain)])),
    ...(node.kind === "router" ? forwardRows(graph, arrow) : []),
    ...(node.kind === "host" ? publishedRows(graph, arrow) : []),
    ...sharersOf(graph, node).flatMap((n) => text([...words("in the host's network:"), ...sharerPieces(n)])),
  ];
}

function forwardRows(graph: Graph, arrow: (pieces: readonly Piece[]) => Row[]): Row[] {
  return waysIn(graph).flatMap(({ from, both, to }) => arrow([plain(from), wire(both ? "◀─▶" : "─▶"), plain(to)]));
}

function publishedRows(graph: Graph, arrow: (pieces: readonly Piece[]) => Row[]): Row[] {
  return publishedPorts(graph.published).flatMap(({ from, container, address, port }) =>
    arrow([
      ...(from.length > 0 ? words(from.join(", ")) : words("routed, no port of the host")),
      wire("─▶"),
      { text: container, style: "bold" },
      plain(`${address}:${port}`),
    ]),
  );
}

function linkPieces(link: GraphLink): Piece[] {
  const trouble = linkTrouble(link);
  return [plain(linkLabel(link)), ...link.addresses.map(plain), ...(trouble ? words(`(${trouble})`, "red") : [])];
}

const gatewayPieces = ({ gateway }: GraphNode, link: GraphLink): Piece[] =>
  gateway?.link === link.name ? words(`default via ${gateway.via}`, "dim") : [];

function sharerPieces(node: GraphNode): Piece[] {
  const [, ...rest] = describeSharer(node).split(node.name);
  return [{ text: node.name, style: "bold" }, ...words(rest.join(node.name).trimStart())];
}

// --- bridges and parents ---------------------------------------------------------------------------------------------------------

/** A bridge and what is plugged into it: boxes last, so that wires to other machines cross none. */
function bridgeRail({ graph, node }: NodeBlock, bridge: GraphLink): Rail {
  const ports = node.links
    .filter((l) => l.master === bridge.name)
    .map((link) => {
      const far = graph.nodes.find((n) => n.name === link.peer?.node);
      const isBoxed = far?.kind === "container" || far?.kind === "neighbour";
      const end = far?.links.find((l) => l.name === link.peer?.link);
      const there = [...(far && !isBoxed ? [plain(far.name)] : []), ...(end ? linkPieces(end) : [])];
      return {
        label: linkLabel(link),
        trouble: linkTrouble(link),
        there,
        ...(far && end && isBoxed ? { box: { node: far, link: end, details: detailsOf(graph, far, end) } } : {}),
      };
    });
  return {
    title: linkPieces(bridge),
    info: networkPieces(graph, node, bridge),
    ports: [...ports.filter((p) => !p.box), ...ports.filter((p) => p.box)],
  };
}

/** What stands on a link: its addresses stand in the head of the box. */
function parentRail({ graph, node }: NodeBlock, parent: GraphLink): Rail {
  const info = networkPieces(graph, node, parent);
  const port = ({ node: far, link }: MacvlanEndpoint): RailPort => {
    const isBoxed = far.kind === "container" || far.kind === "neighbour";
    // by its address alone nobody sees which of several it is on
    const network = link.network !== undefined && info.length > 1 ? words(`network ${link.network}`, "dim") : [];
    const there = [...(isBoxed ? [] : [plain(far.name)]), ...linkPieces(link), ...network];
    const box = isBoxed ? { box: { node: far, link, details: detailsOf(graph, far, link) } } : {};
    return { label: macvlanLabel(graph, link), trouble: "", there, ...box };
  };
  const ports = macvlansOn(graph, node, parent).map(port);
  return {
    title: [...words("macvlans on"), plain(linkLabel(parent))],
    info,
    ports: [...ports.filter((p) => !p.box), ...ports.filter((p) => p.box)],
  };
}

function networkPieces(graph: Graph, node: GraphNode, link: GraphLink): Piece[][] {
  if (node.kind !== "host") return [];
  return networksOn(graph, link).map((n) => [
    ...words("network"),
    { text: n.name, style: "cyan" },
    ...words(networkTraits(graph, n).join(", ")),
  ]);
}

/** @param drawn the link whose row the wire meets */
function detailsOf(graph: Graph, node: GraphNode, drawn: GraphLink): Piece[][] {
  const others = node.links.filter((l) => l !== drawn && (l.peer ?? l.parent)?.node !== "@host");
  const published = publishedPorts(graph.published.filter((p) => p.container === node.name));
  return [
    ...gatewayRows(node),
    ...aboutRows(node),
    ...published.map(({ from, port }) => [
      ...words(from.length > 0 ? `published ${from.join(", ")}` : "routed"),
      plain(`─▶ ${port}`),
    ]),
    ...others.map(linkPieces),
    ...sharersOf(graph, node).map((n) => [...words("shared with"), ...sharerPieces(n)]),
  ];
}

/** Which of several links is the way out; of one on a bridge it would say what the bridge's address says already. */
function gatewayRows({ gateway, links, kind }: GraphNode): Piece[][] {
  if (!gateway) return kind === "container" ? [words("no default route", "dim")] : [];
  return links.length > 1 || links.some((l) => l.parent)
    ? [words(`default via ${gateway.via} ${gateway.link}`, "dim")]
    : [];
}

function aboutRows({ image, serves }: GraphNode): Piece[][] {
  const about = [...(image ? words(image, "dim") : []), ...(serves.length > 0 ? words(servedText(serves)) : [])];
  return about.length > 0 ? [about] : [];
}

function apartLines(graph: Graph, width: number): Line[] {
  const apart = apartOf(graph);
  if (apart.length === 0) return [];
  return [[], ...apart.flatMap((node) => indent(wrapWords(words(describeApart(node)), width).map(bare)))];
}
