/**
 * Where everything of a picture stands: the internet on top, router and neighbour above the LAN, below it the host with its published
 * ports and its bridges, under these the containers, and last what hangs on nothing. No box covers another but the host's, which holds
 * what is in it; wires cross no box but the host's. Pure.
 */
import type { Graph, GraphNode } from "../../observe/graph.ts";
import { type Card, cardOf, type Drawing, PAD, type Placed, placeCard, Sheet } from "./svg-card.ts";
import { type Block, blocksHeight, blocksOf, blocksWidth, placeBlocks } from "./svg-columns.ts";
import { apartCard, hostModeCard, machineLines, publishedCards, switchLines } from "./svg-text.ts";
import { apartOf, linkLabel, sharersOf, waysIn } from "./words.ts";

/** Pixels around the page; between rows; between cards; length of an arrow. */
export const EDGE = 44;
const ROW = 34;
const GAP = 14;
const ARROW = 28;
/** Above the first row: the page's title. */
const TITLE = 24;

export function layOut(graph: Graph): Drawing {
  const sheet = new Sheet();
  const node = (kind: GraphNode["kind"]): GraphNode | undefined => graph.nodes.find((n) => n.kind === kind);
  const host = node("host");
  const parts = host && hostParts(graph, host);
  const world = {
    internet: cardOf("machine", machineLines(graph, node("internet") ?? NOBODY)),
    router: cardOf("machine", machineLines(graph, node("router") ?? NOBODY)),
    neighbour: optionalCard(graph, node("neighbour")),
    lan: cardOf("machine", switchLines(node("switch") ?? NOBODY)),
  };
  const column = Math.max(world.internet.width, world.router.width);
  const width = Math.max(
    column + (world.neighbour ? GAP + world.neighbour.width : 0),
    world.lan.width,
    parts?.width ?? 0,
  );
  let y = EDGE + TITLE;
  const internet = sheet.add(placeCard(world.internet, EDGE, y, { width: column }));
  y += world.internet.height + ROW;
  const tallest = Math.max(world.router.height, world.neighbour?.height ?? 0);
  const router = sheet.add(placeCard(world.router, EDGE, y + tallest - world.router.height, { width: column }));
  const neighbour =
    world.neighbour && sheet.add(placeCard(world.neighbour, EDGE + column + GAP, y + tallest - world.neighbour.height));
  y += tallest + ROW;
  const lan = sheet.add(placeCard(world.lan, EDGE, y, { width }));
  y += world.lan.height + ROW;
  drop(graph, sheet, internet, router);
  drop(graph, sheet, router, lan);
  if (neighbour) drop(graph, sheet, neighbour, lan);
  waysIn(graph).forEach((_, i) => {
    arrow(sheet, EDGE, router.heightAt(`way in ${i}`));
  });
  if (parts) y = placeHost(graph, parts, { y, width, wireAt: middle(router) }, lan, sheet);
  placeApart(apartOf(graph).map(apartCard), y, width, sheet);
  return sheet.drawing(EDGE);
}

/** A graph always has the world's machines; a picture of less is empty, not wrong. */
const NOBODY: GraphNode = { name: "", kind: "switch", links: [], serves: [] };

const optionalCard = (graph: Graph, node: GraphNode | undefined): Card | undefined =>
  node && cardOf("machine", machineLines(graph, node));

const middle = ({ box }: Placed): number => box.x + Math.round(box.width / 2);

/** The wire straight down from a machine to what is below it. */
function drop(graph: Graph, sheet: Sheet, from: Placed, to: Placed, x = middle(from)): void {
  const names = [from, to].map((p) => p.texts[0]?.text ?? "");
  const pair = graph.pairs.find((p) => p.ends.every((end) => names.includes(end.node)));
  const ends = pair?.ends.map((end) => {
    const link = graph.nodes.find((n) => n.name === end.node)?.links.find((l) => l.name === end.link);
    return `${link ? linkLabel(link) : end.link} in ${end.node}`;
  });
  if (!ends) return;
  const points = [[x, from.box.y + from.box.height] as const, [x, to.box.y] as const];
  sheet.wire({ kind: "veth", points, tip: ends.join(", ") });
}

