/**
 * A middle-sized compose file, thirty services on four networks: every one of some two thousand checks passes and no frame is lost.
 * How long that takes is measured by `npm run bench`, alone on the machine; here other suites run beside it.
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createLab } from "../../src/index.ts";

const FILE = fileURLToPath(new URL("../fixtures/labs/thirty.yaml", import.meta.url));

test("thirty services on four networks verify with PASS, no frame is lost, and packets may be followed", {
  timeout: 120_000,
}, async () => {
  await using lab = await createLab(FILE);
  const report = await lab.verify();
  expect(report.checks.filter((c) => c.verdict !== "PASS").map((c) => [c.verdict, c.claim, ...c.reasons])).toEqual([]);
  expect(report).toMatchObject({ verdict: "PASS", captures: { dropped: 0 } });
  expect(report.topology.nodes.filter((n) => n.kind === "container")).toHaveLength(30);
  expect(report.checks.length).toBeGreaterThan(2000);
  // among so many rules a walk finds its own, one after the other and at once
  const walks = await Promise.all([
    lab.walk("@neighbour", "@host:443"),
    lab.walk("@neighbour", "@host:53/udp"),
    lab.walk("@neighbour", "traefik:80"),
  ]);
  expect(walks.map((w) => [w.verdict, w.warnings])).toEqual([
    ["reach", []],
    ["reach", []],
    ["drop", []],
  ]);
  expect(walks.map((w) => w.ways[0]?.hops.map((h) => h.node).join(" "))).toEqual([
    "@neighbour @lan @host traefik",
    "@neighbour @lan @host dns",
    "@neighbour @lan @host",
  ]);
});
