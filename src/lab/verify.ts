/** Proves what stands on the kernel, whoever built it: checks from the State, packets, verdicts, one Report. */
import { DocknetError, type Problem } from "../errors.ts";
import { kernelRelease } from "../kernel/machine.ts";
import { type DeadLink, deadLink } from "../observe/drift.ts";
import { verifyNames } from "../observe/names.ts";
import { excuseSilence } from "../observe/neighbour-table.ts";
import type { CheckResult, Drift, Report } from "../observe/report.ts";
import { describeTopology } from "../observe/topology.ts";
import { verifyLayout } from "../observe/verify.ts";
import type { Check } from "../plan/check/check.ts";
import { checksOf } from "../plan/check/checks.ts";
import { nameChecksOf } from "../plan/check/name.ts";
import { sampleWarnings } from "../plan/check/port-sample.ts";
import { firewallsOf } from "../plan/layout.ts";
import type { CheckSpec } from "../spec/spec.ts";
import type { Site } from "./site.ts";

declare const __DOCKNET_VERSION__: string | undefined;
export const VERSION: string = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";

export interface VerifySiteOptions {
  /** The file's own checks; empty: derived from the state. */
  readonly checks: readonly CheckSpec[];
  /** For the report: where the lab came from, what is to be said of it, and how long its building took. */
  readonly files: readonly string[];
  readonly warnings: readonly Problem[];
  readonly buildMs: number;
  /** Look for drift in any case, not only when a check fails. */
  readonly drift?: boolean;
  /** Milliseconds that an expected answer may take; 3000 unless said. */
  readonly answerDeadlineMs?: number;
  /** Milliseconds after which silence counts as silence; 250 unless said. */
  readonly silenceMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export function checksOfSite(site: Site, explicit: readonly CheckSpec[]): Check[] {
  return checksOf(site.state, firewallsOf(site.layout), explicit);
}

/** Sends and captures packets for every check and compares. Changes nothing. @throws DocknetError ABORTED */
export async function verifySite(site: Site, options: VerifySiteOptions): Promise<Report> {
  const startedAt = performance.now();
  const { state, layout } = site;
  const instruments = site.instruments();
  const timesFull = instruments.timesNeighboursFull();
  const { signal, answerDeadlineMs = 3000, silenceMs = 250 } = options;
  const verified = await verifyLayout(instruments, layout, checksOfSite(site, options.checks), {
    answerDeadlineMs,
    silenceMs,
    drift: options.drift ?? false,
    ...(signal ? { signal } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
  });
  const names = options.checks.length > 0 ? [] : nameChecksOf(state);
  const resolved = await verifyNames(instruments, names, {
    answerDeadlineMs,
    silenceMs,
    ...(signal ? { signal } : {}),
  });
  const isFull = instruments.timesNeighboursFull() !== timesFull;
  const results = excuseSilence([...verified.results, ...resolved.results], isFull);
  if (signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while verifying the lab");
  return {
    schema: 1,
    docknet: VERSION,
    lab: state.lab,
    files: options.files,
    profile: state.engine.profile,
    kernel: kernelRelease(),
    ...summarise(
      results,
      verified.drift.filter((d) => options.drift || deadLink(d)),
    ),
    topology: describeTopology(state),
    checks: results,
    drift: verified.drift,
    warnings: [
      ...options.warnings,
      ...(options.checks.length > 0 ? [] : sampleWarnings(state)),
      ...verified.drift.flatMap((d) => deadLink(d) ?? []).map((link) => brokenLink(link, state.lab)),
      ...nothingToCheck(results),
      ...unsteadiness(verified.askedAgain + resolved.askedAgain),
    ],
    captures: verified.captures,
    durations: { buildMs: options.buildMs, verifyMs: performance.now() - startedAt },
  };
}

function brokenLink({ node, link, why }: DeadLink, lab: string): Problem {
  if (why === "missing")
    return {
      message: `link ${link} of ${node} is missing: nothing can be captured on it`,
      remedy: `Make it again: docknet -p ${lab} reconcile`,
    };
  return {
    message: `link ${link} of ${node} is down: nothing is captured on it, and nothing goes by it`,
    remedy: `Bring it up: docknet -p ${lab} reconcile, or docknet -p ${lab} exec ${node} ip link set ${link} up`,
  };
}

function nothingToCheck(results: readonly CheckResult[]): Problem[] {
  if (results.length > 0) return [];
  return [
    { message: "there is nothing to check: no service runs, and the file names no checks", remedy: "Add services" },
  ];
}

function unsteadiness(askedAgain: number): Problem[] {
  if (askedAgain === 0) return [];
  const those = askedAgain === 1 ? "1 check was" : `${askedAgain} checks were`;
  return [
    {
      message: `${those} as expected only when asked again: packets got lost, or this machine is too busy`,
      remedy: "Run it where less runs beside it",
    },
  ];
}

/** @param drift that counts: a lab that was changed by hand is not the lab that was asked for, and no lab wants a dead link */
function summarise(results: readonly CheckResult[], drift: readonly Drift[]): Pick<Report, "verdict" | "counts"> {
  const count = (verdict: CheckResult["verdict"]): number => results.filter((r) => r.verdict === verdict).length;
  const counts = {
    pass: count("PASS"),
    fail: count("FAIL"),
    inconclusive: count("INCONCLUSIVE"),
    controls: results.filter((r) => r.group === "control").length,
  };
  // nothing measured is nothing proven
  const unproven = counts.inconclusive > 0 || results.length === 0;
  return { counts, verdict: counts.fail + drift.length > 0 ? "FAIL" : unproven ? "INCONCLUSIVE" : "PASS" };
}
