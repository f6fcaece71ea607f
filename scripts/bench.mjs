#!/usr/bin/env node
/**
 * The numbers of design.md section 9 that exist so far, measured and printed beside their bars: nothing is asserted but what was measured.
 * usage: npm run bench [-- --quick]      needs root (or a user namespace) and the built dist/
 */
import { spawnSync } from "node:child_process";
import { cpus, loadavg, release } from "node:os";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../dist/bin/docknet.js", import.meta.url));
const THIRTY = fileURLToPath(new URL("../test/fixtures/labs/thirty.yaml", import.meta.url));
const runs = process.argv.includes("--quick") ? 3 : 7;

/** Whole process, start to exit, in ms; the median, so that one disturbance does not count. */
function measure(args) {
  const times = [];
  let last;
  for (let i = 0; i < runs; i++) {
    const startedAt = performance.now();
    last = spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8", maxBuffer: 1 << 28 });
    times.push(performance.now() - startedAt);
  }
  if (last.status !== 0)
    throw new Error(`docknet ${args.join(" ")} ended with ${last.status}: ${last.stderr || last.stdout.slice(-2000)}`);
  return { ms: times.sort((a, b) => a - b)[times.length >> 1], stdout: last.stdout };
}

function measureNode() {
  const times = Array.from({ length: runs }, () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, ["-e", "0"]);
    return performance.now() - startedAt;
  });
  return times.sort((a, b) => a - b)[times.length >> 1];
}

const rows = [];
const row = (what, found, bar, unit = "ms") => rows.push({ what, found, bar, unit });

row("node itself, for comparison: node -e 0", measureNode(), undefined);
row("docknet --version, whole process", measure(["--version"]).ms, 120);
const seed = measure(["verify", "--lab", "seed", "--format", "json"]);
row("verify of the seed lab, whole process", seed.ms, 2000);
row("  of which building", JSON.parse(seed.stdout).durations.buildMs, 150);
const thirty = measure(["verify", "-f", THIRTY, "--format", "json"]);
row("verify of 30 services on 4 networks, whole process", thirty.ms, 5000);
row("  checks in it", JSON.parse(thirty.stdout).checks.length, undefined, "checks");
const matrix = measure(["matrix", "-f", THIRTY, "--format", "json"]);
row("matrix of 30 services, whole process", matrix.ms, 3000);
row("  of which sending and waiting", JSON.parse(matrix.stdout).durations.probeMs, undefined);
row("  cells in it", JSON.parse(matrix.stdout).cells.length, undefined, "cells");

const { measureLivingMatrix } = await import(new URL("./bench-matrix.mjs", import.meta.url));
row("matrix of 30 services that live, whole process", measureLivingMatrix({ runs, file: THIRTY }), 3000);

const { measureRanges } = await import(new URL("./bench-ranges.mjs", import.meta.url));
for (const { what, ms, bar } of measureRanges({ runs })) row(what, ms, bar);

const { buildScale } = await import(new URL("./bench-scale.mjs", import.meta.url));
for (const { containers, upMs, downMs, perContainerMs } of await buildScale(
  process.argv.includes("--quick") ? [100] : [100, 400],
)) {
  row(`${containers} containers with a published port up`, upMs, (5000 * containers) / 1000);
  row("  per container", perContainerMs, undefined);
  row("  down", downMs, (2000 * containers) / 1000);
}

const { measureDaemon } = await import(new URL("./bench-daemon.mjs", import.meta.url));
const quick = process.argv.includes("--quick");
const { coldMs, lsMs, runMs, walkMs } = await measureDaemon({ runs, sizes: quick ? [10] : [10, 300] });
row("first command of a lab: the daemon and its world", coldMs, undefined);
row("docknet network ls in a lab that lives, whole process", lsMs, 150);
for (const { containers, ms } of runMs) row(`docker run -d inside the daemon, beside ${containers} containers`, ms, 60);
for (const { containers, reached, dropped } of walkMs) {
  row(`docknet walk by two NATs, whole process, of ${containers} containers`, reached.ms, 400);
  row("  the first of its kind", reached.firstMs, 400);
  row("docknet walk of a packet that is dropped, whole process", dropped.ms, 400);
}

console.log(
  `${cpus().length} x ${cpus()[0]?.model}, kernel ${release()}, node ${process.version}, load ${loadavg()[0]?.toFixed(2)}, median of ${runs}`,
);
for (const { what, found, bar, unit } of rows) {
  const ratio =
    bar === undefined ? "" : `  bar ${bar} ${unit}  ${(found / bar).toFixed(2)} of it${found > bar ? "  OVER" : ""}`;
  console.log(`${what.padEnd(52)} ${found.toFixed(unit === "ms" ? 1 : 0).padStart(9)} ${unit}${ratio}`);
}
