/**
 * Workflow commands that make GitHub show failures beside the lines of the lab file.
 * Source: GitHub docs "Workflow commands for GitHub Actions"; escaping as in actions/toolkit packages/core/src/command.ts;
 * 10 warnings and 10 errors a step (github.com/orgs/community/discussions/26680).
 */
import type { Origin, Problem } from "../errors.ts";
import type { CheckResult, Report } from "../observe/report.ts";
import { cleanStrings } from "./clean.ts";
import { factsOf, plainLines } from "./facts.ts";
import { plural } from "./summary.ts";

const SHOWN_PER_STEP = 10;

interface Annotation {
  readonly level: "error" | "warning";
  readonly title: string;
  readonly message: string;
  readonly at?: Origin;
}

/** One command a line; those with a place first, since only they show beside the code. */
export function renderAnnotations(dirty: Report): string[] {
  const report = cleanStrings(dirty);
  const ofVerdict = (verdict: CheckResult["verdict"], level: Annotation["level"]): Annotation[] =>
    report.checks.filter((c) => c.verdict === verdict).map((check) => annotationOf(check, level, report));
  const errors = placedFirst(ofVerdict("FAIL", "error"));
  const warnings = placedFirst([
    ...ofVerdict("INCONCLUSIVE", "warning"),
    ...report.warnings.map(({ message, remedy, at }) => ({
      level: "warning" as const,
      title: "docknet",
      message: remedy ? `${message}\n${remedy}` : message,
      ...(at ? { at } : {}),
    })),
  ]);
  const shown = [...errors.slice(0, SHOWN_PER_STEP), ...warnings.slice(0, SHOWN_PER_STEP)];
  return [...shown.map(renderCommand), ...leftOut(errors.length, warnings.length)];
}

/** A lab file's own fault, before there is a report. */
export function renderProblemAnnotation({ message, remedy, at }: Problem): string {
  return renderCommand({
    level: "error",
    title: "docknet",
    message: remedy ? `${message}\n${remedy}` : message,
    ...(at ? { at } : {}),
  });
}

function annotationOf(check: CheckResult, level: Annotation["level"], report: Report): Annotation {
  const message = plainLines(factsOf(check, report)).join("\n");
  return { level, title: `${check.verdict}: ${check.claim}`, message, ...(check.at ? { at: check.at } : {}) };
}

function placedFirst(all: readonly Annotation[]): Annotation[] {
  return [...all.filter((a) => a.at), ...all.filter((a) => !a.at)];
}

/** A notice has a limit of its own, so this line is always seen. */
function leftOut(errors: number, warnings: number): string[] {
  const more = [
    ...(errors > SHOWN_PER_STEP ? [plural(errors - SHOWN_PER_STEP, "more error")] : []),
    ...(warnings > SHOWN_PER_STEP ? [plural(warnings - SHOWN_PER_STEP, "more warning")] : []),
  ];
  if (more.length === 0) return [];
  const message = `${more.join(" and ")} left out: GitHub shows ${SHOWN_PER_STEP} of each per step; the log has them all`;
  return [`::notice title=docknet::${escapeData(message)}`];
}

function renderCommand({ level, title, message, at }: Annotation): string {
  const place = at ? [`file=${escapeProperty(at.file)}`, `line=${at.line}`, `col=${at.column}`] : [];
  return `::${level} ${[...place, `title=${escapeProperty(title)}`].join(",")}::${escapeData(message)}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
