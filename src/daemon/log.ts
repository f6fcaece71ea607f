/**
 * What containers wrote, in Docker's json-file form: one JSON object a line, {"log","stream","time"}. The shim writes the lines of
 * processes, the daemon those of responders; either may write while somebody follows.
 * Source: moby daemon/logger/jsonfilelog.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readSync, rmSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { parseRfc3339Nano, rfc3339Nano } from "../kernel/clock.ts";
import type { TrustedDirectory } from "../kernel/trusted-directory.ts";

export interface LogLine {
  readonly stream: "stdout" | "stderr";
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  /** With its line break, if it has one. */
  readonly text: string;
}

/** @param text with its line break */
export type LogListener = (stream: LogLine["stream"], text: string) => void;

export interface LogRequest {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** The last so many lines; all when left out. */
  readonly tail?: number;
  /** Nanoseconds since the epoch. */
  readonly since?: bigint;
  readonly until?: bigint;
  readonly signal: AbortSignal;
}

const CHUNK_BYTES = 65_536;
/** A responder's log is started again after so many bytes. */
const MAX_BYTES = 10 * 1024 * 1024;

export class ContainerLogs {
  private readonly root: string;
  private readonly place: TrustedDirectory;
  private readonly followers = new Map<string, Set<() => void>>();
  private readonly listeners = new Map<string, Set<LogListener>>();
  private readonly sizes = new Map<string, number>();

  /** @param place the lab's directory */
  constructor(place: TrustedDirectory) {
    this.place = place;
    this.root = `${place.path}/containers`;
  }

  pathOf(id: string): string {
    return `${this.root}/${id}/${id}-json.log`;
  }

  /** One line of a container that has no process. */
  append(id: string, stream: LogLine["stream"], text: string): void {
    const path = this.place.inside(this.pathOf(id));
    const line = `${JSON.stringify({ log: `${text}\n`, stream, time: rfc3339Nano() })}\n`;
    const size = (this.sizes.get(id) ?? sizeOf(path)) + line.length;
    if (size > MAX_BYTES) rmSync(path, { force: true });
    this.sizes.set(id, size > MAX_BYTES ? line.length : size);
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      appendFileSync(path, line, { mode: 0o600 });
    } catch {
      // a full disk, or a directory that has gone, takes the line; who listens gets it, and the responder goes on
    }
    for (const listener of this.listeners.get(id) ?? []) listener(stream, `${text}\n`);
  }

  /** Called with each line that `append` gets from now on. @returns what ends it */
  listen(id: string, listener: LogListener): () => void {
    const listeners = this.listeners.get(id) ?? new Set();
    this.listeners.set(id, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** The container has ended: who follows gets the rest and is done. */
  end(id: string): void {
    const followers = this.followers.get(id);
    this.followers.delete(id);
    for (const done of followers ?? []) done();
  }

  remove(id: string): void {
    this.end(id);
    this.listeners.delete(id);
    this.sizes.delete(id);
  }

  /** @param running does it run now? Only then is there anything to follow */
  async *read(id: string, request: LogRequest, running: boolean): AsyncGenerator<LogLine> {
    const wanted = (line: LogLine): boolean => isWanted(line, request);
    const file = new LogFile(this.place.inside(this.pathOf(id)));
    let ended = !running;
    const onEnd = (): void => {
      ended = true;
      file.wake();
    };
    const followers = this.followers.get(id) ?? new Set();
    if (request.follow && running) this.followers.set(id, followers.add(onEnd));
    try {
      const past = [...file.readNew()].filter(wanted);
      yield* request.tail === undefined ? past : past.slice(Math.max(0, past.length - request.tail));
      while (request.follow && !request.signal.aborted) {
        const last = ended;
        for (const line of file.readNew()) if (wanted(line)) yield line;
        if (last) return;
        if (!ended) await file.changed(request.signal);
      }
    } finally {
      followers.delete(onEnd);
      file.close();
    }
  }
}

function isWanted(line: LogLine, { stdout, stderr, since, until }: LogRequest): boolean {
  if (!(line.stream === "stdout" ? stdout : stderr)) return false;
  const at = since !== undefined || until !== undefined ? parseRfc3339Nano(line.time) : 0n;
  return (since === undefined || at >= since) && (until === undefined || at <= until);
}

/** Reads what was added since the last time; begins anew when the file was replaced by a new one. */
class LogFile {
  private readonly path: string;
  private fd: number | undefined;
  private inode = 0;
  private offset = 0;
  private rest = "";
  private decoder = new StringDecoder("utf8");
  private onWake: (() => void) | undefined;
  private readonly watcher;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o755 });
    // the folder: the file itself may not be there yet, or be rotated
    this.watcher = watch(path.slice(0, path.lastIndexOf("/")), { persistent: false }, () => this.wake());
    this.watcher.on("error", () => this.wake());
  }

  *readNew(): Generator<LogLine> {
    if (this.fd !== undefined) yield* this.drain();
    const found = statSync(this.path, { throwIfNoEntry: false });
    if (!found || (this.fd !== undefined && found.ino === this.inode)) return;
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = openSync(this.path, "r");
    this.inode = found.ino;
    this.offset = 0;
    this.rest = "";
    this.decoder = new StringDecoder("utf8");
    yield* this.drain();
  }

  /** Resolves when something was written, when woken, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.onWake = undefined;
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.onWake = done;
      signal.addEventListener("abort", done, { once: true });
      const size = sizeOf(this.path);
      if (signal.aborted || size !== this.offset) done();
    });
  }

  wake(): void {
    this.onWake?.();
  }

  close(): void {
    this.watcher.close();
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private *drain(): Generator<LogLine> {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const count = readSync(this.fd as number, buffer, 0, buffer.length, this.offset);
      if (count === 0) return;
      this.offset += count;
      const lines = (this.rest + this.decoder.write(buffer.subarray(0, count))).split("\n");
      this.rest = lines.pop() ?? "";
      for (const line of lines) {
        const parsed = parseLine(line);
        if (parsed) yield parsed;
      }
    }
  }
}

function parseLine(text: string): LogLine | undefined {
  try {
    const { log, stream, time } = JSON.parse(text) as { log?: unknown; stream?: unknown; time?: unknown };
    if (typeof log !== "string" || typeof time !== "string") return undefined;
    return { text: log, stream: stream === "stderr" ? "stderr" : "stdout", time };
  } catch {
    return undefined; // half a line of a writer that was killed
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
