/**
 * `docknet clean` and the end of `docknet down`: removes what the manifest of one lab names, from any crash, and nothing else.
 * Links, addresses, routes, rules, sysctls and sockets need no record: they live in the lab's namespaces and die with them.
 */
import { existsSync, rmSync } from "node:fs";
import { messageOf } from "../errors.ts";
import type { LabName } from "../net/name.ts";
import { pidsIn, processesByNetns, processName } from "./inhabitants.ts";
import { type DirectoryLock, lockDirectory } from "./lock.ts";
import {
  checkDirectory,
  isRunning,
  labOf,
  NETNS_DIR,
  netnsPath,
  type Owned,
  type OwnedNetns,
  type OwnedProcess,
  readOwned,
} from "./manifest.ts";
import { removeName } from "./netns.ts";

/** One thing that was removed: "process 4711 (daemon)", "namespace lab.web", "directory /run/docknet/lab". */
export interface Removed {
  readonly what: string;
  /** What still uses it: a namespace without its name lives as long as a process is in it. */
  readonly note?: string;
}

/** One thing that is still there. */
export interface Left {
  readonly what: string;
  readonly why: string;
  /** It is docknet's, so it should have gone; the manifest is kept and `clean` may be tried again. */
  readonly ours: boolean;
}

export interface Cleaned {
  readonly lab: LabName;
  readonly removed: readonly Removed[];
  readonly left: readonly Left[];
}

const KILL_DEADLINE_MS = 5000;
const LOCK_DEADLINE_MS = 2000;
const LOOK_AGAIN_MS = 5;

/**
 * Ends the lab's recorded processes, daemon first, then removes its namespaces' names and its directory. Idempotent; without a
 * directory there is nothing to do. @param directory of one lab. @throws DocknetError INTERNAL when the directory is not ours alone
 */
export async function removeOwned(directory: string): Promise<Cleaned> {
  const lab = labOf(directory);
  if (!existsSync(directory)) return { lab, removed: [], left: [] };
  checkDirectory(directory);
  const removed: Removed[] = [];
  const left: Left[] = [];
  // read anew for the second: the daemon may have started one until it was dead
  for (const role of ["daemon", "shim"] as const) {
    for (const process of ownedProcesses(directory).filter((p) => p.role === role))
      await endProcess(process, removed, left);
  }
  const lock = await lockSoon(directory);
  // somebody else was faster
  if (!lock && !existsSync(directory)) return { lab, removed, left };
  if (!lock) {
    left.push({ what: `directory ${directory}`, why: "another docknet is at work on this lab", ours: true });
    return { lab, removed, left };
  }
  try {
    const inhabitants = processesByNetns();
    for (const owned of readOwned(directory).values())
      if (owned.kind === "netns") removeNamespace(lab, owned, inhabitants, removed, left);
    // what is ours and could not be removed must stay recorded
    if (!left.some((l) => l.ours)) {
      rmSync(directory, { recursive: true });
      removed.push({ what: `directory ${directory}` });
    }
  } catch (error) {
    left.push({ what: `directory ${directory}`, why: messageOf(error), ours: true });
  } finally {
    lock.close();
  }
  return { lab, removed, left };
}

/** A process that has ended still holds its lock until the last of its threads has. */
async function lockSoon(directory: string): Promise<DirectoryLock | undefined> {
  const deadline = performance.now() + LOCK_DEADLINE_MS;
  for (;;) {
    const lock = lockDirectory(directory);
    if (lock || !existsSync(directory) || performance.now() > deadline) return lock;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

const isProcess = (owned: Owned): owned is OwnedProcess => owned.kind === "process";
const ownedProcesses = (directory: string): OwnedProcess[] => [...readOwned(directory).values()].filter(isProcess);

async function endProcess(owned: OwnedProcess, removed: Removed[], left: Left[]): Promise<void> {
  const what = `process ${owned.pid} (${owned.role})`;
  if (!isRunning(owned)) return;
  if (owned.pid === process.pid) {
    left.push({ what, why: "it is this process", ours: false });
    return;
  }
  try {
    process.kill(owned.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") left.push({ what, why: messageOf(error), ours: true });
  }
  const deadline = performance.now() + KILL_DEADLINE_MS;
  while (isRunning(owned) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  if (!isRunning(owned)) removed.push({ what });
  else if (!left.some((l) => l.what === what))
    left.push({ what, why: `it did not end within ${KILL_DEADLINE_MS} ms of SIGKILL`, ours: true });
}

function removeNamespace(
  lab: LabName,
  owned: OwnedNetns,
  inhabitants: ReadonlyMap<string, number[]>,
  removed: Removed[],
  left: Left[],
): void {
  const path = netnsPath(lab, owned.node);
  const what = `namespace ${path}`;
  try {
    const outcome = removeName(path, owned);
    if (outcome === "foreign") left.push({ what, why: "it is another one: docknet did not make it", ours: false });
    if (outcome !== "removed") return;
    const users = pidsIn(inhabitants, owned).map((pid) => `${pid} (${processName(pid)})`);
    removed.push({
      what,
      ...(users.length > 0 ? { note: `it lives on without a name, used by process ${users.join(", ")}` } : {}),
    });
  } catch (error) {
    left.push({ what, why: messageOf(error), ours: true });
  }
}

/** Names of namespaces that should have gone and have not. */
export function proveGone(names: readonly string[]): string[] {
  return names.map((name) => `${NETNS_DIR}/${name}`).filter((path) => existsSync(path));
}
