/** Rule edits as the input of `iptables-restore --noflush`: what the executor feeds it and what `docknet plan` shows. */

import type { RepairEdit } from "./repair-edit.ts";
import { renderSpec, TABLES, type Table } from "./rule.ts";
import type { RuleEdit } from "./rule-edit.ts";

/**
 * A section per table, edits in order.
 * @param by how a rule is named that is deleted: by its text, as a person would, or by its place (delete-place.ts)
 */
export function renderRestore(edits: readonly RuleEdit[], by: "text" | "place" = "text"): string {
  return TABLES.map((table) => {
    const own = edits.filter((e) => tableOf(e) === table);
    if (own.length === 0) return "";
    // chain lines come first in a section; a deleted chain goes last
    const chains = own.filter((e) => e.kind === "chain.create" || e.kind === "chain.policy");
    const rest = own.filter((e) => e.kind !== "chain.create" && e.kind !== "chain.policy");
    return `*${table}\n${[...chains, ...rest].map((e) => renderEdit(e, by)).join("\n")}\nCOMMIT\n`;
  }).join("");
}

/**
 * A repair, as input of the same tool: a section per table. Foreign chains are emptied before any rule goes, and removed when none
 * can jump to them any more.
 */
export function renderRepair(edits: readonly RepairEdit[]): string {
  const tables = [...new Set(edits.map(tableOfRepair))];
  return tables
    .map((table) => {
      const own = edits.filter((e) => tableOfRepair(e) === table);
      const purged = own.flatMap((e) => (e.kind === "chain.purge" ? [e.name] : []));
      const [chains, rules] = [own.filter(isChainLine), own.filter((e) => !isChainLine(e) && e.kind !== "chain.purge")];
      return [
        `*${table}`,
        ...chains.map(renderRepairEdit),
        ...purged.map((name) => `-F ${name}`),
        ...rules.map(renderRepairEdit),
        ...purged.map((name) => `-X ${name}`),
        "COMMIT",
        "",
      ].join("\n");
    })
    .join("");
}

const isChainLine = (edit: RepairEdit): boolean => edit.kind === "chain.create" || edit.kind === "chain.policy";

function tableOfRepair(edit: RepairEdit): string {
  switch (edit.kind) {
    case "rule.purge":
    case "chain.purge":
    case "policy.reset":
      return edit.table;
    default:
      return tableOf(edit);
  }
}

function renderRepairEdit(edit: RepairEdit): string {
  switch (edit.kind) {
    case "rule.purge":
      return `-D ${edit.chain} ${edit.position}`;
    case "chain.purge":
      return `-X ${edit.name}`;
    case "policy.reset":
      return `-P ${edit.name} ACCEPT`;
    default:
      return renderEdit(edit);
  }
}

const tableOf = (edit: RuleEdit): Table =>
  edit.kind === "rule.insert" || edit.kind === "rule.delete" ? edit.rule.table : edit.chain.table;

function renderEdit(edit: RuleEdit, by: "text" | "place" = "text"): string {
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
      return `-D ${edit.rule.chain} ${by === "place" ? edit.position : renderSpec(edit.rule)}`;
  }
}
