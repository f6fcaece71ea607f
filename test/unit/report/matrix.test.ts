/** A matrix in its four formats: golden texts, what a hostile lab may not do, and that all fits where it is read. */
import { describe, expect, test } from "vitest";
import { renderMatrixJson, renderMatrixText } from "../../../src/report/matrix.ts";
import { renderMatrixHtml } from "../../../src/report/matrix-html.ts";
import { renderMatrixMarkdown } from "../../../src/report/matrix-markdown.ts";
import { expectGolden } from "../../support/golden.ts";
import { matrixValidator } from "../../support/matrix-schema.ts";
import { hostileMatrix, sampleMatrix, wideMatrix } from "../../support/sample-matrix.ts";

const OPTIONS = { colour: false, width: 80 };
const POISON = "we\u001b[31mb\u202e<script>alert('1')</script>|`![x](y)\n## @user \"";

describe("text", () => {
  test("every glyph and mark, what differs, its walk, the totals", () => {
    expectGolden("matrix/sample.txt", renderMatrixText(sampleMatrix(), OPTIONS));
  });

  test("in ASCII", () => {
    const text = renderMatrixText(sampleMatrix(), { ...OPTIONS, ascii: true });
    expectGolden("matrix/ascii.txt", text);
    expect(text).toMatch(/^[\n -~]*$/);
  });

  test("columns that do not fit beside each other are numbered, and stand in blocks", () => {
    expectGolden("matrix/wide.txt", renderMatrixText(wideMatrix(40), OPTIONS));
  });

  test.for([60, 80, 100, 120])("fits %i columns, but for what a rule or walk has to say", (width) => {
    for (const count of [1, 9, 40, 130]) {
      const lines = renderMatrixText(wideMatrix(count), { ...OPTIONS, width }).split("\n");
      expect(lines.filter((l) => l.length > width)).toEqual([]);
    }
  });

  test("numbers and glyphs of a wide table stand below each other", () => {
    const lines = renderMatrixText(wideMatrix(130), OPTIONS).split("\n");
    const heads = lines.flatMap((l, i) => (/^ {10}( +\d+)+$/.test(l) ? [i] : []));
    expect(heads.length).toBeGreaterThan(5);
    for (const i of heads) {
      const [head = "", cells = ""] = [lines[i], lines[i + 1]];
      const ends = [...head.matchAll(/\d+/g)].map((m) => m.index + m[0].length);
      const glyphs = [...cells.matchAll(/✓/g)].map((m) => m.index);
      expect(glyphs).toHaveLength(ends.length);
      // a glyph stands below its number, with room for a mark beside it
      for (const [n, end] of ends.entries()) expect(end - (glyphs[n] ?? 0)).toBeLessThanOrEqual(2);
    }
  });

  test("colour is only where it is asked for", () => {
    expect(renderMatrixText(sampleMatrix(), OPTIONS)).not.toContain("\u001b");
    expect(renderMatrixText(sampleMatrix(), { ...OPTIONS, colour: true })).toContain("\u001b[31m!\u001b[0m");
  });

  test("a lab without ports says so", () => {
    const none = { ...wideMatrix(0), warnings: [{ message: "there is nothing to reach" }] };
    expect(renderMatrixText(none, OPTIONS)).toContain("warning: there is nothing to reach");
    expect(renderMatrixMarkdown(none)).toContain("- there is nothing to reach");
    expect(renderMatrixHtml(none)).not.toContain("<table");
  });
});

test("Markdown", () => {
  expectGolden("matrix/sample.md", renderMatrixMarkdown(sampleMatrix()));
  expectGolden("matrix/wide.md", renderMatrixMarkdown(wideMatrix(14)));
});

describe("HTML", () => {
  test("one page with all of it", () => {
    expectGolden("matrix/sample.html", renderMatrixHtml(sampleMatrix()));
  });

  test("asks for nothing, runs nothing, and its tags are balanced", () => {
    const html = renderMatrixHtml(hostileMatrix(POISON));
    expect(html).not.toMatch(/<(script|link|img|iframe|object|base)\b|\bon\w+=|url\(|@import|https?:/i);
    const open: string[] = [];
    for (const [, end, tag = ""] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
      if (["meta"].includes(tag)) continue;
      if (end) expect(open.pop()).toBe(tag);
      else open.push(tag);
    }
    expect(open).toEqual([]);
  });

  test("every cell of the table has its row, its column and its story", () => {
    const html = renderMatrixHtml(sampleMatrix());
    expect(html.match(/<th scope="row">/g)).toHaveLength(3);
    expect(html.match(/<th scope="col" class="port"/g)).toHaveLength(4);
    expect(html.match(/<td class="[^"]+" title="[^"]+" aria-label="[^"]+">/g)).toHaveLength(12);
  });
});

describe("JSON", () => {
  const validate = matrixValidator();

  test.for([
    ["measured", sampleMatrix()],
    ["predicted", wideMatrix(3)],
    ["hostile", hostileMatrix(POISON)],
  ] as const)("%s: nothing is lost, and the schema takes it", ([, matrix]) => {
    const parsed = JSON.parse(renderMatrixJson(matrix)) as unknown;
    expect(parsed).toEqual(JSON.parse(JSON.stringify(matrix)));
    expect(validate(parsed) ? [] : validate.errors).toEqual([]);
  });

  test.for([
    ["an unknown field", { ...sampleMatrix(), extra: 1 }],
    ["a missing field", { ...sampleMatrix(), cells: undefined }],
    ["another version", { ...sampleMatrix(), schema: 2 }],
    ["a walk that is none", { ...sampleMatrix(), walks: [{ ...sampleMatrix().walks[0], walk: {} }] }],
  ] as const)("the schema refuses %s", ([, matrix]) => {
    expect(validate(JSON.parse(JSON.stringify(matrix)))).toBe(false);
  });
});

test("what a name holds reaches no terminal, starts no markup and calls nobody", () => {
  const matrix = hostileMatrix(POISON);
  const [text, json, markdown] = [
    renderMatrixText(matrix, OPTIONS),
    renderMatrixJson(matrix),
    renderMatrixMarkdown(matrix),
  ];
  for (const shown of [text, json, markdown]) {
    expect(shown).not.toContain("\u001b");
    expect(shown).not.toContain("\u202e");
  }
  const prose = markdown.replace(/```+text\n[\s\S]*?\n```+/g, "");
  expect(prose).not.toMatch(/<script|(?<!\\)!\[|^## @user/m);
  expect(prose.split("\n").filter((l) => /(?<!`)@user/.test(l))).toEqual([]);
});
