/**
 * The report as a story for a terminal: the lab, then group by group what was claimed and what the packets show, then what is
 * wrong, and last one line that says it all. A class reads it from the top, a CI log from the bottom.
 */
import { renderOrigin } from "../errors.ts";
import type { CheckResult, Report } from "../observe/report.ts";
import { cleanStrings } from "./clean.ts";
import { drawLab } from "./drawing.ts";
import { driftWords, type Fact, factsOf } from "./facts.ts";
import { countBySender, type Folded, foldStories } from "./fold.ts";
import { type Section, sectionsOf, troubles } from "./group.ts";
import { framePieces, Pen, type PenOptions, rulePieces, type Style, VERDICT_STYLE } from "./pen.ts";
import { plural, summaryParts } from "./summary.ts";

export interface TextOptions extends PenOptions {
  /** Every check in full, with every link that its packet crossed. */
  readonly verbose: boolean;
}

// Without verbose. A 30-service lab has some 1500 checks: more than this of one kind is not read, it is counted.
const CONTAINERS_DRAWN = 20;
const CHECKS_LISTED = 40;
const OTHERS_LISTED = 4;
const TROUBLES_IN_FULL = 10;
const TROUBLES_AT_END = 10;
const DRIFT_LISTED = 20;

/** @returns lines, each ended by a line break */
export function renderText(report: Report, options: TextOptions): string {
  const writer = new Writer(cleanStrings(report), options);
  return `${writer.write().map(inert).join("\n")}\n`;
}

/** A claim is free text; wrapped, it must not start a line that GitHub's runner obeys. */
const inert = (line: string): string => line.replace(/^(\s*)::/, "$1: :").trimEnd();

const LABEL = 11;
const FACT_INDENT = 6;

const PIECES: Readonly<Record<Fact["kind"], ((text: string) => string[]) | undefined>> = {
  prose: undefined,
  rule: rulePieces,
  packet: framePieces,
};

class Writer {
  private readonly report: Report;
  private readonly pen: Pen;
  private readonly verbose: boolean;

  constructor(report: Report, options: TextOptions) {
    this.report = report;
    this.pen = new Pen(options);
    this.verbose = options.verbose;
  }

  write(): string[] {
    return [
      ...this.title(),
      ...sectionsOf(this.report).flatMap((section) => this.section(section)),
      ...this.drift(),
      ...this.warnings(),
      ...this.troublesAgain(),
      "",
      ...this.summary(),
    ];
  }

  // --- the lab -----------------------------------------------------------------------------------------------------------

  private title(): string[] {
    const { lab, files, docknet, profile, kernel, topology } = this.report;
    return [
      `${this.pen.paint("bold", `Lab ${lab}`)}${files.length > 0 ? `, from ${files.join(", ")}` : ""}`,
      ...this.paragraph(`docknet ${docknet}, firewall as ${profile} writes it, Linux ${kernel}`, 0),
      "",
      ...drawLab(topology, this.pen, this.verbose ? Number.POSITIVE_INFINITY : CONTAINERS_DRAWN),
    ];
  }

  // --- groups ------------------------------------------------------------------------------------------------------------

  private section(section: Section): string[] {
    const { heading, lesson, checks, passed } = section;
    const style: Style = passed === checks.length ? "green" : "red";
    const score = this.pen.paint(style, `${passed} of ${checks.length}`);
    const body = this.verbose ? checks.flatMap((c) => this.story(c)) : this.folded(checks);
    return ["", `${this.pen.paint("bold", heading)}  ${score}`, ...this.paragraph(lesson, 2), "", ...body];
  }

  private folded(checks: readonly CheckResult[]): string[] {
    const bad = checks.filter((c) => c.verdict !== "PASS");
    const good = checks.filter((c) => c.verdict === "PASS");
    return [
      ...bad.slice(0, TROUBLES_IN_FULL).flatMap((c) => this.story(c)),
      ...bad.slice(TROUBLES_IN_FULL).flatMap((c) => [...this.claim(c), ...this.facts(reasonOnly(c))]),
      ...foldStories(good).flatMap((folded) => this.sameStory(folded)),
    ];
  }

  private sameStory({ first, others }: Folded): string[] {
    const lines = this.story(first);
    if (others.length === 0) return lines;
    if (others.length <= OTHERS_LISTED) return [...lines, ...others.flatMap((c) => this.claim(c))];
    return [
      ...lines,
      `  ${this.pen.glyph("PASS")} ${plural(others.length, "more check")} in the same way:`,
      ...this.bySender(others),
    ];
  }

  /** "a  web:80/tcp, agent:9000/tcp", or only how many. */
  private bySender(checks: readonly CheckResult[]): string[] {
    const counts = countBySender(checks);
    const names = [...counts.keys()];
    const column = Math.max(...names.map((n) => n.length)) + 2;
    if (checks.length > CHECKS_LISTED) {
      const cells = [...counts].map(([from, count]) => `${from} ${count}`);
      const last = cells.length - 1;
      const pieces = cells.map((cell, i) => `${i === 0 ? "from " : ""}${cell}${i === last ? "" : ","}`);
      return this.pen.wrap("", 4, pieces).map((line) => `    ${line}`);
    }
    return names.flatMap((from) => {
      const targets = checks.filter((c) => c.from === from).map((c) => c.to);
      return this.hanging(`${from.padEnd(column)}${targets.join(", ")}`, 4, 4 + column);
    });
  }

  // --- one check ---------------------------------------------------------------------------------------------------------

  private story(check: CheckResult): string[] {
    return [...this.claim(check), ...this.facts(factsOf(check, this.report, { hops: this.verbose }))];
  }

