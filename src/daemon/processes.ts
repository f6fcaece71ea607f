/**
 * The processes of a lab's containers, which the shim runs: this daemon's side of them. The shim is started with the first process
 * and outlives the daemon; the next daemon finds it by its socket and hears what ended meanwhile.
 */
import { DocknetError, messageOf } from "../errors.ts";
import { isRunning, type Manifest } from "../kernel/manifest.ts";
import { type Attached, connectShim, type Shim, startShim } from "../kernel/shim/client.ts";
import { type HandMade, handMadeIn, type Space } from "../kernel/shim/mounts.ts";
import type { ExitEvent, ProcessInfo, ShimInfo } from "../kernel/shim/protocol.ts";
import { type NodeName, WORLD_NODES } from "../net/name.ts";
import { linkEnvironment } from "../state/link-environment.ts";
import type { Container } from "../state/state.ts";
import type { ExecInstance } from "./exec-table.ts";
import type { ContainerRecord } from "./record.ts";
import { containerSpace, netnsNames, nodeId, nodeSpace, type SpaceOwner } from "./space.ts";

/** What SIGKILL leaves: of processes that died with their shim, nothing else is known. */
const KILLED = 137;
/** moby daemon/kill.go waits as long for a process that SIGKILL was sent to. */
const KILL_DEADLINE_MS = 10_000;

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** The shim of an earlier daemon, when one lives. */
export interface Found {
  readonly shim?: Shim;
  /** Were all these containers' programs started, whether they run still or not? */
  hasAll(ids: readonly string[]): boolean;
}

/** What is asked of an engine, whose containers the processes are. */
export interface ProcessOwner extends SpaceOwner {
  readonly place: { readonly base: string };
  readonly followers: Set<() => void>;
  readonly logs: { pathOf(id: string): string };
  readonly execs: { ended(execId: string, exitCode: number): void; allEnded(exitCode: number): void };
  container(ref: string): Container;
  record(id: string): ContainerRecord;
  /** The process of a container has ended. */
  ended(id: string, exitCode: number): Promise<void>;
}

export class Processes {
  private readonly engine: ProcessOwner;
  private readonly manifest: Manifest;
  private shim: Promise<Shim> | undefined;
  /** Init processes that run, by container. */
  private readonly running = new Map<string, ProcessInfo>();
  private readonly onGone = new Map<string, Set<() => void>>();
  /** How processes ended, until that is written down. */
  private readonly ends = new Map<string, number>();
  /** Nodes of the world that somebody ran a command in. */
  private readonly entered = new Set<NodeName>();
  private namesShown = "";
  private closing = false;

  constructor(engine: ProcessOwner, manifest: Manifest) {
    this.engine = engine;
    this.manifest = manifest;
    engine.followers.add(() => this.followNames());
  }

  /** Does it have a process of its own that runs? */
  has(id: string): boolean {
    return this.running.has(id);
  }

  /** How its process ended, when that could not be written down; undefined: it has none that ended. */
  endOf(id: string): number | undefined {
    return this.ends.get(id);
  }

  /** 0: it has none. */
  pidOf(id: string): number {
    return this.running.get(id)?.pid ?? 0;
  }

  /** A new daemon: what the shim of the last one has. */
  async find(): Promise<Found> {
    const shim = await connectShim(this.engine.directory, this.engine.place.base).catch((error: unknown) => {
      if (error instanceof DocknetError && error.code === "NOT_FOUND") return undefined;
      throw error;
    });
    const list = (await shim?.list()) ?? [];
    const inits = new Set(list.filter((p) => p.kind === "init").map((p) => p.id));
    return { ...(shim ? { shim } : {}), hasAll: (ids) => ids.every((id) => inits.has(id)) };
  }

  /** Continues with what was found, and reports to the engine what has ended. */
  async takeUp({ shim }: Found): Promise<void> {
    if (!shim) return this.takeUpAll([]);
    this.shim = Promise.resolve(this.adopt(shim));
    const list = await shim.list();
    await this.takeUpAll(list);
    for (const node of WORLD_NODES) if (list.some((p) => p.id === nodeId(node) && !p.exit)) this.entered.add(node);
    this.followNames();
    for (const { id, execId, kind, exit } of list) {
      const wanted = this.running.has(id) || kind === "exec" || id.startsWith("node.") || this.isUp(id);
      // execs of a dead daemon have no waiter; what belongs to no running container is the rest of an unfinished step
      if (exit) await unlessGone(shim.acknowledge({ id, execId }));
      else if (!wanted) await unlessGone(shim.signal({ id, execId }, 9));
    }
  }

