/**
 * `$VAR` and `${VAR...}` in values, as Compose replaces them.
 * Source: Compose specification 12-interpolation.md; compose-go template/template.go. Unlike there, one pass with a real
 * scanner: nested braces are counted, so `${A:-${B:-x}}` and `${A:-b}${C}` mean what they look like.
 */
import { DocknetError, type Origin } from "../errors.ts";
import type { ProblemList } from "./problem-list.ts";
import type { Entry, Mapping, Tree } from "./tree.ts";

/** The value of a variable, or undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

/** Replaces in every scalar of a file, never in keys. Each variable without value is warned about once. */
export function interpolateTree(
  tree: Mapping,
  lookup: Lookup,
  problems: ProblemList,
  warned = new Set<string>(),
): Mapping {
  const visit = (node: Tree, path: string): Tree | undefined => {
    if (node.tag === "reset") return node;
    if (node.kind === "sequence") {
      return { ...node, items: node.items.flatMap((item, i) => visit(item, `${path}[${i}]`) ?? []) };
    }
    if (node.kind === "mapping") return visitMapping(node, path);
    if (typeof node.value !== "string" || !node.value.includes("$")) return node;
    const value = interpolateScalar(node.value, path, node.at);
    // what could not be replaced is left out, so that it is not complained about twice
    return value === undefined ? undefined : { ...node, value };
  };
  const visitMapping = (node: Mapping, path: string): Mapping => {
    const entries = new Map<string, Entry>();
    for (const [key, { at, value }] of node.entries) {
      const replaced = visit(value, path === "" ? key : `${path}.${key}`);
      if (replaced) entries.set(key, { at, value: replaced });
    }
    return { ...node, entries };
  };
  const interpolateScalar = (text: string, path: string, at: Origin): string | undefined => {
    try {
      return interpolateText(text, lookup, (name) => {
        if (!warned.has(name)) problems.warn(at, `The "${name}" variable is not set. Defaulting to a blank string.`);
        warned.add(name);
      });
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      problems.error(at, describeFault(error, path, text));
      return undefined;
    }
  };
  return visitMapping(tree, "");
}

function describeFault(error: DocknetError, path: string, text: string): string {
  if (error.details.missing === true) return `error while interpolating ${path}: ${error.message}`;
  return `invalid interpolation format for ${path}: ${JSON.stringify(text)}; you may need to escape any $ with another $`;
}

/**
 * One text with its variables replaced; `$$` stands for `$`.
 * @throws DocknetError LAB_FILE for a malformed expression, or a required variable (`details.missing`)
 */
export function interpolateText(text: string, lookup: Lookup, onUnset: (name: string) => void = () => {}): string {
  let out = "";
  let rest = text;
  for (let dollar = rest.indexOf("$"); dollar >= 0; dollar = rest.indexOf("$")) {
    out += rest.slice(0, dollar);
    rest = rest.slice(dollar + 1);
    const name = /^[_a-zA-Z][_a-zA-Z0-9]*/.exec(rest)?.[0];
    if (rest.startsWith("$")) {
      out += "$";
      rest = rest.slice(1);
    } else if (rest.startsWith("{")) {
      const end = findClosingBrace(rest);
      if (end < 0) throw malformed(text);
      out += expandBraces(rest.slice(1, end), lookup, onUnset);
      rest = rest.slice(end + 1);
    } else if (name !== undefined) {
      out += expandName(name, lookup, onUnset);
      rest = rest.slice(name.length);
    } else {
      throw malformed(text);
    }
  }
  return out + rest;
}

/** Index of the brace that closes the one at 0; only `${` opens another. */
function findClosingBrace(text: string): number {
  let depth = 1;
  for (let i = 1; i < text.length; i++) {
    if (text[i] === "}") depth--;
    if (depth === 0) return i;
    if (text[i] === "$" && text[i + 1] === "{") {
      depth++;
      i++;
    }
  }
  return -1;
}

/** `NAME`, `NAME-default`, `NAME:-default`, `?error`, `+replacement`; the colon makes an empty value count as unset. */
function expandBraces(inner: string, lookup: Lookup, onUnset: (name: string) => void): string {
  const match = /^([_a-zA-Z][_a-zA-Z0-9]*)(?:(:?)([-?+])([\s\S]*))?$/.exec(inner);
  if (!match) throw malformed(`\${${inner}}`);
  const [, name = "", colon, operator, operand = ""] = match;
  if (operator === undefined) return expandName(name, lookup, onUnset);
  const value = lookup(name);
  const isSet = value !== undefined && !(colon === ":" && value === "");
  if (operator === "+") return isSet ? interpolateText(operand, lookup, onUnset) : "";
  if (isSet) return value ?? "";
  if (operator === "-") return interpolateText(operand, lookup, onUnset);
  const reason = interpolateText(operand, lookup, onUnset);
  throw new DocknetError("LAB_FILE", `required variable ${name} is missing a value${reason ? `: ${reason}` : ""}`, {
    details: { missing: true },
  });
}

function expandName(name: string, lookup: Lookup, onUnset: (name: string) => void): string {
  const value = lookup(name);
  if (value === undefined) onUnset(name);
  return value ?? "";
}

function malformed(template: string): DocknetError {
  return new DocknetError("LAB_FILE", `invalid template: ${JSON.stringify(template)}`);
}
