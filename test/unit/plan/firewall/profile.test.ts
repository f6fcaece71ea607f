/** The rules of each profile are those that the real dockerd was seen to leave, in every situation and in order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PROFILES, rulesetOf } from "../../../../src/plan/firewall/profile.ts";
import { renderRule } from "../../../../src/plan/firewall/rule.ts";
import { stateAfter } from "../../../support/commands.ts";
import { rulesText } from "../../../support/rules-text.ts";
import { RECORDED, recordedRules, situationsOf, stateOf } from "../../../support/situations.ts";

describe.for(RECORDED)("the rules are those of a real dockerd: %s", (profile) => {
  test.for(situationsOf(profile).map((s) => [s.name, s] as const))("%s", ([, situation]) => {
    expect(rulesText(rulesetOf(stateOf(situation, profile)))).toBe(recordedRules(profile, situation));
  });
});

test("every situation has at least the rules of a new daemon", () => {
  for (const profile of RECORDED)
    for (const situation of situationsOf(profile))
      expect(recordedRules(profile, situation)).toContain("-A FORWARD -j DOCKER-USER");
});

test("in any state no chain holds a rule twice, and rules stand in and lead to chains that are there", () => {
  fc.assert(
    fc.property(stateAfter(8), fc.constantFrom(...PROFILES), (state, profile) => {
      const { chains, rules } = rulesetOf({ ...state, engine: { ...state.engine, profile } });
      const lines = rules.map((r) => `${r.table} ${renderRule(r)}`);
      expect(lines.filter((l, i) => lines.indexOf(l) !== i)).toEqual([]);
      const there = new Set(chains.map((c) => `${c.table} ${c.name}`));
      for (const { table, chain, target } of rules) {
        expect(there).toContain(`${table} ${chain}`);
        if (target.kind === "JUMP") expect(there).toContain(`${table} ${target.chain}`);
      }
    }),
    { numRuns: 40 },
  );
});
