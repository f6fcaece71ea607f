/**
 * `docknet clean` and the end of `docknet down`: removes what is one lab's by its manifest or by proof, from any crash, and nothing else.
 * Links, addresses, routes, rules, sysctls and sockets need no record: they live in the lab's namespaces and die with them.
 */
import { existsSync, rmSync } from "node:fs";
import { messageOf } from "../errors.ts";
import type { LabName } from "../net/name.ts";
import { type DirectoryLock, lockDirectory } from "./lock.ts";
import {
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
import { pidsIn, processesByNetns, processName } from "./netns-processes.ts";
import { provenNamespaces, provenProcesses } from "./remains.ts";
import { TrustedDirectory } from "./trusted-directory.ts";

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
 * Ends the lab's processes, daemon first, then removes its namespaces' names and its directory: what the manifest records, and what is
 * proven to be the lab's without it. Idempotent; it needs no room on a full file system.
 * @param directory of one lab, which may have gone. @throws DocknetError PRIVILEGE when the directory is not ours alone
 */
export async function removeOwned(directory: string): Promise<Cleaned> {
  const cleaned: Cleaning = { lab: labOf(directory), removed: [], left: [] };
  const found = TrustedDirectory.open(directory);
  const place = found ?? heldAnew(directory);
  if (!place) return cleaned;
  try {
    await removeAll(place, cleaned);
    if (found && !found.isInPlace()) cleaned.removed.push({ what: `directory ${directory}` });
  } finally {
    place.close();
  }
  return cleaned;
}

interface Cleaning {
  readonly lab: LabName;
  readonly removed: Removed[];
  readonly left: Left[];
}

/** Of a directory that has gone while the lab is there: made again, so that nobody else begins a lab of that name meanwhile. */
function heldAnew(directory: string): TrustedDirectory | undefined {
  const isThere = provenNamespaces(directory).length > 0 || provenProcesses(directory).length > 0;
  return isThere ? TrustedDirectory.make(directory) : undefined;
}

async function removeAll(place: TrustedDirectory, cleaned: Cleaning): Promise<void> {
  const { lab, removed, left } = cleaned;
  const what = `directory ${place.path}`;
  // read anew for the second: the daemon may have started one until it was dead
  for (const role of ["daemon", "shim"] as const) {
    for (const process of processesOf(place).filter((p) => p.role === role)) await endProcess(process, removed, left);
  }
  const lock = await lockSoon(place);
  // somebody else was faster
  if (!lock && !place.isInPlace()) return;
  if (!lock) {
    left.push({ what, why: "another docknet is at work on this lab", ours: true });
    return;
  }
  try {
    const processes = processesByNetns();
    for (const owned of namespacesOf(place)) removeNamespace(lab, owned, processes, removed, left);
    // what is ours and could not be removed must stay recorded
    if (!left.some((l) => l.ours) && place.isInPlace()) rmSync(place.path, { recursive: true });
  } catch (error) {
    left.push({ what, why: messageOf(error), ours: true });
  } finally {
    lock.close();
  }
}

/** A process that has ended still holds its lock until the last of its threads has. */
async function lockSoon(place: TrustedDirectory): Promise<DirectoryLock | undefined> {
  const deadline = performance.now() + LOCK_DEADLINE_MS;
  for (;;) {
    const lock = lockDirectory(place.base);
    if (lock || !place.isInPlace() || performance.now() > deadline) return lock;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

function processesOf(place: TrustedDirectory): OwnedProcess[] {
  const recorded = recordsOf(place).filter((o) => o.kind === "process");
  const proven = provenProcesses(place.path);
  return [...recorded, ...proven.filter((p) => !recorded.some((r) => r.pid === p.pid))];
}

/** A node may have one of each: recorded is the last one only. */
function namespacesOf(place: TrustedDirectory): OwnedNetns[] {
  const recorded = recordsOf(place).filter((o) => o.kind === "netns");
  const proven = provenNamespaces(place.path);
  const isKnown = (ns: OwnedNetns): boolean =>
    recorded.some((r) => r.node === ns.node && r.inode === ns.inode && r.cookie === ns.cookie);
  return [...recorded, ...proven.filter((ns) => !isKnown(ns))];
}

/** Of a manifest that cannot be read nothing is known; what is proven without it is removed all the same. */
function recordsOf(place: TrustedDirectory): Owned[] {
  try {
    return [...readOwned(place).values()];
  } catch {
    return [];
  }
}

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
  processes: ReadonlyMap<string, number[]>,
  removed: Removed[],
  left: Left[],
): void {
  const path = netnsPath(lab, owned.node);
  const what = `namespace ${path}`;
  try {
    const outcome = removeName(path, owned);
    if (outcome === "foreign") left.push({ what, why: "it is another one: docknet did not make it", ours: false });
    if (outcome !== "removed") return;
    const users = pidsIn(processes, owned).map((pid) => `${pid} (${processName(pid)})`);
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
