/** The bar for a middle-sized compose file: thirty services on four networks, proven within five seconds of a whole process. */
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { expect, test } from "vitest";
import type { Report } from "../../src/index.ts";

const FILE = fileURLToPath(new URL("../fixtures/labs/thirty.yaml", import.meta.url));
const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const BAR_MS = 5000;

test("thirty services verify with PASS in at most 5 s", { timeout: 120_000 }, async () => {
  const runs: { ms: number; report: Report }[] = [];
  // the best of three: the bar is about docknet, not about what else this machine does
  while (runs.length < 3 && !runs.some(({ ms }) => ms <= BAR_MS)) runs.push(await verify());
  for (const { report } of runs) {
    expect(report.checks.filter((c) => c.verdict !== "PASS").map((c) => [c.verdict, c.claim, ...c.reasons])).toEqual(
      [],
    );
    expect(report.verdict).toBe("PASS");
    expect(report.captures.dropped).toBe(0);
  }
  const best = Math.min(...runs.map(({ ms }) => ms));
  const { report } = runs[0] as { report: Report };
  const containers = report.topology.nodes.filter((n) => n.kind === "container");
  expect(containers).toHaveLength(30);
  console.log(`thirty: ${report.checks.length} checks, ${runs.map(({ ms }) => `${Math.round(ms)} ms`).join(", ")}`);
  expect(best).toBeLessThanOrEqual(BAR_MS);
});

async function verify(): Promise<{ ms: number; report: Report }> {
  const startedAt = performance.now();
  const { stdout, stderr } = await execa(process.execPath, [CLI, "verify", "-f", FILE, "--format", "json"], {
    reject: false,
    maxBuffer: 100_000_000,
  });
  const ms = performance.now() - startedAt;
  expect(stderr).toBe("");
  return { ms, report: JSON.parse(stdout) as Report };
}
