/**
 * The daemon's side of the shim (shim/server.ts). A daemon connects to the shim of its lab, or starts it; closing the connection, or
 * dying, changes nothing for the processes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, readFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { basename } from "node:path";
import { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { DocknetError, type ErrorCode } from "../../errors.ts";
import { isStopped } from "../manifest.ts";
import { isOwnPeer, peerOf } from "../peer-credentials.ts";
import { openOwnLog } from "../trusted-directory.ts";
import { tool } from "./container-process.ts";
import type { NodeSpace } from "./mounts.ts";
import {
  type ExecSpec,
  type ExitEvent,
  PROTOCOL,
  type ProcessInfo,
  type ProcessKey,
  RECORDED,
  type ShimInfo,
  type StartSpec,
  socketPath,
  type WireError,
} from "./protocol.ts";
import type { TerminalSize } from "./pty.ts";
import { FrameReader, frame, LineReader, STDERR, STDIN } from "./wire.ts";

/** A machine that others load takes seconds to start a program. */
const START_MS = 30_000;
/** Whatever the shim is asked: to become a program may take it 5 s, to kill all 5 s. */
const ANSWER_MS = 15_000;
/** Somebody may stop it for a moment, with a debugger for one. */
const STOPPED_MS = 2000;
const LOOK_MS = 250;

/** The bundle of src/kernel/shim/main.ts: beside the bundle that this file is in, or seen from dist/kernel/shim of the library. */
const BUNDLES = ["./docknet-shim.mjs", "../../bin/docknet-shim.mjs"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** What a process printed, in the order in which it was read. */
export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  readonly data: Buffer;
}

export interface Attached {
  /** Ending it ends the process's stdin, but not a terminal's. */
  readonly stdin: Writable;
  /** In object mode: `OutputChunk`s. Ends with the process, or when the start failed. */
  readonly output: Readable;
  /** Detaches; stdin stays open. Idempotent. */
  close(): void;
}

export interface StartOptions {
  /** Writes down whose process it is; what throws here ends it. A caller that is killed before it returns leaves no shim. */
  readonly record?: (info: ShimInfo) => void;
  /** The built src/kernel/shim/main.ts. */
  readonly bundle?: string;
  /** The way to the directory's files, where it is not its path (trusted-directory.ts). */
  readonly base?: string;
}

/**
 * Starts the shim of a lab, detached, with PID, UTS and IPC namespaces of its own; it inherits user and mount namespaces. One per directory.
 * @param directory of the lab; short enough for a unix socket in it
 * @throws DocknetError CONFLICT when one runs there, KERNEL_FEATURE, TIMEOUT, KERNEL_REFUSED with what it said
 */
export async function startShim(
  directory: string,
  { record, bundle = BUNDLES.find((path) => existsSync(path)) ?? "", base = directory }: StartOptions = {},
): Promise<Shim> {
  const log = openOwnLog(`${base}/shim.log`, `${directory}/shim.log`);
  const args = ["--pid", "--fork", "--kill-child", "--uts", "--ipc", "--", process.execPath, "--", bundle, directory];
  const child = spawn(tool("unshare"), args, { detached: true, stdio: ["pipe", "pipe", log], cwd: "/" });
  closeSync(log);
  child.stdin?.on("error", () => {}); // it has died, which `exit` reports
  try {
    await ready(child, directory, base);
    const shim = await connectShim(directory, base);
    record?.(shim.info);
    child.stdin?.end(RECORDED);
    child.stdout?.destroy();
    child.unref();
    return shim;
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** The shim's first and only word on stdout says that it listens. */
async function ready(child: ChildProcess, directory: string, base: string): Promise<void> {
  const listening = new AbortController();
  const options = { signal: AbortSignal.any([listening.signal, AbortSignal.timeout(START_MS)]) };
  const { stdout } = child;
  if (!stdout) throw new DocknetError("INTERNAL", "Shim was started without a pipe");
  try {
    const ended = once(child, "exit", options).then(() => Promise.reject(died(directory, base)));
    await Promise.race([once(stdout, "data", options), ended]);
  } catch (error) {
    throw options.signal.aborted ? late(directory) : error;
  } finally {
    listening.abort();
  }
}

const late = (directory: string): DocknetError =>
  new DocknetError("TIMEOUT", `Shim in ${directory} did not listen within ${START_MS} ms`);

function died(directory: string, base: string): DocknetError {
  const said = readFileSync(`${base}/shim.log`, "utf8").trimEnd().split("\n").at(-1) ?? "";
  const code = said.includes("one is running there") ? "CONFLICT" : "KERNEL_REFUSED";
  return new DocknetError(code, `Cannot start the shim in ${directory}: ${said || "it ended at once"}`);
}

/** @throws DocknetError NOT_FOUND when no shim runs there, CONFLICT when it is of another version */
export async function connectShim(directory: string, base = directory): Promise<Shim> {
  const socket = await connect(directory, base);
  const shim = new Shim(directory, base, socket);
  try {
    await shim.hello();
  } catch (error) {
    shim.close();
    throw error;
  }
  return shim;
}

function connect(directory: string, base: string): Promise<Socket> {
  const path = socketPath(directory);
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath(base));
    socket.once("connect", () => {
      if (isOwnPeer(socket)) return resolve(socket);
      socket.destroy();
      reject(
        new DocknetError("PRIVILEGE", `Cannot trust the shim at ${path}: another user listens there`, {
          remedy: "Remove the directory, and look at who else can write it",
        }),
      );
    });
    socket.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        new DocknetError("NOT_FOUND", `Cannot reach a shim at ${path}: ${error.code}`, {
          cause: error,
          remedy: existsSync(directory) ? "Start it again: its processes have died with it" : "Start the lab",
        }),
      ),
    );
  });
}

