/** `docknet matrix`: who reaches what in a lab that stands, with a packet for every cell and a walk for each that differs; or by prediction. */
import { DocknetError, type Problem } from "../errors.ts";
import { kernelRelease, readMachine } from "../kernel/machine.ts";
import { readNeighbours } from "../kernel/netlink/neighbours.ts";
import { askRoute } from "../kernel/netlink/route-query.ts";
import type { Ipv4 } from "../net/address.ts";
import type { NodeName } from "../net/name.ts";
import { findDrift } from "../observe/drift.ts";
import type { Matrix, MatrixWalk } from "../observe/matrix.ts";
import { causesOf, countWalks, isRepeated } from "../observe/matrix-cause.ts";
import { type MatrixInstruments, type MatrixTable, measureMatrix, predictMatrix } from "../observe/matrix-run.ts";
import type { Verdict } from "../observe/report.ts";
import { type MatrixChoice, type MatrixPlan, matrixOf } from "../plan/check/matrix.ts";
import { describeRuns } from "../plan/check/port-sample.ts";
import { firewallsOf, type Layout } from "../plan/layout.ts";
import { layoutOf } from "../plan/layout-of.ts";
import type { Spec } from "../spec/spec.ts";
import { resolveState } from "../state/resolve.ts";
import type { State } from "../state/state.ts";
import type { Site } from "./site.ts";
import { VERSION } from "./verify.ts";
import { walkSite } from "./walk.ts";

export interface MatrixOptions extends MatrixChoice {
  /** Send nothing: what the model says. */
  readonly predicted?: boolean;
  /** Milliseconds that an expected answer may take; 3000 unless said. */
  readonly answerDeadlineMs?: number;
  /** Milliseconds after which silence counts as silence; 250 unless said. */
  readonly silenceMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** For the report: where the lab came from, and what is to be said of it. */
export interface MatrixOrigin {
  readonly files: readonly string[];
  readonly warnings: readonly Problem[];
  readonly buildMs: number;
}

/** Of cells that differ, so many causes are followed; a walk takes a third of a second. */
const MAX_WALKS = 5;

/** By prediction alone: needs no privilege and changes nothing. @throws ProblemsError CONFLICT where Docker would refuse the lab, DocknetError NOT_FOUND */
export function predictLab(spec: Spec, choice: MatrixChoice = {}): Matrix {
  const { state, warnings } = resolveState(spec);
  const plan = planOf(state, layoutOf(state, readMachine()), choice);
  return matrix(state, predictMatrix(plan), withSample({ files: spec.files, warnings, buildMs: 0 }, plan), {});
}

/** Sends a packet for every cell, follows one for each cause of difference. @throws DocknetError NOT_FOUND, ABORTED */
export async function matrixSite(site: Site, source: MatrixOrigin, options: MatrixOptions = {}): Promise<Matrix> {
  const { state, layout } = site;
  const plan = planOf(state, layout, options);
  const origin = withSample(source, plan);
  if (options.predicted) return matrix(state, predictMatrix(plan), origin, {});
  const startedAt = performance.now();
  const table = await measureMatrix(instrumentsOf(site), plan, {
    answerDeadlineMs: options.answerDeadlineMs ?? 3000,
    silenceMs: options.silenceMs ?? 250,
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
  });
  const measuredAt = performance.now();
  const walks = await walkCauses(site, table, options);
  if (options.signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while measuring the matrix");
  const drift = table.counts.fail > 0 ? await findDrift(site.instruments(), layout) : [];
  return matrix(state, table, origin, {
    verdict: verdictOf(table),
    walks: countWalks(walks),
    drift,
    probeMs: measuredAt - startedAt,
    walkMs: performance.now() - measuredAt,
  });
}

function planOf(state: State, layout: Layout, { from, to }: MatrixChoice) {
  const choice = { ...(from ? { from } : {}), ...(to ? { to } : {}) };
  return matrixOf(state, firewallsOf(layout), choice);
}

function withSample(origin: MatrixOrigin, { sampled }: MatrixPlan): MatrixOrigin {
  const words = { done: "in this table", remedy: "Name others with --to: SERVICE:PORT/udp, @host:PORT" };
  return { ...origin, warnings: [...origin.warnings, ...describeRuns(sampled, words)] };
}

/** One after the other: each has the lab to itself. */
async function walkCauses(site: Site, { cells, columns }: MatrixTable, options: MatrixOptions): Promise<MatrixWalk[]> {
  const walks: MatrixWalk[] = [];
  for (const { cell, cells: same } of causesOf(cells, columns.length).slice(0, MAX_WALKS)) {
    if (options.signal?.aborted) break;
    const limits = options.silenceMs ? { silenceMs: options.silenceMs } : {};
    const walk = await walkSite(site, cell.from, `${cell.address}:${cell.port}/${cell.proto}`, limits);
    walks.push({
      from: cell.from,
      to: cell.to,
      cells: same.length,
      repeated: isRepeated(cell.observed?.outcome, walk.verdict),
      walk,
    });
  }
  return walks;
}

/** Of one measurement: a node's ARP table is read once, when all has been sent. */
function instrumentsOf(site: Site): MatrixInstruments {
  const { probe, forgetNeighbours } = site.instruments();
  const unanswered = new Map<NodeName, ReadonlySet<string>>();
  return {
    probe,
    forgetNeighbours,
    isUnresolved(node, address) {
      const container = site.state.containers.find((c) => c.node === node);
      const { route } = site.executor.node((container && site.sandboxOf(container)) ?? node);
      const known = unanswered.get(node);
      const hops = known ?? new Set(readNeighbours(route).flatMap((n) => (n.state === "known" ? [] : [n.address])));
      if (!known) unanswered.set(node, hops);
      return hops.size > 0 && hops.has(askRoute(route, { destination: address as Ipv4 }).via ?? address);
    },
  };
}

function matrix(
  { lab, engine }: State,
  table: MatrixTable,
  { files, warnings, buildMs }: MatrixOrigin,
  found: Partial<Pick<Matrix, "verdict" | "walks" | "drift">> & { probeMs?: number; walkMs?: number },
): Matrix {
  const { verdict, walks = [], drift = [], probeMs = 0, walkMs = 0 } = found;
  return {
    schema: 1,
    docknet: VERSION,
    lab,
    files,
    profile: engine.profile,
    kernel: kernelRelease(),
    ...(verdict ? { verdict } : {}),
    counts: table.counts,
    rows: table.rows,
    columns: table.columns,
    cells: table.cells,
    walks,
    notWalked: table.counts.fail - walks.reduce((n, w) => n + w.cells, 0),
    drift,
    warnings: table.columns.length > 0 ? warnings : [...warnings, NOTHING],
    durations: { buildMs, probeMs, walkMs },
  };
}

const NOTHING: Problem = {
  message: "there is nothing to reach: no service that runs serves or publishes a port",
  remedy: "Add services, or ports of them: `expose`, `ports`, or `x-docknet: { serve: [...] }`",
};

/** Nothing measured is nothing proven. */
function verdictOf({ counts, columns }: MatrixTable): Verdict {
  if (counts.fail > 0) return "FAIL";
  const dead = columns.some((c) => c.control !== undefined && c.control !== "PASS");
  return counts.inconclusive > 0 || counts.pass === 0 || dead ? "INCONCLUSIVE" : "PASS";
}
