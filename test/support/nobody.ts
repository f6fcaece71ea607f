/** How a test becomes a user without privilege, wherever the clone is. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const SETPRIV = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] as const;
/** In a clone below /root, which nobody else can read: no privilege, and root's files. */
const IN_USER_NAMESPACE = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] as const;

/** Inside a user namespace that maps one id there is nobody to become. */
export function canBecomeNobody(): boolean {
  const mapped = readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/);
  return Number(mapped[2]) > 65534;
}

/** What stands before a command. @param needed a file that it must be able to read */
export function asNobody(needed: string): readonly string[] {
  const [file, ...args] = SETPRIV;
  return spawnSync(file, [...args, "test", "-r", needed]).status === 0 ? SETPRIV : IN_USER_NAMESPACE;
}
