/**
 * What is predicted is what the kernel does: random labs, every derived check, on the real kernel. The seed of a failure and its
 * compose text are printed.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { buildLab, type CheckResult, loadSpec } from "../../src/index.ts";
import { PROFILES } from "../../src/plan/firewall/profile.ts";
import { labText } from "../support/lab-text.ts";
import { propertyRuns } from "../support/property.ts";
import { renderTopology, topology } from "../support/topology.ts";

const PROPERTY = propertyRuns(12);
const FTP_PROPERTY = propertyRuns(2);

test.for(PROFILES)(
  "predicted equals observed in random topologies: %s",
  { timeout: 60_000 + PROPERTY.numRuns * 60_000 },
  async (profile) => {
    let checks = 0;
    await fc.assert(
      fc.asyncProperty(topology, async (t) => {
        checks += (await provenChecks(renderTopology(t, profile))).length;
      }),
      PROPERTY,
    );
    expect(checks).toBeGreaterThan(PROPERTY.numRuns);
  },
);

/** Labs in which transfers come off and fail: who asks, who serves, and a published port between networks. */
const busy = topology.filter(({ containers, networks }) => {
  const own = containers.filter((c) => c.mode === "networks" || c.mode === "bridge");
  return own.length >= 4 && networks.length >= 2 && own.some((c) => c.publish.includes("any"));
});

// some ten seconds a lab on a busy machine: one profile in every run
test.for(PROFILES.slice(-1))(
  "and where containers serve FTP, for its data connections: %s",
  { timeout: 60_000 + FTP_PROPERTY.numRuns * 60_000 },
  async (profile) => {
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(busy, async (t) => {
        const checks = await provenChecks(renderTopology(t, profile, true));
        for (const { transfer, observed } of checks) if (transfer) outcomes.add(`${transfer} ${observed.outcome}`);
      }),
      FTP_PROPERTY,
    );
    expect([...outcomes]).toEqual(
      expect.arrayContaining(["active reach", "active drop", "passive reach", "passive drop"]),
    );
  },
);

/** Builds, verifies, expects that every check passes. */
async function provenChecks(yaml: string): Promise<readonly CheckResult[]> {
  await using lab = await buildLab(loadSpec(labText(yaml)));
  const { checks } = await lab.verify();
  const wrong = checks.filter((c) => c.verdict !== "PASS");
  expect(
    wrong.map((c) => `${c.verdict} ${c.claim}: ${c.reasons.join("; ")} (predicted: ${c.predicted.because})`),
    yaml,
  ).toEqual([]);
  return checks;
}
