/**
 * A container's log in Docker's json-file form, one object a line: {"log":"text\n","stream":"stdout","time":"2024-01-01T00:00:00.000000001Z"}.
 * Written by the shim, synchronously, so that what a process printed is there although daemon or shim die right after. Two files
 * at most: when `path` is full it becomes `path`.1. Source: moby daemon/logger/copier.go, daemon/logger/jsonfilelog.
 */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { rfc3339Nano } from "../clock.ts";

export type Stream = "stdout" | "stderr";

/** moby daemon/logger/copier.go defaultBufSize: a longer line becomes several records, of which the last ends with "\n". */
const LINE_BYTES = 16384;
const NEWLINE = 10;

export class JsonFileLog {
  private readonly path: string;
  private readonly maxBytes: number;
  private fd: number;
  private size: number;
  private readonly partial: Record<Stream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };

  /** Appends to `path`. @throws NodeJS.ErrnoException */
  constructor(path: string, maxBytes: number) {
    this.path = path;
    this.maxBytes = maxBytes;
    this.fd = openSync(path, "a", 0o640);
    this.size = fstatSync(this.fd).size;
  }

  write(stream: Stream, chunk: Buffer): void {
    let rest = this.partial[stream].length === 0 ? chunk : Buffer.concat([this.partial[stream], chunk]);
    const records: string[] = [];
    for (;;) {
      const newline = rest.indexOf(NEWLINE);
      const length = newline === -1 ? rest.length : newline + 1;
      if (length > LINE_BYTES) {
        records.push(record(stream, rest.subarray(0, LINE_BYTES)));
        rest = rest.subarray(LINE_BYTES);
      } else if (newline !== -1) {
        records.push(record(stream, rest.subarray(0, length)));
        rest = rest.subarray(length);
      } else break;
    }
    this.partial[stream] = Buffer.from(rest);
    this.append(records.join(""));
  }

  /** Writes what had no newline at its end. Idempotent. */
  close(): void {
    if (this.fd === -1) return;
    for (const stream of ["stdout", "stderr"] as const)
      if (this.partial[stream].length > 0) this.append(record(stream, this.partial[stream]));
    closeSync(this.fd);
    this.fd = -1;
  }

  private append(text: string): void {
    if (text === "" || this.fd === -1) return;
    if (this.size >= this.maxBytes) this.rotate();
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at);
    this.size += bytes.length;
  }

  private rotate(): void {
    closeSync(this.fd);
    renameSync(this.path, `${this.path}.1`);
    this.fd = openSync(this.path, "a", 0o640);
    this.size = 0;
  }
}

/** Go's encoding/json also escapes what HTML and JavaScript would read. */
function record(stream: Stream, line: Buffer): string {
  const log = JSON.stringify(line.toString("utf8")).replaceAll(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `{"log":${log},"stream":"${stream}","time":"${rfc3339Nano()}"}\n`;
}
