/** What text, Markdown and HTML say of a matrix: the mark of a cell, its story in one line, the totals. */
import { renderOrigin } from "../errors.ts";
import type { Matrix, MatrixCell, MatrixWalk, PredictedCell } from "../observe/matrix.ts";
import type { Observed, Verdict } from "../observe/report.ts";
import type { Outcome } from "../plan/predict/prediction.ts";
import { OUTCOME_WORDS } from "./outcome.ts";
import { plural } from "./summary.ts";

export const OUTCOMES: readonly Outcome[] = ["reach", "refuse", "drop", "unreachable"];

/** What stands in a cell: what was seen, or else what is predicted. `none`: there is nothing to send to; `unknown`: it could not be told. */
export type CellGlyph = Outcome | "none" | "unknown";
/** "!": otherwise than predicted. "?": not proven. "~": only predicted, in a matrix that is measured. */
export type CellMark = "" | "!" | "?" | "~";

export const GLYPHS: Readonly<Record<CellGlyph, readonly [unicode: string, ascii: string]>> = {
  reach: ["✓", "+"],
  refuse: ["✗", "x"],
  drop: ["·", "."],
  unreachable: ["∅", "0"],
  none: ["-", "-"],
  unknown: ["?", "?"],
};

export const GLYPH_WORDS: Readonly<Record<CellGlyph, string>> = {
  ...OUTCOME_WORDS,
  none: "nothing to send to",
  unknown: "could not be told",
};

export const MARK_WORDS: Readonly<Record<Exclude<CellMark, "">, string>> = {
  "!": "otherwise than predicted",
  "?": "not proven",
  "~": "predicted, not sent",
};

export function glyphOf({ observed, predicted, verdict }: MatrixCell): CellGlyph {
  if (observed) return observed.outcome;
  if (verdict === "INCONCLUSIVE") return "unknown";
  return predicted?.outcome ?? "none";
}

export function markOf(cell: MatrixCell, { verdict }: Matrix): CellMark {
  if (cell.verdict === "FAIL") return "!";
  if (cell.verdict === "INCONCLUSIVE") return cell.observed ? "?" : "";
  return verdict && cell.predicted && !cell.verdict ? "~" : "";
}

/** "a to web:80/tcp at 172.17.0.4:80" */
export function packetOf({ from, to, address, port }: Pick<MatrixCell, "from" | "to" | "address" | "port">): string {
  return address === undefined ? `${from} to ${to}` : `${from} to ${to} at ${address}:${port}`;
}

/** All that there is to say of a cell, in one line: what is wrong with it, or else what was seen; and what the model says. */
export function storyOf(cell: MatrixCell): string {
  const { predicted, observed, reasons } = cell;
  // of who answered and whom he saw the reason says both sides
  const isTold = reasons.length > 0 && observed?.outcome === predicted?.outcome;
  const parts = [
    ...reasons,
    ...(observed && reasons.length === 0 ? [`observed ${answered(observed)}`] : []),
    ...(predicted && !isTold ? [`predicted ${answered(predicted)}: ${predicted.because}`] : []),
    ...(predicted?.rule && !isTold
      ? [`by -t ${predicted.rule.table} ${predicted.rule.rule} on ${predicted.rule.node}`]
      : []),
  ];
  return `${packetOf(cell)}: ${parts.join("; ")}`;
}

const answered = ({ outcome, seenAs, server }: PredictedCell | Observed): string =>
  `${OUTCOME_WORDS[outcome]}${seenAs ? ` as ${seenAs}` : ""}${server ? ` by ${server}` : ""}`;

/** Those that differ, then those that could not be told. */
export function troublesOf({ cells }: Matrix): MatrixCell[] {
  const order: readonly Verdict[] = ["FAIL", "INCONCLUSIVE"];
  return order.flatMap((verdict) => cells.filter((c) => c.verdict === verdict));
}

/** Columns whose listener did not answer even in its own namespace, a sentence each. */
export const deadWords = ({ columns }: Matrix): string[] =>
  columns
    .filter((c) => c.control !== undefined && c.control !== "PASS")
    .map(({ label, at }) => `${label} does not answer in its own namespace${at ? ` (${renderOrigin(at)})` : ""}`);

/** What of glyphs and marks is in the table. */
export function legendOf(matrix: Matrix): { glyphs: readonly CellGlyph[]; marks: readonly Exclude<CellMark, "">[] } {
  const [glyphs, marks] = [matrix.cells.map(glyphOf), matrix.cells.map((c) => markOf(c, matrix))];
  return {
    glyphs: (Object.keys(GLYPH_WORDS) as CellGlyph[]).filter((g) => glyphs.includes(g)),
    marks: (["!", "?", "~"] as const).filter((m) => marks.includes(m)),
  };
}

/** "Walk from a to 192.168.0.10:8080/tcp, for 7 cells that differ alike" */
export function walkTitle({ from, cells, walk }: MatrixWalk): string {
  const alike = cells > 1 ? `, for ${cells} cells that differ alike` : "";
  return `Walk from ${from} to ${walk.to}${alike}`;
}

export const FICKLE = "the walk's own packet fared otherwise than the cell's: what is wrong may come and go";

/** The totals, in pieces. */
export function matrixSummary(matrix: Matrix): string[] {
  const { counts, cells, verdict, durations } = matrix;
  const shown = OUTCOMES.map((o) => `${cells.filter((c) => glyphOf(c) === o).length} ${OUTCOME_WORDS[o]}`).join(", ");
  if (!verdict) return [plural(counts.cells, "cell"), shown, "by prediction, nothing was sent"];
  const unsent = counts.notSent > 0 ? `, ${counts.notSent} not sent` : "";
  const built = durations.buildMs > 0 ? [`built in ${Math.round(durations.buildMs)} ms`] : [];
  return [
    `${plural(counts.cells, "cell")}, ${counts.fail} ${counts.fail === 1 ? "differs" : "differ"}, ${counts.inconclusive} inconclusive${unsent}`,
    shown,
    [...built, `measured in ${Math.round(durations.probeMs)} ms`].join(", "),
  ];
}

/** Of cells that differ and were not followed; undefined: there are none. */
export function notWalkedWords({ notWalked }: Matrix): string | undefined {
  return notWalked > 0
    ? `${plural(notWalked, "cell")} more ${notWalked === 1 ? "differs" : "differ"} and had no walk`
    : undefined;
}
