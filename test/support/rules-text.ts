/** What iptables-save prints, less what differs from run to run and what does nothing: two hosts with the same rules print the same. */
import { type Ruleset, renderRule, TABLES } from "../../src/plan/firewall/rule.ts";

/**
 * Tables by name, chains by name, rules of a chain in their order; comments, counters and tables that do nothing left out.
 * @param text of iptables-save, or of a golden file
 */
export function normalizeRules(text: string): string {
  const tables = text.split(/^(?=\*)/m).filter((t) => t.startsWith("*"));
  return tables.filter(doesSomething).map(normalizeTable).sort().join("");
}

/** A planned ruleset in the same form. */
export function rulesText({ chains, rules }: Ruleset): string {
  const tables = TABLES.map((table) => {
    const own = chains.filter((c) => c.table === table).map((c) => `:${c.name} ${c.policy ?? "-"}`);
    return [`*${table}`, ...own, ...rules.filter((r) => r.table === table).map(renderRule), ""].join("\n");
  });
  return normalizeRules(tables.join(""));
}

const doesSomething = (table: string): boolean => /^-A /m.test(table) || /^:\S+ DROP/m.test(table);

function normalizeTable(table: string): string {
  const lines = table.split("\n").map((l) => l.trim());
  const chains = lines.filter((l) => l.startsWith(":")).map((l) => l.replace(/ \[\d+:\d+\]$/, ""));
  const rules = lines.filter((l) => l.startsWith("-A "));
  const chainOf = (line: string): string => line.split(" ")[1] ?? "";
  const named = [...new Set(rules.map(chainOf))].sort();
  return [lines[0], ...chains.sort(), ...named.flatMap((c) => rules.filter((r) => chainOf(r) === c)), ""].join("\n");
}
