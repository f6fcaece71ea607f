/**
 * A matrix as one page that loads nothing and runs nothing: a table that a screen reader can follow (scope, a label per cell), light and
 * dark as the reader's system is, what differs below it. Every text of the lab is escaped.
 */
import { renderOrigin } from "../errors.ts";
import type { Matrix, MatrixCell, MatrixTarget, MatrixWalk } from "../observe/matrix.ts";
import { cleanStrings } from "./clean.ts";
import { driftWords } from "./facts.ts";
import {
  deadWords,
  FICKLE,
  GLYPH_WORDS,
  GLYPHS,
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

const WALK_WIDTH = 120;

/** No script, no font, no picture: nothing is asked of anybody (the policy is the page's own word on that). */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --back: #fff; --reach: #1a7f37; --refuse: #9a6700; --quiet: #6e7781; --bad: #cf222e; --dim: #8882; }
@media (prefers-color-scheme: dark) {
  :root { --back: #0d1117; --reach: #3fb950; --refuse: #d29922; --quiet: #8b949e; --bad: #f85149; }
}
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; background: var(--back); color: CanvasText; }
.table { overflow: auto; max-height: 90vh; width: fit-content; max-width: 100%; border: 1px solid var(--line); }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
th, td { border: solid var(--line); border-width: 0 1px 1px 0; padding: .15rem .4rem; text-align: center; }
th { background: var(--back); font-weight: 600; }
tbody th, thead th:first-child { text-align: left; white-space: nowrap; position: sticky; left: 0; z-index: 1; }
thead { position: sticky; top: 0; z-index: 2; background: var(--back); }
thead .port span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; font-weight: 500; }
thead .port { vertical-align: bottom; }
tbody tr:hover td { background: var(--dim); }
.reach { color: var(--reach); } .refuse, .unknown { color: var(--refuse); } .drop, .unreachable, .none { color: var(--quiet); } .drop { font-weight: 900; }
.FAIL { background: var(--bad); color: #fff; font-weight: 700; } .INCONCLUSIVE { outline: 2px dashed var(--refuse); outline-offset: -3px; }
.verdict { font-size: 1.2rem; font-weight: 700; } .verdict.PASS { color: var(--reach); background: none; }
.verdict.FAIL { color: var(--bad); background: none; } .verdict.INCONCLUSIVE { color: var(--refuse); outline: none; }
pre { overflow: auto; border: 1px solid var(--line); padding: .75rem; }
footer, .legend { color: var(--quiet); }
@media print { .table { max-height: none; overflow: visible; } thead, th { position: static; } }
`;

/** With a line break at the end. */
export function renderMatrixHtml(dirty: Matrix): string {
  const matrix = cleanStrings(dirty);
  const { lab, verdict, docknet, profile, kernel, columns } = matrix;
  const title = `Who reaches what in lab ${lab}`;
  return `${[
    "<!DOCTYPE html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${STYLE}</style>`,
    "</head>",
    "<body>",
    `<h1>${escapeHtml(title)}</h1>`,
    `<p><span class="verdict ${verdict ?? ""}">${verdict ?? "PREDICTED"}</span> ${escapeHtml(matrixSummary(matrix).join("; "))}.</p>`,
    ...(columns.length > 0 ? [table(matrix), legend(matrix)] : []),
    ...troubles(matrix),
    ...matrix.walks.map(walkDetails),
    ...drift(matrix),
    ...warnings(matrix),
    `<footer>docknet ${escapeHtml(docknet)}, firewall profile ${escapeHtml(profile)}, Linux ${escapeHtml(kernel)}</footer>`,
    "</body>",
    "</html>",
  ].join("\n")}\n`;
}

function table(matrix: Matrix): string {
  const { rows, columns, cells } = matrix;
  const body = rows.map(({ name }, r) => {
    const own = cells.slice(r * columns.length, (r + 1) * columns.length);
    return `<tr><th scope="row">${escapeHtml(name)}</th>${own.map((c) => cellHtml(c, matrix)).join("")}</tr>`;
  });
  return [
    '<p id="about">Rows send, columns are ports; each cell tells its story when pointed at.</p>',
    '<div class="table" tabindex="0" role="region" aria-label="The matrix">',
    '<table aria-describedby="about">',
    "<thead>",
    `<tr><th rowspan="2" scope="col">from</th>${kinds(columns)}</tr>`,
    `<tr>${columns.map(columnHead).join("")}</tr>`,
    "</thead>",
    `<tbody>\n${body.join("\n")}\n</tbody>`,
    "</table>",
    "</div>",
  ].join("\n");
}

const KINDS: Readonly<Record<MatrixTarget["kind"], string>> = {
  service: "served by containers",
  published: "published on the host",
};

function kinds(columns: readonly MatrixTarget[]): string {
  return (["service", "published"] as const)
    .map((kind) => [kind, columns.filter((c) => c.kind === kind).length] as const)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `<th scope="colgroup" colspan="${count}">${KINDS[kind]}</th>`)
    .join("");
}

const columnHead = ({ name, label, at }: MatrixTarget): string =>
  `<th scope="col" class="port" title="${escapeHtml(at ? `${label}, ${renderOrigin(at)}` : label)}"><span>${escapeHtml(name)}</span></th>`;

function cellHtml(cell: MatrixCell, matrix: Matrix): string {
  const [glyph, mark] = [glyphOf(cell), markOf(cell, matrix)];
  const story = escapeHtml(storyOf(cell));
  const classes = [glyph, ...(cell.verdict && cell.verdict !== "PASS" ? [cell.verdict] : [])].join(" ");
  return `<td class="${classes}" title="${story}" aria-label="${GLYPH_WORDS[glyph]}${mark ? `, ${MARK_WORDS[mark]}` : ""}">${GLYPHS[glyph][0]}${mark}</td>`;
}

function legend(matrix: Matrix): string {
  const { glyphs, marks } = legendOf(matrix);
  const entries = [
    ...glyphs.map((g) => `<span class="${g}">${GLYPHS[g][0]}</span> ${GLYPH_WORDS[g]}`),
    ...marks.map((m) => `${m} ${MARK_WORDS[m]}`),
  ];
  return `<p class="legend">${entries.join(", ")}</p>`;
}

function troubles(matrix: Matrix): string[] {
  const items = [...deadWords(matrix), ...troublesOf(matrix).map(storyOf), ...[notWalkedWords(matrix) ?? []].flat()];
  if (items.length === 0) return [];
  return ["<h2>What needs attention</h2>", list(items)];
}

function walkDetails(walked: MatrixWalk): string {
  const text = renderWalk(walked.walk, { colour: false, width: WALK_WIDTH });
  const fickle = walked.repeated ? "" : `<p>${FICKLE}</p>`;
  return `<details open><summary>${escapeHtml(walkTitle(walked))}</summary>${fickle}<pre>${escapeHtml(text)}</pre></details>`;
}

const drift = ({ drift: all }: Matrix): string[] =>
  all.length === 0 ? [] : ["<h2>The kernel differs from the lab</h2>", list(all.map(driftWords))];

function warnings({ warnings: all }: Matrix): string[] {
  if (all.length === 0) return [];
  const items = all.map(({ at, message, remedy }) => {
    return `${at ? `${renderOrigin(at)}: ` : ""}${message}${remedy ? `. ${remedy}` : ""}`;
  });
  return ["<h2>Warnings</h2>", list(items)];
}

const list = (items: readonly string[]): string =>
  `<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("\n")}</ul>`;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and for quoted attributes (HTML 13.1.2). */
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);
