/**
 * Go's text/template as `--format` uses it: fields, pipes, variables, if, with, range, docker's functions. Failures have Go's
 * words, with Go's columns. Source: text/template/exec.go; docker/cli templates/templates.go.
 */
import { quoteGo } from "../flags.ts";
import { constantOf } from "./literal.ts";
import { callFunction, FUNCTION_NAMES, FunctionError, functionParams, isVariadic } from "./template-functions.ts";
import {
  type ArgNode,
  type CommandNode,
  type PipeNode,
  type Place,
  renderCalled,
  renderNode,
  type Statement,
  TemplateError,
  type Tree,
} from "./template-nodes.ts";
import { parseTree } from "./template-parse.ts";
import { Variables } from "./template-variables.ts";
import {
  GoList,
  GoMap,
  GoNil,
  type GoParam,
  GoStruct,
  type GoValue,
  isTrue,
  pairsOf,
  printValue,
  typeOf,
} from "./value.ts";

export { TemplateError } from "./template-nodes.ts";

const MAX_STEPS = 1_000_000;
const MAX_OUTPUT_CHARS = 64 * 1024 * 1024;
const MAX_TEMPLATE_CALLS = 100;

export interface ExecuteOptions {
  /** A map's missing key is an error; its values have no types of their own (docker's second try, on raw JSON). */
  readonly untyped?: boolean;
  /** These functions give back their first argument: the header of a table. */
  readonly header?: boolean;
}

export interface Template {
  /** Throws TemplateError. */
  readonly execute: (data: GoValue, options?: ExecuteOptions) => string;
}

/** Throws TemplateError: `template: :1: unclosed action`. */
export function parseTemplate(source: string, name = ""): Template {
  const tree = parseTree(source, name, FUNCTION_NAMES);
  return { execute: (data, options = {}) => new Execution(tree, data, options).run() };
}

type Leave = "break" | "continue" | undefined;
/** The value of the pipeline so far; none in its first command. */
type Final = { readonly value: GoValue } | undefined;

class Execution {
  private readonly tree: Tree;
  private readonly data: GoValue;
  private readonly options: ExecuteOptions;
  private variables: Variables;
  private output: string[] = [];
  private written = 0;
  private steps = 0;
  private calls = 0;
  private place: Place | undefined;

  constructor(tree: Tree, data: GoValue, options: ExecuteOptions) {
    this.tree = tree;
    this.data = data;
    this.options = options;
    this.variables = new Variables(data);
  }

  run(): string {
    try {
      this.walk(this.tree.body, this.data);
    } catch (error) {
      // a header keeps what it has so far, as docker's does
      if (!this.options.header || !(error instanceof TemplateError)) throw error;
    }
    return this.output.join("");
  }

  private write(text: string): void {
    this.written += text.length;
    if (this.written > MAX_OUTPUT_CHARS) this.fail(`the output is longer than ${MAX_OUTPUT_CHARS} characters`);
    this.output.push(text);
  }

  private step(): void {
    if (++this.steps > MAX_STEPS) this.fail(`more than ${MAX_STEPS} steps`);
  }

  private walk(body: readonly Statement[], dot: GoValue): Leave {
    for (const statement of body) {
      this.step();
      switch (statement.kind) {
        case "text":
          this.write(statement.text);
          break;
        case "action": {
          const value = this.pipeline(dot, statement.pipe);
          if (statement.pipe.declares.length === 0) this.write(printValue(value));
          break;
        }
        case "break":
        case "continue":
          return statement.kind;
        case "template":
          this.template(dot, statement);
          break;
        case "range":
          this.range(dot, statement);
          break;
        default: {
          const mark = this.variables.mark();
          const value = this.pipeline(dot, statement.pipe);
          const chosen = isTrue(value) ? statement.body : statement.otherwise;
          const leave = this.walk(chosen, statement.kind === "with" && isTrue(value) ? value : dot);
          this.variables.reset(mark);
          if (leave) return leave;
        }
      }
    }
    return undefined;
  }

  private range(dot: GoValue, statement: Extract<Statement, { kind: "if" | "with" | "range" }>): void {
    const { pipe, body, otherwise } = statement;
    const mark = this.variables.mark();
    const value = this.pipeline(dot, { ...pipe, declares: [] });
    const pairs = pairsOf(value) ?? this.fail(`range can't iterate over ${printValue(value)}`);
    let none = true;
    for (const [key, item] of pairs) {
      this.step();
      none = false;
      this.variables.reset(mark);
      const last = pipe.declares.at(-1);
      if (pipe.declares.length === 2 && pipe.declares[0] !== undefined) this.bind(pipe, pipe.declares[0], key);
      // over a number, the one variable is the number
      if (last !== undefined) this.bind(pipe, last, item);
      const leave = this.walk(body, item);
      if (leave === "break") break;
    }
    this.variables.reset(mark);
    if (none) this.walk(otherwise, dot);
    this.variables.reset(mark);
  }

