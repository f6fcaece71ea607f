/**
 * A middle-sized compose file, thirty services on four networks: every one of some two thousand checks passes and no frame is lost.
 * How long that takes is measured by `npm run bench`, alone on the machine; here other suites run beside it.
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createLab } from "../../src/index.ts";

const FILE = fileURLToPath(new URL("../fixtures/labs/thirty.yaml", import.meta.url));

test("thirty services on four networks verify with PASS, and no frame is lost", { timeout: 120_000 }, async () => {
  await using lab = await createLab(FILE);
  const report = await lab.verify();
  expect(report.checks.filter((c) => c.verdict !== "PASS").map((c) => [c.verdict, c.claim, ...c.reasons])).toEqual([]);
  expect(report).toMatchObject({ verdict: "PASS", captures: { dropped: 0 } });
  expect(report.topology.nodes.filter((n) => n.kind === "container")).toHaveLength(30);
  expect(report.checks.length).toBeGreaterThan(2000);
});
