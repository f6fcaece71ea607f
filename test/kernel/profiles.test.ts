/** What a real dockerd leaves in iptables is what a lab of that profile has there, as iptables-save prints it. */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { DisposerStack } from "../../src/dispose.ts";
import { Site } from "../../src/lab/site.ts";
import { HOST } from "../../src/net/name.ts";
import { normalizeRules } from "../support/rules-text.ts";
import { RECORDED, recordedRules, situationsOf, stateOf } from "../support/situations.ts";

describe.for(RECORDED)("iptables-save of the host is that of a real dockerd: %s", (profile) => {
  test("in every situation, come to from the one before", { timeout: 180_000 }, async () => {
    const lab = stateOf(situationsOf(profile)[0] as never, profile).lab;
    await using undo = new DisposerStack();
    const site = undo.use("the lab", new Site({ lab }));
    for (const situation of situationsOf(profile)) {
      await site.become(stateOf(situation, profile));
      const saved = site.netns(HOST).enter(() => spawnSync("iptables-save", { encoding: "utf8", timeout: 10_000 }));
      expect(normalizeRules(saved.stdout), situation.name).toBe(recordedRules(profile, situation));
    }
  });
});
