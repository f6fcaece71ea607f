/**
 * Rules that iptables deletes by their place. By its text it looks for a rule from the head of the chain, and reads each that it passes: where
 * two containers publish thousands of ports, those of the one stand before those of the other, and it read for minutes. A place is counted
 * only, but it is right only where nobody has changed the chain: so it is used for great changes alone, of chains that were read before.
 */

import { renderSpec } from "./rule.ts";
import type { RuleEdit } from "./rule-edit.ts";

/** Rules that may be passed in a search by text: about one second. */
const MANY = 500_000;

export interface StandingRule {
  readonly table: string;
  readonly chain: string;
  /** What follows `-A CHAIN`. */
  readonly spec: string;
  /** 1-based; 0 for the policy. */
  readonly position: number;
}

/** Would iptables search too long? */
export function searchesLong(edits: readonly RuleEdit[]): boolean {
  return edits.reduce((sum, e) => (e.kind === "rule.delete" ? sum + e.position : sum), 0) > MANY;
}

/** Does every delete find its rule at its place, all edits before it done? @param found every rule of the chains, in order */
export function standInPlace(edits: readonly RuleEdit[], found: readonly StandingRule[]): boolean {
  const chains = new Map<string, string[]>();
  const chainOf = ({ table, chain }: { readonly table: string; readonly chain: string }): string[] => {
    const specs = chains.get(`${table} ${chain}`) ?? [];
    chains.set(`${table} ${chain}`, specs);
    return specs;
  };
  for (const rule of found) if (rule.position > 0) chainOf(rule).push(rule.spec);
  for (const edit of edits) {
    if (edit.kind === "rule.insert") {
      const specs = chainOf(edit.rule);
      specs.splice(edit.atEnd ? specs.length : edit.position - 1, 0, renderSpec(edit.rule));
    } else if (edit.kind === "rule.delete") {
      const [spec] = chainOf(edit.rule).splice(edit.position - 1, 1);
      if (spec !== renderSpec(edit.rule)) return false;
    }
  }
  return true;
}
