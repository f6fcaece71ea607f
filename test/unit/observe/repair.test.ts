import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSave, parseTables } from "../../../src/kernel/firewall/rules.ts";
import type { IfName, LabName, NodeName } from "../../../src/net/name.ts";
import { planRepair, reconcile } from "../../../src/observe/repair.ts";
import type { RepairEdit } from "../../../src/plan/firewall/repair-edit.ts";
import { renderRepair } from "../../../src/plan/firewall/restore.ts";
import { EMPTY_RULESET, type Rule, renderSpec } from "../../../src/plan/firewall/rule.ts";
import { repairRules } from "../../../src/plan/firewall/rule-repair.ts";
import type { Layout } from "../../../src/plan/layout.ts";
import type { Observed, ObservedChain, ObservedRule } from "../../../src/plan/observed.ts";

const owner = { kind: "engine", label: "test" } as const;
const CHAIN = { table: "filter", name: "ONE" } as const;
const wantedRule = (name: string): Rule => ({
  table: "filter",
  chain: "ONE",
  match: { in: name as IfName },
  target: { kind: "ACCEPT" },
  purpose: "jump",
  owner,
});
const foundRule = (spec: string, chain = "ONE"): ObservedRule => ({
  table: "filter",
  chain,
  spec,
  packets: 0,
  bytes: 0,
});

/** As iptables does them, each position checked. */
function edited(specs: readonly string[], edits: readonly RepairEdit[]): string[] {
  const rules = [...specs];
  for (const edit of edits) {
    if (edit.kind === "rule.purge") expect(rules.splice(edit.position - 1, 1)).toEqual([edit.spec]);
    else if (edit.kind === "rule.insert") {
      expect(edit.atEnd).toBe(edit.position === rules.length + 1);
      rules.splice(edit.position - 1, 0, renderSpec(edit.rule));
    } else throw new Error(`unexpected ${edit.kind}`);
  }
  return rules;
}

test("whatever stands in a chain, how often and in what order, the edits give what is wanted", () => {
  const names = fc.constantFrom("a", "b", "c", "d");
  fc.assert(
    fc.property(fc.array(names, { maxLength: 8 }), fc.uniqueArray(names), (found, wanted) => {
      const rules = wanted.map(wantedRule);
      const specs = found.map((n) => renderSpec(wantedRule(n)));
      const edits = repairRules({ chains: [CHAIN], rules: specs.map((s) => foundRule(s)) }, { chains: [CHAIN], rules });
      expect(edited(specs, edits)).toEqual(rules.map((r) => renderSpec(r)));
      if (JSON.stringify(found) === JSON.stringify(wanted)) expect(edits).toEqual([]);
    }),
  );
});

test("foreign chains are emptied first and removed last, and never repeated as text", () => {
  const chains: ObservedChain[] = [
    CHAIN,
    { table: "filter", name: "X" },
    { table: "mangle", name: "INPUT", policy: "DROP" },
  ];
  const rules = [foundRule("-j X"), foundRule('-m comment --comment "\n-j ACCEPT" -j DROP', "X")];
  const edits = repairRules({ chains, rules }, { chains: [CHAIN], rules: [wantedRule("a")] });
  expect(renderRepair(edits)).toBe(
    "*mangle\n-P INPUT ACCEPT\nCOMMIT\n*filter\n-F X\n-D ONE 1\n-A ONE -i a -j ACCEPT\n-X X\nCOMMIT\n",
  );
});

test("a line break in a comment makes no rule of what follows", () => {
  const text = [
    "*filter",
    ":INPUT ACCEPT [1:2]",
    '[0:0] -A INPUT -m comment --comment "x\\"',
    '-A INPUT -j DROP" -j RETURN',
    "[3:4] -A INPUT -j ACCEPT",
    "COMMIT",
  ].join("\n");
  expect(parseTables(text).rules.map((r) => r.spec)).toEqual([
    '-m comment --comment "x\\"\n-A INPUT -j DROP" -j RETURN',
    "-j ACCEPT",
  ]);
  expect(parseSave(text).map((r) => [r.position, r.packets])).toEqual([
    [0, 1],
    [1, 0],
    [2, 3],
  ]);
});

const LAYOUT: Layout = {
  lab: "t" as LabName,
  nodes: [{ name: "a" as NodeName, sysctls: [], links: [], routes: [], rules: EMPTY_RULESET, proxies: [] }],
};
const lo = {
  name: "lo",
  kind: "",
  mac: "00:00:00:00:00:00",
  mtuBytes: 65536,
  up: true,
  hairpin: false,
  addresses: [
    { address: "127.0.0.1/8", plain: true, secondary: false, foreign: { object: "address", what: "", message: "" } },
  ],
  foreign: { object: "link", what: "lo", message: "" },
} as const;
const node = {
  name: "a" as NodeName,
  nameLost: false,
  links: [lo],
  routes: [],
  sysctls: new Map(),
  chains: [{ table: "filter", name: "INPUT", policy: "ACCEPT" }],
  rules: [],
  others: [],
  proxies: [],
};
const CLEAN: Observed = { nodes: [node] };

test("a node as it should be needs nothing; a table that was only looked at is no drift", () => {
  const { drift, ops, standing } = planRepair(CLEAN, LAYOUT);
  expect({ drift, ops, standing }).toEqual({ drift: [], ops: [], standing: LAYOUT });
});

test("a device that a module puts into each namespace is nobody's while it is down", () => {
  const sit = { ...lo, name: "sit0", kind: "sit", up: false, addresses: [] };
  expect(planRepair({ nodes: [{ ...node, links: [lo, sit] }] }, LAYOUT).ops).toEqual([]);
  expect(planRepair({ nodes: [{ ...node, links: [lo, { ...sit, up: true }] }] }, LAYOUT).ops).toEqual([
    { kind: "link.down", node: "a", name: "sit0" },
  ]);
});

test("a kernel that differs again and again is given up after some rounds", async () => {
  let reads = 0;
  const kernel = {
    read: async () => {
      reads++;
      return { nodes: [] };
    },
    repair: async () => {},
    apply: async () => {},
  };
  await expect(reconcile(kernel, LAYOUT)).rejects.toMatchObject({ code: "KERNEL_REFUSED" });
  expect(reads).toBe(5);
});
