/** A graph as one SVG file: no script, no outside font or picture, light or dark as the reader's system is. Where things stand: svg-layout.ts. */
import type { Graph } from "../../observe/graph.ts";
import { cleanStrings } from "../clean.ts";
import { plural } from "../summary.ts";
import { type Box, FONT_PX, type TextLine, type Wire } from "./svg-card.ts";
import { EDGE, layOut } from "./svg-layout.ts";

/** One per network, in turn; of equal weight on a light and on a dark page. */
const COLOURS = ["#2f7ed8", "#c2570c", "#1f9d63", "#a44bc8", "#c8366b", "#8a7a13"] as const;

interface Palette {
  readonly page: string;
  readonly card: string;
  readonly host: string;
  readonly line: string;
  readonly text: string;
  readonly dim: string;
  readonly good: string;
  readonly bad: string;
}

const LIGHT: Palette = {
  page: "#ffffff",
  card: "#f6f7f9",
  host: "#fcfdff",
  line: "#8b95a5",
  text: "#1c2430",
  dim: "#5c6675",
  good: "#0b7a45",
  bad: "#b42318",
};
const DARK: Palette = {
  page: "#12161c",
  card: "#1e252f",
  host: "#171c23",
  line: "#6b7686",
  text: "#e6eaf0",
  dim: "#9aa5b4",
  good: "#4cc38a",
  bad: "#ff7b72",
};

/** Rules, not variables: what makes pictures of SVG outside of browsers (librsvg, Inkscape) knows no var(). */
const coloursOf = (p: Palette): string => `.page { fill: ${p.page}; }
.box { fill: ${p.card}; stroke: ${p.line}; }
.host { fill: ${p.host}; stroke: ${p.text}; }
.published { stroke: ${p.good}; }
.wire { stroke: ${p.line}; }
.arrow { stroke: ${p.good}; }
.head { fill: ${p.good}; }
text { fill: ${p.text}; }
.dim { fill: ${p.dim}; }
.good { fill: ${p.good}; }
.bad { fill: ${p.bad}; }
${COLOURS.map((colour, i) => `.net${i} { stroke: ${colour}; }`).join("\n")}`;

const STYLE = `${coloursOf(LIGHT)}
.host { stroke-width: 1.5px; }
.bridge { stroke-width: 2.5px; }
.apart { stroke-dasharray: 4 3; }
.wire { fill: none; stroke-width: 1.5px; stroke-linejoin: round; }
.arrow { stroke-width: 2px; }
text { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; }
${Object.entries(FONT_PX)
  .map(([kind, px]) => `.${kind} { font-size: ${px}px; }`)
  .join("\n")}
.name, .title { font-weight: 700; }
.title { font-size: 17px; }
@media (prefers-color-scheme: dark) {
${coloursOf(DARK)}
}`;

export function renderGraphSvg(dirty: Graph): string {
  const graph = cleanStrings(dirty);
  const { width, height, boxes, texts, wires } = layOut(graph);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" xml:space="preserve" role="img" aria-labelledby="docknet-title docknet-desc">`,
    `<title id="docknet-title">${escapeXml(`Network of lab ${graph.lab}`)}</title>`,
    `<desc id="docknet-desc">${escapeXml(description(graph))}</desc>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<text class="title" x="${EDGE}" y="${EDGE}">${escapeXml(`lab ${graph.lab}`)}</text>`,
    ...boxes.map(boxElement),
    ...wires.map(wireElement),
    ...texts.map(textElement),
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

function description(graph: Graph): string {
  const containers = graph.nodes.filter((n) => n.kind === "container");
  const counts = [plural(containers.length, "container"), plural(graph.networks.length, "network")];
  const networks = graph.networks.map((network) => {
    const members = containers.filter((c) => c.links.some((l) => l.network === network.name)).map((c) => c.name);
    const place = network.driver === "bridge" ? network.bridge : `macvlan on ${network.parent}`;
    return `Network ${network.name} (${place}, ${network.subnet}): ${members.join(", ") || "no containers"}.`;
  });
  return [`${counts.join(", ")}, ${plural(graph.pairs.length, "veth pair")}.`, ...networks].join(" ");
}

const colourOf = (network: number | undefined): string =>
  network === undefined ? "" : ` net${network % COLOURS.length}`;

function boxElement({ kind, x, y, width, height, network, tip }: Box): string {
  const radius = kind === "published" ? 10 : 6;
  const title = tip ? `<title>${escapeXml(tip)}</title>` : "";
  return `<rect class="box ${kind}${colourOf(network)}" x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}">${title}</rect>`;
}

/** An arrow has its head at its last point; a wire a socket at each end. */
function wireElement({ kind, points, network, tip }: Wire): string {
  const title = tip ? `<title>${escapeXml(tip)}</title>` : "";
  const line = `<polyline class="wire ${kind}${colourOf(network)}" points="${points.map((p) => p.join(",")).join(" ")}">${title}</polyline>`;
  const [x, y] = points.at(-1) ?? [0, 0];
  return kind === "arrow" ? `${line}<path class="head" d="M${x},${y} l-9,-4.5 v9 z"/>` : line;
}

/** The reader's font may lack a letter, and take it from one with other widths: then the line states its width. */
function textElement({ kind, x, y, text, width }: TextLine): string {
  const forced = PLAIN.test(text) ? "" : ` textLength="${width}" lengthAdjust="spacingAndGlyphs"`;
  return `<text class="${kind}" x="${x}" y="${y}"${forced}>${escapeXml(text)}</text>`;
}

/** Every monospaced font has these. */
const PLAIN = /^[\u0020-\u007e]*$/;

const XML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** For text and for attributes. Control characters, which XML cannot hold, are gone already. */
const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (c) => XML[c] ?? c).replace(/[\ufffe\uffff]/g, "");
