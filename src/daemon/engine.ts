/**
 * The owner of a living lab: one State, what the Engine API keeps beside it, and the kernel that follows them. Changes come one
 * after the other; each is written down as an intent, done on the kernel, and then committed. Docker's verbs are functions over
 * it, a file per noun: network.ts, container.ts, exec.ts; the lab's own are in lab.ts.
 */
import { randomBytes } from "node:crypto";
import { DocknetError } from "../errors.ts";
import { rfc3339Nano } from "../kernel/clock.ts";
import type { Manifest } from "../kernel/manifest.ts";
import type { TrustedDirectory } from "../kernel/trusted-directory.ts";
import { Site } from "../lab/site.ts";
import { ANY_IPV4 } from "../net/address.ts";
import type { LabName } from "../net/name.ts";
import type { ProtoPort } from "../net/port.ts";
import { defaultSpec } from "../spec/default.ts";
import { removeContainer } from "../state/container.ts";
import { findContainer, networksOf } from "../state/find.ts";
import { failBinds, stopContainer } from "../state/lifecycle.ts";
import { emptyState } from "../state/network.ts";
import type { Container, FailedBind, State } from "../state/state.ts";
import { bindLog } from "./bind-log.ts";
import { ContainerFiles } from "./container-files.ts";
import { EventLog, publish, publishAttached } from "./event.ts";
import { ExecTable } from "./exec-table.ts";
import { Journal, type Memory } from "./journal.ts";
import { ContainerLogs } from "./log.ts";
import { Processes } from "./processes.ts";
import type { ContainerRecord } from "./record.ts";
import { Waiters } from "./waiters.ts";

export class Engine {
  readonly lab: LabName;
  /** The lab's directory: journal, socket, files and logs of containers. */
  readonly directory: string;
  /** The way to it for this process. */
  readonly place: TrustedDirectory;
  readonly startedAt = rfc3339Nano();
  readonly events = new EventLog();
  readonly site: Site;
  readonly processes: Processes;
  readonly files: ContainerFiles;
  readonly logs: ContainerLogs;
  readonly execs = new ExecTable();
  /** Called whenever the kernel has followed a change, before anything new runs there. */
  readonly followers = new Set<() => void>();
  /** Containers whose removal was asked and has not ended. */
  readonly removing = new Set<string>();
  private readonly journal: Journal;
  private memory: Memory;
  private turn: Promise<unknown> = Promise.resolve();
  /** Let go or removed: what is asked from then on is refused. */
  private over = false;
  private readonly exits = new Waiters();
  private readonly removals = new Waiters();
  /** What the kernel says of ports that containers wanted, in the step that is under way. */
  private readonly taken: { readonly container: string; readonly port: ProtoPort }[] = [];
  /** Containers whose program could not bind, in this turn: that they ended is told when all else of it has been told. */
  private readonly unbound = new Set<string>();
  /** Containers that --rm must not remove at their next end: they are being restarted. */
  private readonly kept = new Set<string>();

  /** Takes a lab up where the last daemon left it, or begins one. @throws DocknetError */
  static async open(lab: LabName, place: TrustedDirectory, manifest: Manifest): Promise<Engine> {
    const journal = new Journal(place, lab);
    const { committed, intended } = journal.read();
    const engine = new Engine(lab, place, journal, intended ?? committed ?? emptyMemory(lab), manifest);
    // namespaces without a journal: the rest of a lab that was being removed
    if (!committed && !intended && manifest.namespaces().length === 0) await engine.begin();
    else await engine.takeUp(intended && committed);
    return engine;
  }

  private constructor(lab: LabName, place: TrustedDirectory, journal: Journal, memory: Memory, manifest: Manifest) {
    this.lab = lab;
    this.directory = place.path;
    this.place = place;
    this.journal = journal;
    this.memory = memory;
    this.logs = new ContainerLogs(place);
    this.files = new ContainerFiles(place);
    this.site = new Site({
      lab,
      manifest,
      onAnswer: (id, line) => this.logs.append(id, "stdout", line),
      onTaken: (container, port) => void this.taken.push({ container, port }),
    });
    this.processes = new Processes(this, manifest);
    this.execs.onEnd = ({ id, containerId, exitCode }) => {
      const container = this.state.containers.find((c) => c.id === containerId);
      if (container) publish(this, "exec_die", container, { execID: id, exitCode: String(exitCode) });
    };
  }

  get state(): State {
    return this.memory.state;
  }

  get records(): Memory["records"] {
    return this.memory.records;
  }

  get spec(): Memory["spec"] {
    return this.memory.spec;
  }

  /** @param ref id, name or the beginning of an id. @throws DocknetError NOT_FOUND, CONFLICT */
  container(ref: string): Container {
    return findContainer(this.state, ref);
  }

  record(id: string): ContainerRecord {
    const record = this.memory.records[id];
    if (!record) throw new DocknetError("INTERNAL", `No record of container ${id}`);
    return record;
  }

