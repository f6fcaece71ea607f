/**
 * May this process make namespaces? Root with its capabilities may; anybody may inside a user namespace, where the kernel and
 * the distribution allow it. Entering one replaces this process (execve), so there is no parent that could be left alone.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { DocknetError } from "../errors.ts";
import { closeFd, dup, dup2, execve, mount } from "./libc.ts";

/** linux/capability.h */
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;
const CAP_SYS_ADMIN = 21n;
const INSIDE = "DOCKNET_USER_NAMESPACE";
const UNSHARE_ARGS = ["--user", "--map-root-user", "--net", "--mount"] as const;

export function canCreateNamespaces(): boolean {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
  );
  return [CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN].every((cap) => (effective >> cap) & 1n);
}

/** Why an unprivileged user namespace cannot be had here; undefined: it can. Tries it. */
export function userNamespaceRefusal(): DocknetError | undefined {
  const unshare = findUnshare();
  if (!unshare) return refusal("unshare is not installed", "Run as root, or install the Debian package util-linux");
  const tried = spawnSync(unshare, [...UNSHARE_ARGS, "--", "true"], { encoding: "utf8", timeout: 10_000 });
  if (tried.status === 0) return undefined;
  for (const { key, bad, remedy } of GATES) {
    const path = `/proc/sys/${key.replaceAll(".", "/")}`;
    if (existsSync(path) && readFileSync(path, "utf8").trim() === bad)
      return refusal(`sysctl ${key} is ${bad}`, remedy);
  }
  return refusal(
    (tried.stderr || tried.error?.message || "it failed").trim(),
    "Run as root; in a container, run it privileged",
  );
}

const GATES: readonly { key: string; bad: string; remedy: string }[] = [
  {
    key: "kernel.apparmor_restrict_unprivileged_userns",
    bad: "1",
    remedy: "Run as root, or allow it: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  },
  {
    key: "kernel.unprivileged_userns_clone",
    bad: "0",
    remedy: "Run as root, or allow it: sudo sysctl kernel.unprivileged_userns_clone=1",
  },
  {
    key: "user.max_user_namespaces",
    bad: "0",
    remedy: "Run as root, or allow it: sudo sysctl user.max_user_namespaces=10000",
  },
];

function refusal(found: string, remedy: string): DocknetError {
  return new DocknetError(
    "PRIVILEGE",
    `Cannot create network namespaces: this process is not root, and a user namespace is refused: ${found}`,
    { remedy },
  );
}

/** Becomes the same command inside a new user, network and mount namespace. Does not return. @throws DocknetError PRIVILEGE */
export function enterUserNamespace(): never {
  if (process.env[INSIDE] === "1") {
    throw new DocknetError("PRIVILEGE", "Cannot create network namespaces even inside a user namespace", {
      remedy: "Run as root",
    });
  }
  const reason = userNamespaceRefusal();
  if (reason) throw reason;
  const unshare = findUnshare() ?? "/usr/bin/unshare";
  const argv = [unshare, ...UNSHARE_ARGS, "--", process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  keepStdio();
  return execve(unshare, argv, { ...process.env, [INSIDE]: "1" });
}

/** Node marks 0, 1 and 2 close-on-exec when it starts (uv_disable_stdio_inheritance); what dup2(2) makes has no such mark. */
function keepStdio(): void {
  for (const fd of [0, 1, 2]) {
    const copy = dup(fd);
    dup2(copy, fd);
    closeFd(copy);
  }
}

/** Inside a user namespace of ours, /run belongs to nobody we map: a tmpfs of our own holds named namespaces and iptables' lock. */
export function prepareUserNamespace(): void {
  if (process.env[INSIDE] === "1") mount("tmpfs", "/run", "tmpfs", 0);
}

function findUnshare(): string | undefined {
  return ["/usr/bin/unshare", "/bin/unshare"].find((path) => existsSync(path));
}