  private template(dot: GoValue, statement: Extract<Statement, { kind: "template" }>): void {
    const text = `{{template ${quoteGo(statement.name)}${statement.pipe ? ` ${renderNode(statement.pipe)}` : ""}}}`;
    this.place = { kind: "call", at: statement.at, text };
    const body = this.tree.defined.get(statement.name);
    if (!body) this.fail(`template ${quoteGo(statement.name)} not defined`);
    if (++this.calls > MAX_TEMPLATE_CALLS) this.fail("exceeded maximum template depth (100000)");
    const inner = statement.pipe ? this.pipeline(dot, statement.pipe) : undefined;
    const outer = this.variables;
    this.variables = new Variables(inner);
    this.walk(body ?? [], inner);
    this.variables = outer;
    this.calls--;
  }

  private bind(pipe: PipeNode, name: string, value: GoValue): void {
    if (!pipe.assigns) this.variables.declare(name, value);
    else if (!this.variables.assign(name, value)) this.fail(`undefined variable: ${name}`);
  }

  private pipeline(dot: GoValue, pipe: PipeNode): GoValue {
    this.place = pipe;
    let final: Final;
    for (const command of pipe.commands) final = { value: this.command(dot, command, final) };
    for (const name of pipe.declares) this.bind(pipe, name, final?.value);
    return final?.value;
  }

  private command(dot: GoValue, command: CommandNode, final: Final): GoValue {
    const [first, ...args] = command.args;
    if (!first) return this.fail("empty command");
    if (first.kind === "field" || first.kind === "chain" || first.kind === "identifier" || first.kind === "variable")
      return this.callable(dot, first, command, args, final);
    if (first.kind !== "pipe") this.place = first;
    this.noArguments(first, args, final);
    if (first.kind === "pipe") return this.pipeline(dot, first);
    if (first.kind === "nil") this.fail("nil is not a command");
    return first.kind === "dot" ? dot : constantOf(first);
  }

  private noArguments(node: ArgNode, args: readonly ArgNode[], final: Final): void {
    if (args.length > 0 || final) this.fail(`can't give argument to non-function ${renderNode(node)}`);
  }

  /** A field, a variable with fields, a chain or a function: what may take arguments. */
  private callable(dot: GoValue, node: ArgNode, at: Place, args: readonly ArgNode[], final: Final): GoValue {
    this.place = node;
    switch (node.kind) {
      case "identifier":
        return this.callByName(dot, node.name, at, args, final);
      case "variable": {
        const [name, ...fields] = node.names;
        const value = this.variables.get(name);
        if (fields.length === 0) this.noArguments(node, args, final);
        return this.fields(dot, value, fields, args, final);
      }
      case "chain":
        return this.fields(dot, this.argument(dot, "any", node.node), node.names, args, final);
      case "field":
        return this.fields(dot, dot, node.names, args, final);
      default:
        return this.fail(`can't give argument to non-function ${renderNode(node)}`);
    }
  }

  private fields(
    dot: GoValue,
    start: GoValue,
    names: readonly string[],
    args: readonly ArgNode[],
    final: Final,
  ): GoValue {
    let value = start;
    names.forEach((name, at) => {
      const isLast = at === names.length - 1;
      value = this.field(dot, value, name, isLast ? args : [], isLast ? final : undefined);
    });
    return value;
  }