interface Pending {
  readonly resolve: (ok: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Ends the wait for its answer. */
  readonly settle: () => void;
}

/** Calls back once, when the shim has not answered in time, or is stopped. @returns what ends it */
function awaitAnswer(directory: string, pid: number, what: string, late: (error: DocknetError) => void): () => void {
  const begin = performance.now();
  let running = begin;
  const timer = setInterval(() => {
    const now = performance.now();
    if (!isStopped(pid)) running = now;
    if (now - running >= STOPPED_MS)
      fail(`its shim, process ${pid}, is stopped`, `Let it go on with \`kill -CONT ${pid}\``);
    else if (now - begin >= ANSWER_MS)
      fail(`its shim, process ${pid}, did not answer to ${what} within ${ANSWER_MS / 1000} s`, "Try again later");
  }, LOOK_MS);
  const fail = (found: string, remedy: string): void => {
    clearInterval(timer);
    const lab = basename(directory);
    const text = `Cannot ${what} in lab ${lab}: ${found}`;
    late(new DocknetError("TIMEOUT", text, { remedy: `${remedy}, or remove the lab with \`docknet down\`` }));
  };
  return () => clearInterval(timer);
}

export class Shim {
  /** Resolves when the connection is gone: by `close`, or because the shim has died and all processes with it. */
  readonly closed: Promise<void>;
  private readonly directory: string;
  private readonly base: string;
  private readonly pid: number;
  private readonly socket: Socket;
  private readonly pending = new Map<number, Pending>();
  private readonly exitListeners = new Set<(event: ExitEvent) => void>();
  private last = 0;
  private known: ShimInfo | undefined;

