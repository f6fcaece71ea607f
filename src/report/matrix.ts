/** A matrix as text: as wide as the terminal, in blocks of columns where it must be; below it what differs, and why. And as JSON (matrix.schema.json). */
import { renderOrigin } from "../errors.ts";
import type { Matrix, MatrixCell, MatrixTarget, MatrixWalk } from "../observe/matrix.ts";
import { cleanStrings, renderCleanJson } from "./clean.ts";
import { driftWords } from "./facts.ts";
import {
  type CellGlyph,
  deadWords,
  FICKLE,
  GLYPH_WORDS,
  GLYPHS,
  glyphOf,
  legendOf,
  MARK_WORDS,
  markOf,
  matrixSummary,
  notWalkedWords,
  storyOf,
  troublesOf,
  walkTitle,
} from "./matrix-words.ts";
import { Pen, type PenOptions, type Style, VERDICT_STYLE } from "./pen.ts";
import { plural } from "./summary.ts";
import { renderWalk } from "./walk.ts";

/** A longer list is not read; the JSON has them all. */
const TROUBLES_LISTED = 10;
const DRIFT_LISTED = 20;
const LONGEST_ROW_NAME = 24;

const STYLES: Readonly<Record<CellGlyph, Style>> = {
  reach: "green",
  refuse: "yellow",
  drop: "dim",
  unreachable: "dim",
  none: "dim",
  unknown: "yellow",
};

export function renderMatrixJson(matrix: Matrix): string {
  return renderCleanJson(matrix);
}

/** With a line break at the end. */
export function renderMatrixText(dirty: Matrix, options: PenOptions): string {
  const matrix = cleanStrings(dirty);
  const pen = new Pen(options);
  const blocks = [
    titleLines(pen, matrix),
    ...tableBlocks(pen, matrix),
    legendLines(pen, matrix),
    troubleLines(pen, matrix),
    ...matrix.walks.map((w) => walkLines(pen, w, options)),
    driftLines(pen, matrix),
    warningLines(pen, matrix),
    summaryLines(pen, matrix),
  ].filter((lines) => lines.length > 0);
  return `${blocks.map((lines) => lines.map((l) => l.trimEnd()).join("\n")).join("\n\n")}\n`;
}

function titleLines(pen: Pen, { lab, profile, kernel, rows, columns, verdict }: Matrix): string[] {
  const how = verdict ? `measured on Linux ${kernel}` : "by prediction";
  return [
    pen.paint("bold", `Who reaches what in lab ${lab}`),
    ...pen.wrap(
      `${plural(rows.length, "sender")}, ${plural(columns.length, "port")}; firewall as ${profile} writes it; ${how}`,
      0,
    ),
  ];
}

// --- the table -----------------------------------------------------------------------------------------------------------

interface Column extends MatrixTarget {
  readonly index: number;
  /** What stands above it: its name, or a number that the legend tells. */
  readonly head: string;
}

/** Names above the columns where all fit beside each other; else numbers, with a legend per block. */
function tableBlocks(pen: Pen, matrix: Matrix): string[][] {
  const { columns } = matrix;
  if (columns.length === 0) return [];
  const named = columns.map((c, index): Column => ({ ...c, index, head: c.name }));
  const room = pen.width - rowNameWidth(matrix);
  if (widthOf(named) <= room) return [tableLines(pen, matrix, named)];
  const numbered = named.map((c): Column => ({ ...c, head: `${c.index + 1}` }));
  const perBlock = Math.max(1, Math.floor(room / Math.max(...numbered.map(columnWidth))));
  const blocks: string[][] = [];
  for (let i = 0; i < numbered.length; i += perBlock) {
    const block = numbered.slice(i, i + perBlock);
    blocks.push([...headLegend(pen, block), "", ...tableLines(pen, matrix, block)]);
  }
  return blocks;
}

/** A glyph and its mark need two characters; a blank stands between columns. */
const columnWidth = ({ head }: Column): number => Math.max(head.length, 2) + 1;
const widthOf = (columns: readonly Column[]): number => columns.reduce((n, c) => n + columnWidth(c), 0);
const rowNameWidth = ({ rows }: Matrix): number =>
  Math.min(Math.max(...rows.map((r) => r.name.length)), LONGEST_ROW_NAME);

function tableLines(pen: Pen, matrix: Matrix, columns: readonly Column[]): string[] {
  const width = rowNameWidth(matrix);
  const widest = Math.max(...columns.map(columnWidth));
  // numbers stand as close as the longest of them lets them
  const cell = (column: Column): number => (column.head === column.name ? columnWidth(column) : widest);
  const head = columns.map((c) => pen.paint("bold", c.head.padStart(cell(c)))).join("");
  const rows = matrix.rows.map(({ name }, r) => {
    const shown = name.length > width ? `${name.slice(0, width - 1)}~` : name;
    const cells = columns.map((c) => {
      const found = matrix.cells[r * matrix.columns.length + c.index];
      return found ? cellText(pen, matrix, found, cell(c)) : "";
    });
    return `${shown.padEnd(width)}${cells.join("")}`;
  });
  return [`${" ".repeat(width)}${head}`, ...rows];
}

