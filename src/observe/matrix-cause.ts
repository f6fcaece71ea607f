/** Which cells that differ have one cause, as far as the table tells: what fails alike in one row or one column. Pure. */
import type { Outcome } from "../plan/predict/prediction.ts";
import type { MatrixCell, MatrixWalk } from "./matrix.ts";
import type { WalkVerdict } from "./walk/walk.ts";

/** Cells that differ alike; `cell` stands for them. */
export interface Cause {
  readonly cell: MatrixCell;
  readonly cells: readonly MatrixCell[];
}

/** The row or column with most of them first, each cell once. @param width columns of the table */
export function causesOf(cells: readonly MatrixCell[], width: number): Cause[] {
  const causes: Cause[] = [];
  let left = cells.map((cell, i) => ({ cell, i })).filter(({ cell }) => cell.verdict === "FAIL");
  while (left.length > 0) {
    const lines = new Map<string, typeof left>();
    for (const differing of left)
      for (const line of linesOf(differing.cell, differing.i, width))
        lines.set(line, [...(lines.get(line) ?? []), differing]);
    const most = [...lines.values()].reduce((a, b) => (b.length > a.length ? b : a));
    const [first] = most;
    if (!first) break;
    causes.push({ cell: first.cell, cells: most.map((m) => m.cell) });
    const taken = new Set(most);
    left = left.filter((l) => !taken.has(l));
  }
  return causes;
}

/** A column is named before a row: a port that fails for all is the port's fault. */
function linesOf({ predicted, observed }: MatrixCell, i: number, width: number): string[] {
  const how = `${predicted?.outcome} ${observed?.outcome}`;
  return [`column ${i % width} ${how}`, `row ${Math.floor(i / width)} ${how}`];
}

/** Walks that one rule ended are one explanation, shown once. */
export function countWalks(walks: readonly MatrixWalk[]): MatrixWalk[] {
  const told = new Map<string, MatrixWalk>();
  for (const [i, walked] of walks.entries()) {
    const { rule, verdict } = walked.walk;
    const key = rule ? `${verdict} ${rule.node} ${rule.table} ${rule.chain} ${rule.rule}` : `${i}`;
    const known = told.get(key);
    told.set(key, known ? { ...known, cells: known.cells + walked.cells } : walked);
  }
  return [...told.values()];
}

/** Did the walk's packet fare as the cell's? A probe tells only that nobody answered; a walk also why: a rule, a missing way, or nobody. */
export function isRepeated(observed: Outcome | undefined, verdict: WalkVerdict): boolean {
  if (observed === "drop") return verdict === "drop" || verdict === "silent" || verdict === "unreachable";
  return observed === verdict;
}
