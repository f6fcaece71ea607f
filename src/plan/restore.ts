/** Rule edits as the input of `iptables-restore --noflush`: what the executor feeds it and what `docknet plan` shows. */
import type { RuleEdit } from "./op.ts";
import { renderSpec, TABLES, type Table } from "./rule.ts";

/** A section per table, edits in order. */
export function renderRestore(edits: readonly RuleEdit[]): string {
  return TABLES.map((table) => {
    const own = edits.filter((e) => tableOf(e) === table);
    if (own.length === 0) return "";
    // chain lines come first in a section; a deleted chain goes last
    const chains = own.filter((e) => e.kind === "chain.create" || e.kind === "chain.policy");
    const rest = own.filter((e) => e.kind !== "chain.create" && e.kind !== "chain.policy");
    return `*${table}\n${[...chains, ...rest].map(renderEdit).join("\n")}\nCOMMIT\n`;
  }).join("");
}

const tableOf = (edit: RuleEdit): Table =>
  edit.kind === "rule.insert" || edit.kind === "rule.delete" ? edit.rule.table : edit.chain.table;

function renderEdit(edit: RuleEdit): string {
  switch (edit.kind) {
    case "chain.create":
    case "chain.policy":
      return `:${edit.chain.name} ${edit.chain.policy ?? "-"} [0:0]`;
    case "chain.delete":
      return edit.chain.policy ? `-P ${edit.chain.name} ACCEPT` : `-X ${edit.chain.name}`;
    case "rule.insert":
      return edit.atEnd
        ? `-A ${edit.rule.chain} ${renderSpec(edit.rule)}`
        : `-I ${edit.rule.chain} ${edit.position} ${renderSpec(edit.rule)}`;
    case "rule.delete":
      return `-D ${edit.rule.chain} ${renderSpec(edit.rule)}`;
  }
}
