/**
 * From the chains and rules that a kernel has to those that are wanted, by the fewest edits. What is there may be anything and may be
 * there twice, so what goes is named by its place.
 */
import type { ObservedChain, ObservedRule } from "../observed.ts";
import type { RepairEdit } from "./repair-edit.ts";
import { type Chain, type Rule, type Ruleset, renderSpec } from "./rule.ts";
import { longestCommon } from "./rule-diff.ts";

interface Found {
  readonly chains: readonly ObservedChain[];
  readonly rules: readonly ObservedRule[];
}

/** Empty when nothing is to be done. */
export function repairRules(found: Found, wanted: Ruleset): RepairEdit[] {
  const wants = new Map(wanted.chains.map((c) => [keyOf(c.table, c.name), c]));
  const has = new Map(found.chains.map((c) => [keyOf(c.table, c.name), c]));
  const foreign = found.chains.filter((c) => c.policy === undefined && !wants.has(keyOf(c.table, c.name)));
  const purged = new Set(foreign.map((c) => keyOf(c.table, c.name)));
  const touched = new Set([...wanted.rules, ...found.rules].map((r) => keyOf(r.table, r.chain)));
  return [
    ...wanted.chains
      .filter((c) => !has.has(keyOf(c.table, c.name)))
      .map((chain): RepairEdit => ({ kind: "chain.create", chain })),
    ...found.chains.flatMap((c) => repairPolicy(c, wants.get(keyOf(c.table, c.name)))),
    ...foreign.map(({ table, name }): RepairEdit => ({ kind: "chain.purge", table, name })),
    ...[...touched]
      .filter((key) => !purged.has(key))
      .flatMap((key) =>
        repairChain(
          found.rules.filter((r) => keyOf(r.table, r.chain) === key),
          wanted.rules.filter((r) => keyOf(r.table, r.chain) === key),
        ),
      ),
  ];
}

const keyOf = (table: string, chain: string): string => `${table} ${chain}`;

/** A built-in chain that nobody wants accepts, as it did when its table came to be. */
function repairPolicy(found: ObservedChain, wanted: Chain | undefined): RepairEdit[] {
  if (found.policy === undefined || found.policy === (wanted?.policy ?? "ACCEPT")) return [];
  if (!wanted) return [{ kind: "policy.reset", table: found.table, name: found.name }];
  return [{ kind: "chain.policy", chain: wanted, before: wanted.policy === "DROP" ? "ACCEPT" : "DROP" }];
}

function repairChain(found: readonly ObservedRule[], wanted: readonly Rule[]): RepairEdit[] {
  const kept = longestCommon(
    found.map((r) => r.spec),
    wanted.map((r) => renderSpec(r)),
  );
  const [stays, had] = [new Set(kept.map(([i]) => i)), new Set(kept.map(([, j]) => j))];
  const purges = found.flatMap(({ table, chain, spec }, i): RepairEdit[] =>
    stays.has(i) ? [] : [{ kind: "rule.purge", table, chain, position: i + 1, spec }],
  );
  const inserts: RepairEdit[] = [];
  let length = kept.length;
  wanted.forEach((rule, j) => {
    if (had.has(j)) return;
    inserts.push({ kind: "rule.insert", rule, position: j + 1, atEnd: j === length });
    length++;
  });
  // from the last back, so that positions stay true
  return [...purges.reverse(), ...inserts];
}