/** From outside into a box that begins at `x`. */
const arrow = (sheet: Sheet, x: number, y: number, from = x - ARROW): void =>
  sheet.wire({ kind: "arrow", points: [[from, y] as const, [x, y] as const] });

// --- the host --------------------------------------------------------------------------------------------------------

interface HostParts {
  readonly card: Card;
  readonly published: readonly Card[];
  readonly hostCards: readonly Card[];
  readonly blocks: readonly Block[];
  /** With its borders. */
  readonly width: number;
}

function hostParts(graph: Graph, host: GraphNode): HostParts {
  const card = cardOf("host", machineLines(graph, host));
  const published = publishedCards(graph);
  const hostCards = sharersOf(graph, host).map(hostModeCard);
  const blocks = blocksOf(graph, host);
  const widest = (cards: readonly Card[]): number => Math.max(0, ...cards.map((c) => c.width));
  const beside = widest(published) + (published.length > 0 ? GAP : 0) + widest(hostCards);
  return {
    card,
    published,
    hostCards,
    blocks,
    width: Math.max(card.width, 2 * PAD + beside, 2 * PAD + blocksWidth(blocks)),
  };
}

/** @returns the lower end of all that was placed */
function placeHost(
  graph: Graph,
  { card, published, hostCards, blocks }: HostParts,
  { y, width, wireAt }: { readonly y: number; readonly width: number; readonly wireAt: number },
  lan: Placed,
  sheet: Sheet,
): number {
  const left = EDGE + PAD;
  const top = y + card.height;
  const pillWidth = Math.max(0, ...published.map((c) => c.width));
  const pills = stack(published, top);
  const flowLeft = left + (published.length > 0 ? pillWidth + GAP : 0);
  const beside = flow(hostCards, { left: flowLeft, top, right: EDGE + width - PAD });
  const bridgesTop = Math.max(pills.bottom, beside.bottom, top);
  const hostBottom = bridgesTop + blocksHeight(blocks) + PAD;
  const host = sheet.add(placeCard(card, EDGE, y, { width, height: hostBottom - y }));
  drop(graph, sheet, lan, host, wireAt);
  published.forEach((pill, i) => {
    const placed = sheet.add(placeCard(pill, left, pills.tops[i] ?? top, { width: pillWidth }));
    arrow(sheet, left, placed.heightAt(""), EDGE - ARROW);
  });
  hostCards.forEach((hostCard, i) => {
    const [x, at] = beside.places[i] ?? [flowLeft, top];
    sheet.add(placeCard(hostCard, x, at));
  });
  placeBlocks(blocks, { x: left, y: bridgesTop, hostBottom }, sheet);
  return sheet.drawing(0).height;
}

/** Cards above each other. */
function stack(cards: readonly Card[], top: number): { readonly tops: readonly number[]; readonly bottom: number } {
  const tops: number[] = [];
  let y = top;
  for (const card of cards) {
    tops.push(y);
    y += card.height + GAP / 2;
  }
  return { tops, bottom: cards.length > 0 ? y + GAP / 2 : top };
}

interface Flow {
  readonly places: readonly (readonly [x: number, y: number])[];
  readonly bottom: number;
}

/** Cards side by side, in as many rows as they need. */
function flow(
  cards: readonly Card[],
  { left, top, right }: { readonly left: number; readonly top: number; readonly right: number },
): Flow {
  const places: [number, number][] = [];
  let [x, y, rowHeight] = [left, top, 0];
  for (const card of cards) {
    if (x > left && x + card.width > right) {
      x = left;
      y += rowHeight + GAP;
      rowHeight = 0;
    }
    places.push([x, y]);
    x += card.width + GAP;
    rowHeight = Math.max(rowHeight, card.height);
  }
  return { places, bottom: cards.length > 0 ? y + rowHeight + GAP : top };
}

function placeApart(cards: readonly Card[], y: number, width: number, sheet: Sheet): void {
  const { places } = flow(cards, { left: EDGE, top: y + ROW, right: EDGE + width });
  cards.forEach((card, i) => {
    const [x, at] = places[i] ?? [EDGE, y];
    sheet.add(placeCard(card, x, at));
  });
}
