/** `docknet compare`: a lab under two firewall profiles, by prediction alone or measured on the kernel as well. */
import { DisposerStack } from "../dispose.ts";
import { DocknetError, type Problem } from "../errors.ts";
import { readMachine } from "../kernel/machine.ts";
import type { CheckResult } from "../observe/report.ts";
import { verifyLayout } from "../observe/verify.ts";
import {
  type Cell,
  type CellSide,
  type Comparison,
  checksOfCells,
  compareSides,
  type Side,
  type Without,
} from "../plan/compare.ts";
import type { FirewallProfile } from "../plan/firewall/profile.ts";
import { firewallsOf } from "../plan/layout.ts";
import { layoutOf } from "../plan/layout-of.ts";
import type { NetworkSpec, Spec } from "../spec/spec.ts";
import { GATEWAY_MODE } from "../state/engine-profile.ts";
import { resolveState } from "../state/resolve.ts";
import { bridgesOf, type State } from "../state/state.ts";
import { Site } from "./site.ts";

export interface Compared {
  readonly comparison: Comparison;
  readonly sides: readonly [Side, Side];
  /** Of both resolutions, each once. */
  readonly warnings: readonly Problem[];
}

/** Predicts only: needs no privilege and changes nothing. @throws ProblemsError CONFLICT where Docker would refuse the lab */
export function compareLab(spec: Spec, profiles: readonly [FirewallProfile, FirewallProfile]): Compared {
  const resolved = profiles.map((profile) => resolveState(under(spec, profile)));
  const sides = resolved.map(({ state }) => sideOf(state)) as [Side, Side];
  const warnings = new Map(resolved.flatMap((r) => r.warnings).map((w) => [JSON.stringify(w), w]));
  return {
    comparison: compareSides(...sides, spec.checks, withoutModes(spec, sides)),
    sides,
    warnings: [...warnings.values()],
  };
}

const under = (spec: Spec, profile: FirewallProfile): Spec => ({ ...spec, engine: { ...spec.engine, profile } });

function sideOf(state: State): Side {
  return { state, rules: firewallsOf(layoutOf(state, readMachine())) };
}

/** For each network whose gateway mode only one of the two knows: the lab as that one builds it where the network has none. */
function withoutModes(spec: Spec, [before, after]: readonly [Side, Side]): Without[] {
  return bridgesOf(after.state).flatMap(({ id, name, gatewayMode }) => {
    const was = bridgesOf(before.state).find((n) => n.id === id);
    if (!was || was.gatewayMode === gatewayMode) return [];
    const of = gatewayMode === "nat" ? 0 : 1;
    const networks = spec.networks.map((n) => (n.name === name ? withoutMode(n) : n));
    const { state } = resolveState(under({ ...spec, networks }, (of === 0 ? before : after).state.engine.profile));
    return [{ network: name, of, side: sideOf(state) }];
  });
}

function withoutMode(network: NetworkSpec): NetworkSpec {
  const kept = Object.entries(network.driverOpts).filter(([key]) => key !== GATEWAY_MODE);
  return { ...network, driverOpts: Object.fromEntries(kept) };
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
