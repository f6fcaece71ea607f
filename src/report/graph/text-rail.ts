/** One bridge, or one parent of macvlans, as a rail with its ports, and beside it the boxes of what hangs there: every veth pair and macvlan is one line across. Pure. */
import type { GraphLink, GraphNode } from "../../observe/graph.ts";
import { border, type Line, type Piece, padLine, plain, row, titleRows, widthOf, wire, wrapWords } from "./text-box.ts";

export interface Rail {
  readonly title: readonly Piece[];
  /** A paragraph for each network. */
  readonly info: readonly (readonly Piece[])[];
  readonly ports: readonly RailPort[];
}

export interface RailPort {
  readonly label: string;
  /** What is wrong with the port; "" when nothing is. */
  readonly trouble: string;
  /** The link at the other end, or the macvlan. */
  readonly there: readonly Piece[];
  readonly box?: {
    readonly node: GraphNode;
    readonly link: GraphLink;
    readonly details: readonly (readonly Piece[])[];
  };
}

/** Columns between the column of bridges and the boxes. */
const GAP = 2;
const BRIDGES_MIN = 34;
const BOXES_MIN = 24;

/** Columns of the box that holds the rails: room for every port, and for boxes beside it. */
export function railsWidth(rails: readonly Rail[], width: number): number {
  const widest = Math.max(0, ...rails.flatMap((r) => r.ports.map((p) => [...portText(p)].length)));
  const needed = widest + "│ ├─  ─┼".length;
  return Math.max(needed, Math.min(BRIDGES_MIN, width - GAP - BOXES_MIN));
}

const portText = ({ label, trouble }: RailPort): string => (trouble ? `${label} (${trouble})` : label);

/** @param column as `railsWidth` says; @param shown nodes that were drawn before; those drawn here are added */
export function railLines(rail: Rail, column: number, width: number, shown: Set<string>): Line[] {
  const inside = column - 4;
  const [first = [], ...more] = wrapWords(rail.title, inside - 2);
  const stem = rail.ports.length > 0 ? "│ " : "  ";
  const head: Line[] = [
    [wire("┬ "), ...first],
    ...[...more, ...rail.info.flatMap((pieces) => wrapWords(pieces, inside - 2))].map((l) => [wire(stem), ...l]),
  ];
  return [...head.map((line) => row(line, column)), ...portLines(rail, column, width, shown)];
}

function portLines({ ports }: Rail, column: number, width: number, shown: Set<string>): Line[] {
  const room = width - column - GAP;
  let open = false;
  const lines = ports.flatMap((port, i): Line[] => {
    const isLast = i === ports.length - 1;
    const across = portRow(port, isLast, column);
    const before = beside(true, column);
    const after = beside(!isLast, column);
    if (!port.box) {
      const [first = [], ...more] = wrapWords(port.there, room);
      return [
        [...across, wire(port.there.length > 0 ? "── " : ""), ...first],
        ...more.map((line) => [...after, plain("   "), ...line]),
      ];
    }
    const inside = boxRows(port.box, port.there, room, shown);
    const top = border(room, open ? ["├", "┤"] : ["┌", "┐"], inside.title);
    open = true;
    return [
      [...before, plain("  "), ...top],
      ...inside.above.map((line) => [...before, plain("  "), ...row(line, room)]),
      [...across, wire("──"), ...row(inside.joined, room, "┤")],
      ...inside.below.map((line) => [...after, plain("  "), ...row(line, room)]),
    ];
  });
  return open ? [...lines, [...beside(false, column), plain("  "), ...border(room, ["└", "┘"])]] : lines;
}

/** "│ ├─ 5: veth1a2b3c4@if2 ────┼" */
function portRow(port: RailPort, isLast: boolean, column: number): Line {
  const fork = isLast ? "└─ " : "├─ ";
  const text: Piece = port.trouble ? { text: portText(port), style: "red" } : plain(port.label);
  // a port whose other end is gone, or never was there
  if (port.there.length === 0) return row([wire(fork), text], column);
  const dashes = column - 2 - fork.length - widthOf([text]) - 2;
  return [wire(`│ ${fork}`), text, wire(` ${"─".repeat(Math.max(0, dashes))}┼`)];
}

/** The column of bridges beside a row of a box. @param goesOn has the rail more ports below? */
const beside = (goesOn: boolean, column: number): Line => row([wire(goesOn ? "│" : " ")], column);

interface BoxRows {
  readonly title: Piece;
  readonly above: readonly Line[];
  /** The row that the wire meets. */
  readonly joined: Line;
  readonly below: readonly Line[];
}

/** A node that was drawn on another bridge shows here only the link that hangs on this one. */
function boxRows(
  { node, link, details }: NonNullable<RailPort["box"]>,
  there: readonly Piece[],
  width: number,
  shown: Set<string>,
): BoxRows {
  const again = shown.has(node.name);
  shown.add(node.name);
  const title: Piece = { text: again ? `${node.name}, its ${link.name}` : node.name, style: "bold" };
  const [joined = [], ...more] = wrapWords(there, width - 4);
  const below = again ? [] : details.flatMap((pieces) => wrapWords(pieces, width - 4));
  return { title, above: titleRows(title, width), joined: padLine(joined, width - 4), below: [...more, ...below] };
}
