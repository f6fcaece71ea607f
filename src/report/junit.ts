/**
 * The report as JUnit XML, in the common ground of what Jenkins, GitLab and the rest read: testsuites > testsuite per group >
 * testcase. INCONCLUSIVE is `skipped`: not measured is neither passed nor failed, and the format has no fourth word.
 * Source: jenkinsci/xunit-plugin junit-10.xsd; GitLab docs "Unit test reports" (it links a test case by its `file`).
 */
import type { CheckResult, Report } from "../observe/report.ts";
import { cleanStrings } from "./clean.ts";
import { factsOf, plainLines } from "./facts.ts";
import { type Section, sectionsOf } from "./group.ts";

export function renderJunit(dirty: Report): string {
  const report = cleanStrings(dirty);
  const sections = sectionsOf(report);
  const all = sections.flatMap((s) => s.checks);
  const total = attributes({ name: `docknet ${report.lab}`, ...tally(all) });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${total}>`,
    ...sections.flatMap((section) => suite(section, report)),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite({ group, heading, checks }: Section, report: Report): string[] {
  const properties = { lab: report.lab, profile: report.profile, kernel: report.kernel, docknet: report.docknet };
  return [
    `  <testsuite${attributes({ name: heading, ...tally(checks) })}>`,
    "    <properties>",
    ...Object.entries(properties).map(([name, value]) => `      <property${attributes({ name, value })}/>`),
    "    </properties>",
    ...checks.flatMap((check) => testcase(check, `${report.lab}.${group}`, report)),
    "  </testsuite>",
  ];
}

function testcase(check: CheckResult, classname: string, report: Report): string[] {
  const place = check.at ? { file: check.at.file, line: String(check.at.line) } : {};
  const head = `    <testcase${attributes({ classname, name: check.claim, time: seconds([check]), ...place })}`;
  if (check.verdict === "PASS") return [`${head}/>`];
  const message = check.reasons.join("; ");
  if (check.verdict === "INCONCLUSIVE")
    return [`${head}>`, `      <skipped${attributes({ message })}/>`, "    </testcase>"];
  const evidence = plainLines(factsOf(check, report)).map(escapeXml).join("\n");
  return [
    `${head}>`,
    `      <failure${attributes({ message, type: check.observed.outcome })}>${evidence}</failure>`,
    "    </testcase>",
  ];
}

function tally(checks: readonly CheckResult[]): Record<string, string> {
  const count = (verdict: CheckResult["verdict"]): string => String(checks.filter((c) => c.verdict === verdict).length);
  return {
    tests: String(checks.length),
    failures: count("FAIL"),
    errors: "0",
    skipped: count("INCONCLUSIVE"),
    time: seconds(checks),
  };
}

/** Checks run side by side: the sum is longer than the run was. */
function seconds(checks: readonly CheckResult[]): string {
  return (checks.reduce((sum, c) => sum + c.observed.afterMs, 0) / 1000).toFixed(3);
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeXml(value)}"`)
    .join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** Entities, and without what XML 1.0 cannot hold even escaped (2.2 production Char): controls, lone surrogates, U+FFFE, U+FFFF. */
export function escapeXml(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out here
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, "")
      .replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c)
  );
}