/** The glyph below the middle of its head, the mark beside it. */
function cellText(pen: Pen, matrix: Matrix, cell: MatrixCell, width: number): string {
  const mark = markOf(cell, matrix);
  const after = Math.max(1, Math.ceil((width - 2) / 2));
  const glyph = pen.paint(STYLES[glyphOf(cell)], pen.pick(GLYPHS[glyphOf(cell)]));
  return `${" ".repeat(width - 1 - after)}${glyph}${pen.paint(mark === "!" ? "red" : "yellow", mark)}${" ".repeat(after - mark.length)}`;
}

/** "1 web:80  2 db:5432", in columns. */
function headLegend(pen: Pen, columns: readonly Column[]): string[] {
  const digits = Math.max(...columns.map((c) => c.head.length));
  const entries = columns.map((c) => `${c.head.padStart(digits)} ${c.name}`);
  const width = Math.max(...entries.map((e) => e.length)) + 2;
  const perLine = Math.max(1, Math.floor(pen.width / width));
  const lines = Math.ceil(entries.length / perLine);
  return Array.from({ length: lines }, (_, line) =>
    entries
      .filter((_, i) => i % lines === line)
      .map((e) => e.padEnd(width))
      .join(""),
  );
}

function legendLines(pen: Pen, matrix: Matrix): string[] {
  const { glyphs, marks } = legendOf(matrix);
  const entries = [
    ...glyphs.map((g) => `${pen.pick(GLYPHS[g])} ${GLYPH_WORDS[g]} `),
    ...marks.map((m) => `${m} ${MARK_WORDS[m]} `),
  ];
  return entries.length > 0 ? pen.wrap("", 0, entries).map((l) => pen.paint("dim", l)) : [];
}

// --- what differs --------------------------------------------------------------------------------------------------------

function troubleLines(pen: Pen, matrix: Matrix): string[] {
  const all = troublesOf(matrix);
  const dead = deadWords(matrix).map((text) => ({ style: "yellow" as const, text }));
  const cells = all.slice(0, TROUBLES_LISTED).map((cell) => ({
    style: VERDICT_STYLE[cell.verdict ?? "INCONCLUSIVE"],
    text: storyOf(cell),
  }));
  const left = all.length - cells.length;
  return [
    ...[...dead, ...cells].flatMap(({ style, text }) => hanging(pen, text).map((line) => pen.paint(style, line))),
    ...(left > 0 ? [`  and ${left} more`] : []),
    ...[notWalkedWords(matrix) ?? []].flat(),
  ];
}

function walkLines(pen: Pen, walked: MatrixWalk, options: PenOptions): string[] {
  const text = renderWalk(walked.walk, { ...options, brief: true });
  return [
    pen.paint("bold", walkTitle(walked)),
    ...(walked.repeated ? [] : [pen.paint("yellow", `  ${FICKLE}`)]),
    ...text
      .trimEnd()
      .split("\n")
      .map((line) => `  ${line}`),
  ];
}

function driftLines(pen: Pen, { drift }: Matrix): string[] {
  if (drift.length === 0) return [];
  const left = drift.length - DRIFT_LISTED;
  return [
    pen.paint("bold", "The kernel differs from the lab"),
    ...drift.slice(0, DRIFT_LISTED).flatMap((d) => hanging(pen, driftWords(d), 2)),
    ...(left > 0 ? [`  and ${left} more`] : []),
  ];
}

function warningLines(pen: Pen, { warnings }: Matrix): string[] {
  return warnings.flatMap(({ at, message, remedy }) =>
    hanging(pen, `warning: ${at ? `${renderOrigin(at)}: ` : ""}${message}${remedy ? `. ${remedy}` : ""}`).map((line) =>
      pen.paint("yellow", line),
    ),
  );
}

function summaryLines(pen: Pen, matrix: Matrix): string[] {
  const word = matrix.verdict ?? "PREDICTED";
  const parts = matrixSummary(matrix).map((part, i, all) => (i < all.length - 1 ? `${part};` : part));
  const [first = "", ...rest] = pen.wrap("", word.length + 2, parts);
  const painted = pen.paint(matrix.verdict ? VERDICT_STYLE[matrix.verdict] : "bold", word);
  return [`${painted}  ${first}`, ...rest.map((line) => `${" ".repeat(word.length + 2)}${line}`)];
}

/** First line at `indent`, the others two further. */
function hanging(pen: Pen, text: string, indent = 0): string[] {
  return pen.wrap(text, indent + 2).map((line, i) => `${" ".repeat(i === 0 ? indent : indent + 2)}${line}`);
}
