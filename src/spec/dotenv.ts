/**
 * `.env` files by the rules of Compose: single quotes are literal, double quotes know escapes, both may span lines;
 * ` #` behind an unquoted value ends it; `export` and the YAML-like `KEY: value` are accepted; a bare `KEY` takes the value of the
 * surroundings. Source: https://docs.docker.com/reference/compose-file/ "Env file syntax"; compose-go dotenv/parser.go.
 */
import { DocknetError, type Origin } from "../errors.ts";
import { interpolateText, type Lookup } from "./interpolate.ts";
import type { ProblemList } from "./problem-list.ts";

/** Variables of one file, in order. What `outer` knows wins over the file, also inside `${...}`. */
export function parseDotenv(text: string, file: string, outer: Lookup, problems: ProblemList): Map<string, string> {
  const found = new Map<string, string>();
  const lookup: Lookup = (name) => outer(name) ?? found.get(name);
  for (const statement of splitStatements(text.replaceAll("\r\n", "\n"), file, problems)) {
    const { key, at } = statement;
    if (statement.value === undefined) {
      const inherited = outer(key);
      if (inherited !== undefined) found.set(key, inherited);
      continue;
    }
    const { value: raw, literal } = statement;
    const value = problems.attempt(at, () => (literal ? raw : expand(raw, lookup)));
    if (value !== undefined) found.set(key, value);
  }
  return found;
}

function expand(text: string, lookup: Lookup): string {
  try {
    return interpolateText(text, lookup);
  } catch (error) {
    if (!(error instanceof DocknetError) || error.details.missing === true) throw error;
    throw new DocknetError("LAB_FILE", `${error.message}; you may need to escape any $ with another $`);
  }
}

interface Statement {
  readonly key: string;
  readonly at: Origin;
  /** Undefined: the bare `KEY`. */
  readonly value: string | undefined;
  /** In single quotes: nothing is replaced. */
  readonly literal: boolean;
}

function splitStatements(text: string, file: string, problems: ProblemList): Statement[] {
  const statements: Statement[] = [];
  let line = 1;
  let lineStart = 0;
  for (let offset = nextStatement(text, 0); offset < text.length; ) {
    for (let end = text.indexOf("\n", lineStart); end >= 0 && end < offset; end = text.indexOf("\n", lineStart)) {
      line++;
      lineStart = end + 1;
    }
    const at = { file, line, column: offset - lineStart + 1 };
    const read = readStatement(text, offset, at, problems);
    if (read.statement) statements.push(read.statement);
    offset = nextStatement(text, read.next);
  }
  return statements;
}

/** White space, empty lines and comments are between statements; a second one may stand behind a quoted value. */
function nextStatement(text: string, from: number): number {
  const gap = /(?:\s|#[^\n]*)*/y;
  gap.lastIndex = from;
  return from + (gap.exec(text)?.[0].length ?? 0);
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

function readStatement(
  text: string,
  offset: number,
  at: Origin,
  problems: ProblemList,
): { statement?: Statement; next: number } {
  const end = lineEnd(text, offset);
  const content = text.slice(offset, end);
  const match = /^(?:export\s+)?([^=:\s]*)[ \t]*(?:([=:])[ \t]*|$)/.exec(content);
  const key = match?.[1] ?? "";
  const bad = /[^\p{L}\p{N}_.[\]\s-]/u.exec(content.split(/[=:]/)[0] ?? "")?.[0];
  if (!match || bad !== undefined) {
    problems.error(at, bad ? `unexpected character "${bad}" in variable name` : "key cannot contain a space");
    return { next: end };
  }
  if (match[2] === undefined) return { statement: { key, at, value: undefined, literal: true }, next: end };
  const start = offset + match[0].length;
  const quote = text[start];
  if (quote !== "'" && quote !== '"') {
    const comment = text.slice(start, end).indexOf(" #");
    const value = text.slice(start, comment < 0 ? end : start + comment).trimEnd();
    return { statement: { key, at, value, literal: false }, next: end };
  }
  const close = findQuote(text, start + 1, quote);
  if (close < 0) {
    problems.error(at, `unterminated quoted value ${text.slice(start, end)}`);
    return { next: text.length };
  }
  const inner = text.slice(start + 1, close);
  const value = quote === '"' ? unescapeDouble(inner) : inner.replaceAll("\\'", "'");
  return { statement: { key, at, value, literal: quote === "'" }, next: close + 1 };
}

function findQuote(text: string, from: number, quote: string): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === quote) return i;
  }
  return -1;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: "\u0007", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" },
  ...{ '"': '"', "\\": "\\", $: "$$" },
};

/** `\0` and three octal digits are a byte; what else has a backslash stays as it is. */
function unescapeDouble(text: string): string {
  return text.replace(/\\(0[0-7]{3}|.)/gs, (whole, code: string) =>
    code.length === 4 ? String.fromCharCode(Number.parseInt(code.slice(1), 8)) : (ESCAPES[code] ?? whole),
  );
}
