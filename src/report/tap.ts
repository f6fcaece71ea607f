/**
 * The report as TAP version 14, with YAML diagnostics for what is not ok. Source: TestAnything/Specification tap-version-14.
 *
 * INCONCLUSIVE is `not ok ... # TODO inconclusive: reason`. A harness must not fail a run for a `not ok` with TODO, and does not
 * count it among the passed: it lists it as still to be done, which is what it is. `ok # SKIP` would count it as passed, a bare
 * `not ok` as a proven failure; and it is neither. The exit code (3) tells a run without measurement from one that passed.
 */
import { renderOrigin } from "../errors.ts";
import type { CheckResult, Report } from "../observe/report.ts";
import { cleanStrings } from "./clean.ts";
import { factsOf, plainLines } from "./facts.ts";
import { sectionsOf } from "./group.ts";
import { summaryLine } from "./summary.ts";

export function renderTap(dirty: Report): string {
  const report = cleanStrings(dirty);
  const checks = sectionsOf(report).flatMap((s) => s.checks.map((check) => ({ check, heading: s.heading })));
  const points = checks.flatMap(({ check, heading }, i) => [
    ...(checks[i - 1]?.heading === heading ? [] : [`# ${heading}`]),
    ...testPoint(check, i + 1, report),
  ]);
  const plan = checks.length === 0 ? "1..0 # SKIP no checks" : `1..${checks.length}`;
  return ["TAP version 14", plan, ...points, `# ${summaryLine(report)}`, ""].join("\n");
}

function testPoint(check: CheckResult, number: number, report: Report): string[] {
  const claim = escapeTap(check.claim);
  if (check.verdict === "PASS") return [`ok ${number} - ${claim}`];
  const directive =
    check.verdict === "INCONCLUSIVE" ? ` # TODO inconclusive: ${escapeTap(check.reasons[0] ?? "not measured")}` : "";
  return [`not ok ${number} - ${claim}${directive}`, ...diagnostic(check, report)];
}

/** Scalars are JSON strings: each is a YAML double-quoted scalar too, whatever it holds. */
function diagnostic(check: CheckResult, report: Report): string[] {
  const quoted = (text: string): string => JSON.stringify(text);
  return [
    "---",
    `message: ${quoted(check.reasons.join("; "))}`,
    `severity: ${check.verdict === "FAIL" ? "fail" : "todo"}`,
    `id: ${quoted(check.id)}`,
    ...(check.at ? [`at: ${quoted(renderOrigin(check.at))}`] : []),
    `wanted: ${quoted(check.expected.outcome)}`,
    `found: ${quoted(check.observed.outcome)}`,
    "evidence:",
    ...plainLines(factsOf(check, report)).map((line) => `  - ${quoted(line)}`),
    "...",
  ].map((line) => `  ${line}`);
}

/** A bare # would begin a directive. */
export function escapeTap(text: string): string {
  return text.replace(/[\\#]/g, "\\$&");
}