  private async takeUpAll(list: readonly ProcessInfo[]): Promise<void> {
    const inits = new Map(list.filter((p) => p.kind === "init").map((p) => [p.id, p]));
    const ended: string[] = [];
    for (const { id } of this.engine.state.containers) {
      const info = inits.get(id);
      if (!this.isUp(id) || this.engine.record(id).argv.length === 0) continue;
      if (info && !info.exit && !this.ends.has(id)) this.running.set(id, info);
      else ended.push(id);
    }
    for (const id of ended) await this.engine.ended(id, inits.get(id)?.exit?.exitCode ?? KILLED);
  }

  private isUp(id: string): boolean {
    return this.engine.state.containers.some((c) => c.id === id && c.status === "running");
  }

  /** @throws DocknetError with Docker's text and `details.exitCode` when the program cannot be started */
  async start(container: Container, record: ContainerRecord): Promise<void> {
    const shim = await this.ensure();
    const info = await shim.start({
      id: container.id,
      space: containerSpace(this.engine, container),
      command: {
        argv: record.argv,
        env: [...this.linked(container), ...record.env],
        cwd: record.workingDir || "/",
        tty: record.tty,
        openStdin: record.openStdin,
        privileged: record.privileged,
      },
      logPath: this.engine.logs.pathOf(container.id),
    });
    // the word of its end may have come before the answer
    if (this.ends.has(container.id)) return;
    this.running.set(container.id, info);
    if (info.exit) this.onExit({ id: container.id, ...info.exit });
  }

  /** Of a process that has ended meanwhile nothing is said. */
  async signal(id: string, signal: number): Promise<void> {
    const shim = await this.shim;
    if (shim) await unlessGone(shim.signal({ id }, signal));
  }

  /** SIGKILL, and waits for its end, which the engine gets like any other. @throws DocknetError TIMEOUT in moby's words */
  async kill(id: string): Promise<void> {
    if (!this.has(id)) return this.endPause(id);
    const gone = this.gone(id);
    await this.signal(id, 9);
    await gone;
  }

