/** Rulesets as text, laid out like the listings of moby's own documents: `iptables -S` of filter, nat, raw. */
import { type Chain, type Ruleset, renderRule, type Table } from "../../src/plan/firewall/rule.ts";

const SHOWN: readonly Table[] = ["filter", "nat", "raw"];

/** @param policies with the `-P` lines; moby's documents show them only for a new daemon */
export function renderTables({ chains, rules }: Ruleset, policies = false): string {
  const declare = (c: Chain): string[] =>
    c.policy === undefined ? [`-N ${c.name}`] : policies ? [`-P ${c.name} ${c.policy}`] : [];
  return SHOWN.flatMap((table) => [
    `*${table}`,
    ...chains.filter((c) => c.table === table && c.policy !== undefined).flatMap(declare),
    ...chains.filter((c) => c.table === table && c.policy === undefined).flatMap(declare),
    ...rules.filter((r) => r.table === table).map(renderRule),
    "",
  ])
    .join("\n")
    .replaceAll("\n\n", "\n");
}
