/** Rules as text: golden, within the width, harmless to a terminal; and as JSON. */
import { expect, test } from "vitest";
import { listChains, type RuleListing } from "../../../src/observe/rules.ts";
import { renderSpec } from "../../../src/plan/firewall/rule.ts";
import { renderCount, renderRules, renderRulesJson } from "../../../src/report/rules.ts";
import { expectGolden } from "../../support/golden.ts";
import { seedRules } from "../../support/seed-view.ts";

/** The seed lab's host, with counters, a rule that is missing, one by hand, another policy and a table of nftables. */
function changedHost(): RuleListing {
  const planned = seedRules("@host");
  const rules = planned.rules
    .filter((r) => !(r.chain === "DOCKER-FORWARD" && r.target.kind === "ACCEPT"))
    .map((r, i) => ({ table: r.table, chain: r.chain, spec: renderSpec(r), packets: i * 7919, bytes: i * 7919 * 60 }));
  const byHand = {
    table: "filter",
    chain: "DOCKER-USER",
    spec: '-s 192.168.0.20/32 -m comment --comment "no \u001b[31mneighbour\u202e" -j DROP',
    packets: 3,
    bytes: 180,
  };
  const chains = planned.chains.map((c) => ({
    ...c,
    packets: 12,
    bytes: 720,
    ...(c.name === "FORWARD" ? { policy: "ACCEPT" } : {}),
  }));
  return {
    schema: 1,
    docknet: "0",
    lab: "test",
    counted: true,
    nodes: [
      {
        node: "@host",
        chains: listChains(planned, { chains, rules: [...rules, byHand] }),
        beyond: ["table inet mine"],
      },
    ],
  };
}

const planned: RuleListing = {
  schema: 1,
  docknet: "0",
  lab: "test",
  counted: false,
  nodes: [{ node: "db", chains: listChains(seedRules("db")), beyond: [] }],
};

test.each([60, 80, 120])("%i columns", (width) => {
  const text = renderRules(changedHost(), { colour: false, width });
  // what cannot be broken stays whole: it is to be copied
  const tooLong = text.split("\n").filter((line) => line.length > width && line.trim().includes("  "));
  expect(tooLong).toEqual([]);
  expectGolden(`rule-listing/changed.${width}.txt`, text.replaceAll(/br-[0-9a-f]{12}/g, "br-<second>"));
});

test("as planned there are no counters", () => {
  expectGolden("rule-listing/planned.80.txt", renderRules(planned, { colour: false, width: 80 }));
});

test("colour is only where it is asked for", () => {
  expect(renderRules(changedHost(), { colour: false, width: 80 })).not.toContain("\u001b");
  expect(renderRules(changedHost(), { colour: true, width: 80 })).toContain("\u001b[33mMASQUERADE\u001b[0m");
});

test("what a comment holds reaches no terminal, and is whole in JSON", () => {
  const listing = changedHost();
  const texts = [renderRules(listing, { colour: false, width: 80 }), renderRulesJson(listing)];
  for (const text of texts) expect(["\u001b", "\u202e"].filter((c) => text.includes(c))).toEqual([]);
  expect(JSON.parse(renderRulesJson(listing))).toEqual(JSON.parse(JSON.stringify(listing)));
});

test("counts are those of iptables -L -v", () => {
  const counts = [0, 99_999, 100_000, 9_999_499, 9_999_500, 123_456_789, 98_765_432_100, 5e16];
  expect(counts.map(renderCount)).toEqual(["0", "99999", "100K", "9999K", "10M", "123M", "99G", "50000T"]);
});
