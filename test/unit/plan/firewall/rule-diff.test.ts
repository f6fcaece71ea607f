import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IfName, NodeName } from "../../../../src/net/name.ts";
import { renderRestore } from "../../../../src/plan/firewall/restore.ts";
import { type Chain, EMPTY_RULESET, type Rule, type Ruleset, renderRule } from "../../../../src/plan/firewall/rule.ts";
import { diffRulesets } from "../../../../src/plan/firewall/rule-diff.ts";
import type { RuleEdit } from "../../../../src/plan/firewall/rule-edit.ts";
import { invertOp, type Op } from "../../../../src/plan/op.ts";
import { applyEdits } from "../../../support/fake-kernel.ts";

const owner = { kind: "engine", label: "test" } as const;
const CHAINS: readonly Chain[] = [
  { table: "filter", name: "FORWARD", policy: "ACCEPT" },
  { table: "filter", name: "ONE" },
  { table: "filter", name: "TWO" },
  { table: "nat", name: "ONE" },
];

function ruleIn(chain: Chain, what: string): Rule {
  return {
    table: chain.table,
    chain: chain.name,
    match: what.startsWith("to ") ? {} : { in: what as IfName },
    target: what.startsWith("to ") ? { kind: "JUMP", chain: what.slice(3) } : { kind: "ACCEPT" },
    purpose: "jump",
    owner,
  };
}

/** Few rules, so that lists share some; none twice in a chain, as docker asks before it adds. Jumps only where the chain is there. */
const ruleset: fc.Arbitrary<Ruleset> = fc
  .tuple(
    fc.subarray([...CHAINS]),
    fc.constantFrom("ACCEPT" as const, "DROP" as const),
    fc.array(fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f", "to ONE", "to TWO")), {
      minLength: 4,
      maxLength: 4,
    }),
  )
  .map(([chosen, policy, lists]) => {
    const chains = chosen.map((c): Chain => (c.policy ? { ...c, policy } : c));
    const has = (table: string, name: string): boolean => chains.some((c) => c.table === table && c.name === name);
    const rules = chains.flatMap((chain, i) =>
      (lists[i] ?? [])
        .filter(
          (w) =>
            !w.startsWith("to ") || (w.slice(3) !== chain.name && chain.name !== "TWO" && has(chain.table, w.slice(3))),
        )
        .map((what) => ruleIn(chain, what)),
    );
    return { chains, rules };
  });

type Kernel = Parameters<typeof applyEdits>[0];
const load = (set: Ruleset): Kernel => apply(new Map(), diffRulesets(EMPTY_RULESET, set));
const apply = (chains: Kernel, edits: readonly RuleEdit[]): Kernel => {
  applyEdits(chains, edits);
  return chains;
};
const listOf = (set: Ruleset): Record<string, unknown> =>
  Object.fromEntries(
    set.chains.map((c) => [
      `${c.table} ${c.name}`,
      {
        policy: c.policy,
        rules: set.rules
          .filter((r) => r.table === c.table && r.chain === c.name)
          .map((r) => renderRule(r).replace(/^-A \S+ /, "")),
      },
    ]),
  );

test("the edits from one ruleset to another, done one by one, give the other", () => {
  fc.assert(
    fc.property(ruleset, ruleset, (a, b) => {
      expect(Object.fromEntries(apply(load(a), diffRulesets(a, b)))).toEqual(listOf(b));
    }),
    { numRuns: 500 },
  );
});

test("taken back in reverse, they give the first again", () => {
  fc.assert(
    fc.property(ruleset, ruleset, (a, b) => {
      const edits = diffRulesets(a, b);
      const op: Op = { kind: "rules.commit", node: "@host" as NodeName, edits };
      const back = invertOp(op) as Extract<Op, { kind: "rules.commit" }>;
      expect(Object.fromEntries(apply(apply(load(a), edits), back.edits))).toEqual(listOf(a));
      expect(invertOp(back)).toEqual(op);
    }),
    { numRuns: 500 },
  );
});

