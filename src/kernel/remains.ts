/**
 * What of a lab is on this machine although its directory or its manifest has gone, or cannot be read. Never by a name alone: a
 * namespace is ours when the mark beneath its name says so and the namespace is the one of the mark (netns-mark.ts); a process is when
 * it is this user's, its command line says what it is, and it has the lock of the lab's directory open, which nobody else opens.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { NETNS_DIR, type OwnedNetns, type OwnedProcess, startTicksOf } from "./manifest.ts";
import { markedNames } from "./netns-mark.ts";

/** Named namespaces of the lab whose directory this is, or was. */
export const provenNamespaces = (directory: string): OwnedNetns[] =>
  markedNames(NETNS_DIR)
    .filter((name) => name.directory === directory)
    .map(({ node, identity }) => ({ kind: "netns", node, ...identity }));

/** Its daemons and shims. */
export function provenProcesses(directory: string): OwnedProcess[] {
  const real = `${realPath(dirname(directory))}/${basename(directory)}`;
  return processes()
    .filter((p) => p.directory === real)
    .map(({ process }) => process);
}

/** Names of labs below this directory of which something is there. */
export function labsWithRemains(root: string): string[] {
  const real = realPath(root);
  const directories = [...markedNames(NETNS_DIR), ...processes()].map(({ directory }) => directory);
  const below = directories.filter((d) => dirname(d) === root || dirname(d) === real);
  return [...new Set(below.map((d) => basename(d)))].sort();
}

/** As the kernel names it. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it has gone
  }
}

/** By role: the program, and which lock it holds while it lives. */
const PROGRAMS: readonly { role: OwnedProcess["role"]; program: string; lock: string }[] = [
  { role: "daemon", program: "docknetd.mjs", lock: "lock" },
  { role: "shim", program: "docknet-shim.mjs", lock: "shim.lock" },
];

function processes(): { readonly directory: string; readonly process: OwnedProcess }[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    const found = Number.isInteger(pid) ? ofProcess(pid) : undefined;
    return found ? [found] : [];
  });
}

function ofProcess(pid: number): { directory: string; process: OwnedProcess } | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const known = PROGRAMS.find(({ program }) => words.some((word) => basename(word) === program));
    if (!known || statSync(`/proc/${pid}`).uid !== process.geteuid?.()) return undefined;
    const startTicks = startTicksOf(pid);
    const directory = lockedDirectory(pid, known.lock);
    if (startTicks === undefined || directory === undefined || !namesIt(words, directory)) return undefined;
    return { directory, process: { kind: "process", role: known.role, pid, startTicks } };
  } catch {
    return undefined; // it has ended, or belongs to somebody else
  }
}

/** A daemon names the lab, a shim its directory. */
const namesIt = (words: readonly string[], directory: string): boolean =>
  words.includes(directory) || words.includes(basename(directory));

/** The kernel says " (deleted)" behind the name of a file that has gone. */
function lockedDirectory(pid: number, lock: string): string | undefined {
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const path = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/ \(deleted\)$/, "");
    if (path.startsWith("/") && basename(path) === lock) return dirname(path);
  }
  return undefined;
}
