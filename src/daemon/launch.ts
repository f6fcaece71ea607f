/**
 * The command line's way to the daemon of a lab: it is there, or it is started and waited for. Of many commands that find none at
 * the same moment one starts it, the others wait for its socket.
 */
import { spawn } from "node:child_process";
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DocknetError, type ErrorCode } from "../errors.ts";
import { startTicksOf } from "../kernel/manifest.ts";
import { parseLabName } from "../net/name.ts";
import { answers, labDirectory, socketPath, takenText } from "./place.ts";

export interface Daemon {
  readonly socketPath: string;
}

/** To take up a lab of a thousand containers on a busy machine. */
const START_MS = 120_000;
const LOOK_AGAIN_MS = 20;
const LONGEST_NAME = 63;
/** What fits in a sockaddr_un with its NUL (unix(7)). */
const LONGEST_PATH = 107;

/** @throws DocknetError LAB_FILE for a bad name; TIMEOUT; what the daemon says when it cannot start */
export async function ensureDaemon(name: string): Promise<Daemon> {
  const lab = checkedName(name);
  const path = socketPath(lab);
  const deadline = performance.now() + START_MS;
  while (!(await answers(path))) {
    if (performance.now() > deadline) throw late(lab);
    mkdirSync(labDirectory(lab), { recursive: true, mode: 0o700 });
    const turn = takeTurn(lab);
    if (!turn) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      continue;
    }
    try {
      // it may have come up between the look and the turn
      if (!(await answers(path))) await start(lab, deadline);
    } finally {
      turn.release();
    }
  }
  return { socketPath: path };
}

/** Has it not ended yet? */
export const isRunning = (pid: number): boolean => startTicksOf(pid) !== undefined;

/** Is it there? Does not start it. @throws DocknetError LAB_FILE for a bad name */
export async function findDaemon(name: string): Promise<Daemon | undefined> {
  const path = socketPath(checkedName(name));
  return (await answers(path)) ? { socketPath: path } : undefined;
}

function checkedName(name: string): string {
  if (name.length > LONGEST_NAME) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid project name of ${name.length} characters: a lab that runs has at most ${LONGEST_NAME}`,
    );
  }
  const lab = parseLabName(name);
  const bytes = Buffer.byteLength(socketPath(lab));
  if (bytes <= LONGEST_PATH) return lab;
  throw new DocknetError(
    "USAGE",
    `Cannot listen at ${socketPath(lab)}: a path of ${bytes} bytes, wanted at most ${LONGEST_PATH}`,
    { remedy: "Set DOCKNET_RUN_DIR to a shorter one" },
  );
}

/** One starter at a time, by an exclusive file that names its process; one whose process has gone is nobody's. */
function takeTurn(lab: string): { release(): void } | undefined {
  const file = `${labDirectory(lab)}/starting`;
  const own = `${file}.${process.pid}`;
  // written aside and linked: it names its process from the first moment on
  writeFileSync(own, nameOf(process.pid), { mode: 0o600 });
  try {
    linkSync(own, file);
    return { release: () => rmSync(file, { force: true }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(own, { force: true });
  }
  const holder = readText(file);
  // of two who see this at once both may start a daemon: one of them gets the lab
  if (holder !== nameOf(Number(holder.split(" ")[0]))) rmSync(file, { force: true });
  return undefined;
}

/** A pid alone is used again. */
const nameOf = (pid: number): string => `${pid} ${startTicksOf(pid)}`;

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Resolves when it listens, or another does: it says "ready" on its standard output, or why not as one line of JSON. */
function start(lab: string, deadline: number): Promise<void> {
  const program = fileURLToPath(new URL("./docknetd.mjs", import.meta.url));
  const log = openSync(`${labDirectory(lab)}/daemon.log`, "a", 0o600);
  const child = spawn(process.execPath, ["--", program, "--lab", lab], {
    detached: true,
    stdio: ["ignore", "pipe", log],
    cwd: "/",
  });
  closeSync(log);
  const { stdout } = child;
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      settle(late(lab));
    }, deadline - performance.now());
    const settle = (error?: DocknetError): void => {
      clearTimeout(timer);
      stdout?.destroy();
      child.unref();
      if (error) reject(error);
      else resolve();
    };
    stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8").slice(0, 65_536 - said.length);
      if (said.startsWith("ready\n")) settle();
    });
    stdout?.on("end", () => {
      if (!said.startsWith("ready\n")) settle(failure(lab, said));
    });
    child.on("error", (cause) =>
      settle(new DocknetError("INTERNAL", `Cannot start the daemon of lab ${lab}: ${cause.message}`, { cause })),
    );
  });
}

/** Undefined: another daemon has the lab, which will listen, or end. */
function failure(lab: string, said: string): DocknetError | undefined {
  try {
    const { code, message, remedy } = JSON.parse(said) as { code: ErrorCode; message: string; remedy?: string };
    return message === takenText(lab) ? undefined : new DocknetError(code, message, remedy ? { remedy } : {});
  } catch {
    return new DocknetError("INTERNAL", `The daemon of lab ${lab} ended before it listened`, {
      remedy: `Read ${labDirectory(lab)}/daemon.log`,
    });
  }
}

const late = (lab: string): DocknetError =>
  new DocknetError(
    "TIMEOUT",
    `The daemon of lab ${lab} does not answer at ${socketPath(lab)} in ${START_MS / 1000} s`,
    {
      remedy: `Read ${labDirectory(lab)}/daemon.log`,
    },
  );
