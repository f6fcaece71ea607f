import { describe, expect, test } from "vitest";
import { escapeMarkdown, renderMarkdown } from "../../../src/report/markdown.ts";
import { expectGolden } from "../../support/golden.ts";
import { failingReport, HOSTILE, hostileReport, largeReport, passingReport } from "../../support/sample-report.ts";

describe("renderMarkdown()", () => {
  test.for([
    ["passing.md", passingReport()],
    ["failing.md", failingReport()],
    ["hostile.md", hostileReport()],
  ] as const)("%s", ([file, report]) => expectGolden(`report/${file}`, renderMarkdown(report)));

  test("every row of a table has three cells, whatever the claims are", () => {
    const rows = renderMarkdown(hostileReport())
      .split("\n")
      .filter((line) => line.startsWith("| "));
    const cells = rows.map((row) => row.replace(/\\[\\|]/g, "").split("|").length - 2);
    expect(new Set(cells)).toEqual(new Set([3]));
  });

  test("1500 checks fit a step summary of 1 MiB", () => {
    expect(Buffer.byteLength(renderMarkdown(largeReport(39)))).toBeLessThan(2 ** 20);
  });
});

describe("escapeMarkdown()", () => {
  test.for([
    ["a | b", "a \\| b"],
    ["`x`", "\\`x\\`"],
    ["<img src=x>", "&lt;img src=x&gt;"],
    ["&amp;", "&amp;amp;"],
    ["[a](b)", "\\[a\\](b)"],
    ["@host reaches web", "`@host` reaches web"],
    ["my_service*", "my\\_service\\*"],
    ["https://example.test", "https&#58;//example.test"],
  ] as const)("%s becomes %s", ([text, escaped]) => expect(escapeMarkdown(text)).toBe(escaped));

  test("leaves no tag and no mention of the hostile name", () => {
    expect(escapeMarkdown(HOSTILE)).not.toMatch(/<|(?<!`)@octocat/);
  });
});
