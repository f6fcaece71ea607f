/** Who runs in a session: what a process that was started with `detached` (setsid(2)) has started, and it itself. */
import { readdirSync, readFileSync } from "node:fs";

/** Pids; not those that have ended and wait for somebody to ask how, perhaps for ever where pid 1 does not. */
export function inSession(leader: number): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      const [state, , , session] = statOf(pid);
      return session === String(leader) && state !== "Z" && state !== "X";
    });
}

/** What follows the name in /proc/PID/stat (proc_pid_stat(5)): state, parent, process group, session ... */
function statOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
  } catch {
    return []; // it has gone
  }
}
