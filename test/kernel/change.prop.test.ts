/**
 * One planner for every change: what is built on a running host and taken away again leaves the host as it was, and half of it
 * leaves what building that half leaves. On the real kernel, with random labs.
 */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { loadSpec, resolveState, type Spec } from "../../src/index.ts";
import { Executor } from "../../src/kernel/executor.ts";
import { readMachine } from "../../src/kernel/machine.ts";
import { HOST } from "../../src/net/name.ts";
import type { Layout } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { planLab } from "../../src/plan/plan.ts";
import { DUMP_SECTIONS, normalizeDump } from "../support/kernel-dump.ts";
import { labText } from "../support/lab-text.ts";
import { propertyRuns } from "../support/property.ts";
import { renderTopology, topology } from "../support/topology.ts";
import { waitFor } from "../support/wait-for.ts";

const PROPERTY = propertyRuns(6);

test("plan and its way back leave the host as it was, in random topologies", {
  timeout: 60_000 + PROPERTY.numRuns * 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(topology, fc.nat(), async (t, seed) => {
      const spec = loadSpec(labText(renderTopology(t)));
      const facts = readMachine();
      const layout = (s: Spec): Layout => layoutOf(resolveState(s).state, facts);
      const full = layout(spec);
      const empty = layout({ ...spec, services: [] });
      const half = layout({ ...spec, services: firstServices(spec, seed % (spec.services.length + 1)) });
      const executor = new Executor({ lab: spec.name, named: false });
      try {
        await executor.apply(planLab(undefined, empty));
        const before = dump(executor);
        await executor.apply(planLab(empty, half));
        const halfway = dump(executor);
        await executor.apply(planLab(half, full));
        await executor.apply(planLab(full, half));
        await expectDump(executor, halfway);
        await executor.apply(planLab(half, empty));
        await expectDump(executor, before);
      } finally {
        await executor.close();
      }
    }),
    PROPERTY,
  );
});

/** The first `n`, less those that use the network of one that is not among them. */
function firstServices(spec: Spec, n: number): Spec["services"] {
  const first = spec.services.slice(0, n);
  return first.filter(({ mode }) => mode.kind !== "service" || first.some((s) => s.key === mode.service));
}

/** The host's links, addresses, routes, rules and sysctls. */
function dump(executor: Executor): Record<string, unknown> {
  return executor.netns(HOST).enter(() =>
    Object.fromEntries(
      Object.entries(DUMP_SECTIONS).map(([section, command]) => {
        const text = execFileSync("sh", ["-c", command], { encoding: "utf8", maxBuffer: 1 << 26 });
        return [section, normalizeDump(section, text)];
      }),
    ),
  );
}

async function expectDump(executor: Executor, wanted: Record<string, unknown>): Promise<void> {
  let found: Record<string, unknown> = {};
  // a link that was deleted leaves its namespace a moment later where its peer's namespace goes with it
  await waitFor("the host as it was", 15_000, () => {
    found = dump(executor);
    return JSON.stringify(found) === JSON.stringify(wanted);
  }).catch(() => {});
  expect(found).toEqual(wanted);
}
