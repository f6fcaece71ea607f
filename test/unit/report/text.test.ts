import { describe, expect, test } from "vitest";
import { renderText, type TextOptions } from "../../../src/report/text.ts";
import { expectGolden } from "../../support/golden.ts";
import { failingReport, hostileReport, largeReport, passingReport, reportOf } from "../../support/sample-report.ts";

const plain: TextOptions = { colour: false, width: 80, verbose: false };

describe("renderText()", () => {
  test.for([
    ["passing.80.txt", passingReport(), plain],
    ["passing.120.txt", passingReport(), { ...plain, width: 120 }],
    ["passing.verbose.txt", passingReport(), { ...plain, width: 120, verbose: true }],
    ["failing.80.txt", failingReport(), plain],
    ["failing.120.ascii.txt", failingReport(), { ...plain, width: 120, ascii: true }],
    ["failing.colour.txt", failingReport(), { ...plain, colour: true }],
    ["large.80.txt", largeReport(), plain],
    ["hostile.80.txt", hostileReport(), plain],
  ] as const)("%s", ([file, report, options]) => expectGolden(`report/${file}`, renderText(report, options)));

  test("colour changes nothing but the colour", () => {
    const coloured = renderText(failingReport(), { ...plain, colour: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: SGR sequences begin with one
    expect(coloured.replace(/\u001b\[\d*m/g, "")).toBe(renderText(failingReport(), plain));
  });

  test("without colour it holds no control character, whatever the names are", () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(renderText(hostileReport(), plain)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  test("no line can be a command to GitHub's runner", () => {
    expect(renderText(hostileReport(), { ...plain, width: 60 })).not.toMatch(/^\s*::|##\[/m);
  });

  test.for([60, 80, 120])("lines of the sample keep within %i columns", (width) => {
    const lines = renderText(failingReport(), { ...plain, width }).split("\n");
    // what cannot be broken: the end points of a packet behind a long interface name
    expect(lines.filter((line) => line.length > Math.max(width, 80))).toEqual([]);
  });

  test("ASCII is all that ascii writes of its own", () => {
    expect(renderText(failingReport(), { ...plain, ascii: true })).toMatch(/^[\n -~]*$/);
  });

  test("870 passing checks are told in a page", () => {
    expect(renderText(largeReport(), plain).split("\n").length).toBeLessThan(60);
  });

  test("of many failures the first ten are told in full, each is named, and the end names ten", () => {
    const failing = failingReport().checks.filter((c) => c.verdict === "FAIL");
    const many = Array.from({ length: 25 }, (_, i) => ({ ...failing[0]!, id: `f${i}`, claim: `claim number ${i}.` }));
    const text = renderText(reportOf(many), plain);
    expect(text.match(/^ {6}observed/gm)).toHaveLength(10);
    expect(text.match(/✗ claim number \d+\./g)).toHaveLength(35);
    expect(text).toContain("    and 15 more\n");
  });

  test("a report without checks still has its lab and its summary", () => {
    expect(renderText(reportOf([]), plain)).toMatch(/^Lab seed[\s\S]*\nPASS {2}0 checks/);
  });
});
