/**
 * What flows between this process and a container over a taken-over connection: standard input to it, its output to stdout and stderr,
 * frames taken apart, and with a terminal: raw mode, size and detach keys. Source: docker/cli cli/command/container/hijack.go, tty.go.
 */
import { spawnSync } from "node:child_process";
import { isatty } from "node:tty";
import { writeOut } from "../terminal.ts";
import type { EngineClient, Hijacked } from "./client.ts";
import { DetachFilter, readDetachKeys } from "./detach-keys.ts";
import { StatusError } from "./status.ts";
import { Demultiplexer } from "./stdcopy.ts";

/** A reader of stdout or stderr that has gone ends a process as SIGPIPE does. */
const BROKEN_PIPE = 141;

export interface StreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  /** --detach-keys; "" for ctrl-p ctrl-q. */
  readonly detachKeys: string;
}

export type StreamEnd = "ended" | "detached";

/** Throws StatusError when a terminal is asked for and standard input is none. */
export function checkTty(stdin: boolean, tty: boolean): void {
  if (stdin && tty && !isatty(0)) throw new StatusError("the input device is not a TTY");
}

/** Rows and columns of the terminal at stdout; 0, 0 without one. */
export function terminalSize(): readonly [number, number] {
  if (!isatty(1)) return [0, 0];
  const [columns, rows] = process.stdout.getWindowSize();
  return [rows, columns];
}

export function writeTo(fd: 1 | 2, bytes: Uint8Array): void {
  if (!writeOut(bytes, fd)) throw new StatusError("", BROKEN_PIPE);
}

/**
 * Copies both ways until the output ends or the detach keys are typed; without output, until the input ends. Closes the connection,
 * which `signal` does too.
 */
export async function copyStreams(
  connection: Hijacked,
  options: StreamOptions,
  signal?: AbortSignal,
): Promise<StreamEnd> {
  const { socket } = connection;
  signal?.addEventListener("abort", () => socket.destroy(), { once: true });
  const restore = options.stdin && options.tty ? enterRawMode() : () => undefined;
  const input = options.stdin ? copyInput(connection, options) : endInput(connection);
  try {
    if (!options.stdout && !options.stderr) return await input.done;
    return await Promise.race([copyOutput(connection, options), input.detached]);
  } catch (error) {
    if (signal?.aborted) return "ended";
    throw error;
  } finally {
    restore();
    input.stop();
    socket.destroy();
  }
}

async function copyOutput({ socket, head }: Hijacked, options: StreamOptions): Promise<StreamEnd> {
  const toStdout = (bytes: Buffer) => writeTo(1, bytes);
  const frames = new Demultiplexer(toStdout, (bytes) => writeTo(2, bytes));
  const take = options.tty && options.stdout ? toStdout : (bytes: Buffer) => frames.push(bytes);
  if (head.length > 0) take(head);
  for await (const chunk of socket as AsyncIterable<Buffer>) take(chunk);
  return "ended";
}

interface Input {
  /** Resolves when standard input has ended, or the keys were typed. */
  readonly done: Promise<StreamEnd>;
  /** Resolves only when the keys were typed. */
  readonly detached: Promise<"detached">;
  /** Leaves standard input alone. */
  readonly stop: () => void;
}

function endInput({ socket }: Hijacked): Input {
  socket.end();
  return { done: Promise.resolve("ended"), detached: new Promise(() => undefined), stop: () => undefined };
}

function copyInput({ socket }: Hijacked, options: StreamOptions): Input {
  const keys = options.tty ? (readDetachKeys(options.detachKeys) ?? readDetachKeys("")) : undefined;
  const filter = keys && new DetachFilter(keys);
  const { stdin } = process;
  let stop = (): void => undefined;
  const done = new Promise<StreamEnd>((resolve) => {
    const end = (): void => {
      socket.end();
      resolve("ended");
    };
    const resume = (): void => void stdin.resume();
    const take = (chunk: Buffer): void => {
      const { bytes, detached } = filter?.push(chunk) ?? { bytes: chunk, detached: false };
      if (!socket.write(bytes)) stdin.pause();
      if (detached) resolve("detached");
    };
    stop = () => {
      stdin.off("data", take).off("end", end).off("error", end).pause();
      socket.off("drain", resume);
    };
    socket.on("drain", resume);
    // the reading side reports a lost connection
    socket.on("error", stop);
    stdin.on("data", take).on("end", end).on("error", end);
  });
  const detached = new Promise<"detached">((resolve) => {
    void done.then((end) => end === "detached" && resolve(end));
  });
  return { done, detached, stop: () => stop() };
}

/** Every byte as it is typed, and as it is printed. Node gives the terminal its old settings back whatever ends the process. */
function enterRawMode(): () => void {
  if (!isatty(0)) return () => undefined;
  process.stdin.setRawMode(true);
  // Node's raw mode still makes \r\n of \n, which the container's terminal has done already
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
  return () => void process.stdin.setRawMode(false);
}

/** Keeps the container's terminal as large as ours, from now on. @returns what ends it */
export async function followTerminalSize(client: EngineClient, path: string): Promise<() => void> {
  const resize = async (): Promise<void> => {
    const [h, w] = terminalSize();
    // a process that has just ended has no terminal to resize: nothing is lost
    if (h > 0 || w > 0) await client.post(`${path}/resize`, { query: { h, w } }).catch(() => undefined);
  };
  const onResize = (): void => void resize();
  process.stdout.on("resize", onResize);
  await resize();
  return () => void process.stdout.off("resize", onResize);
}
