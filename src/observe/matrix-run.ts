/**
 * Measures a matrix by probes alone: one packet per cell, each distinct one sent once, and beside every column its listener asked in its own
 * namespace, so that a silence is known from a dead listener. Captures would cost more than all the probes; walks explain what differs.
 */
import { messageOf } from "../errors.ts";
import type { NodeName } from "../net/name.ts";
import type { MatrixColumn, MatrixPlan, PlannedCell, PlannedProbe } from "../plan/check/matrix.ts";
import type { Outcome, Prediction } from "../plan/predict/prediction.ts";
import { describePlanned } from "./counters.ts";
import type { Instruments } from "./instruments.ts";
import { observedOf, wrongResponder } from "./judge.ts";
import type { Matrix, MatrixCell, MatrixCounts, MatrixTarget, PredictedCell } from "./matrix.ts";
import type { Observed, Verdict } from "./report.ts";
import { type ProbeRun, type Probing, runProbes } from "./run.ts";

export interface MatrixInstruments extends Pick<Instruments, "probe" | "forgetNeighbours"> {
  /** Has the node asked by ARP for the MAC address of its next hop to `address`, and got no answer? */
  isUnresolved(node: NodeName, address: string): boolean;
}

export interface MeasureMatrixOptions {
  readonly answerDeadlineMs: number;
  readonly silenceMs: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export type MatrixTable = Pick<Matrix, "rows" | "columns" | "cells" | "counts">;

/** What is silent against the prediction is asked once more, for at most so long: what answers in a lab answers in a few milliseconds. */
const AGAIN_MS = 1000;
/** More at once and the queues of listeners fill; one that is silent for long is in no queue, and holds up no other. */
const [CONCURRENCY, YOUNG_MS] = [64, 100];

/** What the model says of every cell; nothing is sent. */
export function predictMatrix(plan: MatrixPlan): MatrixTable {
  return tableOf(plan, undefined);
}

/** Sends a packet for every cell. Changes nothing that stays, but for what packets do: counters, conntrack and ARP. */
export async function measureMatrix(
  instruments: MatrixInstruments,
  plan: MatrixPlan,
  options: MeasureMatrixOptions,
): Promise<MatrixTable> {
  const stimuli = stimuliOf(plan);
  const ask = async (asked: readonly Stimulus[], how: MeasureMatrixOptions): Promise<Map<string, Finding>> => {
    const limits = { concurrency: CONCURRENCY, youngMs: YOUNG_MS };
    const runs = await runProbes(instruments, asked, { ...how, ...limits, isSilent });
    return new Map(runs.map((run) => [keyOf(run.check), findingOf(instruments, run)]));
  };
  const findings = await ask(stimuli, options);
  // who has interrupted it waits for nothing more
  if (options.signal?.aborted) return tableOf(plan, findings);
  const { onProgress: _, ...quiet } = options;
  const again = await ask(
    stimuli.filter((s) => isDoubtful(findings.get(keyOf(s)))),
    { ...quiet, answerDeadlineMs: Math.min(options.answerDeadlineMs, AGAIN_MS) },
  );
  for (const [key, second] of again) {
    const first = findings.get(key);
    if (first && second.wrong.length === 0 && !second.unsure) findings.set(key, unsteady(first, second));
  }
  return tableOf(plan, findings);
}

/** An answer or a refusal where none should be is its own proof; a silence may be a packet that got lost. */
const isDoubtful = (finding: Finding | undefined): boolean => finding?.silent === true && finding.wrong.length > 0;

/** One lost packet, or a machine that is too busy, is no fault of the lab; the report says so all the same. */
const unsteady = (first: Finding, { observed }: Finding): Finding => ({
  observed,
  wrong: [],
  silent: true,
  unsure: `${first.wrong.join("; ")}; but as predicted when asked again: packets get lost, or this machine is too busy`,
});

type Stimulus = PlannedProbe & Pick<Probing, "expected">;

/** Each distinct packet once, those that show a listener alive first. */
function stimuliOf({ columns, cells }: MatrixPlan): Stimulus[] {
  const stimuli = new Map<string, Stimulus>();
  for (const planned of [...columns.map((c) => c.control), ...cells]) {
    if (!planned || "none" in planned || planned.probe.proto === "sctp") continue;
    const { outcome, seenAs } = planned.predicted;
    const expected = { outcome, ...(outcome === "reach" && seenAs ? { seenAs } : {}) };
    if (!stimuli.has(keyOf(planned))) stimuli.set(keyOf(planned), { ...planned, expected });
  }
  return [...stimuli.values()];
}

/** What a probe has shown. `wrong`: why it is otherwise than predicted. */
interface Finding {
  readonly observed: Observed;
  readonly wrong: readonly string[];
  readonly silent: boolean;
  /** Why it cannot be told. */
  readonly unsure?: string;
}

/** Cells of one key send the very same packet. */
const keyOf = ({ sandbox, probe: { address, port, proto } }: PlannedProbe): string =>
  `${sandbox} ${address} ${port} ${proto}`;

/** "No way" comes at once, or else ARP goes unanswered: the kernel gives up after three seconds, its table shows it sooner. */
const isSilent = ({ predicted: { outcome } }: Probing): boolean => outcome === "drop" || outcome === "unreachable";

function findingOf(instruments: MatrixInstruments, run: ProbeRun<Stimulus>): Finding {
  const { check, reply, failure } = run;
  const seen = observedOf(run);
  if (failure !== undefined) {
    return { observed: seen, wrong: [], silent: true, unsure: `the probe could not be made: ${messageOf(failure)}` };
  }
  const silent = reply.outcome === "silent";
  const unresolved = silent && isUnresolved(instruments, check);
  const observed: Observed = unresolved ? { ...seen, outcome: "unreachable" } : seen;
  const { outcome } = check.predicted;
  if (observed.outcome !== outcome) {
    const errno = observed.errno ? ` (${observed.errno})` : "";
    const arp = unresolved ? " (nobody answers ARP)" : "";
    return { observed, silent, wrong: [`${WORDS[observed.outcome]}${errno}${arp}, not ${WORDS[outcome]}`] };
  }
  return { observed, silent, wrong: outcome === "reach" ? wrongResponder(check, reply) : [] };
}

/** By the sender, or by the machine that forwards it and will tell the sender once it has given up. */
function isUnresolved(instruments: MatrixInstruments, { probe, predicted }: Stimulus): boolean {
  const { outcome, stop } = predicted;
  if (instruments.isUnresolved(probe.from, probe.address)) return true;
  return outcome === "unreachable" && stop !== undefined && instruments.isUnresolved(stop.node, probe.address);
}

const WORDS: Readonly<Record<Outcome, string>> = {
  reach: "answered",
  refuse: "refused",
  drop: "met with silence",
  unreachable: "without a way",
};

// --- the table -------------------------------------------------------------------------------------------------------

/** @param findings by key; undefined: nothing was sent */
function tableOf(plan: MatrixPlan, findings: ReadonlyMap<string, Finding> | undefined): MatrixTable {
  const columns = plan.columns.map((column) => targetOf(column, findings));
  const cells = plan.rows.flatMap((row, r) =>
    columns.map((column, c) => {
      const planned = plan.cells[r * columns.length + c] as PlannedCell;
      return cellOf(row.node, column, planned, findings);
    }),
  );
  const rows = plan.rows.map(({ node, container, at }) => ({
    name: node,
    kind: container ? ("container" as const) : ("world" as const),
    ...(at ? { at } : {}),
  }));
  return { rows, columns, cells, counts: countsOf(cells) };
}

function targetOf(column: MatrixColumn, findings: ReadonlyMap<string, Finding> | undefined): MatrixTarget {
  const { kind, name, label, container, port, proto, control, at } = column;
  const finding = control && findings?.get(keyOf(control));
  return {
    kind,
    name,
    label,
    container: container.node,
    port,
    proto,
    ...(finding ? { control: verdictOf(finding) } : {}),
    ...(at ? { at } : {}),
  };
}

function cellOf(
  from: string,
  column: MatrixTarget,
  planned: PlannedCell,
  findings: ReadonlyMap<string, Finding> | undefined,
): MatrixCell {
  const { label: to, proto } = column;
  if ("none" in planned) return { from, to, proto, reasons: [planned.none] };
  const { address, port } = planned.probe;
  const cell = { from, to, address, ...(port ? { port } : {}), proto, predicted: predictedOf(planned.predicted) };
  if (proto === "sctp") return { ...cell, reasons: ["docknet sends no sctp"] };
  const finding = findings?.get(keyOf(planned));
  if (!finding) return { ...cell, reasons: [] };
  const { observed, wrong, unsure } = finding;
  if (unsure !== undefined) return { ...cell, verdict: "INCONCLUSIVE", reasons: [unsure] };
  // a refusal and "no way" are somebody's word; silence is nobody's, unless the listener is known to answer
  const unproven = wrong.length === 0 && observed.outcome === "drop" && column.control !== "PASS";
  if (unproven) {
    const why = column.control ? "its listener does not answer in its own namespace either" : "nobody listens there";
    return { ...cell, observed, verdict: "INCONCLUSIVE", reasons: [`silence proves nothing: ${why}`] };
  }
  return { ...cell, observed, verdict: verdictOf(finding), reasons: wrong };
}

const verdictOf = ({ wrong, unsure }: Finding): Verdict =>
  unsure !== undefined ? "INCONCLUSIVE" : wrong.length > 0 ? "FAIL" : "PASS";

function predictedOf({ outcome, seenAs, server, because, stop }: Prediction): PredictedCell {
  const reach = outcome === "reach";
  return {
    outcome,
    ...(reach && seenAs ? { seenAs } : {}),
    ...(reach && server ? { server } : {}),
    because,
    ...(stop?.rule ? { rule: describePlanned(stop.node, stop.rule) } : {}),
  };
}

function countsOf(cells: readonly MatrixCell[]): MatrixCounts {
  const count = (verdict: Verdict | undefined): number => cells.filter((c) => c.verdict === verdict).length;
  return {
    cells: cells.length,
    pass: count("PASS"),
    fail: count("FAIL"),
    inconclusive: count("INCONCLUSIVE"),
    notSent: count(undefined),
  };
}
