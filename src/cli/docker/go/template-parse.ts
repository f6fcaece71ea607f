/** A Go template's text as a tree, with Go's words for what is wrong with it. Source: text/template/parse/parse.go. */
import { quoteGo } from "../flags.ts";
import { readNumber, unquote } from "./literal.ts";
import { lex, type Token, type TokenType } from "./template-lex.ts";
import type { ArgNode, CommandNode, ConstantNode, PipeNode, Statement, Tree } from "./template-nodes.ts";
import { TemplateError } from "./template-nodes.ts";

/** What a template may hold; more is no use and would only exhaust memory. */
const MAX_TEMPLATE_CHARS = 64 * 1024;
const MAX_DEPTH = 100;

/** @param functions the names that may be called */
export function parseTree(source: string, name: string, functions: ReadonlySet<string>): Tree {
  if (source.length > MAX_TEMPLATE_CHARS)
    throw new TemplateError(`template: ${name}:1: longer than ${MAX_TEMPLATE_CHARS} characters`);
  return new Parser(source, name, functions).parse();
}

/** How a list of statements ended. */
type ListEnd = "end" | "else" | "eof";

const OPERANDS: ReadonlySet<TokenType> = new Set<TokenType>([
  "bool",
  "char-constant",
  "dot",
  "field",
  "identifier",
  "number",
  "nil",
  "raw-string",
  "string",
  "variable",
  "(",
]);

class Parser {
  private readonly name: string;
  private readonly source: string;
  private readonly functions: ReadonlySet<string>;
  private readonly tokens: readonly Token[];
  private index = 0;
  private variables: string[] = ["$"];
  private rangeDepth = 0;
  private depth = 0;
  private readonly defined = new Map<string, readonly Statement[]>();

  constructor(source: string, name: string, functions: ReadonlySet<string>) {
    this.name = name;
    this.source = source;
    this.functions = functions;
    this.tokens = lex(source);
  }

  parse(): Tree {
    const { body, end } = this.list(true);
    if (end !== "eof") this.fail(`unexpected {{${end}}}`);
    return { name: this.name, source: this.source, body, defined: this.defined };
  }

