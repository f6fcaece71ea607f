/**
 * One process under the shim: who is attached to it, its log, its end. Output goes to the log and to every attached client, and waits
 * for the slowest of them, as Docker's does. Without a client it is read all the same: a process never waits for nobody.
 */
import type { Socket } from "node:net";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { DocknetError } from "../../errors.ts";
import { rfc3339Nano } from "../clock.ts";
import { type Launched, startTicks } from "./container-process.ts";
import type { JsonFileLog, Stream } from "./log.ts";
import type { ProcessExit, ProcessInfo, ProcessKey } from "./protocol.ts";
import type { TerminalSize } from "./pty.ts";
import { FrameReader, frame, STDERR, STDIN, STDOUT } from "./wire.ts";

/** moby daemon/monitor.go: what still holds the output of a process that has ended is not waited for any longer. */
const OUTPUT_GRACE_MS = 2000;

/** A client's connection in frames; `rest` came with its request. */
export interface Attachment {
  readonly socket: Socket;
  readonly rest: Buffer;
}

export class ShimProcess {
  readonly key: ProcessKey;
  readonly kind: ProcessInfo["kind"];
  readonly tty: boolean;
  /** when the user's program runs, or has ended */
  readonly started: Promise<void>;
  private readonly launched: Launched;
  private readonly log: JsonFileLog | undefined;
  private readonly ticks: number;
  private readonly startedAt = rfc3339Nano();
  private readonly clients = new Set<Socket>();
  /** clients that have not taken what they were sent */
  private readonly slow = new Set<Socket>();
  private exit: ProcessExit | undefined;
  private released = false;
  /** when it ended and what it printed is read, or not waited for any longer; never rejects */
  readonly ended: Promise<ProcessExit>;

  constructor(
    key: ProcessKey,
    kind: ProcessInfo["kind"],
    launched: Launched,
    options: { readonly started: Promise<void>; readonly tty: boolean; readonly log: JsonFileLog | undefined },
  ) {
    this.key = key;
    this.kind = kind;
    this.tty = options.tty;
    this.started = options.started;
    this.launched = launched;
    this.log = options.log;
    this.ticks = startTicks(launched.pid);
    launched.stdin?.on("error", () => {}); // EPIPE: the process has closed its stdin
    for (const { stream, readable } of launched.outputs)
      readable.on("data", (chunk: Buffer) => this.deliver(stream, chunk));
    this.ended = this.watchEnd();
  }

  get pid(): number {
    return this.launched.pid;
  }

  /** Not yet reaped: its pid and /proc/PID are its own. */
  get alive(): boolean {
    return this.launched.child.exitCode === null && this.launched.child.signalCode === null;
  }

  info(): ProcessInfo {
    return {
      ...this.key,
      kind: this.kind,
      pid: this.pid,
      startTicks: this.ticks,
      startedAt: this.startedAt,
      tty: this.tty,
      exit: this.exit,
    };
  }

  /** @returns false when it has ended. @throws NodeJS.ErrnoException */
  signal(number: number): boolean {
    const { pid } = this.launched.child; // in the shim's PID namespace; Node reaps, so until `alive` is false it is not reused
    if (!this.alive || pid === undefined) return false;
    process.kill(pid, number);
    return true;
  }

  resize(size: TerminalSize): void {
    if (!this.launched.terminal)
      throw new DocknetError("USAGE", `Cannot resize process ${this.key.execId ?? this.key.id}: it has no terminal`);
    this.launched.terminal.resize(size);
  }

  attach({ socket, rest }: Attachment): void {
    if (this.exit !== undefined) {
      socket.end();
      return;
    }
    this.clients.add(socket);
    const reader = new FrameReader();
    const receive = (chunk: Buffer): void => {
      try {
        for (const { stream, data } of reader.take(chunk)) if (stream === STDIN) this.type(socket, data);
      } catch {
        socket.destroy();
      }
    };
    socket.on("data", receive);
    socket.on("close", () => {
      this.clients.delete(socket);
      this.caughtUp(socket);
    });
    socket.on("drain", () => this.caughtUp(socket));
    receive(rest);
    socket.resume();
  }

  /** Empty `data` is the end of stdin; a terminal has none. */
  private type(socket: Socket, data: Buffer): void {
    const { stdin, terminal } = this.launched;
    if (!stdin || stdin.destroyed || stdin.writableEnded) return;
    if (data.length === 0) {
      if (!terminal) stdin.end();
      return;
    }
    if (stdin.write(data)) return;
    socket.pause();
    const go = (): void => {
      stdin.off("drain", go);
      stdin.off("close", go);
      socket.resume();
    };
    stdin.on("drain", go);
    stdin.on("close", go);
  }

  private deliver(stream: Stream, chunk: Buffer): void {
    try {
      this.log?.write(stream, chunk);
    } catch (error) {
      process.stderr.write(`docknet-shim: cannot write the log of ${this.key.id}: ${String(error)}\n`);
    }
    if (this.clients.size === 0 || this.released) return;
    const bytes = frame(stream === "stdout" ? STDOUT : STDERR, chunk);
    for (const client of this.clients) if (!client.write(bytes)) this.slow.add(client);
    if (this.slow.size > 0) for (const { readable } of this.launched.outputs) readable.pause();
  }

  private caughtUp(client: Socket): void {
    this.slow.delete(client);
    if (this.slow.size === 0) for (const { readable } of this.launched.outputs) readable.resume();
  }

  private async watchEnd(): Promise<ProcessExit> {
    const exitCode = await new Promise<number>((resolve) => {
      this.launched.child.once("exit", (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
    const finishedAt = rfc3339Nano();
    const outputs = Promise.all(this.launched.outputs.map(({ readable }) => finished(readable))).then(() => true);
    const told = await Promise.race([outputs, passed(OUTPUT_GRACE_MS)]);
    this.exit = { exitCode, finishedAt };
    if (told) this.release();
    else void this.releaseLater(outputs);
    return this.exit;
  }

  /** A client that reads slowly still gets everything; what others hold open is not waited for. */
  private async releaseLater(outputs: Promise<boolean>): Promise<void> {
    while (this.slow.size > 0 && !(await Promise.race([outputs, passed(OUTPUT_GRACE_MS)])));
    this.release();
  }

  private release(): void {
    this.released = true;
    this.log?.close();
    this.launched.stdin?.destroy();
    for (const client of this.clients) client.end();
  }
}

/** Ended or broken: either way nothing more comes. */
function finished(readable: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (readable.destroyed || readable.readableEnded) resolve();
    for (const event of ["end", "close", "error"]) readable.once(event, () => resolve());
  });
}

/** A deadline: false after `ms`; holds no process up. */
const passed = (ms: number): Promise<false> => new Promise((resolve) => setTimeout(() => resolve(false), ms).unref());
