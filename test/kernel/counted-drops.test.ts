/**
 * What a busy machine gets wrong once is measured once more: a drop is proven by the rule's own counter, and one that never agrees proves
 * nothing; an answer that was lost comes the second time, and one that never comes is a failure.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSpec, resolveState } from "../../src/index.ts";
import type { KernelRule } from "../../src/kernel/firewall/rules.ts";
import type { Probe } from "../../src/kernel/speech/probe.ts";
import { Site } from "../../src/lab/site.ts";
import { checksOfSite } from "../../src/lab/verify.ts";
import { HOST, type LabName } from "../../src/net/name.ts";
import type { Instruments } from "../../src/observe/instruments.ts";
import type { CheckResult } from "../../src/observe/report.ts";
import { verifyLayout } from "../../src/observe/verify.ts";
import { labText } from "../support/lab-text.ts";

const LAB = `
services:
  web: { image: nginx, network_mode: bridge, ports: ["8080:80"], x-docknet: { serve: ["80", "81", "82", "83", "84"] } }
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

/** Verified where the first `times` probes of @neighbour to web's port 80 fare as `fate` says. */
async function unlucky(times: number, fate: () => Probe): Promise<{ verdicts: string[]; askedAgain: number }> {
  const instruments = site.instruments();
  let left = times;
  const busy: Instruments = {
    ...instruments,
    probe: (request) =>
      request.node === "@neighbour" && request.port === 8080 && left-- > 0 ? fate() : instruments.probe(request),
  };
  const limits = { answerDeadlineMs: 3000, silenceMs: 100 };
  const { results, askedAgain } = await verifyLayout(busy, site.layout, checksOfSite(site, []), limits);
  return {
    verdicts: results.filter((r) => r.verdict !== "PASS").map((r) => `${r.verdict} ${r.id}: ${r.reasons[0]}`),
    askedAgain,
  };
}
const lost = (): Probe => ({ result: Promise.resolve({ outcome: "silent", afterMs: 3000 }), abort: () => {} });
const refusedByKernel = (): Probe => {
  throw new Error("ENOBUFS");
};

test("an answer that was lost once is asked for again, and that it was is told; one that never comes is a failure", async () => {
  const id = "publish/web:80/@neighbour/192.168.0.10:8080/tcp";
  expect(await unlucky(1, lost)).toEqual({ verdicts: [], askedAgain: 1 });
  expect(await unlucky(1, refusedByKernel)).toEqual({ verdicts: [], askedAgain: 1 });
  expect(await unlucky(100, lost)).toEqual({
    verdicts: expect.arrayContaining([`FAIL ${id}: expected reach, but there was no answer`]),
    askedAgain: 0,
  });
  expect(await unlucky(100, refusedByKernel)).toEqual({
    verdicts: expect.arrayContaining([`INCONCLUSIVE ${id}: the probe could not be made: ENOBUFS`]),
    askedAgain: 0,
  });
});
