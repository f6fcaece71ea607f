/**
 * Sends the probes of all checks and waits for what comes back. Those that expect silence go first: when the controls that were
 * sent after them over the same links have been answered, their fate is decided, and a short grace covers the rest.
 */

import type { ProbeReply } from "../kernel/probe.ts";
import type { Ipv4 } from "../net/address.ts";
import type { Check } from "../plan/check.ts";
import type { Instruments } from "./instruments.ts";

export interface ProbeSource {
  readonly address: Ipv4;
  readonly port: number;
}

export interface ProbeRun {
  readonly check: Check;
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
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Probes sent in one turn of the event loop. */
const BURST = 16;
/** A transfer is some ten round trips between two ends that share this thread: many at once would all be late. */
const TRANSFERS_AT_ONCE = 16;
/** ARP gives up after three tries a second apart (arp(7), ucast/mcast_solicit); no route at all is told at once. */
const ARP_FAILURE_MS = 3500;

export async function runProbes(
  instruments: Instruments,
  checks: readonly Check[],
  options: RunOptions,
): Promise<ProbeRun[]> {
  const isSilent = (c: Check): boolean => c.expected.outcome === "drop" && c.predicted.outcome === "drop";
  const plain = checks.filter((c) => !c.predicted.transfer);
  const transfers = checks.filter((c) => c.predicted.transfer);
  const runs = new Map<Check, Promise<ProbeRun>>();
  const abort: (() => void)[] = [];
  const stopSilent: (() => void)[] = [];
  let silenceFrom = performance.now();
  let done = 0;
  const launch = (check: Check, deadlineMs: number): StartedCheck => {
    const started = startCheck(instruments, check, deadlineMs);
    abort.push(started.abort);
    const run = started.run.then((r) => {
      options.onProgress?.(++done, checks.length);
      return r;
    });
    runs.set(check, run);
    return { ...started, run };
  };
  const launchSilent = (check: Check): Promise<void> => {
    const started = launch(check, options.answerDeadlineMs);
    stopSilent.push(started.abort);
    return started.underway;
  };
  const launchSpoken = (check: Check): Promise<unknown> => launch(check, deadlineOf(check, options)).run;
  const onAbort = (): void => {
    for (const stop of abort) stop();
  };
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for (const [i, check] of plain.filter(isSilent).entries()) {
      // the captures must be read in between, or their rings overflow
      if (i % BURST === BURST - 1) await new Promise((resolve) => setImmediate(resolve));
      void launchSilent(check);
    }
    await inPool(
      plain.filter((c) => !isSilent(c)),
      options.concurrency,
      launchSpoken,
    );
    await inPool(transfers, TRANSFERS_AT_ONCE, (c) => (isSilent(c) ? launchSilent(c) : launchSpoken(c)));
    // data connections begin late: what is silent about them is their own silence
    if (transfers.some(isSilent)) silenceFrom = performance.now();
    const rest = options.silenceMs - (performance.now() - silenceFrom);
    if (stopSilent.length > 0 && rest > 0)
      await settled(
        checks.filter(isSilent).map((c) => runs.get(c) as Promise<ProbeRun>),
        rest,
      );
    for (const stop of stopSilent) stop();
    return await Promise.all(checks.map((c) => runs.get(c) as Promise<ProbeRun>));
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

function deadlineOf(check: Check, options: RunOptions): number {
  const arp = check.predicted.outcome === "unreachable" && check.predicted.legs.length > 0;
  return arp || check.expected.outcome === "unreachable"
    ? Math.max(options.answerDeadlineMs, ARP_FAILURE_MS)
    : options.answerDeadlineMs;
}

interface StartedCheck {
  readonly run: Promise<ProbeRun>;
  /** The packet that decides is sent. */
  readonly underway: Promise<void>;
  readonly abort: () => void;
}

function startCheck(instruments: Instruments, check: Check, deadlineMs: number): StartedCheck {
  const { from, address, port, proto, sourcePort, transfer } = check.probe;
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
      (reply): ProbeRun => ({ check, ...source, reply }),
      (failure: unknown): ProbeRun => ({ check, ...source, reply: silent, failure }),
    );
    return { run, underway: probe.underway ?? Promise.resolve(), abort: () => probe.abort() };
  } catch (failure) {
    const run = Promise.resolve({ check, reply: silent, failure });
    return { run, underway: Promise.resolve(), abort: () => {} };
  }
}

/** At most `size` at a time, in order. */
async function inPool<T>(items: readonly T[], size: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) await work(items[i] as T);
  };
  await Promise.all(Array.from({ length: Math.min(size, items.length) }, worker));
}

/** All of them, or the time, whichever comes first. */
async function settled(promises: readonly Promise<unknown>[], limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([Promise.allSettled(promises), limit]);
  clearTimeout(timer);
}
