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

test("1.8.11 writes the same rules in another order, and the protocol from the IP header", () => {
  const [first, second] = (["protocol first", "address first"] as const).map((order) => resolverMessages(PORTS, order));
  expect(second?.chains).toEqual(first?.chains);
  expect(second?.rules.slice(0, 2)).toEqual(first?.rules.slice(0, 2));
  // as iptables-restore 1.8.11 of Debian 13 wrote it: 4 bytes at 16 are 127.0.0.11, 1 byte at 9 is 6
  const theirs =
    "340001000c0001007061796c6f6164002400020008000100000000010800020000000001080003000000001008000400000000042c00010008000100636d700020000200080001000000000108000200000000000c000300080001007f00000b" +
    "340001000c0001007061796c6f6164002400020008000100000000010800020000000001080003000000000908000400000000012c00010008000100636d700020000200080001000000000108000200000000000c0003000500010006000000";
  // the kernel's listing does not mark what is nested (NLA_F_NESTED, 0x8000)
  const ours = Buffer.from(second?.rules[2]?.body ?? Buffer.alloc(0)).toString("hex");
  expect(ours.replaceAll(/0([1-4])80/g, (_, type) => `0${type}00`)).toContain(theirs);
});
