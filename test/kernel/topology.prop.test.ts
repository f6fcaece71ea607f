/**
 * What is predicted is what the kernel does: random labs, every derived check, on the real kernel. The seed of a failure and its
 * compose text are printed.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { buildLab, loadSpec } from "../../src/index.ts";
import { PROFILES } from "../../src/plan/profile.ts";
import { labText } from "../support/lab-text.ts";
import { propertyRuns } from "../support/property.ts";
import { renderTopology, topology } from "../support/topology.ts";

const PROPERTY = propertyRuns(12);

test.for(PROFILES)(
  "predicted equals observed in random topologies: %s",
  { timeout: 60_000 + PROPERTY.numRuns * 10_000 },
  async (profile) => {
    let checks = 0;
    await fc.assert(
      fc.asyncProperty(topology, async (t) => {
        const yaml = renderTopology(t, profile);
        await using lab = await buildLab(loadSpec(labText(yaml)));
        const report = await lab.verify();
        checks += report.checks.length;
        const wrong = report.checks.filter((c) => c.verdict !== "PASS");
        expect(
          wrong.map((c) => `${c.verdict} ${c.claim}: ${c.reasons.join("; ")} (predicted: ${c.predicted.because})`),
          yaml,
        ).toEqual([]);
      }),
      PROPERTY,
    );
    expect(checks).toBeGreaterThan(PROPERTY.numRuns);
  },
);
