/** The report for a GitHub step summary, a pull request or a README: GitHub flavoured Markdown, no raw HTML but <details>. */
import { renderOrigin } from "../errors.ts";
import type { CheckResult, Report, Verdict } from "../observe/report.ts";
import { cleanStrings } from "./clean.ts";
import { driftWords, factsOf, gist, plainLines } from "./facts.ts";
import { type Section, sectionsOf, troubles } from "./group.ts";
import { summaryParts } from "./summary.ts";

/** A longer table is folded when all of it passed. */
const ROWS_OPEN = 12;
/** A step summary holds 1 MiB (GitHub: "Adding a job summary"); evidence beyond this is in the JSON report. */
const TROUBLES_WITH_EVIDENCE = 50;

export const VERDICT_MARKS: Readonly<Record<Verdict, string>> = { PASS: "✅", FAIL: "❌", INCONCLUSIVE: "❔" };

export function renderMarkdown(dirty: Report): string {
  const report = cleanStrings(dirty);
  const { lab, verdict, docknet, profile, kernel } = report;
  const blocks = [
    `## ${VERDICT_MARKS[verdict]} ${verdict}: lab ${escapeMarkdown(lab)}`,
    `${escapeMarkdown(summaryParts(report).join("; "))}.`,
    ...failures(report),
    ...driftBlocks(report),
    ...warningBlocks(report),
    ...sectionsOf(report).flatMap(sectionBlocks),
    `<sub>docknet ${escapeMarkdown(docknet)}, firewall profile ${escapeMarkdown(profile)}, Linux ${escapeMarkdown(kernel)}</sub>`,
  ];
  return `${blocks.join("\n\n")}\n`;
}

function failures(report: Report): string[] {
  const all = troubles(report);
  if (all.length === 0) return [];
  const left = all.length - TROUBLES_WITH_EVIDENCE;
  return [
    "### What needs attention",
    ...all
      .slice(0, TROUBLES_WITH_EVIDENCE)
      .flatMap((check) => [
        `${VERDICT_MARKS[check.verdict]} **${escapeMarkdown(check.claim)}**${check.at ? ` (${escapeMarkdown(renderOrigin(check.at))})` : ""}`,
        fence(plainLines(factsOf(check, report))),
      ]),
    ...(left > 0 ? [`and ${left} more, without their evidence here`] : []),
  ];
}

/** Under a heading of their own; nothing where there are none. */
export function driftBlocks({ drift: all }: Pick<Report, "drift">): string[] {
  return all.length === 0 ? [] : ["### The kernel differs from the lab", fence(all.map(driftWords))];
}

/** As `driftBlocks`. */
export function warningBlocks({ warnings: all }: Pick<Report, "warnings">): string[] {
  if (all.length === 0) return [];
  const items = all.map(({ at, message, remedy }) => {
    const text = `${at ? `${renderOrigin(at)}: ` : ""}${message}${remedy ? `. ${remedy}` : ""}`;
    return `- ${escapeMarkdown(text)}`;
  });
  return ["### Warnings", items.join("\n")];
}

function sectionBlocks({ heading, lesson, checks, passed }: Section): string[] {
  const table = ["| | Claim | What the packets show |", "| --- | --- | --- |", ...checks.map(row)].join("\n");
  const folded = checks.length > ROWS_OPEN && passed === checks.length;
  const score = `${passed} of ${checks.length}`;
  return [
    `### ${escapeMarkdown(heading)}: ${score}`,
    escapeMarkdown(lesson),
    ...(folded ? [`<details><summary>${score} passed</summary>`, table, "</details>"] : [table]),
  ];
}

function row(check: CheckResult): string {
  return `| ${VERDICT_MARKS[check.verdict]} | ${escapeMarkdown(check.claim)} | ${escapeMarkdown(gist(check))} |`;
}

/**
 * A backslash before every mark that means something (CommonMark 2.4), entities for HTML. Names of nodes stand in code: in a
 * pull request a bare @host would call the GitHub user of that name.
 */
export function escapeMarkdown(text: string): string {
  return text
    .split(/(@[A-Za-z0-9][A-Za-z0-9_-]*)/)
    .map((part, i) => (i % 2 === 1 ? `\`${part}\`` : escapeMarks(part)))
    .join("");
}

function escapeMarks(text: string): string {
  return text
    .replace(/[\\`*_{}[\]#|~!]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/(https?):/gi, "$1&#58;");
}

/** Lines as they are; the fence is longer than any run of backticks inside, so that nothing can end it early (CommonMark 4.5). */
export function fence(lines: readonly string[]): string {
  const runs = lines.flatMap((line) => line.match(/`+/g) ?? []).map((run) => run.length);
  const ticks = "`".repeat(Math.max(3, ...runs.map((length) => length + 1)));
  return [`${ticks}text`, ...lines, ticks].join("\n");
}