  /** 64 lower-case hex digits, the first 12 not all digits (moby pkg/stringid: they could be taken for a number). */
  freshId(): string {
    for (;;) {
      const id = randomBytes(32).toString("hex");
      if (/[a-f]/.test(id.slice(0, 12))) return id;
    }
  }

  /** Runs `work` when all that was asked before has ended: nothing else changes the lab meanwhile. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.turn.then(async () => {
      if (this.over) throw new DocknetError("ABORTED", `The daemon of lab ${this.lab} is ending`);
      try {
        return await work();
      } finally {
        if (this.taken.length > 0) await this.commit(this.state);
        await this.reportUnbound();
      }
    });
    this.turn = run.catch(() => {});
    return run;
  }

  /** Only inside `exclusive`. The kernel follows, then the change is promised; on failure nothing has changed. @throws DocknetError */
  async commit(
    state: State,
    records: Memory["records"] = this.memory.records,
    spec: Memory["spec"] = this.memory.spec,
  ): Promise<void> {
    await this.change({ state, records, ...(spec ? { spec: { checks: spec.checks, files: spec.files } } : {}) });
  }

  /** As `commit`, for a change that is one only with `work`, which is done when the kernel has it: else it is taken back, by the next daemon too. */
  async commitWith(state: State, work: () => Promise<void>): Promise<void> {
    await this.change({ ...this.memory, state }, work);
  }

  private async change(wanted: Memory, work?: () => Promise<void>): Promise<void> {
    let next = wanted;
    this.journal.begin(next);
    try {
      this.files.follow(next.state);
      await this.site.become(next.state);
      next = await this.endUnbound(next);
      this.notifyFollowers();
      await work?.().catch(async (error: unknown) => {
        await this.site.become(this.state);
        this.notifyFollowers();
        throw error;
      });
    } catch (error) {
      this.journal.abandon();
      this.writeFilesIfPossible();
      throw error;
    }
    this.noteUnbound(this.state, next.state);
    this.memory = next;
    this.journal.commit();
  }

  /** Programs for which the kernel had no port: they end, as those do whose ports the State knows to be taken. */
  private async endUnbound(memory: Memory): Promise<Memory> {
    let next = memory;
    for (let taken = this.taken.splice(0); taken.length > 0; taken = this.taken.splice(0)) {
      const state = taken.reduce(
        (s, { container }) =>
          failBinds(s, container, taken.filter((t) => t.container === container).map(toFailedBind), {
            now: rfc3339Nano(),
          }),
        next.state,
      );
      next = { ...next, state };
      this.journal.begin(next);
      await this.site.become(state);
    }
    return next;
  }

  /** Their programs write why they end, before that is promised to anybody. */
  private noteUnbound(before: State, next: State): void {
    for (const { id, startedAt, failedBinds = [] } of next.containers) {
      const known = before.containers.find((c) => c.id === id);
      if (failedBinds.length === 0 || (known?.failedBinds && known.startedAt === startedAt)) continue;
      for (const line of bindLog(failedBinds, new Date())) this.logs.append(id, "stderr", line);
      this.unbound.add(id);
    }
  }

  private async reportUnbound(): Promise<void> {
    for (const id of [...this.unbound]) {
      this.unbound.delete(id);
      const container = this.state.containers.find((c) => c.id === id);
      if (container?.status === "exited") await this.reportEnd(container, container.exitCode);
    }
  }

  /** They only look on: what goes wrong with them is not the change's. */
  notifyFollowers(): void {
    for (const follow of this.followers) {
      try {
        follow();
      } catch (error) {
        process.stderr.write(`docknetd: ${error instanceof Error ? error.stack : String(error)}\n`);
      }
    }
  }

  /**
   * Records that a container has ended: its process exited, or it has none and was stopped. @throws DocknetError when that cannot be
   * written: the container still counts as running then, waiters get the error, and the call may be repeated
   */
  ended(id: string, exitCode: number, options: { readonly keep?: boolean } = {}): Promise<void> {
    return this.exclusive(async () => {
      const container = this.state.containers.find((c) => c.id === id);
      // it may have ended otherwise meanwhile
      if (container?.status === "running") await this.end(container, exitCode, options);
      else this.processes.acknowledge(id);
    });
  }

  private async end(container: Container, exitCode: number, options: { readonly keep?: boolean }): Promise<void> {
    const { id } = container;
    try {
      await this.processes.endPause(id);
      await this.commit(stopContainer(this.state, id, { now: rfc3339Nano(), exitCode }));
    } catch (error) {
      this.exits.fail(id, error);
      throw error;
    }
    this.processes.acknowledge(id);
    await this.reportEnd(container, exitCode, options);
  }

  private async reportEnd(
    container: Container,
    exitCode: number,
    options: { readonly keep?: boolean } = {},
  ): Promise<void> {
    const { id } = container;
    const execDuration = String(secondsSince(container.startedAt));
    publish(this, "die", container, { execDuration, exitCode: String(exitCode) });
    for (const network of networksOf(this.state, container)) publishAttached(this, "disconnect", network, container);
    this.logs.end(id);
    const keep = this.kept.delete(id) || options.keep;
    try {
      if (this.record(id).autoRemove && !keep) await removeInTurn(this, this.container(id));
    } finally {
      this.exits.happened(id, exitCode);
    }
  }

