/** From one ruleset to another by the fewest edits, chain by chain: what stays is not touched, so its counters live on. No chain holds a rule twice. */
import type { RuleEdit } from "./op.ts";
import { type Chain, type Rule, type Ruleset, renderRule } from "./rule.ts";

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

function diffChain(before: readonly Rule[], after: readonly Rule[]): RuleEdit[] {
  const kept = longestCommon(before.map(renderRule), after.map(renderRule));
  const stays = new Set(kept.map(([i]) => i));
  const lastKept = kept.at(-1)?.[0] ?? -1;
  const had = new Set(kept.map(([, j]) => j));
  // done from the last back: what follows the last kept rule stands at the end when its turn comes
  const deletes = before.flatMap((rule, i): RuleEdit[] =>
    stays.has(i) ? [] : [{ kind: "rule.delete", rule, position: i + 1, atEnd: i > lastKept }],
  );
  const inserts: RuleEdit[] = [];
  let length = kept.length;
  after.forEach((rule, j) => {
    if (had.has(j)) return;
    inserts.push({ kind: "rule.insert", rule, position: j + 1, atEnd: j === length });
    length++;
  });
  return [...deletes.reverse(), ...inserts];
}

/** Index pairs of a longest common subsequence; common head and tail are taken off first, so a small change stays cheap. */
export function longestCommon(a: readonly string[], b: readonly string[]): [number, number][] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [n, m] = [a.length - head - tail, b.length - head - tail];
  const length = Array.from({ length: n + 1 }, () => new Uint32Array(m + 1));
  const at = (i: number, j: number): number => length[i]?.[j] ?? 0;
  for (let i = n - 1; i >= 0; i--) {
    const row = length[i];
    for (let j = m - 1; j >= 0 && row; j--) {
      row[j] = a[head + i] === b[head + j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = Array.from({ length: head }, (_, i) => [i, i]);
  for (let i = 0, j = 0; i < n && j < m; ) {
    if (a[head + i] === b[head + j]) pairs.push([head + i++, head + j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  for (let k = tail; k > 0; k--) pairs.push([a.length - k, b.length - k]);
  return pairs;
}
