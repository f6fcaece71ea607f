/**
 * `$VAR` and `${VAR...}` in values, as Compose replaces them.
 * Source: Compose specification 12-interpolation.md; compose-go template/template.go, and what the real one answers
 * (test/golden/compose/interpolation.json).
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

/** Defaults in defaults; nobody writes more by hand. */
const MAX_DEPTH = 50;

/**
 * One text with its variables replaced; `$$` stands for `$`, and a `$` that begins neither a name nor a brace for itself.
 * @throws DocknetError LAB_FILE for a malformed expression, or a required variable (`details.missing`)
 */
export function interpolateText(
  text: string,
  lookup: Lookup,
  onUnset: (name: string) => void = () => {},
  depth = 0,
): string {
  if (depth > MAX_DEPTH) throw malformed(text);
  let out = "";
  let from = 0;
  for (let dollar = text.indexOf("$"); dollar >= 0; dollar = text.indexOf("$", from)) {
    out += text.slice(from, dollar);
    const next = text[dollar + 1];
    const name = nameAt(text, dollar + 1);
    if (next === "$") {
      out += "$";
      from = dollar + 2;
    } else if (next === "{") {
      const end = findEnd(text, dollar + 1);
      if (end === undefined) throw malformed(text);
      out += expandBraces(text.slice(dollar + 2, end), lookup, onUnset, depth);
      from = end + 1;
    } else if (name !== "") {
      out += expandName(name, lookup, onUnset);
      from = dollar + 1 + name.length;
    } else {
      out += "$";
      from = dollar + 1;
    }
  }
  return out + text.slice(from);
}

const NAME = /[_a-zA-Z][_a-zA-Z0-9]*/y;

function nameAt(text: string, index: number): string {
  NAME.lastIndex = index;
  return NAME.exec(text)?.[0] ?? "";
}

/**
 * Index of the brace that ends the expression whose brace opens at `open`, as Compose finds it: braces are counted, the character
 * after an opening one is not looked at, and where the count never comes out the last brace of the line ends it.
 */
function findEnd(text: string, open: number): number | undefined {
  const name = nameAt(text, open + 1);
  const after = open + 1 + name.length;
  // without an operator nothing but the name may stand there
  if (text[after] === "}") return after;
  let depth = 0;
  let last: number | undefined;
  for (let i = open; i < text.length && text[i] !== "\n"; i++) {
    if (text[i] === "}") {
      last = i;
      if (--depth === 0) return i;
    } else if (text[i] === "{") {
      depth++;
      i++;
      if (text[i] === "}") last = i;
    }
  }
  return last;
}

/** `NAME`, `NAME-default`, `NAME:-default`, `?error`, `+replacement`; the colon makes an empty value count as unset. */
function expandBraces(inner: string, lookup: Lookup, onUnset: (name: string) => void, depth: number): string {
  const match = /^([_a-zA-Z][_a-zA-Z0-9]*)(?:(:?)([-?+])([^\n]*))?$/.exec(inner);
  if (!match) throw malformed(`\${${inner}}`);
  const [, name = "", colon, operator, text = ""] = match;
  if (operator === undefined) return expandName(name, lookup, onUnset);
  // Compose reads the operand even where it is not wanted: what is wrong in it is an error
  const operand = interpolateText(text, lookup, onUnset, depth + 1);
  const value = lookup(name);
  const isSet = value !== undefined && !(colon === ":" && value === "");
  if (operator === "+") return isSet ? operand : "";
  if (isSet) return value ?? "";
  if (operator === "-") return operand;
  throw new DocknetError("LAB_FILE", `required variable ${name} is missing a value${operand ? `: ${operand}` : ""}`, {
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
