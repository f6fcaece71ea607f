/**
 * The namespaces of containers, entered by the shim's main thread: setns(2) and unshare(2) with no `await` before the way back, so
 * that only what `work` does happens inside; a child that it spawns stays there. The shim has UTS, IPC and PID namespaces of its own
 * (shim/client.ts starts it so): inside a user namespace nobody may return to those of the machine.
 */
import { closeSync, openSync } from "node:fs";
import { DocknetError } from "../../errors.ts";
import {
  CLONE_FS,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  MS_REC,
  MS_SLAVE,
  mount,
  setns,
  unshare,
} from "../libc.ts";
import type { TrustedDirectory } from "../trusted-directory.ts";
import { planMounts, type Space } from "./mounts.ts";

type Kind = "mnt" | "uts" | "ipc" | "net" | "pid";
const FLAGS: Readonly<Record<Kind, number>> = {
  mnt: CLONE_NEWNS,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  net: CLONE_NEWNET,
  pid: CLONE_NEWPID,
};
const KINDS = Object.keys(FLAGS) as readonly Kind[];
const OWN: Readonly<Record<Space["kind"], readonly Kind[]>> = {
  container: ["mnt", "uts", "ipc", "pid"],
  node: ["mnt", "pid"],
};

let home: ReadonlyMap<Kind, number> | undefined;

/** The namespaces that this process was started in; opened once, never closed. */
function homeOf(kind: Kind): number {
  home ??= new Map(KINDS.map((each) => [each, openSync(`/proc/thread-self/ns/${each}`, "r")]));
  const fd = home.get(kind);
  if (fd === undefined) throw new DocknetError("INTERNAL", `Namespace ${kind} of the shim is not open`);
  return fd;
}

/**
 * Makes the namespaces of `space`, mounts what belongs there and runs `work` inside; the first child becomes PID 1. They live as long as it.
 * @param place of the files that are mounted: they are found from there, whatever their path leads to
 */
export function inNewNamespaces<T>(space: Space, work: () => T, place: TrustedDirectory): T {
  const mountAll = planMounts(space, place);
  const netns = openNetns(space.netnsPath);
  homeOf("mnt");
  try {
    return bracket(() => {
      setns(netns, CLONE_NEWNET);
      // a descriptor stays with the mounts of its namespace, the working directory comes along (mount_namespaces(7))
      process.chdir(place.base);
      unshare(OWN[space.kind].reduce((flags, kind) => flags | FLAGS[kind], 0));
      // What the machine mounts and unmounts later shows here too; nothing that is mounted here shows outside.
      mount("none", "/", "none", MS_REC | MS_SLAVE);
      mountAll();
      return work();
    });
  } finally {
    closeSync(netns);
  }
}

/** Runs `work` inside the namespaces that process `pid` is in. The caller knows that the pid is still its own. */
export function inNamespacesOf<T>(pid: number, space: Space, work: () => T): T {
  homeOf("mnt");
  const fds: [Kind, number][] = [];
  try {
    for (const kind of ["net", ...OWN[space.kind]] as const) fds.push([kind, openSync(`/proc/${pid}/ns/${kind}`, "r")]);
    return bracket(() => {
      for (const [kind, fd] of fds) setns(fd, FLAGS[kind]);
      return work();
    });
  } finally {
    for (const [, fd] of fds) closeSync(fd);
  }
}

/** Comes back whatever happened. If that fails the process ends: it would act on the wrong mounts. */
function bracket<T>(work: () => T): T {
  unshare(CLONE_FS); // setns(2): a thread that shares its root and directory may not change mount namespaces; new threads share again
  try {
    return work();
  } finally {
    try {
      for (const kind of KINDS) setns(homeOf(kind), FLAGS[kind]);
      process.chdir("/");
    } catch (error) {
      process.stderr.write(`docknet-shim: cannot leave a namespace, stopping: ${String(error)}\n`);
      process.abort();
    }
  }
}

function openNetns(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new DocknetError(
      "NOT_FOUND",
      `Cannot open network namespace ${path}: ${(error as NodeJS.ErrnoException).code}`,
      {
        cause: error,
        remedy: "Start the container again",
      },
    );
  }
}
