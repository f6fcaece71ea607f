/** A comparison of two profiles for people: what changes and why, then the rules behind it. Text, Markdown and JSON say the same. */
import { renderOrigin } from "../errors.ts";
import { transferWords } from "../net/ftp.ts";
import type { Cell, CellSide, Comparison, RuleChange } from "../plan/compare.ts";
import { cleanStrings, renderCleanJson } from "./clean.ts";
import { escapeMarkdown } from "./markdown.ts";
import { OUTCOME_WORDS } from "./outcome.ts";
import { Pen, type PenOptions, rulePieces, type Style } from "./pen.ts";
import { plural } from "./summary.ts";

const MARKS: Readonly<Record<RuleChange["change"], readonly [mark: string, style: Style]>> = {
  added: ["+", "green"],
  removed: ["-", "red"],
  moved: ["~", "yellow"],
};

export function renderComparisonJson(comparison: Comparison): string {
  return renderCleanJson(comparison);
}

export function renderComparisonText(dirty: Comparison, options: PenOptions): string {
  const comparison = cleanStrings(dirty);
  const pen = new Pen(options);
  const { lab, profiles, rules } = comparison;
  const blocks = [
    [pen.paint("bold", `lab ${lab}: ${profiles[0]} -> ${profiles[1]}`), ...pen.wrap(summary(comparison), 0)],
    ...groups(changedCells(comparison)).map((group) => groupLines(pen, group)),
    ...otherWays(comparison).map((line) => pen.wrap(line, 0)),
    ...disagreements(comparison).map((line) => pen.wrap(pen.paint("red", line), 0)),
    ...(rules.length > 0
      ? [[pen.paint("bold", `rules of the host: ${ruleSummary(rules)}`), ...rules.flatMap((r) => ruleLines(pen, r))]]
      : []),
  ];
  return `${blocks.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

export function renderComparisonMarkdown(dirty: Comparison): string {
  const comparison = cleanStrings(dirty);
  const { lab, profiles, rules } = comparison;
  const changed = changedCells(comparison);
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const blocks = [
    `## ${escapeMarkdown(`lab ${lab}: ${profiles[0]} to ${profiles[1]}`)}`,
    escapeMarkdown(summary(comparison)),
    ...(changed.length > 0
      ? [
          [
            row(["From", "To", escapeMarkdown(profiles[0]), escapeMarkdown(profiles[1]), "Why"]),
            row(["---", "---", "---", "---", "---"]),
            ...changed.map((c) =>
              row([c.from, targetOf(c), sideWords(c.sides[0]), sideWords(c.sides[1]), c.why ?? ""].map(escapeMarkdown)),
            ),
          ].join("\n"),
        ]
      : []),
    ...otherWays(comparison).map(escapeMarkdown),
    ...disagreements(comparison).map((line) => `**${escapeMarkdown(line)}**`),
    ...(rules.length > 0
      ? [`### ${escapeMarkdown(`Rules of the host: ${ruleSummary(rules)}`)}`, ruleTable(rules)]
      : []),
  ];
  return `${blocks.join("\n\n")}\n`;
}

// --- what is shown ----------------------------------------------------------------------------------------------------

const changedCells = ({ cells }: Comparison): Cell[] =>
  cells.filter((c) => c.change === "outcome" || c.change === "source");

function summary(comparison: Comparison): string {
  const { cells, rules } = comparison;
  const changed = changedCells(comparison).length;
  const measured = cells.some((c) => c.sides.some((s) => s.measured)) ? ", both measured" : ", by prediction";
  return `${plural(changed, "cell")} of ${cells.length} change${changed === 1 ? "s" : ""}${measured}; ${plural(rules.length, "rule")} of the host ${rules.length === 1 ? "differs" : "differ"}`;
}

function ruleSummary(rules: readonly RuleChange[]): string {
  return (["added", "removed", "moved"] as const)
    .map((change) => `${rules.filter((r) => r.change === change).length} ${change}`)
    .join(", ");
}

/** Cells that one reason changes, shown together. */
function groups(cells: readonly Cell[]): Cell[][] {
  const found = new Map<string, Cell[]>();
  for (const cell of cells) found.set(cell.why ?? "", [...(found.get(cell.why ?? "") ?? []), cell]);
  return [...found.values()];
}

