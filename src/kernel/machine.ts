/** Reads the facts of this machine that a plan depends on. They are the same in every namespace that this process makes. */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import type { MachineFacts } from "../plan/machine.ts";

/** The highest group id that ping_group_range takes (net/ipv4/ping.c GID_T_MAX). */
const MAX_GID = 2147483647;

export function readMachine(): MachineFacts {
  return {
    maxGid: readMaxGid(),
    bridgeNetfilter: existsSync("/proc/sys/net/bridge"),
    ipv6: existsSync("/proc/sys/net/ipv6"),
  };
}

export const kernelRelease = (): string => release();

/** In a user namespace only mapped ids may be named: "0 1000 1" maps one (user_namespaces(7)). */
function readMaxGid(): number {
  const rows = readFileSync("/proc/self/gid_map", "utf8").trim().split("\n");
  const ends = rows.map((row) => {
    const [inside = 0, , length = 0] = row.trim().split(/\s+/).map(Number);
    return inside + length - 1;
  });
  return Math.min(MAX_GID, Math.max(0, ...ends));
}