test("from a ruleset to itself there is nothing to do", () => {
  fc.assert(
    fc.property(ruleset, (a) => {
      expect(diffRulesets(a, a)).toEqual([]);
    }),
  );
});

test("no shorter list of edits would do: what both have in order stays", () => {
  fc.assert(
    fc.property(ruleset, ruleset, (a, b) => {
      const edits = diffRulesets(a, b).filter((e) => e.kind === "rule.insert" || e.kind === "rule.delete");
      const keys = new Set([...Object.keys(listOf(a)), ...Object.keys(listOf(b))]);
      const rules = (set: Ruleset, key: string): string[] =>
        (listOf(set)[key] as { rules: string[] } | undefined)?.rules ?? [];
      const least = [...keys].map(
        (k) => rules(a, k).length + rules(b, k).length - 2 * common(rules(a, k), rules(b, k)),
      );
      expect(edits.length).toBe(least.reduce((x, y) => x + y, 0));
    }),
  );
});

/** Length of a longest common subsequence, by the textbook's recursion. */
function common(a: readonly string[], b: readonly string[]): number {
  const memo = new Map<string, number>();
  const go = (i: number, j: number): number => {
    const key = `${i} ${j}`;
    const known = memo.get(key);
    if (known !== undefined) return known;
    const value =
      i === a.length || j === b.length
        ? 0
        : a[i] === b[j]
          ? 1 + go(i + 1, j + 1)
          : Math.max(go(i + 1, j), go(i, j + 1));
    memo.set(key, value);
    return value;
  };
  return go(0, 0);
}

describe("as input of iptables-restore --noflush", () => {
  const [forward, one] = CHAINS as [Chain, Chain, Chain, Chain];
  const a: Ruleset = { chains: [forward, one], rules: [ruleIn(forward, "to ONE"), ruleIn(one, "a"), ruleIn(one, "b")] };
  const natOne = CHAINS[3] as Chain;

  test("chains come first, each table is one transaction, raw before nat before filter", () => {
    const both: Ruleset = { chains: [forward, one, natOne], rules: [...a.rules, ruleIn(natOne, "c")] };
    expect(renderRestore(diffRulesets(EMPTY_RULESET, both))).toBe(`*nat
:ONE - [0:0]
-A ONE -i c -j ACCEPT
COMMIT
*filter
:FORWARD ACCEPT [0:0]
:ONE - [0:0]
-A FORWARD -j ONE
-A ONE -i a -j ACCEPT
-A ONE -i b -j ACCEPT
COMMIT
`);
  });

  test("a rule in the middle is inserted by number, one that goes is deleted by its text, one that stays is not named", () => {
    const b: Ruleset = {
      chains: [forward, one],
      rules: [ruleIn(forward, "to ONE"), ruleIn(one, "c"), ruleIn(one, "b"), ruleIn(one, "d")],
    };
    expect(renderRestore(diffRulesets(a, b))).toBe(`*filter
-D ONE -i a -j ACCEPT
-I ONE 1 -i c -j ACCEPT
-A ONE -i d -j ACCEPT
COMMIT
`);
  });

  test("a chain is removed after the rules that jump to it; a policy is set by its chain line", () => {
    const b: Ruleset = { chains: [{ ...forward, policy: "DROP" }], rules: [] };
    expect(renderRestore(diffRulesets(a, b))).toBe(`*filter
:FORWARD DROP [0:0]
-D FORWARD -j ONE
-D ONE -i a -j ACCEPT
-D ONE -i b -j ACCEPT
-X ONE
COMMIT
`);
  });

  test("a built-in chain cannot go: its policy is set back", () => {
    expect(renderRestore(diffRulesets({ chains: [{ ...forward, policy: "DROP" }], rules: [] }, EMPTY_RULESET))).toBe(
      "*filter\n-P FORWARD ACCEPT\nCOMMIT\n",
    );
  });

  test("nothing to do is no input", () => {
    expect(renderRestore([])).toBe("");
  });
});
