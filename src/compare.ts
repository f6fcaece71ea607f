/** `docknet compare`: a lab under two firewall profiles, by prediction alone or measured on the kernel as well. */
import { DisposerStack } from "./dispose.ts";
import { DocknetError, type Problem } from "./errors.ts";
import { readMachine } from "./kernel/machine.ts";
import type { CheckResult } from "./observe/report.ts";
import { verifyLayout } from "./observe/verify.ts";
import { type Cell, type CellSide, type Comparison, checksOfCells, compareSides, type Side } from "./plan/compare.ts";
import { layoutOf } from "./plan/lab.ts";
import { firewallsOf } from "./plan/layout.ts";
import type { FirewallProfile } from "./plan/profile.ts";
import { Site } from "./site.ts";
import type { Spec } from "./spec/spec.ts";
import { resolveState } from "./state/resolve.ts";

export interface Compared {
  readonly comparison: Comparison;
  readonly sides: readonly [Side, Side];
  /** Of both resolutions, each once. */
  readonly warnings: readonly Problem[];
}

/** Predicts only: needs no privilege and changes nothing. @throws ProblemsError CONFLICT where Docker would refuse the lab */
export function compareLab(spec: Spec, profiles: readonly [FirewallProfile, FirewallProfile]): Compared {
  const resolved = profiles.map((profile) => resolveState({ ...spec, engine: { ...spec.engine, profile } }));
  const sides = resolved.map(({ state }): Side => {
    const layout = layoutOf(state, readMachine());
    return { state, rules: firewallsOf(layout) };
  }) as [Side, Side];
  const warnings = new Map(resolved.flatMap((r) => r.warnings).map((w) => [JSON.stringify(w), w]));
  return { comparison: compareSides(...sides, spec.checks), sides, warnings: [...warnings.values()] };
}

export interface MeasureOptions {
  readonly signal?: AbortSignal;
  readonly answerDeadlineMs?: number;
  readonly silenceMs?: number;
  readonly onProgress?: (profile: FirewallProfile, done: number, total: number) => void;
}

/** Builds the lab once per profile, sends a packet for each cell, removes it. @throws DocknetError ABORTED */
export async function measureComparison(
  { comparison, sides }: Compared,
  options: MeasureOptions = {},
): Promise<Comparison> {
  const before = await measureSide(comparison, sides[0], options);
  const after = await measureSide(comparison, sides[1], options);
  const cells = comparison.cells.map(
    (cell, i): Cell => ({
      ...cell,
      sides: [withMeasured(cell.sides[0], before[i]), withMeasured(cell.sides[1], after[i])],
    }),
  );
  return { ...comparison, cells };
}

async function measureSide(comparison: Comparison, side: Side, options: MeasureOptions): Promise<CheckResult[]> {
  const { signal, onProgress } = options;
  const { lab, engine } = side.state;
  await using undo = new DisposerStack();
  const site = undo.use("the lab", new Site({ lab, ...(signal ? { signal } : {}) }));
  await site.become(side.state);
  const { results } = await verifyLayout(site.instruments(), site.layout, checksOfCells(comparison, side), {
    answerDeadlineMs: options.answerDeadlineMs ?? 3000,
    silenceMs: options.silenceMs ?? 250,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress: (done, total) => onProgress(engine.profile, done, total) } : {}),
  });
  if (signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while measuring the lab");
  return [...results];
}

function withMeasured(side: CellSide, result: CheckResult | undefined): CellSide {
  if (!result) return side;
  const { outcome, seenAs } = result.observed;
  return {
    ...side,
    measured: { outcome, ...(seenAs ? { seenAs } : {}), agrees: result.verdict === "PASS" },
  };
}
