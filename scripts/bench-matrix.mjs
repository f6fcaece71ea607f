/** The matrix of a lab that lives: its daemon measures, the process at the prompt asks and shows. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../dist/bin/docknet.js", import.meta.url));
const LAB = `bench-matrix${process.pid}`;

/** @returns the median of a whole `docknet matrix`, in milliseconds */
export function measureLivingMatrix({ runs, file }) {
  const directory = mkdtempSync(join(tmpdir(), "docknet-bench-"));
  const env = { ...process.env, DOCKNET_RUN_DIR: directory };
  const docknet = (...args) => {
    const startedAt = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [CLI, ...args, "-p", LAB], { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`docknet ${args.join(" ")} ended with ${status}: ${stderr}`);
    return performance.now() - startedAt;
  };
  try {
    docknet("up", "-f", file);
    const times = Array.from({ length: runs }, () => docknet("matrix"));
    return times.sort((a, b) => a - b)[times.length >> 1];
  } finally {
    docknet("down");
    rmSync(directory, { recursive: true, force: true });
  }
}
