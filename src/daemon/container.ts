/**
 * Docker's container verbs over an engine. A container has a process of its own, run by the shim, or none: then built-in responders
 * stand in for its image, and it runs until it is stopped. Events as moby daemon/{create,start,stop,kill,monitor,delete}.go publish them.
 */
import { DocknetError, messageOf } from "../errors.ts";
import { rfc3339Nano } from "../kernel/clock.ts";
import {
  type ContainerRequest,
  createContainer as create,
  removeLink,
  renameContainer as rename,
} from "../state/container.ts";
import { findContainer, networksOf } from "../state/find.ts";
import { failStart, startContainer as start, stopContainer as stop } from "../state/lifecycle.ts";
import type { Container, State } from "../state/state.ts";
import { type Engine, removeInTurn } from "./engine.ts";
import { publish, publishAttached } from "./event.ts";
import type { ContainerRecord } from "./record.ts";
import { parseSignal } from "./signal.ts";
import { endpointSysctlRefusal } from "./sysctl-refusal.ts";

export interface StopRequest {
  /** "SIGTERM", "TERM", "15"; the container's own when left out. */
  readonly signal?: string;
  /** Until SIGKILL; below 0: for ever; the container's own when left out. */
  readonly timeoutS?: number;
}

/** What is created, and what its user should know. */
export interface Wanted {
  readonly request: ContainerRequest;
  readonly record: ContainerRecord;
  readonly warnings: readonly string[];
}

/** @param draw asked when nothing else changes the lab: a name that it finds free stays so. @throws DocknetError in Docker's words */
export function createContainer(
  engine: Engine,
  draw: () => Wanted,
): Promise<{ readonly container: Container; readonly warnings: readonly string[] }> {
  return engine.exclusive(async () => {
    const { request, record, warnings } = draw();
    const id = engine.freshId();
    const next = create(engine.state, { ...request, id, now: rfc3339Nano() });
    await engine.commit(next, { ...engine.records, [id]: record });
    publish(engine, "create", engine.container(id));
    return { container: engine.container(id), warnings };
  });
}

/** @returns false when it runs already. @throws DocknetError in Docker's words; the container then stays as it was, with the error noted */
export function startContainer(engine: Engine, ref: string): Promise<boolean> {
  return engine.exclusive(() => startInTurn(engine, engine.container(ref)));
}

async function startInTurn(engine: Engine, container: Container): Promise<boolean> {
  if (container.status === "running") return false;
  if (engine.removing.has(container.id))
    throw new DocknetError("CONFLICT", "container is marked for removal and cannot be started");
  const { id } = container;
  const record = engine.record(id);
  let failed = engine.state;
  let next = engine.state;
  try {
    next = start(engine.state, id, { now: rfc3339Nano(), endpointSalt: engine.freshId() });
    const running = findContainer(next, id);
    await engine.commitWith(next, async () => {
      for (const network of networksOf(next, running)) publishAttached(engine, "connect", network, running);
      if (record.argv.length === 0 || running.status !== "running") return;
      failed = backTo(next, container);
      await engine.processes.start(running, record).catch((error: unknown) => {
        for (const network of networksOf(next, running)) publishAttached(engine, "disconnect", network, running);
        throw error;
      });
    });
    publish(engine, "start", running);
    engine.site.announce(running);
    return true;
  } catch (cause) {
    const error = endpointSysctlRefusal(cause, next, "failed to set up container networking: ");
    await noteFailure(engine, failed, id, error);
    if (record.autoRemove) await removeInTurn(engine, engine.container(id));
    throw error;
  }
}

/** The container as it was before a start that failed: what it held on the kernel is given back. */
function backTo(state: State, before: Container): State {
  const stopped = stop(state, before.id, { exitCode: before.exitCode, now: before.finishedAt });
  return {
    ...stopped,
    containers: stopped.containers.map((c) => (c.id === before.id ? { ...c, status: before.status } : c)),
  };
}

async function noteFailure(engine: Engine, state: State, id: string, error: unknown): Promise<void> {
  const code = error instanceof DocknetError ? error.details.exitCode : undefined;
  const message = messageOf(error);
  await engine.commit(failStart(state, id, message, code === 126 || code === 127 ? code : undefined));
}

/** @returns false when it does not run */
export async function stopContainer(engine: Engine, ref: string, request: StopRequest): Promise<boolean> {
  const container = engine.container(ref);
  if (container.status !== "running") return false;
  await end(engine, container, request);
  publish(engine, "stop", container);
  return true;
}

export async function restartContainer(engine: Engine, ref: string, request: StopRequest): Promise<void> {
  const container = engine.container(ref);
  if (container.status === "running") {
    await end(engine, container, request, { keep: true });
    publish(engine, "stop", container);
  }
  await startContainer(engine, container.id);
  publish(engine, "restart", container);
}

