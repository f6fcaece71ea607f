/**
 * May this process make namespaces? Root with its capabilities may; anybody may inside a user namespace, where the kernel and
 * the distribution allow it. Entering one replaces this process (execve), so there is no parent that could be left alone.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { DocknetError } from "../errors.ts";
import { closeFd, dup, dup2, execve, MS_BIND, mount } from "./libc.ts";
import { TrustedDirectory } from "./trusted-directory.ts";

/** linux/capability.h */
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;
const CAP_SYS_ADMIN = 21n;
const INSIDE = "DOCKNET_USER_NAMESPACE";
/** Who the user is outside: inside everybody is root. */
const OUTER_UID = "DOCKNET_OUTER_UID";
const JOINED = "DOCKNET_JOINED_NAMESPACE";
const NSENTER_ARGS = ["--user", "--net", "--mount", "--preserve-credentials"] as const;
const UNSHARE_ARGS = ["--user", "--map-root-user", "--net", "--mount"] as const;

export function canCreateNamespaces(): boolean {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
  );
  return [CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN].every((cap) => (effective >> cap) & 1n);
}

/** Why an unprivileged user namespace cannot be had here; undefined: it can. Tries it. */
export function userNamespaceRefusal(): DocknetError | undefined {
  const unshare = findTool("unshare");
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

/**
 * Becomes the same command inside a new user, network and mount namespace, or inside those of a process that an earlier command left
 * running there. Does not return. @param join its pid. @throws DocknetError PRIVILEGE
 */
export function enterUserNamespace(join?: number): never {
  if (process.env[INSIDE] === "1") {
    throw new DocknetError("PRIVILEGE", "Cannot create network namespaces even inside a user namespace", {
      remedy: "Run as root",
    });
  }
  const reason = userNamespaceRefusal();
  if (reason) throw reason;
  const unshare = findTool("unshare") ?? "/usr/bin/unshare";
  const nsenter = findTool("nsenter");
  // the second -- ends Node's own options: it takes --env-file even from what follows the script, and runs code by NODE_OPTIONS in it
  const self = ["--", process.execPath, ...process.execArgv, "--", ...process.argv.slice(1)];
  const env = { ...process.env, [INSIDE]: "1", [OUTER_UID]: String(process.getuid?.()) };
  keepStdio();
  if (join !== undefined && nsenter)
    return execve(nsenter, [nsenter, `--target=${join}`, ...NSENTER_ARGS, ...self], { ...env, [JOINED]: "1" });
  return execve(unshare, [unshare, ...UNSHARE_ARGS, ...self], env);
}

/** Node marks 0, 1 and 2 close-on-exec when it starts (uv_disable_stdio_inheritance); what dup2(2) makes has no such mark. */
function keepStdio(): void {
  for (const fd of [0, 1, 2]) {
    const copy = dup(fd);
    dup2(copy, fd);
    closeFd(copy);
  }
}

/**
 * Inside a user namespace of ours, /run belongs to nobody we map: a tmpfs of our own holds named namespaces and iptables' lock.
 * @param keep a folder that is made, and shown at its place even when that is below /run
 * @throws DocknetError PRIVILEGE when that is not ours alone
 */
export function prepareUserNamespace(keep?: string): void {
  if (process.env[INSIDE] !== "1" || process.env[JOINED] === "1") return;
  if (!keep?.startsWith("/run/")) {
    mount("tmpfs", "/run", "tmpfs", 0);
    return;
  }
  const kept = TrustedDirectory.make(keep, { listed: true });
  mount("tmpfs", "/run", "tmpfs", 0);
  mkdirSync(keep, { recursive: true, mode: 0o700 });
  mount(kept.base, keep, "none", MS_BIND);
  kept.close();
}

function findTool(name: string): string | undefined {
  return [`/usr/bin/${name}`, `/bin/${name}`].find((path) => existsSync(path));
}
