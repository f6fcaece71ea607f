/**
 * The host's bridges side by side, and under each the containers that it is the first network of, in columns. Every veth pair is a
 * wire of its own: down from its bridge in the gutter left of the container's column; from another bridge first along a lane between
 * the host and the containers. Pure.
 */
import type { Graph, GraphLink, GraphNode } from "../../observe/graph.ts";
import { type Card, placeCard, type Sheet } from "./svg-card.ts";
import { bridgeCard, containerCard } from "./svg-text.ts";
import { linkLabel } from "./words.ts";

/** Containers of a column, above each other. */
const ROWS = 6;
/** Pixels between two wires side by side, and between the last one and what follows. */
const LANE = 9;
const MARGIN = 14;
const GAP = 18;

/** A bridge and the containers below it. */
export interface Block {
  readonly card: Card;
  readonly columns: readonly Column[];
  readonly width: number;
}

interface Column {
  readonly slots: readonly Slot[];
  /** Of the widest card. */
  readonly width: number;
  /** Left of the cards: room for a wire to each link. */
  readonly gutter: number;
}

interface Slot {
  readonly node: GraphNode;
  readonly card: Card;
  readonly plugs: readonly Plug[];
}

/** A veth pair between the host and a container. */
interface Plug {
  /** Number of the block whose bridge it is a port of. */
  readonly block: number;
  readonly port: GraphLink;
  readonly link: GraphLink;
}

export function blocksOf(graph: Graph, host: GraphNode): Block[] {
  const bridges = host.links.filter((l) => l.kind === "bridge");
  const plugsOf = (node: GraphNode): Plug[] =>
    node.links.flatMap((link) => {
      const port = portOf(host, node, link);
      const block = bridges.findIndex((b) => b.name === port?.master);
      return port && block >= 0 ? [{ block, port, link }] : [];
    });
  const containers = graph.nodes.filter((n) => n.kind === "container").map((node) => ({ node, plugs: plugsOf(node) }));
  return bridges.map((bridge, i) => {
    const slots = containers
      .filter(({ plugs }) => plugs[0]?.block === i)
      .map(({ node, plugs }): Slot => {
        const card = containerCard(graph, node, i, (link) => portOf(host, node, link));
        return { node, card, plugs };
      });
    const leaving = containers.flatMap((c) => c.plugs.filter((p) => p.block === i && c.plugs[0]?.block !== i));
    return blockOf(bridgeCard(graph, bridge, i), slots, leaving.length);
  });
}

const portOf = (host: GraphNode, node: GraphNode, link: GraphLink): GraphLink | undefined =>
  host.links.find((l) => l.peer?.node === node.name && l.peer.link === link.name);

/** @param leaving wires to containers that stand under other bridges */
function blockOf(card: Card, slots: readonly Slot[], leaving: number): Block {
  const count = Math.ceil(slots.length / ROWS);
  const rows = Math.ceil(slots.length / Math.max(1, count));
  const columns = Array.from({ length: count }, (_, i): Column => {
    const own = slots.slice(i * rows, (i + 1) * rows);
    const wires = own.flatMap((s) => s.plugs).length;
    return { slots: own, width: Math.max(...own.map((s) => s.card.width)), gutter: MARGIN + LANE * wires };
  });
  const below = columns.reduce((sum, c) => sum + c.gutter + c.width, GAP * Math.max(0, count - 1));
  const exits = leaving > 0 ? MARGIN + LANE * leaving : 0;
  return { card, columns, width: Math.max(card.width, below + exits) };
}

/** Of all blocks side by side. */
export const blocksWidth = (blocks: readonly Block[]): number =>
  blocks.reduce((sum, b) => sum + b.width, GAP * Math.max(0, blocks.length - 1));

export const blocksHeight = (blocks: readonly Block[]): number => Math.max(0, ...blocks.map((b) => b.card.height));

/** @param x left end of the first block; @param y upper end of the bridges; @param hostBottom lower end of the host's box */
export function placeBlocks(
  blocks: readonly Block[],
  { x, y, hostBottom }: { readonly x: number; readonly y: number; readonly hostBottom: number },
  sheet: Sheet,
): void {
  const height = blocksHeight(blocks);
  const lefts = blocks.map((_, i) => x + blocksWidth(blocks.slice(0, i)) + (i > 0 ? GAP : 0));
  const exits = blocks.map(() => 0);
  const crossing = blocks.flatMap((b, i) => b.columns.flatMap((c) => c.slots.flatMap((s) => foreign(s, i)))).length;
  const top = hostBottom + 2 * MARGIN + LANE * crossing;
  let lane = 0;
  blocks.forEach((block, i) => {
    sheet.add(placeCard(block.card, lefts[i] ?? x, y, { width: block.width, height }));
  });
  blocks.forEach((block, i) => {
    let left = lefts[i] ?? x;
    for (const column of block.columns) {
      const cardLeft = left + column.gutter;
      let wire = cardLeft - MARGIN;
      let cardTop = top;
      for (const { node, card, plugs } of column.slots) {
        const placed = sheet.add(placeCard(card, cardLeft, cardTop, { width: column.width }));
        for (const { block: from, port, link } of plugs) {
          const at = placed.heightAt(link.name);
          const end = [[wire, at] as const, [cardLeft, at] as const];
          const tip = `${linkLabel(port)} on @host, ${linkLabel(link)} in ${node.name}`;
          if (from === i) {
            sheet.wire({ kind: "veth", network: from, tip, points: [[wire, y + height], ...end] });
          } else {
            const number = exits[from] ?? 0;
            exits[from] = number + 1;
            const exit = (lefts[from] ?? x) + (blocks[from]?.width ?? 0) - MARGIN - LANE * number;
            const along = hostBottom + MARGIN + LANE * lane++;
            sheet.wire({
              kind: "veth",
              network: from,
              tip,
              points: [[exit, y + height], [exit, along], [wire, along], ...end],
            });
          }
          wire -= LANE;
        }
        cardTop += placed.box.height + GAP;
      }
      left = cardLeft + column.width + GAP;
    }
  });
}

const foreign = ({ plugs }: Slot, block: number): Plug[] => plugs.filter((p) => p.block !== block);
