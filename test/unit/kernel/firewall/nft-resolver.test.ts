import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  lacksFeature,
  resolverMessages,
  resolverPortsIn,
  resolverPortsOf,
} from "../../../../src/kernel/firewall/nft-resolver.ts";
import { readsNativePorts } from "../../../../src/kernel/firewall/nft-support.ts";
import { NetlinkError } from "../../../../src/kernel/netlink/netlink.ts";
import type { Port } from "../../../../src/net/port.ts";
import { resolverRuleset } from "../../../../src/plan/firewall/embedded-dns.ts";
import { EMPTY_RULESET, type Ruleset } from "../../../../src/plan/firewall/rule.ts";
import { diffRulesets } from "../../../../src/plan/firewall/rule-diff.ts";
import type { RuleEdit } from "../../../../src/plan/firewall/rule-edit.ts";

const PORTS = { udp: 12346 as Port, tcp: 12345 as Port };
const RULES = resolverRuleset(PORTS, { kind: "endpoint", label: "DNS of c1" });
const EDITS = diffRulesets(EMPTY_RULESET, RULES);

test("the messages are those that iptables-restore sends, byte for byte", () => {
  const recorded = readFileSync(new URL("../../../golden/nft/resolver-1.8.9.txt", import.meta.url), "utf8");
  const { table, chains, rules } = resolverMessages(PORTS, "protocol first");
  const lines = [
    ...[table].map((m) => ["table", m] as const),
    ...chains.map((m) => ["chain", m] as const),
    ...rules.map((m) => ["rule", m] as const),
  ].map(([kind, { body }]) => `${kind} ${Buffer.from(body).toString("hex")}`);
  expect(lines).toEqual(
    recorded
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("#")),
  );
});

describe("recognised is the creation of the resolver's rules", () => {
  test("with the ports that stand in them", () => {
    expect(resolverPortsIn(EDITS)).toEqual(PORTS);
    expect(resolverPortsOf(RULES)).toEqual(PORTS);
  });

  const changed = (change: (edits: RuleEdit[]) => unknown): RuleEdit[] => {
    const edits = structuredClone(EDITS) as RuleEdit[];
    change(edits);
    return edits;
  };
  const others: Record<string, readonly RuleEdit[]> = {
    "nothing at all": [],
    "its removal": diffRulesets(RULES, EMPTY_RULESET),
    "a change of its ports": diffRulesets(
      RULES,
      resolverRuleset({ udp: 1 as Port, tcp: 2 as Port }, { kind: "endpoint", label: "" }),
    ),
    "one edit less": EDITS.slice(0, -1),
    "one chain less": EDITS.slice(1),
    "one edit twice": [...EDITS, ...EDITS.slice(-1)],
    "rules in another order": changed((edits) => edits.reverse()),
    "a rule at a place that is not the end": changed((edits) => edits.splice(5, 1, inserted(edits[5], false))),
    "a policy of DROP": changed((edits) =>
      edits.splice(0, 1, { kind: "chain.create", chain: { table: "nat", name: "OUTPUT", policy: "DROP" } }),
    ),
    "an answer from another port than the server's": [
      ...EDITS.slice(0, 8),
      ...diffRulesets(
        EMPTY_RULESET,
        resolverRuleset({ udp: 3 as Port, tcp: 3 as Port }, { kind: "endpoint", label: "" }),
      ).slice(8),
    ],
  };
  test.for(Object.keys(others))("not %s", (name) => {
    expect(resolverPortsIn(others[name] ?? EDITS)).toBeUndefined();
  });

  test("and not a ruleset with one rule more", () => {
    const more: Ruleset = { ...RULES, rules: [...RULES.rules, ...RULES.rules.slice(0, 1)] };
    expect(resolverPortsOf(more)).toBeUndefined();
    expect(resolverPortsOf(EMPTY_RULESET)).toBeUndefined();
  });
});

const inserted = (edit: RuleEdit | undefined, atEnd: boolean): RuleEdit =>
  edit?.kind === "rule.insert" ? { ...edit, atEnd } : (EDITS[0] as RuleEdit);

test.for([
  ["iptables-restore v1.8.9 (nf_tables)\n", true],
  ["iptables-restore v1.8.8 (nf_tables)", true],
  ["iptables-restore v1.8.11 (nf_tables)", true],
  ["iptables-restore v2.0.0 (nf_tables)", true],
  ["iptables-restore v1.8.7 (nf_tables)", false],
  ["iptables-restore v1.8.9 (legacy)", false],
  ["iptables-restore v1.6.1", false],
  ["", false],
] as const)("an iptables that says %j reads native rules: %s", ([text, reads]) => {
  expect(readsNativePorts(text)).toBe(reads);
});

test("what the kernel lacks is not asked for twice; what one namespace has is no fault of the machine", () => {
  // errno 2 ENOENT, 17 EEXIST, 1 EPERM, 95 EOPNOTSUPP, 22 EINVAL, 12 ENOMEM
  const lacking = [2, 17, 1, 95, 22, 12].map((errno) => lacksFeature(new NetlinkError("create table nat", errno, "")));
  expect(lacking).toEqual([true, false, false, true, true, false]);
});