  private gone(id: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.onGone.get(id)?.delete(done);
        reject(new DocknetError("TIMEOUT", "tried to kill container, but did not receive an exit event"));
      }, KILL_DEADLINE_MS);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.onGone.set(id, (this.onGone.get(id) ?? new Set()).add(done));
    });
  }

  /** Its end is written down: the shim may forget it. */
  acknowledge(id: string): void {
    if (this.ends.delete(id)) void this.shim?.then((shim) => unlessGone(shim.acknowledge({ id }))).catch(() => {});
  }

  async resize(id: string, size: Size, execId?: string): Promise<void> {
    if (execId === undefined && !this.has(id)) return;
    await (await this.ensure()).resize({ id, execId }, size);
  }

  async attach(id: string, execId?: string): Promise<Attached> {
    return (await this.ensure()).attach({ id, execId });
  }

  /** @throws as `start` */
  async exec(instance: ExecInstance, size?: Size): Promise<ProcessInfo> {
    const { argv, env, workingDir, tty, attachStdin, privileged } = instance.config;
    const { id, space, container } = this.placeOf(instance.containerId);
    if (container === undefined) this.entered.add(instance.containerId as NodeName);
    const record = container && this.engine.record(container.id);
    return (await this.ensure()).exec({
      id,
      execId: instance.id,
      space,
      command: {
        argv,
        env: [...(container ? this.linked(container) : []), ...(record?.env ?? []), ...env],
        cwd: workingDir || record?.workingDir || "/",
        tty,
        openStdin: attachStdin,
        privileged: privileged || record?.privileged === true || container === undefined,
        ...(size ? { size } : {}),
      },
    });
  }

  /** The key by which the shim knows a container or a node of the world. */
  keyOf(containerOrNode: string): string {
    return this.placeOf(containerOrNode).id;
  }

  /** Kills what was started in the namespaces of a container that has no process of its own. */
  async endPause(id: string): Promise<void> {
    if (!this.shim) return;
    const shim = await this.shim;
    const info = (await shim.list()).find((p) => p.id === id && p.kind === "pause" && !p.exit);
    if (info) await unlessGone(shim.signal({ id }, 9));
  }

  /** What somebody made by hand in the nodes of the world. */
  async handMade(): Promise<readonly (HandMade & { readonly node: NodeName })[]> {
    if (!this.shim || this.entered.size === 0) return [];
    const list = await (await this.shim).list();
    return [...this.entered].flatMap((node) => {
      const first = list.find((p) => p.id === nodeId(node) && p.execId === undefined && !p.exit);
      return first ? handMadeIn(first.pid).map((made) => ({ ...made, node })) : [];
    });
  }

  /** Lets go of the shim; its processes live on. */
  close(): void {
    this.closing = true;
    void this.shim?.then((shim) => shim.close()).catch(() => {});
  }

  /** Kills all and ends the shim. */
  async shutdown(): Promise<void> {
    this.closing = true;
    const shim = await this.shim;
    this.shim = undefined;
    await shim?.shutdown().catch((error: unknown) => {
      // one that does not answer is killed, and the kernel kills its processes with it
      if (!this.killShim()) throw error;
    });
  }

  /** @returns false when there is none to kill */
  private killShim(): boolean {
    const shims = this.manifest.processes().filter((p) => p.role === "shim" && isRunning(p));
    for (const { pid } of shims) process.kill(pid, "SIGKILL");
    return shims.length > 0;
  }

  private ensure(): Promise<Shim> {
    if (this.closing) throw new DocknetError("ABORTED", `The daemon of lab ${this.engine.lab} is ending`);
    const { directory, place } = this.engine;
    this.shim ??= startShim(directory, { base: place.base, record: (info) => this.record(info) }).then(
      (shim) => this.adopt(shim),
      (error: unknown) => {
        this.shim = undefined;
        throw error;
      },
    );
    return this.shim;
  }

  private adopt(shim: Shim): Shim {
    this.record(shim.info);
    for (const old of this.manifest.processes()) if (old.role === "shim" && !isRunning(old)) this.manifest.forget(old);
    shim.onExit((event) => this.onExit(event));
    void shim.closed.then(() => this.onShimGone());
    return shim;
  }

  private record({ pid, startTicks }: ShimInfo): void {
    const known = this.manifest
      .processes()
      .some((p) => p.role === "shim" && p.pid === pid && p.startTicks === startTicks);
    if (!known) this.manifest.addProcess("shim", pid);
  }

  private onExit({ id, execId, exitCode }: ExitEvent): void {
    if (this.closing) return;
    if (execId === undefined) {
      this.hasEnded(id, exitCode);
      return;
    }
    this.engine.execs.ended(execId, exitCode);
    void this.shim?.then((shim) => unlessGone(shim.acknowledge({ id, execId }))).catch(() => {});
  }

  /** Somebody killed it, and its processes with it. */
  private onShimGone(): void {
    if (this.closing) return;
    this.shim = undefined;
    for (const id of [...this.running.keys()]) this.hasEnded(id, KILLED);
    this.engine.execs.allEnded(KILLED);
  }

  private hasEnded(id: string, exitCode: number): void {
    this.running.delete(id);
    this.ends.set(id, exitCode);
    for (const done of this.onGone.get(id) ?? []) done();
    this.onGone.delete(id);
    // whoever waits for the end gets the reason why it cannot be written down
    this.engine.ended(id, exitCode).catch((error: unknown) => reportProblem(`the end of container ${id}`, error));
  }

  /** The environment variables that its legacy links give it. */
  private linked(container: Container): readonly string[] {
    return linkEnvironment(this.engine.state, container, (id) => this.engine.record(id).env);
  }

  private placeOf(containerOrNode: string): {
    readonly id: string;
    readonly space: Space;
    readonly container?: Container;
  } {
    if (WORLD_NODES.includes(containerOrNode as NodeName)) {
      const node = containerOrNode as NodeName;
      return { id: nodeId(node), space: nodeSpace(this.engine, node) };
    }
    const container = this.engine.container(containerOrNode);
    return { id: container.id, space: containerSpace(this.engine, container), container };
  }

  /** A node that somebody works in sees the names that the lab has now. */
  private followNames(): void {
    const names = netnsNames(this.engine).join("\n");
    if (this.entered.size === 0 || names === this.namesShown || this.closing) return;
    this.namesShown = names;
    for (const node of this.entered)
      void this.shim
        ?.then((shim) => unlessGone(shim.names(nodeId(node), nodeSpace(this.engine, node))))
        .catch((error: unknown) => reportProblem(`the names that ${node} sees`, error));
  }
}

/** What a shim that has died, or has forgotten the process, cannot do is done. */
async function unlessGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof DocknetError) || (error.code !== "NOT_FOUND" && error.code !== "ABORTED")) throw error;
  }
}

function reportProblem(what: string, error: unknown): void {
  process.stderr.write(`docknetd: ${what}: ${messageOf(error)}\n`);
}
