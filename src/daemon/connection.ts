/**
 * A client's way to the daemon of a lab: through the directory that was checked, to a process of the same user; and what tells a client
 * that the daemon gives no sign of life. Work may take minutes: what is looked at is whether the daemon could work at all.
 */
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { DocknetError } from "../errors.ts";
import { isRunning, isStopped, type OwnedProcess, readOwned } from "../kernel/manifest.ts";
import type { TrustedDirectory } from "../kernel/trusted-directory.ts";
import { socketIn, socketPath } from "./place.ts";

const LOOK_MS = 250;
/** Somebody may stop a daemon for a moment, with a debugger for one. */
const STOPPED_MS = 2000;
const PING_MS = 5000;
/** A daemon that builds a thousand containers on a busy machine is silent for some seconds. */
const SILENT_MS = 60_000;

export interface Connection {
  /** For messages, and for other clients. */
  readonly socketPath: string;
  /** Calls back once, when the other end is known to be this user's. */
  connect(done: (error: Error | null, socket?: Socket) => void): void;
  /** Calls back at most once, when the daemon is stopped or has been silent for too long. @returns what ends the watch */
  watch(onSilent: (error: DocknetError) => void): () => void;
}

/** @param place the lab's directory: kept open as long as the process lives */
export function connectionTo(lab: string, place: TrustedDirectory): Connection {
  const path = socketPath(lab);
  return {
    socketPath: path,
    connect(done) {
      const socket = connect(socketIn(place));
      socket.once("error", done);
      socket.once("connect", () => {
        socket.off("error", done);
        checkPeer(socket, path).then(
          () => done(null, socket),
          (error: Error) => {
            socket.destroy();
            done(error);
          },
        );
      });
    },
    watch: (onSilent) => watchLife(lab, place, onSilent),
  };
}

/** Into a directory of root nobody else can put a socket; without this look a command of root loads no native code. */
async function checkPeer(socket: Socket, path: string): Promise<void> {
  if (process.getuid?.() === 0) return;
  const { isOwnPeer } = await import("../kernel/peer-credentials.ts");
  if (isOwnPeer(socket)) return;
  throw new DocknetError(
    "PRIVILEGE",
    `Cannot trust the daemon at ${path}: it is not a process of user ${process.geteuid?.()}`,
    {
      remedy: "Remove the directory of the lab, and look at who else can write it",
    },
  );
}

function watchLife(lab: string, place: TrustedDirectory, onSilent: (error: DocknetError) => void): () => void {
  let daemon: OwnedProcess | undefined;
  let stoppedSince: number | undefined;
  let heard = performance.now();
  let asked = heard;
  let looked = heard;
  const timer = setInterval(() => {
    const now = performance.now();
    // time in which this process itself stood still does not count
    const still = Math.max(0, now - looked - 2 * LOOK_MS);
    looked = now;
    heard += still;
    if (stoppedSince !== undefined) stoppedSince += still;
    daemon = daemon && isRunning(daemon) ? daemon : daemonOf(place);
    stoppedSince = daemon && isStopped(daemon.pid) ? (stoppedSince ?? now) : undefined;
    if (stoppedSince !== undefined && now - stoppedSince >= STOPPED_MS) end(stopped(lab, daemon));
    else if (now - heard >= SILENT_MS) end(silent(lab, daemon));
    else if (now - asked >= PING_MS) {
      asked = now;
      ping(socketIn(place), () => {
        heard = performance.now();
      });
    }
  }, LOOK_MS);
  timer.unref();
  const end = (error: DocknetError): void => {
    clearInterval(timer);
    onSilent(error);
  };
  return () => clearInterval(timer);
}

function ping(path: string, onAnswer: () => void): void {
  const sent = request({ socketPath: path, path: "/_ping", agent: false, timeout: SILENT_MS }, (answer) => {
    onAnswer();
    answer.resume();
  });
  sent.on("socket", (socket) => socket.unref());
  sent.on("timeout", () => sent.destroy());
  // a broken connection is reported by the request that waits
  sent.on("error", () => {});
  sent.end();
}

/** A manifest that cannot be read names nobody. */
function daemonOf(place: TrustedDirectory): OwnedProcess | undefined {
  try {
    return [...readOwned(place).values()].find(
      (o): o is OwnedProcess => o.kind === "process" && o.role === "daemon" && isRunning(o),
    );
  } catch {
    return undefined;
  }
}

const stopped = (lab: string, daemon: OwnedProcess | undefined): DocknetError =>
  new DocknetError("TIMEOUT", `Lab ${lab} does not answer: its daemon, process ${daemon?.pid}, is stopped`, {
    remedy: `Let it go on with \`kill -CONT ${daemon?.pid}\`, or remove the lab with \`docknet clean ${lab}\``,
  });

const silent = (lab: string, daemon: OwnedProcess | undefined): DocknetError =>
  new DocknetError(
    "TIMEOUT",
    `Lab ${lab} does not answer: its daemon${daemon ? `, process ${daemon.pid},` : ""} has given no sign of life for ${SILENT_MS / 1000} s`,
    { remedy: `Try again later, or remove the lab with \`docknet clean ${lab}\`` },
  );
