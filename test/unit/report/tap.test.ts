import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { escapeTap, renderTap } from "../../../src/report/tap.ts";
import { expectGolden } from "../../support/golden.ts";
import { failingReport, hostileReport, passingReport, reportOf } from "../../support/sample-report.ts";

describe("renderTap()", () => {
  test.for([
    ["passing.tap", passingReport()],
    ["failing.tap", failingReport()],
    ["hostile.tap", hostileReport()],
  ] as const)("%s", ([file, report]) => expectGolden(`report/${file}`, renderTap(report)));

  test.for([
    ["failing", failingReport()],
    ["hostile", hostileReport()],
  ] as const)("%s: one test point per check, numbered from 1, as many as planned", ([, report]) => {
    const text = renderTap(report);
    const numbers = [...text.matchAll(/^(?:not )?ok (\d+) - /gm)].map((m) => Number(m[1]));
    expect(numbers).toEqual(report.checks.map((_, i) => i + 1));
    expect(text).toContain(`\n1..${report.checks.length}\n`);
  });

  test.for([
    ["failing", failingReport()],
    ["hostile", hostileReport()],
  ] as const)("%s: diagnostics are YAML", ([, report]) => {
    const blocks = [...renderTap(report).matchAll(/^ {2}---\n([\s\S]*?)^ {2}\.\.\.$/gm)].map((m) => parse(m[1] ?? ""));
    expect(blocks.map((b) => b.severity)).toEqual(["fail", "todo"]);
    expect(blocks.every((b) => Array.isArray(b.evidence) && b.evidence.length > 0)).toBe(true);
  });

  test("only INCONCLUSIVE is TODO, even when a name says so", () => {
    expect(renderTap(hostileReport()).match(/^(not )?ok .*(?<!\\)# TODO.*$/gm)).toHaveLength(1);
  });

  test("no checks are a plan of none", () => {
    expect(renderTap(reportOf([]))).toMatch(/^TAP version 14\n1\.\.0 # SKIP no checks\n/);
  });
});

describe("escapeTap()", () => {
  test.for([
    ["a # TODO b", "a \\# TODO b"],
    ["a \\# b", "a \\\\\\# b"],
  ] as const)("%s becomes %s", ([text, escaped]) => expect(escapeTap(text)).toBe(escaped));
});
