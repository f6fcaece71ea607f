import { describe, expect, test } from "vitest";
import { renderAnnotations } from "../../../src/report/github.ts";
import { expectGolden } from "../../support/golden.ts";
import { failingReport, hostileReport, passingReport, reportOf } from "../../support/sample-report.ts";

describe("renderAnnotations()", () => {
  test("a passing report has none", () => expect(renderAnnotations(passingReport())).toEqual([]));

  test.for([
    ["failing.github.txt", failingReport()],
    ["hostile.github.txt", hostileReport()],
  ] as const)("%s", ([file, report]) => expectGolden(`report/${file}`, `${renderAnnotations(report).join("\n")}\n`));

  test("a property cannot be broken out of", () => {
    const at = { file: "a,b:c%d.yaml", line: 3, column: 7 };
    const [line] = renderAnnotations(reportOf([], { warnings: [{ message: "100% wrong", at }] }));
    expect(line).toBe("::warning file=a%2Cb%3Ac%25d.yaml,line=3,col=7,title=docknet::100%25 wrong");
  });

  test("every line is one command", () => {
    for (const line of renderAnnotations(hostileReport())) expect(line).toMatch(/^::(error|warning|notice) [^\r\n]*$/);
  });

  test("ten of each are shown, those with a place first, and the rest is counted", () => {
    const failed = failingReport().checks.find((c) => c.verdict === "FAIL")!;
    const { at: _, ...placeless } = failed;
    const checks = Array.from({ length: 14 }, (_, i) => ({ ...(i < 5 ? placeless : failed), id: `f${i}` }));
    const warnings = Array.from({ length: 11 }, (_, i) => ({ message: `warning ${i}` }));
    const lines = renderAnnotations(reportOf(checks, { warnings }));
    expect(lines.filter((l) => l.startsWith("::error file="))).toHaveLength(9);
    expect(lines.filter((l) => l.startsWith("::error title="))).toHaveLength(1);
    expect(lines.filter((l) => l.startsWith("::warning"))).toHaveLength(10);
    expect(lines.at(-1)).toBe(
      "::notice title=docknet::4 more errors and 1 more warning left out: GitHub shows 10 of each per step; the log has them all",
    );
  });
});
