/** Which processes use a network namespace: by /proc/<pid>/ns/net, which names its inode (namespaces(7)). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { DocknetError } from "../errors.ts";
import type { NetnsIdentity } from "./manifest.ts";

/** As long as `commitRules` lets its tool run. */
const DEADLINE_MS = 20_000;
const LOOK_AGAIN_MS = 10;

/** Inode of a namespace, as in `NetnsIdentity`'s second half -> pids, of all processes that may be looked at. */
export function processesByNetns(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    const inode = Number.isInteger(pid) ? netnsOf(pid) : undefined;
    if (inode === undefined) continue;
    const pids = found.get(inode);
    if (pids) pids.push(pid);
    else found.set(inode, [pid]);
  }
  return found;
}

export const pidsIn = (all: ReadonlyMap<string, number[]>, { inode }: NetnsIdentity): readonly number[] =>
  all.get(inode.split(":")[1] ?? "") ?? [];

/** "sleep", cut by the kernel after 15 bytes; "" when it has ended. */
export function processName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return "";
  }
}

/**
 * A rule commit that was under way when its daemon was killed goes on without it: waits until none runs in these namespaces.
 * @throws DocknetError TIMEOUT
 */
export async function commitsEnded(namespaces: readonly NetnsIdentity[]): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const all = processesByNetns();
    const pid = namespaces.flatMap((ns) => pidsIn(all, ns)).find((p) => processName(p).startsWith("iptables-rest"));
    if (pid === undefined) return;
    if (performance.now() > deadline)
      throw new DocknetError(
        "TIMEOUT",
        `Process ${pid} of an earlier run did not finish its rules in ${DEADLINE_MS} ms`,
      );
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

function netnsOf(pid: number): string | undefined {
  try {
    return /^net:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1];
  } catch {
    return undefined; // it has ended, or belongs to somebody else
  }
}
