/** The tokens of a Go template. Source: text/template/parse/lex.go. */

export type TokenType =
  | "text"
  | "left"
  | "right"
  | "space"
  | "field"
  | "variable"
  | "identifier"
  | "keyword"
  | "bool"
  | "nil"
  | "dot"
  | "number"
  | "char-constant"
  | "string"
  | "raw-string"
  | "assign"
  | "declare"
  | "pipe"
  | "("
  | ")"
  | "char"
  | "eof"
  | "error";

export interface Token {
  readonly type: TokenType;
  readonly text: string;
  /** In code units of UTF-16, the unit of columns. */
  readonly at: number;
  readonly line: number;
}

const KEYWORDS = new Set(["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"]);
const LEFT = "{{";
const RIGHT = "}}";
const isSpace = (char: string | undefined): boolean => char !== undefined && " \t\r\n".includes(char);
const isWordChar = (char: string | undefined): boolean => char !== undefined && /[\p{L}\p{Nd}_]/u.test(char);

/** All tokens up to the end or to the first error, which is the last token then. */
export function lex(input: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  const emit = (type: TokenType, end: number): void => {
    const text = input.slice(at, end);
    tokens.push({ type, text, at, line });
    line += text.split("\n").length - 1;
    at = end;
  };
  const fail = (message: string): Token[] => {
    tokens.push({ type: "error", text: message, at, line });
    return tokens;
  };
  for (;;) {
    const open = input.indexOf(LEFT, at);
    const trimsLeft = open >= 0 && input[open + 2] === "-" && isSpace(input[open + 3]);
    const textEnd = open < 0 ? input.length : open;
    const kept = trimsLeft ? at + input.slice(at, textEnd).replace(/[ \t\r\n]+$/, "").length : textEnd;
    if (kept > at) emit("text", kept);
    if (open < 0) break;
    line += input.slice(at, open).split("\n").length - 1;
    at = open;
    const inner = open + (trimsLeft ? 4 : 2);
    if (input.startsWith("/*", inner)) {
      const end = input.indexOf("*/", inner);
      if (end < 0) return fail("unclosed comment");
      const close = rightDelimiter(input, end + 2);
      if (!close) return fail("comment ends before closing delimiter");
      line += input.slice(at, close.end).split("\n").length - 1;
      at = close.end;
      continue;
    }
    emit("left", open + 2);
    at = inner;
    const problem = lexAction(
      input,
      () => at,
      (type, end) => emit(type, end),
    );
    if (problem !== undefined) return fail(problem);
    const close = rightDelimiter(input, at);
    if (!close) return fail("unclosed action");
    const start = at;
    at = close.start;
    emit("right", close.start + 2);
    line += input.slice(start, close.start).split("\n").length - 1;
    line += input.slice(at, close.end).split("\n").length - 1;
    at = close.end;
  }
  tokens.push({ type: "eof", text: "", at: input.length, line });
  return tokens;
}

/** The closing delimiter at this place: where its braces start, and where the text after it starts when it trims. */
function rightDelimiter(input: string, at: number): { readonly start: number; readonly end: number } | undefined {
  if (isSpace(input[at]) && input[at + 1] === "-" && input.startsWith(RIGHT, at + 2)) {
    const rest = input.slice(at + 4);
    return { start: at + 2, end: at + 4 + (rest.length - rest.replace(/^[ \t\r\n]+/, "").length) };
  }
  return input.startsWith(RIGHT, at) ? { start: at, end: at + 2 } : undefined;
}

/** The tokens of one action, up to its closing delimiter. @returns what is wrong */
function lexAction(
  input: string,
  position: () => number,
  emit: (type: TokenType, end: number) => void,
): string | undefined {
  let depth = 0;
  for (;;) {
    const at = position();
    const char = input[at];
    if (rightDelimiter(input, at)) return depth > 0 ? "unclosed left paren" : undefined;
    if (char === undefined) return "unclosed action";
    if (isSpace(char)) {
      let end = at;
      while (isSpace(input[end]) && !rightDelimiter(input, end)) end++;
      emit("space", end);
      continue;
    }
    const token = lexToken(input, at, char);
    if ("problem" in token) return token.problem;
    if (token.type === "(") depth++;
    if (token.type === ")" && --depth < 0) return "unexpected right paren";
    emit(token.type, token.end);
  }
}

type Lexed = { readonly type: TokenType; readonly end: number } | { readonly problem: string };

function lexToken(input: string, at: number, char: string): Lexed {
  if (char === "=") return { type: "assign", end: at + 1 };
  if (char === ":") return input[at + 1] === "=" ? { type: "declare", end: at + 2 } : { problem: "expected :=" };
  if (char === "|") return { type: "pipe", end: at + 1 };
  if (char === "(" || char === ")") return { type: char, end: at + 1 };
  if (char === '"') return lexQuoted(input, at, '"', "string", "unterminated quoted string");
  if (char === "'") return lexQuoted(input, at, "'", "char-constant", "unterminated character constant");
  if (char === "`") {
    const end = input.indexOf("`", at + 1);
    return end < 0 ? { problem: "unterminated raw quoted string" } : { type: "raw-string", end: end + 1 };
  }
  if (char === "$" || (char === "." && !/[0-9]/.test(input[at + 1] ?? ""))) return lexName(input, at, char);
  if (/[0-9+.-]/.test(char)) return lexNumber(input, at);
  if (isWordChar(char)) return lexName(input, at, "");
  if (/[\x20-\x7e]/.test(char)) return { type: "char", end: at + 1 };
  return { problem: `unrecognized character in action: ${describe(input, at)}` };
}

function lexQuoted(input: string, at: number, quote: string, type: TokenType, problem: string): Lexed {
  for (let end = at + 1; end < input.length && input[end] !== "\n"; end++) {
    if (input[end] === "\\") end++;
    else if (input[end] === quote) return { type, end: end + 1 };
    if (input[end] === "\n") break;
  }
  return { problem };
}

function lexName(input: string, at: number, sigil: string): Lexed {
  let end = at + sigil.length;
  while (isWordChar(input[end])) end++;
  const word = input.slice(at, end);
  const next = input[end];
  const ends = next === undefined || isSpace(next) || ".,|:)(".includes(next) || input.startsWith(RIGHT, end);
  if (!ends) return { problem: `bad character ${describe(input, end)}` };
  if (sigil === ".") return { type: word === "." ? "dot" : "field", end };
  if (sigil === "$") return { type: "variable", end };
  if (KEYWORDS.has(word)) return { type: "keyword", end };
  if (word === "nil") return { type: "nil", end };
  return { type: word === "true" || word === "false" ? "bool" : "identifier", end };
}

const NUMBER = /[+-]?(?:0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*|(?:[0-9][0-9_]*)?\.?[0-9_]*(?:[eE][+-]?[0-9_]+)?)/y;

function lexNumber(input: string, at: number): Lexed {
  NUMBER.lastIndex = at;
  const end = at + (NUMBER.exec(input)?.[0].length ?? 0);
  if (isWordChar(input[end])) return { problem: `bad number syntax: "${input.slice(at, end + 1)}"` };
  return { type: "number", end };
}

/** Go's %#U. */
function describe(input: string, at: number): string {
  const code = input.codePointAt(at) ?? 0;
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")} '${String.fromCodePoint(code)}'`;
}
