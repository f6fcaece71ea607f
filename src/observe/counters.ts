/** Which rules counted packets between two readings of a namespace: the kernel's own word on what dropped or rewrote something. */

import type { KernelRule } from "../kernel/firewall/rules.ts";
import type { NodeName } from "../net/name.ts";
import { explainRule, type Rule, type Ruleset, renderSpec } from "../plan/firewall/rule.ts";
import type { RuleSeen } from "./report.ts";

export interface Moved {
  readonly node: NodeName;
  readonly rule: KernelRule;
  readonly packets: number;
}

/** Rules whose counters moved, with by how much. Rules that came or went in between are left out. */
export function movedRules(node: NodeName, before: readonly KernelRule[], after: readonly KernelRule[]): Moved[] {
  const key = (r: KernelRule): string => `${r.table} ${r.chain} ${r.spec} ${occurrence(r)}`;
  const seen = new Map<string, number>();
  const occurrence = (r: KernelRule): number => {
    const id = `${r.table} ${r.chain} ${r.spec}`;
    const n = (seen.get(id) ?? 0) + 1;
    seen.set(id, n);
    return n;
  };
  const old = new Map(before.map((r) => [key(r), r.packets]));
  seen.clear();
  return after.flatMap((rule) => {
    const was = old.get(key(rule));
    return was !== undefined && rule.packets > was ? [{ node, rule, packets: rule.packets - was }] : [];
  });
}

export const isDrop = (rule: KernelRule): boolean =>
  /(^|-j )(DROP|REJECT)\b/.test(rule.spec) || rule.spec === "policy DROP";

/** Is this kernel rule the planned one? */
export function isRule(found: KernelRule, wanted: Rule): boolean {
  return found.table === wanted.table && found.chain === wanted.chain && found.spec === renderSpec(wanted);
}

/** A kernel rule with what the plan knows of it. */
export function describeRule(moved: Moved, planned: Ruleset): RuleSeen {
  const { rule } = moved;
  const known = planned.rules.find((r) => isRule(rule, r));
  return {
    node: moved.node,
    table: rule.table,
    chain: rule.chain,
    rule: rule.position === 0 ? rule.spec : `-A ${rule.chain} ${rule.spec}`,
    packets: moved.packets,
    ...(known
      ? { owner: known.owner.label, words: explainRule(known), ...(known.owner.at ? { at: known.owner.at } : {}) }
      : {}),
    ...(rule.position === 0 ? { words: "what no rule accepts is not forwarded" } : {}),
  };
}

/** A planned rule as the report shows it, without a count. */
export function describePlanned(node: NodeName, rule: Rule): RuleSeen {
  return {
    node,
    table: rule.table,
    chain: rule.chain,
    rule: `-A ${rule.chain} ${renderSpec(rule)}`,
    owner: rule.owner.label,
    words: explainRule(rule),
    ...(rule.owner.at ? { at: rule.owner.at } : {}),
  };
}
