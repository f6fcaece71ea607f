/** What this process and this machine can still hold. */
import { readFileSync } from "node:fs";
import type { Capacity } from "../plan/capacity.ts";

/** Node raises its soft limit of descriptors to the hard one when it starts (src/node.cc PlatformInit). */
export function readCapacity(): Capacity {
  return {
    descriptors: numberAfter("/proc/self/limits", /^Max open files\s+(\d+)/m),
    memoryBytes: 1024 * numberAfter("/proc/meminfo", /^MemAvailable:\s+(\d+) kB/m),
  };
}

/** Infinity where the file says "unlimited", or does not say. */
function numberAfter(file: string, pattern: RegExp): number {
  const found = pattern.exec(readFileSync(file, "utf8"))?.[1];
  return found === undefined ? Number.POSITIVE_INFINITY : Number(found);
}
