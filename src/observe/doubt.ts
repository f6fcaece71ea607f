/** Which probes of a verification are sent once more, and which of them alone. Pure. */
import type { Check } from "../plan/check/check.ts";
import type { RuleSeen } from "./report.ts";
import type { ProbeRun } from "./run.ts";

/** Of checks that a rule should drop: has it counted exactly their frames? */
export type DropCounts = Map<Check, { readonly exact: boolean; readonly rule?: RuleSeen }>;

/** Probes that are sent once more, alone: enough to name each fault, few enough to fail fast. */
const MAX_ALONE = 10;
const MAX_ALONE_PER_GROUP = 3;

/** Some of each group, so that every kind of failure gets its rule named. */
export function chooseAlone(runs: readonly ProbeRun[], counted: DropCounts): Check[] {
  const perGroup = new Map<string, number>();
  const chosen = runs
    .filter((run) => needsOwnMeasurement(run, counted))
    .filter(({ check }) => {
      const n = (perGroup.get(check.group) ?? 0) + 1;
      perGroup.set(check.group, n);
      return n <= MAX_ALONE_PER_GROUP;
    });
  return chosen.slice(0, MAX_ALONE).map((run) => run.check);
}

/** A drop that no counter vouches for, or silence where an answer was expected. */
function needsOwnMeasurement(run: ProbeRun, counted: DropCounts): boolean {
  if (run.failure !== undefined || run.reply.outcome !== "silent") return false;
  return run.check.expected.outcome !== "drop" || isUncounted(run, counted);
}

/** There was no answer where there should be one, and the model knows no reason. */
export const isUnanswered = ({ check: { expected, predicted }, reply }: ProbeRun): boolean =>
  reply.outcome === "silent" && expected.outcome !== "drop" && expected.outcome === predicted.outcome;

/** It was dropped as expected, and the counter of the rule that should have done it does not agree. */
export function isUncounted(run: ProbeRun, counted: DropCounts): boolean {
  if (run.failure !== undefined || run.reply.outcome !== "silent") return false;
  return run.check.expected.outcome === "drop" && counted.get(run.check)?.exact === false;
}
