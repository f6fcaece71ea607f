/** Setting sysctls of a node, and leaving out those that a new namespace starts with. */
import { readFileSync } from "node:fs";
import { DocknetError } from "../errors.ts";
import { type Netns, sysctlPath } from "./netns.ts";
import type { NodeState } from "./node-state.ts";

export interface Setting {
  readonly key: string;
  readonly value: string;
}

/**
 * The initial values of namespaces. All start as copies of the machine's first one, so what one of them was born with is asked once;
 * most of what a lab wants is the kernel's default.
 */
export class InitialValues {
  /** undefined: the key does not exist. */
  private readonly values = new Map<string, string | undefined>();

  /** The machine's own settings may have changed, and with them what comes next. */
  forget(): void {
    this.values.clear();
  }

  /** Does a namespace that was just made have the value already? Of one that others may have touched nothing is known. */
  has(node: NodeState, { key, value }: Setting): boolean {
    if (!node.isNew || node.touched.has(key) || OF_A_LINK.test(key)) return false;
    node.touched.add(key);
    if (!this.values.has(key))
      this.values.set(
        key,
        node.ns.enter(() => readSysctl(sysctlPath(key))),
      );
    return this.values.get(key) === value;
  }
}

/** net.ipv4.conf.eth0.forwarding, but not ...conf.all... or ...conf.default... */
const OF_A_LINK = /\.(conf|neigh)\.(?!all\.|default\.)/;

function readSysctl(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim().replaceAll(/\s+/g, " ");
  } catch {
    return undefined; // writing it will say why
  }
}

/** @throws DocknetError KERNEL_REFUSED, or KERNEL_FEATURE without br_netfilter */
export function setSysctl(ns: Netns, { key, value }: Setting): void {
  try {
    ns.writeSysctl(key, value);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" && key.startsWith("net.bridge.")) {
      throw new DocknetError(
        "KERNEL_FEATURE",
        `cannot restrict inter-container communication or run without the userland proxy: ${sysctlPath(key)} does not exist`,
        {
          cause: error,
          remedy: "Load the module once: modprobe br_netfilter",
        },
      );
    }
    const known = code === "EINVAL" || code === "ENOENT" || code === "EPERM" || code === "EACCES";
    throw new DocknetError(
      known ? "KERNEL_REFUSED" : "INTERNAL",
      `Cannot set sysctl ${key}=${value} in ${ns.label}: ${code ?? String(error)}`,
      { cause: error, details: { sysctl: { node: ns.label, key, path: sysctlPath(key), errno: code ?? "" } } },
    );
  }
}

export interface RefusedSysctl {
  /** Whose namespace it was to be set in. */
  readonly node: string;
  readonly key: string;
  /** Below /proc/sys. */
  readonly path: string;
  /** "ENOENT", "EINVAL"; "" when there is none. */
  readonly errno: string;
}

/** What `setSysctl` could not set; undefined for any other error. */
export function refusedSysctl(error: unknown): RefusedSysctl | undefined {
  return error instanceof DocknetError ? (error.details.sysctl as RefusedSysctl | undefined) : undefined;
}
