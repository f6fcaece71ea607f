/** stdout is data, stderr is talk. Colour and progress only where a person looks on. */
import { writeSync } from "node:fs";
import { DocknetError } from "../errors.ts";

export const useColour = (stream: NodeJS.WriteStream): boolean =>
  !process.env.NO_COLOR &&
  process.env.TERM !== "dumb" &&
  (process.env.FORCE_COLOR ? process.env.FORCE_COLOR !== "0" : Boolean(stream.isTTY));

export const widthOf = (stream: NodeJS.WriteStream): number => Math.max(60, Math.min(stream.columns ?? 100, 140));

/** Writes lines: the last one is ended when it is not. */
export const print = (text: string): void => void writeOut(text.endsWith("\n") ? text : `${text}\n`);

/**
 * Writes all of it as it is, also into a pipe whose reader is slow; a reader that has gone (`| head`) is no error.
 * @returns whether the reader is still there
 */
export function writeOut(text: string | Uint8Array, fd: 1 | 2 = 1): boolean {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return false;
      if (code !== "EAGAIN") throw unwritable(fd, error as NodeJS.ErrnoException);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return true;
}

/** ENOSPC, EIO, EBADF: what the shell has made of it cannot take more. */
const unwritable = (fd: 1 | 2, cause: NodeJS.ErrnoException): DocknetError =>
  new DocknetError("KERNEL_REFUSED", `Cannot write to standard ${fd === 1 ? "output" : "error"}: ${cause.code}`, {
    cause,
    remedy: "Make room where it leads to, or lead it elsewhere",
  });

export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** One line that is rewritten in place; nothing when stderr is not a terminal. */
export class Progress {
  private readonly on = Boolean(process.stderr.isTTY) && process.env.TERM !== "dumb";
  private shown = false;

  show(text: string): void {
    if (!this.on) return;
    this.shown = true;
    process.stderr.write(`\r\u001b[2K${text}`);
  }

  clear(): void {
    if (this.shown) process.stderr.write("\r\u001b[2K");
    this.shown = false;
  }
}
