import { describe, expect, test } from "vitest";
import { escapeXml, renderJunit } from "../../../src/report/junit.ts";
import { expectGolden } from "../../support/golden.ts";
import { failingReport, hostileReport, passingReport, reportOf } from "../../support/sample-report.ts";

describe("renderJunit()", () => {
  test.for([
    ["passing.junit.xml", passingReport()],
    ["failing.junit.xml", failingReport()],
    ["hostile.junit.xml", hostileReport()],
  ] as const)("%s", ([file, report]) => expectGolden(`report/${file}`, renderJunit(report)));

  test.for([
    ["failing", failingReport()],
    ["hostile", hostileReport()],
    ["empty", reportOf([])],
  ] as const)("%s: tags are balanced and hold only well-formed attributes", ([, report]) => {
    expect(unbalanced(renderJunit(report))).toEqual([]);
  });

  test("counts of the suites add up to the whole", () => {
    const [all, ...suites] = [
      ...renderJunit(failingReport()).matchAll(
        /<testsuites?[^>]* tests="(\d+)" failures="(\d+)" errors="0" skipped="(\d+)"/g,
      ),
    ];
    const sum = (i: number): number => suites.reduce((total, suite) => total + Number(suite[i]), 0);
    expect([sum(1), sum(2), sum(3)]).toEqual([Number(all?.[1]), Number(all?.[2]), Number(all?.[3])]);
  });
});

describe("escapeXml()", () => {
  test.for([
    ['<a href="x">&\'', "&lt;a href=&quot;x&quot;&gt;&amp;&apos;"],
    ["]]>", "]]&gt;"],
    ["a\u0000b\u0008c\u001fd\ufffee\uffff", "abcde"],
    ["a\tb\nc", "a\tb\nc"],
    ["lone \ud83d end, pair \ud83d\ude00", "lone  end, pair \ud83d\ude00"],
  ] as const)("%j becomes %j", ([text, escaped]) => expect(escapeXml(text)).toBe(escaped));
});

/** A reader just strict enough for what renderJunit writes: what it cannot take is returned. */
function unbalanced(xml: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  const body = xml.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>/, "");
  for (const [whole, close, name = "", , self] of body.matchAll(/<(\/?)([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)>|</g)) {
    if (whole === "<") wrong.push(whole);
    else if (close) {
      if (open.pop() !== name) wrong.push(whole);
    } else if (!self) open.push(name);
  }
  return [...wrong, ...open, ...(body.match(/&(?!(?:amp|lt|gt|quot|apos);)/g) ?? [])];
}