  private field(dot: GoValue, receiver: GoValue, name: string, args: readonly ArgNode[], final: Final): GoValue {
    if (receiver === undefined) {
      if (this.options.untyped) this.fail(`nil data; no entry for key ${quoteGo(name)}`);
      return undefined;
    }
    const hasArguments = args.length > 0 || final !== undefined;
    if (receiver instanceof GoNil) this.fail(`nil pointer evaluating ${receiver.type}.${name}`);
    if (receiver instanceof GoMap) {
      const method = receiver.methods.get(name);
      if (method) return method.call(this.arguments(dot, name, method.params, false, args, final));
      if (hasArguments) this.fail(`${name} is not a method but has arguments`);
      if (receiver.type.startsWith("map[nat.Port]")) this.fail(`can't evaluate field ${name} in type nat.PortMap`);
      if (!receiver.entries.has(name) && this.options.untyped) this.fail(`map has no entry for key ${quoteGo(name)}`);
      return receiver.entries.get(name);
    }
    if (receiver instanceof GoStruct) {
      const method = receiver.methods.get(name);
      if (method) return method.call(this.arguments(dot, name, method.params, false, args, final));
      const field = receiver.field(name);
      if (field && hasArguments) this.fail(`${name} has arguments but cannot be invoked as function`);
      if (field) return field.value();
    }
    return this.fail(
      `can't evaluate field ${name} in type ${this.options.untyped ? "interface {}" : typeOf(receiver)}`,
    );
  }

  private callByName(dot: GoValue, name: string, at: Place, args: readonly ArgNode[], final: Final): GoValue {
    if (name === "and" || name === "or") return this.shortCircuit(dot, name, args, final);
    if (name === "call")
      this.fail(`error calling call: non-function ${renderCalled(args[0], typeOf(final?.value))}`, at);
    const params = this.options.header ? functionParams(name, true) : functionParams(name);
    const values = this.arguments(dot, name, params, isVariadic(name), args, final);
    try {
      return callFunction(name, values, this.options.header ?? false);
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error;
      return this.fail(`error calling ${name}: ${error.message}`, at);
    }
  }

  private shortCircuit(dot: GoValue, name: "and" | "or", args: readonly ArgNode[], final: Final): GoValue {
    if (args.length === 0 && !final) this.fail(`wrong number of args for ${name}: want at least 1 got 0`);
    let value: GoValue;
    for (const arg of args) {
      value = this.argument(dot, "any", arg);
      if (isTrue(value) === (name === "or")) return value;
    }
    return final ? final.value : value;
  }

  private arguments(
    dot: GoValue,
    name: string,
    params: readonly GoParam[],
    variadic: boolean,
    args: readonly ArgNode[],
    final: Final,
  ): GoValue[] {
    const count = args.length + (final ? 1 : 0);
    const least = params.length - 1;
    if (variadic && count < least) this.fail(`wrong number of args for ${name}: want at least ${least} got ${count}`);
    if (!variadic && count !== params.length)
      this.fail(`wrong number of args for ${name}: want ${params.length} got ${count}`);
    const paramAt = (at: number): GoParam => params[Math.min(at, params.length - 1)] ?? "any";
    const values = args.map((arg, at) => this.argument(dot, paramAt(at), arg));
    return final ? [...values, this.fit(final.value, paramAt(count - 1))] : values;
  }

  private argument(dot: GoValue, param: GoParam, node: ArgNode): GoValue {
    this.place = node;
    switch (node.kind) {
      case "dot":
        return this.fit(dot, param);
      case "nil":
        if (param === "string" || param === "int") this.fail(`cannot assign nil to ${param}`);
        return new GoNil("interface {}");
      case "pipe":
        return this.fit(this.pipeline(dot, node), param);
      case "field":
      case "variable":
      case "chain":
      case "identifier":
        return this.fit(this.callable(dot, node, node, [], undefined), param);
    }
    if (param === "string" && node.kind !== "string") this.fail(`expected string; found ${node.source}`);
    if (param === "int" && (node.kind !== "number" || !Number.isInteger(node.value)))
      this.fail(`expected integer; found ${node.source}`);
    if (param === "[]string") this.fail(`can't handle ${node.source} for arg of type []string`);
    return constantOf(node);
  }

  /** A value where a type is wanted. */
  private fit(value: GoValue, param: GoParam): GoValue {
    if (param === "any") return value;
    if (value === undefined || (value instanceof GoNil && value.type === "interface {}")) {
      if (param === "[]string") return new GoList("[]string", [], true);
      return this.fail(`invalid value; expected ${param}`);
    }
    if (typeOf(value) !== param) this.fail(`wrong type for value; expected ${param}; got ${typeOf(value)}`);
    return value;
  }

  private fail(message: string, place = this.place): never {
    const { name, source } = this.tree;
    if (!place) throw new TemplateError(`template: ${name}: ${message}`);
    const before = source.slice(0, place.at);
    const column = Buffer.byteLength(before.slice(before.lastIndexOf("\n") + 1));
    const line = before.split("\n").length;
    throw new TemplateError(
      `template: ${name}:${line}:${column}: executing ${quoteGo(name)} at <${renderNode(place)}>: ${message}`,
    );
  }
}
