/** From one ruleset to another by the fewest edits, chain by chain: what stays is not touched, so its counters live on. No chain holds a rule twice. */

import { type Chain, type Rule, type Ruleset, renderRule } from "./rule.ts";
import type { RuleEdit } from "./rule-edit.ts";

export function diffRulesets(before: Ruleset, after: Ruleset): RuleEdit[] {
  const key = (c: Chain): string => `${c.table} ${c.name}`;
  const [had, wanted] = [new Map(before.chains.map((c) => [key(c), c])), new Map(after.chains.map((c) => [key(c), c]))];
  const created = after.chains.filter((c) => !had.has(key(c)));
  const deleted = before.chains.filter((c) => !wanted.has(key(c)));
  const policies = after.chains.flatMap((chain): RuleEdit[] => {
    const old = had.get(key(chain));
    return old?.policy && chain.policy && old.policy !== chain.policy
      ? [{ kind: "chain.policy", chain, before: old.policy }]
      : [];
  });
  const [old, next] = [byChain(before), byChain(after)];
  // a chain can only go when no rule jumps to it any more, and come before the first that does
  return [
    ...created.map((chain): RuleEdit => ({ kind: "chain.create", chain })),
    ...policies,
    ...[...new Set([...had.keys(), ...wanted.keys()])].flatMap((k) => diffChain(old.get(k) ?? [], next.get(k) ?? [])),
    ...deleted.map((chain): RuleEdit => ({ kind: "chain.delete", chain })),
  ];
}

function byChain({ rules }: Ruleset): Map<string, Rule[]> {
  const chains = new Map<string, Rule[]>();
  for (const rule of rules) {
    const key = `${rule.table} ${rule.chain}`;
    const chain = chains.get(key);
    if (chain) chain.push(rule);
    else chains.set(key, [rule]);
  }
  return chains;
}

/**
 * A block of rules costs iptables what stands before it, not the square of its length: a delete is looked for from the head of the chain,
 * and an insert counts from there. So a block is deleted from its first rule on, and inserted at one place from its last rule back.
 */
function diffChain(before: readonly Rule[], after: readonly Rule[]): RuleEdit[] {
  const kept = longestCommon(before.map(renderRule), after.map(renderRule));
  const stays = new Set(kept.map(([i]) => i));
  const had = new Set(kept.map(([, j]) => j));
  const lastKept = kept.at(-1)?.[1] ?? -1;
  const deletes: RuleEdit[] = [];
  let place = 1;
  for (const [i, rule] of before.entries()) {
    if (stays.has(i)) place++;
    else deletes.push({ kind: "rule.delete", rule, position: place, atEnd: i === before.length - 1 });
  }
  const inserts: RuleEdit[] = [];
  let block: RuleEdit[] = [];
  for (const [j, rule] of after.entries()) {
    if (had.has(j)) {
      inserts.push(...block.reverse());
      block = [];
    } else if (j > lastKept) inserts.push({ kind: "rule.insert", rule, position: j + 1, atEnd: true });
    else block.push({ kind: "rule.insert", rule, position: j - block.length + 1, atEnd: false });
  }
  return [...deletes, ...inserts];
}

/**
 * Index pairs of a longest common subsequence; common head and tail are taken off first, so a small change stays cheap. Where hardly any
 * text stands twice it costs n log n. Source: J. Hunt, T. Szymanski, "A fast algorithm for computing longest common subsequences" (1977).
 */
export function longestCommon(a: readonly string[], b: readonly string[]): [number, number][] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const places = new Map<string, number[]>();
  for (let j = b.length - tail - 1; j >= head; j--) {
    const text = b[j] ?? "";
    const known = places.get(text);
    if (known) known.push(j);
    else places.set(text, [j]);
  }
  // ends[k]: of all common subsequences of k + 1 so far, the one that ends first in b
  const ends: Pair[] = [];
  for (let i = head; i < a.length - tail; i++)
    for (const j of places.get(a[i] ?? "") ?? []) {
      const k = firstNotBefore(ends, j);
      ends[k] = { i, j, ...(k > 0 ? { previous: ends[k - 1] } : {}) };
    }
  const middle: [number, number][] = [];
  for (let pair = ends.at(-1); pair; pair = pair.previous) middle.push([pair.i, pair.j]);
  return [
    ...Array.from({ length: head }, (_, i): [number, number] => [i, i]),
    ...middle.reverse(),
    ...Array.from({ length: tail }, (_, k): [number, number] => [a.length - tail + k, b.length - tail + k]),
  ];
}

interface Pair {
  readonly i: number;
  readonly j: number;
  readonly previous?: Pair | undefined;
}

function firstNotBefore(ends: readonly Pair[], j: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle]?.j ?? 0) < j) low = middle + 1;
    else high = middle;
  }
  return low;
}