  /** --rm does not remove it at its next end. */
  keepAfterEnd(id: string): void {
    this.kept.add(id);
  }

  /** The exit code of its next end. Pending when `signal` aborts. */
  exitOf(id: string, signal?: AbortSignal): Promise<number> {
    return this.exits.next(id, signal);
  }

  /** Its exit code, when it is removed. */
  removalOf(id: string, signal?: AbortSignal): Promise<number> {
    return this.removals.next(id, signal);
  }

  /** What is kept beside the state of a container that was removed. */
  forget(container: Container): void {
    this.files.remove(container.id);
    this.logs.remove(container.id);
    this.execs.remove(container.id);
    this.kept.delete(container.id);
    this.exits.happened(container.id, container.exitCode);
    this.removals.happened(container.id, container.exitCode);
  }

  /** Ends this process' part; the lab stays on the kernel. */
  async detach(): Promise<void> {
    await this.exclusive(async () => {
      this.over = true;
      this.processes.close();
      await this.site.detach();
    });
  }

  /** Removes the lab: processes, namespaces and what is written. @throws DocknetError naming what could not be removed */
  async remove(): Promise<void> {
    await this.exclusive(async () => {
      this.over = true;
      this.beginRemoval();
      await this.processes.shutdown();
      await this.site.close();
      this.journal.remove();
    });
  }

  /** A daemon that takes up the lab half removed goes on with that, and does not bring it back. */
  private beginRemoval(): void {
    try {
      this.journal.begin(emptyMemory(this.lab));
    } catch {
      // on a full disk, or without a directory: what is not there is not brought back either
      this.journal.remove();
    }
  }

  /** Writes the journal again when somebody else changed or removed it. Nothing is under way. */
  keepJournal(): Promise<void> {
    return this.exclusive(async () => {
      if (this.journal.isWhole()) return;
      this.journal.begin(this.memory);
      this.journal.commit();
    });
  }

  private async begin(): Promise<void> {
    this.journal.begin(this.memory);
    await this.site.become(this.state);
    this.journal.commit();
  }

  /** @param before what was promised last, when the memory is a step that was under way: the kernel may have any part of it */
  private async takeUp(before: Memory | undefined): Promise<void> {
    const shim = await this.processes.find();
    // a start without its process cannot be finished
    if (before && !shim.hasAll(startedBetween(before, this.memory))) this.memory = before;
    try {
      await this.site.adopt(this.state);
    } catch (error) {
      if (!before || this.memory === before) throw error;
      // the step cannot be finished, so it is taken back, as it would have been without the crash
      await this.site.detach();
      this.memory = before;
      await this.site.adopt(this.state);
    }
    const adopted = await this.endUnbound(this.memory);
    this.files.follow(adopted.state);
    this.journal.begin(adopted);
    this.noteUnbound((before ?? this.memory).state, adopted.state);
    this.memory = adopted;
    this.journal.commit();
    this.files.removeOthers(this.state);
    await this.processes.takeUp(shim);
    await this.exclusive(() => this.removeLeftOver());
  }

  /** --rm of containers that the last daemon did not come to (moby daemon/daemon.go restore). */
  private async removeLeftOver(): Promise<void> {
    for (const container of this.state.containers)
      if (container.status !== "running" && this.record(container.id).autoRemove) await removeInTurn(this, container);
  }

  /** What cannot be written now, on a full disk, is written with the next change. */
  private writeFilesIfPossible(): void {
    try {
      this.files.follow(this.state);
    } catch {
      // the error that led here is the one to tell
    }
  }
}

/** A lab with nothing in it. */
function emptyMemory(lab: LabName): Memory {
  const { engine, world } = defaultSpec(lab);
  return { state: emptyState(lab, engine, world, { now: rfc3339Nano() }), records: {} };
}

/** Containers with programs that a step was to start. */
function startedBetween(before: Memory, after: Memory): string[] {
  const runs = new Map(before.state.containers.map((c) => [c.id, c.startedAt]));
  return after.state.containers
    .filter((c) => c.status === "running" && c.startedAt !== runs.get(c.id))
    .filter((c) => (after.records[c.id]?.argv.length ?? 0) > 0)
    .map((c) => c.id);
}

const toFailedBind = ({ port }: { readonly port: ProtoPort }): FailedBind => ({ ...port, address: ANY_IPV4 });

const secondsSince = (time: string): number => Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000));

/** Only inside `exclusive`: removes one that does not run. @throws DocknetError CONFLICT for one that runs */
export async function removeInTurn(engine: Engine, container: Container): Promise<void> {
  const next = removeContainer(engine.state, container.id, { force: false });
  const { [container.id]: _, ...records } = engine.records;
  await engine.commit(next, records);
  engine.forget(container);
  publish(engine, "destroy", container);
}
