/**
 * Sends the probes of all checks and waits for what comes back. Those that expect silence go first: when the controls that were
 * sent after them over the same links have been answered, their fate is decided, and a short grace covers the rest.
 */

import type { ProbeReply } from "../kernel/speech/probe.ts";
import type { Ipv4 } from "../net/address.ts";
import type { Check } from "../plan/check/check.ts";
import type { Instruments } from "./instruments.ts";
import { NeighbourTable } from "./neighbour-table.ts";

export interface ProbeSource {
  readonly address: Ipv4;
  readonly port: number;
}

/** What running needs of a check. */
export type Probing = Pick<Check, "probe" | "predicted" | "expected">;

export interface ProbeRun<C extends Probing = Check> {
  readonly check: C;
  readonly source?: ProbeSource;
  readonly reply: ProbeReply;
  /** The probe could not be made: the kernel lacks the protocol, no descriptors were left. */
  readonly failure?: unknown;
}

export interface RunOptions {
  /** For probes that expect an answer. */
  readonly answerDeadlineMs: number;
  /** Silence counts as silence after this time at least, and after every answer that was expected has come. */
  readonly silenceMs: number;
  readonly concurrency: number;
  /**
   * A probe that is silent for so many milliseconds, and for longer than others were, makes room for another; unless said, when it has
   * ended: captures must keep up.
   */
  readonly youngMs?: number;
  /** Which of those that expect no answer need not be waited for beyond `silenceMs`; unless said, those that expect and predict a drop. */
  readonly isSilent?: (check: Probing) => boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Probes sent in one turn of the event loop. */
const BURST = 32;
/** A transfer is some ten round trips between two ends that share this thread: many at once would all be late. */
const TRANSFERS_AT_ONCE = 16;
/** ARP gives up after three tries a second apart (arp(7), ucast/mcast_solicit), later on a busy machine; no route at all fails at once. */
const ARP_FAILURE_MS = 5000;

export async function runProbes<C extends Probing>(
  instruments: Pick<Instruments, "probe" | "forgetNeighbours">,
  checks: readonly C[],
  options: RunOptions,
): Promise<ProbeRun<C>[]> {
  const { isSilent = expectsSilence } = options;
  const neighbours = new NeighbourTable(instruments);
  const plain = checks.filter((c) => !c.predicted.transfer);
  const transfers = checks.filter((c) => c.predicted.transfer);
  const [silent, spoken] = [plain.filter(isSilent), plain.filter((c) => !isSilent(c))];
  const runs = new Map<C, Promise<ProbeRun<C>>>();
  const runsOf = (those: readonly C[]): Promise<ProbeRun<C>>[] => those.map((c) => runs.get(c) as Promise<ProbeRun<C>>);
  const abort: (() => void)[] = [];
  const stopSilent: (() => void)[] = [];
  let silenceFrom = performance.now();
  let done = 0;
  /** On a busy machine all are slow: more at once would only be slower, until they count as silent. */
  let slowestMs = 0;
  const youngMs = (): number | undefined => options.youngMs && Math.max(options.youngMs, 2 * slowestMs);
  const launch = (check: C, deadlineMs: number): StartedCheck<C> => {
    const started = startCheck(instruments, check, deadlineMs);
    abort.push(started.abort);
    const run = started.run.then((r) => {
      options.onProgress?.(++done, checks.length);
      const { outcome, afterMs } = r.reply;
      if (outcome === "reach" || outcome === "refuse") slowestMs = Math.max(slowestMs, afterMs);
      return r;
    });
    runs.set(check, run);
    return { ...started, run };
  };
  const launchSilent = (check: C): Promise<void> => {
    const started = launch(check, options.answerDeadlineMs);
    stopSilent.push(started.abort);
    return started.underway;
  };
  const launchSpoken = (check: C): Promise<unknown> => launch(check, deadlineOf(check, options)).run;
  const stopWhenSilent = async (those: readonly C[], limitMs: number): Promise<void> => {
    await settled(runsOf(those), limitMs);
    for (const stop of stopSilent.splice(0)) stop();
  };
  const onAbort = (): void => {
    for (const stop of abort) stop();
  };
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const turn = bursts();
    for (const batch of neighbours.batches(silent)) {
      for (const check of batch.checks) {
        await turn();
        void launchSilent(check);
      }
      // a SYN that is not answered is sent again after a second, and would meet those again who have forgotten it
      if (batch.more) await stopWhenSilent(batch.checks, options.silenceMs);
    }
    for (const { checks: batch } of neighbours.batches(spoken))
      await inPool(batch, { ...options, youngMs }, launchSpoken);
    const few = { concurrency: TRANSFERS_AT_ONCE, youngMs };
    for (const { checks: batch } of neighbours.batches(transfers))
      await inPool(batch, few, (c) => (isSilent(c) ? launchSilent(c) : launchSpoken(c)));
    await Promise.all(runsOf(spoken));
    // data connections begin late: what is silent about them is their own silence
    if (transfers.some(isSilent)) silenceFrom = performance.now();
    if (stopSilent.length > 0)
      await stopWhenSilent(checks.filter(isSilent), options.silenceMs - (performance.now() - silenceFrom));
    return await Promise.all(runsOf(checks));
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

const expectsSilence = ({ expected, predicted }: Probing): boolean =>
  expected.outcome === "drop" && predicted.outcome === "drop";

function deadlineOf(check: Probing, options: RunOptions): number {
  const arp = check.predicted.outcome === "unreachable" && check.predicted.legs.length > 0;
  return arp || check.expected.outcome === "unreachable"
    ? Math.max(options.answerDeadlineMs, ARP_FAILURE_MS)
    : options.answerDeadlineMs;
}

interface StartedCheck<C extends Probing> {
  readonly run: Promise<ProbeRun<C>>;
  /** The packet that decides is sent. */
  readonly underway: Promise<void>;
  readonly abort: () => void;
}

function startCheck<C extends Probing>(
  instruments: Pick<Instruments, "probe">,
  check: C,
  deadlineMs: number,
): StartedCheck<C> {
  const { from, address, port, proto, sourcePort, transfer }: Check["probe"] = check.probe;
  const silent: ProbeReply = { outcome: "silent", afterMs: 0 };
  try {
    const probe = instruments.probe({
      node: from,
      proto,
      address,
      deadlineMs,
      ...(port ? { port } : {}),
      ...(sourcePort ? { sourcePort } : {}),
      ...(transfer ? { transfer } : {}),
    });
    const source = probe.source ? { source: probe.source } : {};
    const run = probe.result.then(
      (reply): ProbeRun<C> => ({ check, ...source, reply }),
      (failure: unknown): ProbeRun<C> => ({ check, ...source, reply: silent, failure }),
    );
    return { run, underway: probe.underway ?? Promise.resolve(), abort: () => probe.abort() };
  } catch (failure) {
    const run = Promise.resolve({ check, reply: silent, failure });
    return { run, underway: Promise.resolve(), abort: () => {} };
  }
}

/** At most `concurrency` at a time, in order, but for those that are no longer young. Ends when all have ended, or are not young any more. */
async function inPool<T>(
  items: readonly T[],
  { concurrency, youngMs }: { readonly concurrency: number; readonly youngMs: () => number | undefined },
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const turn = bursts();
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) {
      await turn();
      const run = work(items[i] as T);
      const young = youngMs();
      await (young === undefined ? run : settled([run], young));
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
}

/** @returns what to await before each probe: so many go out in one turn of the event loop, that captures may be read in between */
function bursts(): () => Promise<void> {
  let sent = 0;
  return async () => {
    while (sent === BURST) await new Promise((resolve) => setImmediate(resolve));
    if (sent++ === 0) setImmediate(() => (sent = 0));
  };
}

/** All of them, or the time, whichever comes first; what has been said by then is heard. */
async function settled(promises: readonly Promise<unknown>[], limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    // who was too busy to look in time looks at its sockets once more
    timer = setTimeout(() => setImmediate(resolve), limitMs);
  });
  await Promise.race([Promise.allSettled(promises), limit]);
  clearTimeout(timer);
}
