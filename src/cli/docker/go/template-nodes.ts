/** The parts of a Go template, and how Go names them in its errors. Source: text/template/parse/node.go. */

/** A template that cannot be parsed or executed, in Go's words: `template: :1: unclosed action`. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

export interface FieldNode {
  readonly kind: "field";
  readonly at: number;
  readonly names: readonly string[];
}
export interface VariableNode {
  readonly kind: "variable";
  readonly at: number;
  /** `$x`, then fields of it. */
  readonly names: readonly [string, ...string[]];
}
export interface ChainNode {
  readonly kind: "chain";
  readonly at: number;
  readonly node: ArgNode;
  readonly names: readonly string[];
}
export interface IdentifierNode {
  readonly kind: "identifier";
  readonly at: number;
  readonly name: string;
}
export interface ConstantNode {
  readonly kind: "string" | "number" | "bool" | "dot" | "nil";
  readonly at: number;
  readonly source: string;
  readonly value: string | number | boolean;
  /** Written as one: 1.5, 1e3, 1.0. */
  readonly isFloat?: boolean;
}
export interface PipeNode {
  readonly kind: "pipe";
  readonly at: number;
  readonly declares: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly CommandNode[];
}
export interface CommandNode {
  readonly kind: "command";
  readonly at: number;
  readonly args: readonly ArgNode[];
}
export type ArgNode = FieldNode | VariableNode | ChainNode | IdentifierNode | ConstantNode | PipeNode;
export type Statement =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipe: PipeNode }
  | {
      readonly kind: "if" | "with" | "range";
      readonly pipe: PipeNode;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: "break" | "continue" }
  | { readonly kind: "template"; readonly at: number; readonly name: string; readonly pipe: PipeNode | undefined };

export interface Tree {
  readonly name: string;
  readonly source: string;
  readonly body: readonly Statement[];
  readonly defined: ReadonlyMap<string, readonly Statement[]>;
}

/** What an error of execution can stand at. */
export type Place = ArgNode | CommandNode | { readonly kind: "call"; readonly at: number; readonly text: string };

/** A node as Go prints it in its errors. */
export function renderNode(node: Place): string {
  switch (node.kind) {
    case "field":
      return node.names.map((n) => `.${n}`).join("");
    case "variable":
      return node.names.join(".");
    case "chain":
      return `${node.node.kind === "pipe" ? `(${renderNode(node.node)})` : renderNode(node.node)}${node.names.map((n) => `.${n}`).join("")}`;
    case "identifier":
      return node.name;
    case "command":
      return node.args.map((a) => (a.kind === "pipe" ? `(${renderNode(a)})` : renderNode(a))).join(" ");
    case "pipe": {
      const declared = node.declares.length > 0 ? `${node.declares.join(", ")} ${node.assigns ? "=" : ":="} ` : "";
      return declared + node.commands.map(renderNode).join(" | ");
    }
    case "call":
      return node.text;
    default:
      return node.source;
  }
}

/** What `call` names when it is given no function; nothing that a template of docker's reaches is one. */
export const renderCalled = (called: ArgNode | undefined, type: string): string =>
  called ? `${renderNode(called)} of type string` : `of type ${type}`;
