/** A matrix for a step summary or a pull request: GitHub flavoured Markdown, no raw HTML but <details>. */
import type { Matrix, MatrixCell, MatrixWalk } from "../observe/matrix.ts";
import { cleanStrings } from "./clean.ts";
import { driftBlocks, escapeMarkdown, fence, VERDICT_MARKS, warningBlocks } from "./markdown.ts";
import {
  type CellGlyph,
  deadWords,
  FICKLE,
  GLYPH_WORDS,
  glyphOf,
  legendOf,
  MARK_WORDS,
  markOf,
  matrixSummary,
  notWalkedWords,
  storyOf,
  troublesOf,
  walkTitle,
} from "./matrix-words.ts";
import { renderWalk } from "./walk.ts";

/** More columns than this have numbers for heads, and a list that tells them. */
const NAMED_COLUMNS = 12;
const TROUBLES_LISTED = 50;
const WALK_WIDTH = 120;

/** Emoji where colour shall tell good news from bad at a glance: an open door and three ways of finding it shut. */
const EMOJI: Readonly<Record<CellGlyph, string>> = {
  reach: "✅",
  refuse: "✖️",
  drop: "·",
  unreachable: "∅",
  none: "-",
  unknown: "❔",
};

export function renderMatrixMarkdown(dirty: Matrix): string {
  const matrix = cleanStrings(dirty);
  const { lab, verdict, docknet, profile, kernel } = matrix;
  const title = verdict ? `${VERDICT_MARKS[verdict]} ${verdict}: who` : "Predicted: who";
  const blocks = [
    `## ${title} reaches what in lab ${escapeMarkdown(lab)}`,
    `${escapeMarkdown(matrixSummary(matrix).join("; "))}.`,
    ...troubleBlocks(matrix),
    ...matrix.walks.map(walkBlock),
    ...driftBlocks(matrix),
    ...warningBlocks(matrix),
    ...(matrix.columns.length > 0 ? [table(matrix), legend(matrix)] : []),
    `<sub>docknet ${escapeMarkdown(docknet)}, firewall profile ${escapeMarkdown(profile)}, Linux ${escapeMarkdown(kernel)}</sub>`,
  ];
  return `${blocks.join("\n\n")}\n`;
}

function table(matrix: Matrix): string {
  const { rows, columns, cells } = matrix;
  const many = columns.length > NAMED_COLUMNS;
  const line = (parts: readonly string[]): string => `| ${parts.join(" | ")} |`;
  const heads = columns.map(({ name }, i) => (many ? `${i + 1}` : escapeMarkdown(name)));
  const body = rows.map(({ name }, r) => {
    const own = cells.slice(r * columns.length, (r + 1) * columns.length);
    return line([escapeMarkdown(name), ...own.map((c) => cellText(c, matrix))]);
  });
  const lines = [line(["from \\ to", ...heads]), line(["---", ...columns.map(() => ":-:")]), ...body].join("\n");
  if (!many) return lines;
  const list = columns.map(({ label }, i) => `${i + 1}. ${escapeMarkdown(label)}`).join("\n");
  return [lines, "<details><summary>What the numbers mean</summary>", list, "</details>"].join("\n\n");
}

function cellText(cell: MatrixCell, matrix: Matrix): string {
  const text = `${EMOJI[glyphOf(cell)]}${markOf(cell, matrix)}`;
  return cell.verdict === "FAIL" ? `**${text}**` : text.replace("~", "\\~");
}

function legend(matrix: Matrix): string {
  const { glyphs, marks } = legendOf(matrix);
  return [
    ...glyphs.map((g) => `${EMOJI[g]} ${GLYPH_WORDS[g]}`),
    ...marks.map((m) => `${escapeMarkdown(m)} ${MARK_WORDS[m]}`),
  ].join(", ");
}

function troubleBlocks(matrix: Matrix): string[] {
  const all = troublesOf(matrix);
  const left = all.length - TROUBLES_LISTED;
  const items = [
    ...deadWords(matrix).map((text) => `- ${VERDICT_MARKS.INCONCLUSIVE} ${escapeMarkdown(text)}`),
    ...all
      .slice(0, TROUBLES_LISTED)
      .map((cell) => `- ${VERDICT_MARKS[cell.verdict ?? "INCONCLUSIVE"]} ${escapeMarkdown(storyOf(cell))}`),
    ...(left > 0 ? [`- and ${left} more`] : []),
    ...[notWalkedWords(matrix) ?? []].flat().map((text) => `- ${text}`),
  ];
  return items.length > 0 ? ["### What needs attention", items.join("\n")] : [];
}

function walkBlock(walked: MatrixWalk): string {
  const text = renderWalk(walked.walk, { colour: false, width: WALK_WIDTH, brief: true });
  const lines = [...(walked.repeated ? [] : [FICKLE]), ...text.trimEnd().split("\n")];
  return [`**${escapeMarkdown(walkTitle(walked))}**`, fence(lines)].join("\n\n");
}
