/**
 * The command line's way to the daemon of a lab: it is there, or it is started and waited for. Of many commands that find none at
 * the same moment one starts it, the others wait for its socket.
 */
import { spawn } from "node:child_process";
import { closeSync, linkSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DocknetError, type ErrorCode } from "../errors.ts";
import { startTicksOf } from "../kernel/manifest.ts";
import { openOwnLog, type TrustedDirectory, writeOwnNew } from "../kernel/trusted-directory.ts";
import { parseLabName } from "../net/name.ts";
import { type Connection, connectionTo } from "./connection.ts";
import { answers, labDirectory, openLab, socketIn, socketPath, takenText } from "./place.ts";

/** To take up a lab of a thousand containers on a busy machine. */
const START_MS = 120_000;
const LOOK_AGAIN_MS = 20;
const LONGEST_NAME = 63;
/** What fits in a sockaddr_un with its NUL (unix(7)). */
const LONGEST_PATH = 107;

/** @throws DocknetError LAB_FILE for a bad name; PRIVILEGE when others could change its directory; TIMEOUT; what the daemon says when it cannot start */
export async function ensureDaemon(name: string): Promise<Connection> {
  const lab = checkedName(name);
  const deadline = performance.now() + START_MS;
  for (;;) {
    const place = openLab(lab, { make: true });
    if (place && (await answers(socketIn(place)))) return connectionTo(lab, place);
    try {
      if (performance.now() > deadline) throw late(lab);
      if (!place || !(await startInTurn(lab, place, deadline)))
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    } catch (error) {
      // somebody removed the directory meanwhile
      if (place?.isInPlace() !== false) throw error;
    } finally {
      place?.close();
    }
  }
}

/** @returns false when another has its turn */
async function startInTurn(lab: string, place: TrustedDirectory, deadline: number): Promise<boolean> {
  const turn = takeTurn(place);
  if (!turn) return false;
  try {
    // it may have come up between the look and the turn
    if (!(await answers(socketIn(place)))) await start(lab, place, deadline);
    return true;
  } finally {
    turn.release();
  }
}

/** Has it not ended yet? */
export const isRunning = (pid: number): boolean => startTicksOf(pid) !== undefined;

/** Is it there? Does not start it. @throws DocknetError LAB_FILE for a bad name, PRIVILEGE */
export async function findDaemon(name: string): Promise<Connection | undefined> {
  const lab = checkedName(name);
  const place = openLab(lab);
  if (!place) return undefined;
  if (await answers(socketIn(place))) return connectionTo(lab, place);
  place.close();
  return undefined;
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
function takeTurn(place: TrustedDirectory): { release(): void } | undefined {
  const file = place.at("starting");
  const own = `${file}.${process.pid}`;
  try {
    // written aside and linked: it names its process from the first moment on
    writeOwnNew(own, nameOf(process.pid));
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
function start(lab: string, place: TrustedDirectory, deadline: number): Promise<void> {
  const program = fileURLToPath(new URL("./docknetd.mjs", import.meta.url));
  const log = openOwnLog(place.at("daemon.log"), `${place.path}/daemon.log`);
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
