/**
 * Output of a container without a terminal: frames of an 8-byte head (stream, three zeros, length as 32 bits big-endian) and a payload.
 * Pure. Source: moby api/pkg/stdcopy/stdcopy.go.
 */
import { StatusError } from "./status.ts";

const HEAD_BYTES = 8;
const SYSTEM_ERROR = 3;
/** A message of the daemon in the stream is one line. */
const MAX_MESSAGE_BYTES = 64 * 1024;

export type Write = (bytes: Buffer) => void;

/** Takes the stream in pieces of any size and writes each payload where it belongs, as it comes. */
export class Demultiplexer {
  private readonly stdout: Write;
  private readonly stderr: Write;
  private head = Buffer.alloc(0);
  private stream = 0;
  private left = 0;
  private message = Buffer.alloc(0);

  constructor(stdout: Write, stderr: Write) {
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** Throws StatusError: an unknown stream, or an error that the daemon put into the stream. */
  push(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.left === 0) rest = this.readHead(rest);
      if (this.left === 0) continue;
      const payload = rest.subarray(0, this.left);
      this.left -= payload.length;
      rest = rest.subarray(payload.length);
      this.deliver(payload);
    }
  }

  private readHead(chunk: Buffer): Buffer {
    const missing = HEAD_BYTES - this.head.length;
    this.head = Buffer.concat([this.head, chunk.subarray(0, missing)]);
    if (this.head.length === HEAD_BYTES) {
      this.stream = this.head.readUInt8(0);
      this.left = this.head.readUInt32BE(4);
      this.head = Buffer.alloc(0);
      if (this.stream > SYSTEM_ERROR) throw new StatusError(`Unrecognized input header: ${this.stream}`);
    }
    return chunk.subarray(missing);
  }

  private deliver(payload: Buffer): void {
    if (this.stream === 2) this.stderr(payload);
    else if (this.stream !== SYSTEM_ERROR) this.stdout(payload);
    else {
      this.message = Buffer.concat([this.message, payload]);
      if (this.left === 0 || this.message.length > MAX_MESSAGE_BYTES)
        throw new StatusError(`error from daemon in stream: ${this.message.toString("utf8")}`);
    }
  }
}
