/**
 * The shim: one process per lab, the parent of every container process, as containerd-shim is of one. It outlives the daemon, so that
 * containers do, and forgets no exit code until a daemon has acknowledged it. It is PID 1 of a PID namespace of its own: when it dies, the
 * kernel kills everything below, and nothing is left to clean.
 */
import { chmodSync, readlinkSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { DocknetError, messageOf } from "../../errors.ts";
import { tryLock } from "../libc.ts";
import { isOwnPeer } from "../peer-credentials.ts";
import { openOwnLog, TrustedDirectory } from "../trusted-directory.ts";
import {
  becameProgram,
  type Command,
  checkProgram,
  environment,
  type Launched,
  launch,
  PAUSE,
  startTicks,
  wrap,
} from "./container-process.ts";
import { procMounts } from "./guarded-path.ts";
import { JsonFileLog } from "./log.ts";
import { mountedFiles, refreshNames, type Space } from "./mounts.ts";
import { inNamespacesOf, inNewNamespaces } from "./namespaces.ts";
import { type Attachment, ShimProcess } from "./process.ts";
import {
  type ExecSpec,
  type ExitEvent,
  PROTOCOL,
  type ProcessInfo,
  type ProcessKey,
  parseHead,
  parseOperation,
  type Request,
  type StartSpec,
  socketPath,
  type WireError,
} from "./protocol.ts";
import { LineReader } from "./wire.ts";

const MAX_PROCESSES = 8192;
const MAX_CONNECTIONS = 4096;
const LOG_MAX_BYTES = 10_000_000;
const SHUTDOWN_MS = 5000;
const SIGKILL = 9;

/**
 * Listens in `directory` until a request ends it. Resolves when it listens.
 * @throws DocknetError CONFLICT when a shim already runs there
 */
export async function serveShim(directory: string): Promise<void> {
  const place = TrustedDirectory.open(directory);
  if (!place) throw new DocknetError("NOT_FOUND", `Cannot start a shim in ${directory}: it is not there`);
  if (!tryLock(openOwnLog(place.at("shim.lock"), `${directory}/shim.lock`)))
    throw new DocknetError("CONFLICT", `Cannot start a shim in ${directory}: one is running there`);
  const path = socketPath(place.base);
  rmSync(path, { force: true }); // the lock is ours, so whoever made it is dead
  const server = createServer();
  server.maxConnections = MAX_CONNECTIONS;
  const shim = new ShimServer(server, place);
  server.on("connection", (socket) => (isOwnPeer(socket) ? shim.serve(socket) : socket.destroy()));
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  } finally {
    process.umask(umask);
  }
}

class ShimServer {
  private readonly server: Server;
  private readonly place: TrustedDirectory;
  private readonly processes = new Map<string, ShimProcess>();
  /** attached before their process was started */
  private readonly waiting = new Map<string, Set<Attachment>>();
  private readonly listeners = new Set<Socket>();

  constructor(server: Server, place: TrustedDirectory) {
    this.server = server;
    this.place = place;
  }