  private claim(check: CheckResult): string[] {
    const [first = "", ...rest] = this.pen.wrap(check.claim, 4);
    const style = check.verdict === "PASS" ? undefined : VERDICT_STYLE[check.verdict];
    const paint = (line: string): string => (style ? this.pen.paint(style, line) : line);
    return [`  ${this.pen.glyph(check.verdict)} ${paint(first)}`, ...rest.map((line) => `    ${paint(line)}`)];
  }

  private facts(facts: readonly Fact[]): string[] {
    return facts.flatMap((fact) => this.fact(fact));
  }

  private fact(fact: Fact): string[] {
    const { label, lead = "", text, kind, note } = fact;
    const column = FACT_INDENT + LABEL + lead.length;
    const lines = this.pen.wrap(text, column, PIECES[kind]?.(text));
    const painted = lines.map((line) => this.paintFact(fact, line));
    const body =
      note === undefined ? painted : this.withNote(painted, note, column + (lines.at(-1)?.length ?? 0), column);
    const head = `${" ".repeat(FACT_INDENT)}${this.pen.paint("dim", `${label.padEnd(LABEL)}${lead}`)}`;
    return body.map((line, i) => `${i === 0 ? head : " ".repeat(column)}${line}`);
  }

  /** Beside the last line where there is room, else below it. */
  private withNote(lines: readonly string[], note: string, end: number, column: number): string[] {
    const shown = `(${note})`;
    const dim = (line: string): string => this.pen.paint("dim", line);
    const last = lines.length - 1;
    if (end + 2 + shown.length <= this.pen.width) {
      return lines.map((line, i) => (i === last ? `${line}  ${dim(shown)}` : line));
    }
    return [...lines, ...this.pen.wrap(shown, column).map(dim)];
  }

  /** What a translation changed stands out; a rule stands back, since its words are above. */
  private paintFact({ kind, label, changed = [] }: Fact, line: string): string {
    if (kind === "rule") return this.pen.paint("cyan", line);
    if (label === "reason") return this.pen.paint("bold", line);
    const words = line.split(" ");
    return words.map((word) => (changed.includes(word) ? this.pen.paint("yellow", word) : word)).join(" ");
  }

  // --- the end -----------------------------------------------------------------------------------------------------------

  private drift(): string[] {
    const { drift } = this.report;
    if (drift.length === 0) return [];
    const shown = this.verbose ? drift : drift.slice(0, DRIFT_LISTED);
    const hidden = drift.length - shown.length;
    return [
      "",
      this.pen.paint("bold", "The kernel differs from the lab"),
      ...this.paragraph(
        "What is there, beside what the lab asks for. `docknet reconcile` puts back what a living lab lost.",
        2,
      ),
      "",
      ...shown.flatMap((d) => this.hanging(driftWords(d), 2, 4)),
      ...(hidden > 0 ? [`  and ${hidden} more`] : []),
    ];
  }

  private warnings(): string[] {
    const { warnings } = this.report;
    if (warnings.length === 0) return [];
    return [
      "",
      this.pen.paint("bold", "Warnings"),
      ...warnings.flatMap(({ message, at, remedy }) => [
        ...this.hanging(`${at ? `${renderOrigin(at)}: ` : ""}${message}`, 2, 4),
        ...(remedy ? this.hanging(remedy, 4, 4) : []),
      ]),
    ];
  }

  /** A log is read from its end: what failed once more, with its place. */
  private troublesAgain(): string[] {
    const all = troubles(this.report);
    if (all.length === 0) return [];
    const shown = all.slice(0, TROUBLES_AT_END);
    const hidden = all.length - shown.length;
    return [
      "",
      this.pen.paint("bold", troubleHeading(all)),
      ...shown.flatMap((check) => [
        ...this.claim(check),
        ...this.hanging([...(check.at ? [renderOrigin(check.at)] : []), ...check.reasons.slice(0, 1)].join(": "), 6, 6),
      ]),
      ...(hidden > 0 ? [`    and ${hidden} more`] : []),
    ];
  }

  private summary(): string[] {
    const { verdict } = this.report;
    const parts = summaryParts(this.report).map((part, i, all) => (i < all.length - 1 ? `${part};` : part));
    const [first = "", ...rest] = this.pen.wrap("", verdict.length + 2, parts);
    const gap = " ".repeat(verdict.length + 2);
    return [`${this.pen.paint(VERDICT_STYLE[verdict], verdict)}  ${first}`, ...rest.map((line) => `${gap}${line}`)];
  }

  // --- lines -------------------------------------------------------------------------------------------------------------

  private paragraph(text: string, indent: number): string[] {
    return this.pen.wrap(text, indent).map((line) => `${" ".repeat(indent)}${this.pen.paint("dim", line)}`);
  }

  /** First line at `indent`, the others at `under`. */
  private hanging(text: string, indent: number, under: number): string[] {
    const [first = "", ...rest] = this.pen.wrap(text, under);
    return [`${" ".repeat(indent)}${first}`, ...rest.map((line) => `${" ".repeat(under)}${line}`)];
  }
}

function troubleHeading(all: readonly CheckResult[]): string {
  const [failed, unclear] = [all.some((c) => c.verdict === "FAIL"), all.some((c) => c.verdict === "INCONCLUSIVE")];
  if (failed && unclear) return "What failed or could not be measured";
  return failed ? "What failed" : "What could not be measured";
}

function reasonOnly({ reasons }: CheckResult): Fact[] {
  return reasons.slice(0, 1).map((text) => ({ label: "reason", text, kind: "prose" }));
}
