/** A drop is proven by the rule's own counter; a counter that was disturbed once is asked again, one that never agrees proves nothing. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSpec, resolveState } from "../../src/index.ts";
import type { KernelRule } from "../../src/kernel/rules.ts";
import { HOST, type LabName } from "../../src/net/name.ts";
import type { Instruments } from "../../src/observe/instruments.ts";
import type { CheckResult } from "../../src/observe/report.ts";
import { verifyLayout } from "../../src/observe/verify.ts";
import { Site } from "../../src/site.ts";
import { checksOfSite } from "../../src/verification.ts";
import { labText } from "../support/lab-text.ts";

const LAB = `
services:
  web: { image: nginx, network_mode: bridge, x-docknet: { serve: ["80", "81", "82", "83", "84"] } }
`;

let site: Site;
beforeAll(async () => {
  site = new Site({ lab: "test" as LabName });
  await site.become(resolveState(loadSpec(labText(LAB))).state);
});
afterAll(() => site.close());

/** What guards web's address, as verify sees it when somebody else's frames are counted too. @param strangers so many by the nth reading */
async function directAccess(strangers: (reading: number) => number): Promise<readonly CheckResult[]> {
  const instruments = site.instruments();
  let readings = 0;
  const disturbed: Instruments = {
    ...instruments,
    async readRules(node) {
      const rules = await instruments.readRules(node);
      if (node !== HOST) return rules;
      const more = strangers(readings++);
      const isGuard = ({ table, spec }: KernelRule): boolean => table === "raw" && spec.endsWith("-j DROP");
      return rules.map((r) => (isGuard(r) ? { ...r, packets: r.packets + more } : r));
    },
  };
  const limits = { answerDeadlineMs: 3000, silenceMs: 100 };
  const { results } = await verifyLayout(disturbed, site.layout, checksOfSite(site, []), limits);
  return results.filter((r) => r.group === "direct");
}

test("frames of strangers in between are seen through: what they disturbed is measured once more", async () => {
  const [quiet, once] = [await directAccess(() => 0), await directAccess((reading) => (reading === 0 ? 0 : 7))];
  expect(quiet.length).toBeGreaterThan(5);
  for (const results of [quiet, once]) {
    expect(results.map((r) => `${r.verdict} ${r.reasons}`)).toEqual(quiet.map(() => "PASS "));
    expect(results.map((r) => r.evidence.lost?.rule?.table)).toEqual(quiet.map(() => "raw"));
  }
});

test("a counter that never agrees leaves open whether it was that rule", async () => {
  const results = await directAccess((reading) => 7 * reading);
  // some are sent alone, where the rule that counts is named
  expect(new Set(results.map((r) => r.verdict))).toEqual(new Set(["PASS", "INCONCLUSIVE"]));
  expect(results.find((r) => r.verdict === "INCONCLUSIVE")?.reasons).toEqual([
    "it was dropped, but the counter of the rule that should have done it does not agree",
  ]);
});
