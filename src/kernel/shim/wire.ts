/** Bytes of the shim's connections: lines of JSON, and Docker's frames (shim/protocol.ts). Both ends use this; nothing is ever buffered without bound. */
import { DocknetError } from "../../errors.ts";
import { LINE_MAX } from "./protocol.ts";

export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;

const HEADER_BYTES = 8;
const NEWLINE = 10;

/** Cuts a byte stream into lines. */
export class LineReader {
  private parts: Buffer[] = [];
  private length = 0;

  /** @returns the first line without its newline and what follows it, or undefined while there is none. @throws DocknetError USAGE when it is too long */
  take(chunk: Buffer): { readonly line: string; readonly rest: Buffer } | undefined {
    const at = chunk.indexOf(NEWLINE);
    const part = at === -1 ? chunk : chunk.subarray(0, at);
    this.length += part.length;
    if (this.length > LINE_MAX) throw new DocknetError("USAGE", `Line is longer than ${LINE_MAX} bytes`);
    this.parts.push(part);
    if (at === -1) return undefined;
    const line = Buffer.concat(this.parts).toString("utf8");
    this.parts = [];
    this.length = 0;
    return { line, rest: chunk.subarray(at + 1) };
  }
}

export function frame(stream: number, data: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + data.length);
  bytes.writeUInt32BE(stream << 24, 0);
  bytes.writeUInt32BE(data.length, 4);
  bytes.set(data, HEADER_BYTES);
  return bytes;
}

export interface Frame {
  readonly stream: number;
  /** a part of a frame, as it came; empty only where the whole frame is */
  readonly data: Buffer;
}

/** Cuts a byte stream into frames; a long frame comes in parts, so only its header is ever kept. */
export class FrameReader {
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerLength = 0;
  private left = 0;

  /** @throws DocknetError USAGE when the bytes are no header */
  take(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.left > 0) {
        const data = rest.subarray(0, this.left);
        rest = rest.subarray(data.length);
        this.left -= data.length;
        frames.push({ stream: this.header[0] ?? 0, data });
        continue;
      }
      const part = rest.subarray(0, HEADER_BYTES - this.headerLength);
      this.header.set(part, this.headerLength);
      this.headerLength += part.length;
      rest = rest.subarray(part.length);
      if (this.headerLength < HEADER_BYTES) break;
      this.headerLength = 0;
      const [stream = 0] = this.header;
      if (stream > STDERR || this.header.readUIntBE(1, 3) !== 0)
        throw new DocknetError("USAGE", "Stream has bytes that are no frame");
      this.left = this.header.readUInt32BE(4);
      if (this.left === 0) frames.push({ stream, data: Buffer.alloc(0) });
    }
    return frames;
  }
}