  constructor(directory: string, base: string, socket: Socket) {
    this.directory = directory;
    this.base = base;
    this.pid = peerOf(socket).pid;
    this.socket = socket;
    const lines = new LineReader();
    socket.on("data", (chunk: Buffer) => {
      for (let next = lines.take(chunk); next; next = lines.take(next.rest)) this.receive(next.line);
    });
    socket.on("error", () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        for (const { reject, settle } of this.pending.values()) {
          settle();
          reject(this.gone());
        }
        this.pending.clear();
        resolve();
      });
    });
  }

  /** Its process, which is its own user's to kill. */
  get info(): ShimInfo {
    if (!this.known) throw new DocknetError("INTERNAL", "Shim is used before it answered");
    return this.known;
  }

  async hello(): Promise<void> {
    const info = (await this.ask("hello", {})) as ShimInfo;
    if (info.protocol !== PROTOCOL)
      throw new DocknetError(
        "CONFLICT",
        `Shim in ${this.directory} speaks protocol ${info.protocol}, not ${PROTOCOL}`,
        {
          remedy: "Run `docknet down` with the version of docknet that started the lab",
        },
      );
    this.known = info;
  }

  /**
   * Starts a container's own process, PID 1 of new namespaces; resolves when the program runs or has ended.
   * @throws DocknetError NOT_FOUND or CONFLICT with Docker's text and `details.exitCode` when the program cannot be started
   */
  async start(spec: StartSpec): Promise<ProcessInfo> {
    return ((await this.ask("start", { spec })) as { info: ProcessInfo }).info;
  }

  /** Starts another process in a container or node. @throws as `start` */
  async exec(spec: ExecSpec): Promise<ProcessInfo> {
    return ((await this.ask("exec", { spec })) as { info: ProcessInfo }).info;
  }

  /** @param signal 1..64. @returns false when it has ended already. @throws DocknetError NOT_FOUND */
  async signal(key: ProcessKey, signal: number): Promise<boolean> {
    return ((await this.ask("signal", { key: only(key), signal })) as { delivered: boolean }).delivered;
  }

  /** @throws DocknetError NOT_FOUND, USAGE when it has no terminal */
  async resize(key: ProcessKey, size: TerminalSize): Promise<void> {
    await this.ask("resize", { key: only(key), size });
  }

  /** All that run, and all that have ended and were not acknowledged. */
  async list(): Promise<readonly ProcessInfo[]> {
    return (await this.ask("list", {})) as ProcessInfo[];
  }

  /** Shows a node the names that its lab has now. @throws DocknetError NOT_FOUND where nobody works in it */
  async names(id: string, space: NodeSpace): Promise<void> {
    await this.ask("names", { id, space });
  }

  /** The exit code is written down: the shim may forget the process. Idempotent. @throws DocknetError CONFLICT while it runs */
  async acknowledge(key: ProcessKey): Promise<void> {
    await this.ask("acknowledge", { key: only(key) });
  }

  /** Calls back for every process that ends from now on, but not for what `list` already tells. @returns what ends it */
  onExit(callback: (event: ExitEvent) => void): () => void {
    this.exitListeners.add(callback);
    return () => this.exitListeners.delete(callback);
  }

  /** A connection to the streams of a process. Of one that is not started yet: nothing that it prints is missed then. Aborting detaches. */
  async attach(key: ProcessKey, options: { readonly signal?: AbortSignal } = {}): Promise<Attached> {
    const socket = await connect(this.directory, this.base);
    const streams = attachedStreams(socket);
    options.signal?.addEventListener("abort", () => socket.destroy(), { once: true });
    if (options.signal?.aborted) socket.destroy();
    socket.write(`${JSON.stringify({ n: 0, op: "attach", key: only(key) })}\n`);
    const settle = awaitAnswer(this.directory, this.pid, "attach", (error) => socket.destroy(error));
    await streams.accepted.finally(settle);
    return streams.attached;
  }

  /** Kills every process and ends the shim; resolves when all are dead. */
  async shutdown(): Promise<void> {
    await this.ask("shutdown", {});
    await this.closed;
  }

  /** Leaves the shim and its processes alone. */
  close(): void {
    this.socket.destroy();
  }

  private ask(op: string, fields: object): Promise<unknown> {
    if (this.socket.destroyed) return Promise.reject(this.gone());
    this.last += 1;
    const n = this.last;
    return new Promise((resolve, reject) => {
      const settle = awaitAnswer(this.directory, this.pid, op, (error) => {
        this.pending.delete(n);
        reject(error);
      });
      this.pending.set(n, { resolve, reject, settle });
      this.socket.write(`${JSON.stringify({ n, op, ...fields })}\n`);
    });
  }

  private receive(line: string): void {
    const message = JSON.parse(line) as Answer & { event?: "exit" };
    if (message.event === "exit") {
      const { event: _, ...exit } = message as unknown as ExitEvent & { event: "exit" };
      for (const listener of this.exitListeners) listener(exit);
      return;
    }
    const pending = this.pending.get(message.n ?? 0);
    if (!pending) return;
    this.pending.delete(message.n ?? 0);
    pending.settle();
    if (message.error) pending.reject(asError(message.error));
    else pending.resolve(message.ok);
  }

  private gone(): DocknetError {
    return new DocknetError("ABORTED", `Connection to the shim in ${this.directory} is closed`);
  }
}

/** A `ProcessInfo` or `ExitEvent` is a key too; the shim takes no field too many. */
const only = ({ id, execId }: ProcessKey): ProcessKey => ({ id, execId });

interface Answer {
  readonly n?: number;
  readonly ok?: unknown;
  readonly error?: WireError;
}

const asError = ({ code, message, details }: WireError): DocknetError =>
  new DocknetError(code satisfies ErrorCode, message, { details });

function attachedStreams(socket: Socket): { readonly attached: Attached; readonly accepted: Promise<void> } {
  const output = new Readable({
    objectMode: true,
    read: () => void socket.resume(),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => void socket.write(frame(STDIN, chunk), done),
    final: (done) => void socket.write(frame(STDIN, Buffer.alloc(0)), done),
  });
  stdin.on("error", () => {}); // the process has ended, which `output` tells
  let over = false;
  const finish = (): void => {
    if (!over) output.push(null);
    over = true;
  };
  socket.on("error", () => socket.destroy());
  socket.on("end", finish);
  socket.on("close", () => {
    finish();
    stdin.destroy();
  });
  const frames = new FrameReader();
  const pass = (chunk: Buffer): void => {
    for (const { stream, data } of frames.take(chunk))
      if (!output.push({ stream: stream === STDERR ? "stderr" : "stdout", data } satisfies OutputChunk)) socket.pause();
  };
  const lines = new LineReader();
  const accepted = new Promise<void>((resolve, reject) => {
    const head = (chunk: Buffer): void => {
      const next = lines.take(chunk);
      if (!next) return;
      socket.off("data", head);
      const { error } = JSON.parse(next.line) as Answer;
      if (error) reject(asError(error));
      socket.on("data", pass);
      pass(next.rest);
      resolve();
    };
    socket.on("data", head);
    socket.once("error", reject);
    socket.once("close", () => reject(new DocknetError("ABORTED", "Connection to the shim is closed")));
  });
  return { attached: { stdin, output, close: () => socket.destroy() }, accepted };
}
