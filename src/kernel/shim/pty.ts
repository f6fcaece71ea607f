/**
 * A terminal for a process (pty(7)): the slave is its stdin, stdout and stderr, the master is ours, as a Node stream. Node's own tty
 * streams are made for slaves: on a master their writes spin while the terminal's buffer is full.
 */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { Duplex } from "node:stream";
import { dup, ioctl } from "../libc.ts";
import { type Readiness, watchReadiness } from "../readiness.ts";

/** Rows and columns of characters, 0..65535 each. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** asm-generic/ioctls.h */
const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;

/**
 * A new pty of the devpts at /dev/pts that this thread sees: call it inside the mount namespace of the process. The caller owns both.
 * @throws NodeJS.ErrnoException, SystemError
 */
export function openPty(): { readonly master: number; readonly slave: number } {
  const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    const number = Buffer.alloc(4);
    ioctl(master, TIOCSPTLCK, Buffer.alloc(4));
    ioctl(master, TIOCGPTN, number);
    const slave = openSync(`/dev/pts/${number.readUInt32LE()}`, constants.O_RDWR | constants.O_NOCTTY);
    return { master, slave };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Tells the terminal its size; the kernel sends SIGWINCH to the foreground processes. @throws SystemError */
export function resizePty(master: number, size: TerminalSize): void {
  const winsize = Buffer.alloc(8);
  winsize.writeUInt16LE(size.rows, 0);
  winsize.writeUInt16LE(size.columns, 2);
  ioctl(master, TIOCSWINSZ, winsize);
}

const READ_BYTES = 65536;

/** What the process prints comes out; what goes in is typed. It ends when the last process that holds the slave has closed it. */
export class PtyStream extends Duplex {
  private readonly master: number;
  /** A poll of its own: one descriptor can be watched for one thing at a time. */
  private readonly writer: number;
  private reading: Readiness | undefined;
  private writing: Readiness | undefined;

  /** Takes ownership of a non-blocking master. */
  constructor(master: number) {
    super({ allowHalfOpen: false, decodeStrings: true });
    this.master = master;
    this.writer = dup(master);
  }

  resize(size: TerminalSize): void {
    if (!this.destroyed) resizePty(this.master, size);
  }

  override _read(): void {
    this.reading ??= watchReadiness(this.master, "readable", () => this.pull());
  }

  private pull(): void {
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    let length: number;
    try {
      length = readSync(this.master, chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN" || code === "EINTR") return;
      this.stopReading();
      if (code === "EIO")
        this.push(null); // nobody holds the slave any more (pty(7))
      else this.destroy(error as Error);
      return;
    }
    if (!this.push(length === 0 ? null : chunk.subarray(0, length)) || length === 0) this.stopReading();
  }

  private stopReading(): void {
    this.reading?.close();
    this.reading = undefined;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    let rest = chunk;
    const push = (): void => {
      try {
        rest = rest.subarray(writeSync(this.writer, rest));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== "EAGAIN" && code !== "EINTR") {
          finish(code === "EIO" ? null : (error as Error));
          return;
        }
      }
      if (rest.length === 0) finish(null);
      else this.writing ??= watchReadiness(this.writer, "writable", push);
    };
    const finish = (error: Error | null): void => {
      this.writing?.close();
      this.writing = undefined;
      done(error);
    };
    push();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.stopReading();
    this.writing?.close();
    closeSync(this.master);
    closeSync(this.writer);
    done(error);
  }
}