/** What looks the same but is decided by something else, counted by reason. */
function otherWays({ cells }: Comparison): string[] {
  return groups(cells.filter((c) => c.change === "way")).map(
    (group) =>
      `${plural(group.length, "cell")} end${group.length === 1 ? "s" : ""} as before, another way: ${group[0]?.why}`,
  );
}

function disagreements({ cells, profiles }: Comparison): string[] {
  return cells.flatMap((cell) =>
    cell.sides.flatMap((side, i) =>
      side.measured && !side.measured.agrees
        ? [
            `${profiles[i]}: ${cell.from} to ${targetOf(cell)} was predicted ${predicted(side)}, but measured ${measured(side)}`,
          ]
        : [],
    ),
  );
}

function targetOf({ to, address, proto, transfer, sides }: Cell): string {
  const [{ address: before }] = sides;
  const now = to.includes(address) ? [] : [before ? `now ${address}` : address];
  const places = [...(before ? [before] : []), ...now];
  const named = places.length > 0 ? `${to} (${places.join(", ")})` : to;
  if (transfer) return `${named} by ${transferWords(transfer)}`;
  return proto === "icmp" ? `ping ${named}` : named;
}
const predicted = ({ outcome, seenAs }: CellSide): string =>
  seenAs ? `${OUTCOME_WORDS[outcome]} as ${seenAs}` : OUTCOME_WORDS[outcome];

function measured({ measured: m }: CellSide): string {
  if (!m) return "not at all";
  return m.seenAs ? `${OUTCOME_WORDS[m.outcome]} as ${m.seenAs}` : OUTCOME_WORDS[m.outcome];
}

const sideWords = (side: CellSide): string =>
  side.measured && !side.measured.agrees ? `${predicted(side)}, measured ${measured(side)} (!)` : predicted(side);

// --- text ------------------------------------------------------------------------------------------------------------

function groupLines(pen: Pen, cells: readonly Cell[]): string[] {
  const ends = cells.map((c) => `${c.from} -> ${targetOf(c)}`);
  const width = Math.min(Math.max(...ends.map((e) => e.length)), 48);
  const shown = cells.map((cell, i) => {
    const [before, after] = cell.sides;
    return `  ${ends[i]?.padEnd(width)}  ${sideWords(before)} -> ${pen.paint("bold", sideWords(after))}`;
  });
  const decisive = cells[0]?.sides.flatMap((s, i) => (s.rule ? [{ rule: s.rule, side: i }] : [])) ?? [];
  return [
    ...pen.wrap(`${cells[0]?.why}:`, 0).map((line) => pen.paint("cyan", line)),
    ...shown,
    ...decisive.flatMap(({ rule, side }) => [
      ...pen
        .wrap(
          `${side === 0 ? "before" : "now"}, in the first: -t ${rule.table} ${rule.text}${rule.node ? ` on ${rule.node}` : ""}`,
          4,
        )
        .map((l) => pen.paint("dim", `    ${l}`)),
    ]),
  ];
}

function ruleLines(pen: Pen, rule: RuleChange): string[] {
  const [mark, style] = MARKS[rule.change];
  const from = rule.from
    ? ` (${rule.from === rule.chain ? "another place in the chain" : `before in ${rule.from}`})`
    : "";
  const at = rule.at ? `, ${renderOrigin(rule.at)}` : "";
  const [first = "", ...more] = pen.wrap("", 4, rulePieces(`-t ${rule.table} ${rule.text}`));
  return [
    `${pen.paint(style, `${mark} ${first}`)}`,
    ...more.map((line) => pen.paint(style, `      ${line}`)),
    ...pen.wrap(`${rule.words}${at}${from}`, 4).map((line) => pen.paint("dim", `    ${line}`)),
  ];
}

function ruleTable(rules: readonly RuleChange[]): string {
  const rows = rules.map((r) => {
    const change = r.from && r.from !== r.chain ? `moved from ${r.from}` : r.change;
    const at = r.at ? ` ${renderOrigin(r.at)}` : "";
    return `| ${escapeMarkdown(change)} | ${r.table} | ${escapeMarkdown(r.text)} | ${escapeMarkdown(`${r.words}${at}`)} |`;
  });
  return ["| | Table | Rule | What for |", "| --- | --- | --- | --- |", ...rows].join("\n");
}