/** Ends it: the stop signal, then SIGKILL when it has not ended in time. */
async function end(
  engine: Engine,
  container: Container,
  request: StopRequest,
  options: { keep?: boolean } = {},
): Promise<void> {
  const record = engine.record(container.id);
  if (!engine.processes.has(container.id)) {
    await engine.ended(container.id, engine.processes.endOf(container.id) ?? 0, options);
    return;
  }
  if (options.keep) engine.keepAfterEnd(container.id);
  const exit = engine.exitOf(container.id);
  const signal = parseSignal(request.signal ?? record.stopSignal);
  publish(engine, "kill", container, { signal: String(signal) });
  await engine.processes.signal(container.id, signal);
  const timeoutS = request.timeoutS ?? record.stopTimeoutS;
  if (await isOver(exit, timeoutS < 0 ? undefined : timeoutS * 1000)) return;
  publish(engine, "kill", container, { signal: "9" });
  await engine.processes.kill(container.id);
  await exit;
}

async function isOver(exit: Promise<unknown>, limitMs: number | undefined): Promise<boolean> {
  if (limitMs === undefined) return exit.then(() => true);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const over = await Promise.race([exit.then(() => true as const), late]);
  clearTimeout(timer);
  return over;
}

/** Signals that end a container without a process of its own: what a server does by default. */
const ENDING: ReadonlySet<number> = new Set([1, 2, 3, 6, 9, 15]);

/** @throws DocknetError CONFLICT when it does not run, USAGE for an unknown signal */
export async function killContainer(engine: Engine, ref: string, signalText: string): Promise<void> {
  const signal = parseSignal(signalText);
  const container = engine.container(ref);
  if (container.status !== "running") {
    throw new DocknetError("CONFLICT", `container ${container.id} is not running`);
  }
  if (engine.processes.has(container.id)) {
    if (signal === 9) await killProcess(engine, container.id);
    else await engine.processes.signal(container.id, signal);
    publish(engine, "kill", container, { signal: String(signal) });
    return;
  }
  publish(engine, "kill", container, { signal: String(signal) });
  if (ENDING.has(signal)) await engine.ended(container.id, 128 + signal);
}

/** SIGKILL; resolves when its end is written down. */
async function killProcess(engine: Engine, id: string): Promise<void> {
  const exit = engine.exitOf(id);
  await engine.processes.kill(id);
  await exit;
}

export function renameContainer(engine: Engine, ref: string, name: string): Promise<void> {
  return engine.exclusive(async () => {
    const before = engine.container(ref);
    await engine.commit(rename(engine.state, ref, name));
    publish(engine, "rename", engine.container(before.id), { oldName: `/${before.name}` });
  });
}

/** @param options force: a running one is killed first; link: not the container, but a link "parent/alias". @throws DocknetError CONFLICT for a running one without force */
export async function removeContainer(
  engine: Engine,
  ref: string,
  options: { readonly force: boolean; readonly link: boolean },
): Promise<void> {
  if (options.link) return engine.exclusive(() => engine.commit(removeLink(engine.state, ref)));
  const container = engine.container(ref);
  const { id } = container;
  if (engine.removing.has(id)) throw new DocknetError("CONFLICT", `removal of container ${ref} is already in progress`);
  engine.removing.add(id);
  try {
    if (options.force) await endNow(engine, container);
    await engine.exclusive(async () => {
      // --rm may have been faster
      const still = engine.state.containers.find((c) => c.id === id);
      if (still) await removeInTurn(engine, still);
    });
  } finally {
    engine.removing.delete(id);
  }
}

/** A start that was asked before comes first: then it is that run which ends. */
async function endNow(engine: Engine, { id }: Container): Promise<void> {
  await engine.exclusive(async () => {});
  const container = engine.state.containers.find((c) => c.id === id);
  if (container?.status !== "running") return;
  publish(engine, "kill", container, { signal: "9" });
  if (engine.processes.has(id)) await killProcess(engine, id);
  else await engine.ended(id, engine.processes.endOf(id) ?? 137);
}

/**
 * Waits for the end of a container. `armed` resolves when nothing that happens from then on is missed.
 * @throws DocknetError NOT_FOUND at once
 */
export function waitContainer(
  engine: Engine,
  ref: string,
  condition: "not-running" | "next-exit" | "removed",
  signal: AbortSignal,
): { readonly armed: Promise<void>; readonly result: Promise<{ readonly exitCode: number; readonly error?: string }> } {
  const { id, status, exitCode } = engine.container(ref);
  const over = condition === "not-running" && status !== "running";
  const result = over
    ? Promise.resolve(exitCode)
    : condition === "removed"
      ? engine.removalOf(id, signal)
      : engine.exitOf(id, signal);
  return { armed: Promise.resolve(), result: result.then((code) => ({ exitCode: code })) };
}

export async function resizeContainer(
  engine: Engine,
  ref: string,
  size: { readonly rows: number; readonly columns: number },
): Promise<void> {
  const container = engine.container(ref);
  if (container.status !== "running") throw new DocknetError("CONFLICT", `Container ${container.id} is not running`);
  await engine.processes.resize(container.id, size);
}

/** 0: it has no process of its own. */
export const pidOf = (engine: Engine, id: string): number => engine.processes.pidOf(id);