  /** One connection: lines of requests, until it becomes an attachment or closes. */
  serve(socket: Socket): void {
    const lines = new LineReader();
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.listeners.delete(socket));
    const receive = (chunk: Buffer): void => {
      let rest = chunk;
      while (rest.length > 0 && !socket.destroyed) {
        const next = this.nextLine(socket, lines, rest);
        if (!next) return;
        rest = next.rest;
        if (this.request(socket, next.line, rest) === "attached") {
          socket.off("data", receive);
          return;
        }
      }
    };
    socket.on("data", receive);
  }

  private nextLine(socket: Socket, lines: LineReader, chunk: Buffer): ReturnType<LineReader["take"]> {
    try {
      return lines.take(chunk);
    } catch (error) {
      socket.write(`${JSON.stringify({ error: wireError(error) })}\n`);
      socket.destroySoon();
      return undefined;
    }
  }

  /** A wrong request is answered; a client that does not send requests at all gets one error. */
  private request(socket: Socket, line: string, rest: Buffer): "attached" | "answered" {
    let n: number | undefined;
    const answer = (value: object): void => {
      if (!socket.destroyed) socket.write(`${JSON.stringify({ n, ...value })}\n`);
    };
    let request: Request;
    try {
      const head = parseHead(line);
      n = head.n;
      request = parseOperation(head.op, head.rest);
    } catch (error) {
      answer({ error: wireError(error) });
      if (n === undefined) socket.destroySoon();
      return "answered";
    }
    if (request.op === "attach") {
      socket.pause();
      answer({ ok: {} });
      this.attach(request.key, { socket, rest });
      return "attached";
    }
    if (request.op === "hello") this.listeners.add(socket);
    const last = request.op === "shutdown";
    this.perform(request).then(
      (ok) => {
        answer({ ok });
        if (last) socket.end(() => process.exit(0));
      },
      (error: unknown) => answer({ error: wireError(error) }),
    );
    return "answered";
  }

  private async perform(request: Exclude<Request, { op: "attach" }>): Promise<object> {
    switch (request.op) {
      case "hello":
        return { protocol: PROTOCOL, pid: Number(readlinkSync("/proc/self")), startTicks: startTicks("self") };
      case "list":
        return [...this.processes.values()].map((process) => process.info());
      case "start":
        return this.start(request.spec);
      case "exec":
        return this.exec(request.spec);
      case "signal":
        return { delivered: this.find(request.key).signal(request.signal) };
      case "resize":
        this.find(request.key).resize(request.size);
        return {};
      case "acknowledge":
        return this.acknowledge(request.key);
      case "names":
        refreshNames(this.find({ id: request.id }).pid, request.space);
        return {};
      case "shutdown":
        return this.shutdown();
    }
  }

  private async start(spec: StartSpec): Promise<{ info: ProcessInfo }> {
    const key = { id: spec.id };
    try {
      this.claim(key);
      const env = environment(spec.command, hostnameOf(spec.space));
      checkProgram(spec.command, env.PATH ?? "", "start", mountedFiles(spec.space));
      const log =
        spec.logPath === undefined
          ? undefined
          : new JsonFileLog(this.place.inside(spec.logPath), spec.logMaxBytes ?? LOG_MAX_BYTES);
      const process = this.launchFirst(key, "init", spec.space, spec.command, env, log);
      await process.started;
      return { info: process.info() };
    } catch (error) {
      this.dismiss(key);
      throw error;
    }
  }

  private async exec(spec: ExecSpec): Promise<{ info: ProcessInfo }> {
    const key = { id: spec.id, execId: spec.execId };
    try {
      this.claim(key);
      const env = environment(spec.command, hostnameOf(spec.space));
      checkProgram(spec.command, env.PATH ?? "", "exec", mountedFiles(spec.space));
      const first = this.processes.get(nameOf({ id: spec.id })) ?? this.pause(spec.id, spec.space);
      await first.started;
      this.claim(key); // another request may have come in between
      if (!first.alive)
        throw new DocknetError("CONFLICT", `Cannot exec in container ${spec.id}: it is not running`, {
          remedy: "Start the container",
        });
      if (spec.space.kind === "node") refreshNames(first.pid, spec.space);
      const { command } = spec;
      const argv = wrap(command.argv, env, { proc: false, tty: command.tty, privileged: command.privileged });
      const launched = launch((work) => inNamespacesOf(first.pid, spec.space, work), argv, command, env);
      const process = this.add(key, "exec", launched, argv, command, undefined);
      await process.started;
      return { info: process.info() };
    } catch (error) {
      this.dismiss(key);
      throw error;
    }
  }

  private pause(id: string, space: Space): ShimProcess {
    const command = { argv: PAUSE, env: [], cwd: "/", tty: false, openStdin: false, privileged: space.kind === "node" };
    return this.launchFirst({ id }, "pause", space, command, environment(command, hostnameOf(space)), undefined);
  }

  /** PID 1 of new namespaces. A node keeps the machine's /proc: there one sees the lab's processes. */
  private launchFirst(
    key: ProcessKey,
    kind: "init" | "pause",
    space: Space,
    command: Command,
    env: Record<string, string>,
    log: JsonFileLog | undefined,
  ): ShimProcess {
    const proc = space.kind === "container";
    const guard = proc && !command.privileged ? procMounts() : undefined;
    const argv = wrap(command.argv, env, { proc, tty: command.tty, privileged: command.privileged });
    try {
      const launched = launch((work) => inNewNamespaces(space, work, this.place), argv, command, env, guard);
      return this.add(key, kind, launched, argv, command, log);
    } catch (error) {
      log?.close();
      throw error;
    }
  }

  private add(
    key: ProcessKey,
    kind: ProcessInfo["kind"],
    launched: Launched,
    argv: readonly string[],
    command: Command,
    log: JsonFileLog | undefined,
  ): ShimProcess {
    const started = becameProgram(launched, argv, command.argv);
    const process = new ShimProcess(key, kind, launched, { started, tty: command.tty, log });
    const name = nameOf(key);
    this.processes.set(name, process);
    for (const attachment of this.waiting.get(name) ?? []) process.attach(attachment);
    this.waiting.delete(name);
    void process.ended.then((exit) => {
      // Nobody asked for a pause process, so nobody acknowledges its end.
      if (kind === "pause") this.processes.delete(name);
      else this.tell({ ...key, ...exit });
    });
    return process;
  }

  private tell(event: ExitEvent): void {
    for (const socket of this.listeners) socket.write(`${JSON.stringify({ event: "exit", ...event })}\n`);
  }

  private attach(key: ProcessKey, attachment: Attachment): void {
    const name = nameOf(key);
    const process = this.processes.get(name);
    if (process) {
      process.attach(attachment);
      return;
    }
    const waiting = this.waiting.get(name) ?? new Set();
    this.waiting.set(name, waiting.add(attachment));
    attachment.socket.on("close", () => {
      waiting.delete(attachment);
      if (waiting.size === 0 && this.waiting.get(name) === waiting) this.waiting.delete(name);
    });
  }

  /** A start that failed: who waits for its streams sees their end. */
  private dismiss(key: ProcessKey): void {
    if (this.processes.has(nameOf(key))) return;
    for (const { socket } of this.waiting.get(nameOf(key)) ?? []) {
      socket.resume();
      socket.end();
    }
    this.waiting.delete(nameOf(key));
  }

  private claim(key: ProcessKey): void {
    if (this.processes.has(nameOf(key)))
      throw new DocknetError(
        "CONFLICT",
        `Cannot start process ${nameOf(key)}: it runs, or its end is not acknowledged`,
      );
    if (this.processes.size >= MAX_PROCESSES)
      throw new DocknetError("CONFLICT", `Cannot start process ${nameOf(key)}: there are ${MAX_PROCESSES} already`);
  }

  private find(key: ProcessKey): ShimProcess {
    const process = this.processes.get(nameOf(key));
    if (!process) throw new DocknetError("NOT_FOUND", `Cannot find process ${nameOf(key)}`);
    return process;
  }

  /** Idempotent. */
  private acknowledge(key: ProcessKey): object {
    const process = this.processes.get(nameOf(key));
    if (process && process.info().exit === undefined)
      throw new DocknetError("CONFLICT", `Cannot acknowledge the end of process ${nameOf(key)}: it is running`);
    this.processes.delete(nameOf(key));
    return {};
  }

  /** Kills all, waits until all are dead, and stops to listen; the process ends when the answer is sent. */
  private async shutdown(): Promise<object> {
    this.server.close();
    const all = [...this.processes.values()];
    for (const process of all) process.signal(SIGKILL);
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise((resolve) => {
      timer = setTimeout(resolve, SHUTDOWN_MS); // what is stuck in the kernel dies with our PID namespace
    });
    await Promise.race([Promise.all(all.map((process) => process.ended)), deadline]);
    clearTimeout(timer);
    rmSync(socketPath(this.place.base), { force: true });
    return {};
  }
}

const nameOf = ({ id, execId }: ProcessKey): string => (execId === undefined ? id : `${id}/${execId}`);

const hostnameOf = (space: Space): string | undefined => (space.kind === "container" ? space.hostname : undefined);

function wireError(error: unknown): WireError {
  if (error instanceof DocknetError) return { code: error.code, message: error.message, details: error.details };
  return { code: "KERNEL_REFUSED", message: messageOf(error), details: {} };
}