  private list(isTop: boolean): { readonly body: Statement[]; readonly end: ListEnd } {
    if (++this.depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH} levels`);
    const body: Statement[] = [];
    for (;;) {
      const token = this.nextNonSpace();
      if (token.type === "text") body.push({ kind: "text", text: token.text });
      else if (token.type === "left") {
        const found = this.action(isTop);
        if (found === "end" || found === "else") {
          this.depth--;
          return { body, end: found };
        }
        if (found) body.push(found);
      } else if (token.type === "eof") {
        if (!isTop) this.fail("unexpected EOF");
        this.depth--;
        return { body, end: "eof" };
      } else this.unexpected(token, "input");
    }
  }

  private action(isTop: boolean): Statement | "end" | "else" | undefined {
    const token = this.nextNonSpace();
    if (token.type !== "keyword") {
      this.index--;
      return { kind: "action", pipe: this.pipeline("command", "right") };
    }
    switch (token.text) {
      case "if":
      case "with":
      case "range":
        return this.control(token.text);
      case "end":
        this.expect("right", "end");
        return "end";
      case "else": {
        const next = this.peekNonSpace();
        if (next.type === "keyword" && (next.text === "if" || next.text === "with")) return "else";
        this.expect("right", "else");
        return "else";
      }
      case "break":
      case "continue": {
        const next = this.nextNonSpace();
        if (next.type !== "right") this.unexpected(next, `{{${token.text}}}`);
        if (this.rangeDepth === 0) this.fail(`{{${token.text}}} outside {{range}}`);
        return { kind: token.text };
      }
      case "template":
        return this.template();
      case "block":
        return this.block();
      case "define":
        if (isTop && this.depth === 1) return this.definition();
    }
    return this.unexpected(token, "command");
  }

  private control(kind: "if" | "with" | "range"): Statement {
    const known = this.variables.length;
    const pipe = this.pipeline(kind, "right");
    if (kind === "range") this.rangeDepth++;
    const { body, end } = this.list(false);
    if (kind === "range") this.rangeDepth--;
    let otherwise: Statement[] = [];
    if (end === "else") {
      const next = this.peekNonSpace();
      if (next.type === "keyword" && (next.text === "if" || next.text === "with") && next.text === kind) {
        this.nextNonSpace();
        otherwise = [this.control(kind)];
      } else {
        const rest = this.list(false);
        if (rest.end !== "end") this.fail(`expected end; found {{${rest.end}}}`);
        otherwise = rest.body;
      }
    }
    this.variables = this.variables.slice(0, known);
    return { kind, pipe, body, otherwise };
  }

  private template(): Statement {
    const token = this.nextNonSpace();
    if (token.type !== "string" && token.type !== "raw-string") this.unexpected(token, "template clause");
    const name = this.unquote(token);
    if (this.peekNonSpace().type === "right") {
      this.nextNonSpace();
      return { kind: "template", at: token.at, name, pipe: undefined };
    }
    return { kind: "template", at: token.at, name, pipe: this.pipeline("template clause", "right") };
  }

  /** A definition, and its use at the same place. */
  private block(): Statement {
    const token = this.nextNonSpace();
    if (token.type !== "string" && token.type !== "raw-string") this.unexpected(token, "block clause");
    const name = this.unquote(token);
    const pipe = this.pipeline("block clause", "right");
    this.define(name, "block clause");
    return { kind: "template", at: token.at, name, pipe };
  }

  private definition(): undefined {
    const token = this.nextNonSpace();
    if (token.type !== "string" && token.type !== "raw-string") this.unexpected(token, "define clause");
    this.expect("right", "define clause");
    this.define(this.unquote(token), "define clause");
  }

  private define(name: string, context: string): void {
    const outer = this.variables;
    this.variables = ["$"];
    const { body, end } = this.list(false);
    if (end !== "end") this.fail(`unexpected {{${end}}} in ${context}`);
    this.variables = outer;
    this.defined.set(name, body);
  }

  private pipeline(context: string, end: "right" | ")"): PipeNode {
    if (++this.depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH} levels`);
    const { at } = this.peekNonSpace();
    const { declares, assigns } = this.declarations(context);
    const commands: CommandNode[] = [];
    for (;;) {
      const token = this.nextNonSpace();
      if (token.type === end) break;
      if (!OPERANDS.has(token.type)) this.unexpected(token, context);
      this.index--;
      commands.push(this.command());
    }
    if (commands.length === 0) this.fail(`missing value for ${context}`);
    commands.slice(1).forEach((command, stage) => {
      if (["bool", "dot", "nil", "number", "string"].includes(command.args[0]?.kind ?? ""))
        this.fail(`non executable command in pipeline stage ${stage + 2}`);
    });
    this.depth--;
    return { kind: "pipe", at, declares, assigns, commands };
  }

  /** `$x :=`, `$x =` and `$k, $v :=` at the start of a pipeline. */
  private declarations(context: string): { readonly declares: string[]; readonly assigns: boolean } {
    const declares: string[] = [];
    for (;;) {
      const start = this.index;
      const variable = this.nextNonSpace();
      const next = this.peekNonSpace();
      if (variable.type === "variable" && (next.type === "assign" || next.type === "declare")) {
        this.nextNonSpace();
        this.variables.push(variable.text);
        return { declares: [...declares, variable.text], assigns: next.type === "assign" };
      }
      if (variable.type !== "variable" || next.type !== "char" || next.text !== ",") {
        this.index = start;
        return { declares, assigns: false };
      }
      this.nextNonSpace();
      declares.push(variable.text);
      this.variables.push(variable.text);
      if (context !== "range" || declares.length > 1) this.fail(`too many declarations in ${context}`);
      if (!["variable", "right", ")"].includes(this.peekNonSpace().type))
        this.fail("range can only initialize variables");
    }
  }

  private command(): CommandNode {
    const { at } = this.peekNonSpace();
    const args: ArgNode[] = [];
    for (;;) {
      this.skipSpace();
      const operand = this.operand();
      if (operand) args.push(operand);
      const token = this.next();
      if (token.type === "space") continue;
      if (token.type === "right" || token.type === ")") this.index--;
      else if (token.type !== "pipe") this.unexpected(token, "operand");
      break;
    }
    if (args.length === 0) this.fail("empty command");
    return { kind: "command", at, args };
  }

  private operand(): ArgNode | undefined {
    const node = this.term();
    const first = this.peek();
    if (!node || first.type !== "field") return node;
    const names: string[] = [];
    while (this.peek().type === "field") names.push(this.next().text.slice(1));
    if (node.kind === "field") return { kind: "field", at: first.at, names: [...node.names, ...names] };
    if (node.kind === "variable") return { kind: "variable", at: first.at, names: [...node.names, ...names] };
    if (node.kind === "identifier" || node.kind === "pipe" || node.kind === "chain")
      return { kind: "chain", at: first.at, node, names };
    return this.fail(`unexpected . after term ${quoteGo(node.source)}`);
  }

  private term(): ArgNode | undefined {
    const token = this.nextNonSpace();
    const { at, text: source } = token;
    switch (token.type) {
      case "identifier":
        if (!this.functions.has(source)) this.fail(`function ${quoteGo(source)} not defined`);
        return { kind: "identifier", at, name: source };
      case "dot":
      case "nil":
        return { kind: token.type, at, source, value: source };
      case "bool":
        return { kind: "bool", at, source, value: source === "true" };
      case "variable":
        if (!this.variables.includes(source)) this.fail(`undefined variable ${quoteGo(source)}`);
        return { kind: "variable", at, names: [source] };
      case "field":
        return { kind: "field", at, names: [source.slice(1)] };
      case "char-constant":
        return { kind: "number", at, source, value: this.unquote(token).codePointAt(0) ?? 0 };
      case "number":
        return this.number(token);
      case "(":
        return this.pipeline("parenthesized pipeline", ")");
      case "string":
      case "raw-string":
        return { kind: "string", at, source, value: this.unquote(token) };
      default:
        this.index--;
        return undefined;
    }
  }

  private number({ at, text: source }: Token): ConstantNode {
    const value = readNumber(source);
    if (value === undefined) this.fail(`illegal number syntax: ${quoteGo(source)}`);
    const isFloat = !/^[+-]?0[xX]/.test(source) && /[.eEpP]/.test(source);
    return { kind: "number", at, source, value: value ?? 0, isFloat };
  }

  private unquote(token: Token): string {
    return unquote(token.text) ?? this.fail("invalid syntax");
  }

  private next(): Token {
    const token = this.peek();
    this.index++;
    return token;
  }

  private peek(): Token {
    const token = this.tokens[Math.min(this.index, this.tokens.length - 1)];
    return token ?? { type: "eof", text: "", at: 0, line: 1 };
  }

  private skipSpace(): void {
    while (this.peek().type === "space") this.index++;
  }

  private nextNonSpace(): Token {
    this.skipSpace();
    return this.next();
  }

  private peekNonSpace(): Token {
    this.skipSpace();
    return this.peek();
  }

  private expect(type: TokenType, context: string): void {
    const token = this.nextNonSpace();
    if (token.type !== type) this.unexpected(token, context);
  }

  private unexpected(token: Token, context: string): never {
    if (token.type === "error") return this.fail(token.text);
    return this.fail(`unexpected ${describeToken(token)} in ${context}`);
  }

  /** The line is that of the last token that was read. */
  private fail(message: string): never {
    const last = this.tokens[Math.min(Math.max(this.index - 1, 0), this.tokens.length - 1)];
    throw new TemplateError(`template: ${this.name}:${last?.line ?? 1}: ${message}`);
  }
}

function describeToken(token: Token): string {
  if (token.type === "eof") return "EOF";
  if (token.type === "keyword" || token.type === "dot" || token.type === "nil") return `<${token.text}>`;
  return token.text.length > 10 ? `${quoteGo(token.text.slice(0, 10))}...` : quoteGo(token.text);
}
