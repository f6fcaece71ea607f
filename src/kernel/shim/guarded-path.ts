/**
 * What of /proc and /sys is the machine's own, and how a container gets it: hidden, or read-only. Docker's lists, as inspect shows them
 * and as they are mounted here. Source: moby daemon/pkg/oci/defaults.go MaskedPaths, ReadonlyPaths; runc libcontainer/rootfs_linux.go.
 */
import { statSync, writeSync } from "node:fs";
import { memoryFile } from "../libc.ts";

export const MASKED_PATHS: readonly string[] = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

let table: number | undefined;

/**
 * An fstab(5) that guards a container's own /proc, for `mount --all`: one process mounts it all. Paths that this kernel lacks are left
 * out; a container's /proc has the same ones as the machine's. @returns a descriptor that stays open; a mere pipe mount(8) refuses
 */
export function procMounts(): number {
  if (table === undefined) {
    table = memoryFile("docknet-proc-mounts");
    writeSync(table, `${procMountLines().join("\n")}\n`);
  }
  return table;
}

function procMountLines(): string[] {
  return [
    ...MASKED_PATHS.filter((path) => path.startsWith("/proc/")).flatMap(maskLine),
    ...READONLY_PATHS.filter((path) => kindOf(path) !== "absent").map((path) => `${path} ${path} none bind,ro 0 0`),
  ];
}

function maskLine(path: string): string[] {
  switch (kindOf(path)) {
    case "absent":
      return [];
    case "directory":
      return [`tmpfs ${path} tmpfs ro,nosuid,nodev,noexec,size=4k 0 0`];
    case "file":
      return [`/dev/null ${path} none bind,ro 0 0`];
  }
}

export function kindOf(path: string): "absent" | "directory" | "file" {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return "absent";
  return found.isDirectory() ? "directory" : "file";
}
