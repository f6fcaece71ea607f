/**
 * The host's bridges and the parents of its macvlans side by side, and under each the containers that hang on it first, in columns.
 * Every veth pair and macvlan is a wire of its own: down from its bridge or parent in the gutter left of the container's column; from
 * another one first along a lane between the host and the containers. Pure.
 */
import type { Graph, GraphLink, GraphNode } from "../../observe/graph.ts";
import { type Card, placeCard, type Sheet, type Wire } from "./svg-card.ts";
import { bridgeCard, containerCard, parentCard, portText } from "./svg-text.ts";
import { linkLabel, macvlanLabel, parentsOf } from "./words.ts";

/** Containers of a column, above each other. */
const ROWS = 6;
/** Pixels between two wires side by side, and between the last one and what follows. */
const LANE = 9;
const MARGIN = 14;
const GAP = 18;

/** A bridge or a parent, and the containers below it. */
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
  readonly card: Card;
  readonly plugs: readonly Plug[];
}

/** A veth pair between the host and a container, or a macvlan. */
interface Plug {
  /** Number of the block whose bridge or parent it hangs on. */
  readonly block: number;
  readonly kind: Wire["kind"];
  readonly link: GraphLink;
  /** "5: veth1a2b3c4@if2 on @host, 2: eth0@if5 in web" */
  readonly tip: string;
}

export function blocksOf(graph: Graph, host: GraphNode): Block[] {
  const bridges = host.links.filter((l) => l.kind === "bridge");
  const parents = parentsOf(graph, host);
  const anchors = [...bridges, ...parents];
  const otherEnd = (node: GraphNode, link: GraphLink): string | undefined => {
    const port = portOf(host, node, link);
    if (port) return portText(port);
    return link.parent?.node === host.name ? `${macvlanLabel(graph, link)} on ${link.parent.link}` : undefined;
  };
  const plugsOf = (node: GraphNode): Plug[] =>
    node.links.flatMap((link): Plug[] => {
      const port = portOf(host, node, link);
      const name = port ? port.master : link.parent?.node === host.name ? link.parent.link : undefined;
      const block = anchors.findIndex((a) => a.name === name);
      const anchor = anchors[block];
      if (!anchor) return [];
      const tip = `${linkLabel(port ?? anchor)} on ${host.name}, ${linkLabel(link)} in ${node.name}`;
      return [{ block, kind: port ? "veth" : "macvlan", link, tip }];
    });
  const containers = graph.nodes.filter((n) => n.kind === "container").map((node) => ({ node, plugs: plugsOf(node) }));
  return anchors.map((anchor, i) => {
    const slots = containers
      .filter(({ plugs }) => plugs[0]?.block === i)
      .map(({ node, plugs }): Slot => {
        const card = containerCard(graph, node, i, (link) => otherEnd(node, link));
        return { card, plugs };
      });
    const leaving = containers.flatMap((c) => c.plugs.filter((p) => p.block === i && c.plugs[0]?.block !== i));
    const card = parents.includes(anchor) ? parentCard(graph, anchor, i) : bridgeCard(graph, anchor, i);
    return blockOf(card, slots, leaving.length);
  });
}

const portOf = (host: GraphNode, node: GraphNode, link: GraphLink): GraphLink | undefined =>
  host.links.find((l) => l.peer?.node === node.name && l.peer.link === link.name);

/** @param leaving wires to containers that stand under others */
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
      for (const { card, plugs } of column.slots) {
        const placed = sheet.add(placeCard(card, cardLeft, cardTop, { width: column.width }));
        for (const { block: from, kind, link, tip } of plugs) {
          const at = placed.heightAt(link.name);
          const end = [[wire, at] as const, [cardLeft, at] as const];
          if (from === i) {
            sheet.wire({ kind, network: from, tip, points: [[wire, y + height], ...end] });
          } else {
            const number = exits[from] ?? 0;
            exits[from] = number + 1;
            const exit = (lefts[from] ?? x) + (blocks[from]?.width ?? 0) - MARGIN - LANE * number;
            const along = hostBottom + MARGIN + LANE * lane++;
            sheet.wire({
              kind,
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
