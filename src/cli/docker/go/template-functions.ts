/** What a template may call: Go's own functions and docker's. Sources: text/template/funcs.go; docker/cli templates/templates.go. */
import { formatAll, formatLine, sprintf } from "./printf.ts";
import {
  compareText,
  formatValue,
  GoFloat,
  GoList,
  GoMap,
  GoNil,
  GoNumberText,
  type GoParam,
  GoStruct,
  type GoValue,
  isTrue,
  toJson,
  typeOf,
} from "./value.ts";

/** A function that cannot do it; the caller says which one it was. */
export class FunctionError extends Error {
  override readonly name = "FunctionError";
}

interface GoFunction {
  readonly params: readonly GoParam[];
  /** The last parameter may come any number of times. */
  readonly variadic?: true;
  readonly call: (args: readonly GoValue[]) => GoValue;
}

const text = (value: GoValue): string => (typeof value === "string" ? value : "");
const integer = (value: GoValue): number => (typeof value === "number" ? value : 0);
const list = (value: GoValue): readonly GoValue[] => (value instanceof GoList ? value.items : []);
const any = (name: string, call: GoFunction["call"], least = 1): [string, GoFunction] => [
  name,
  { params: [...Array<GoParam>(least).fill("any"), "any"], variadic: true, call },
];

/** Names that a repeat may make of a text: a pad of more is no use. */
const MAX_PAD = 10_000;

const FUNCTIONS: ReadonlyMap<string, GoFunction> = new Map<string, GoFunction>([
  ["json", { params: ["any"], call: ([v]) => toJson(v) }],
  ["split", { params: ["string", "string"], call: ([s, by]) => new GoList("[]string", splitText(text(s), text(by))) }],
  ["join", { params: ["[]string", "string"], call: ([items, by]) => list(items).map(text).join(text(by)) }],
  [
    "title",
    { params: ["string"], call: ([s]) => text(s).replace(/(?<![\p{L}\p{N}_'])\p{L}/gu, (c) => c.toUpperCase()) },
  ],
  ["lower", { params: ["string"], call: ([s]) => text(s).toLowerCase() }],
  ["upper", { params: ["string"], call: ([s]) => text(s).toUpperCase() }],
  [
    "pad",
    { params: ["string", "int", "int"], call: ([s, before, after]) => pad(text(s), integer(before), integer(after)) },
  ],
  ["truncate", { params: ["string", "int"], call: ([s, n]) => truncate(text(s), integer(n)) }],
  ["len", { params: ["any"], call: ([v]) => lengthOf(v) }],
  ["not", { params: ["any"], call: ([v]) => !isTrue(v) }],
  any("and", ([v]) => v),
  any("or", ([v]) => v),
  any("call", () => undefined),
  any("index", ([item, ...keys]) => keys.reduce(indexValue, presentItem(item, "index"))),
  any("slice", ([item, ...bounds]) => sliceValue(item, bounds)),
  any("print", formatAll, 0),
  any("println", formatLine, 0),
  ["printf", { params: ["string", "any"], variadic: true, call: ([format, ...rest]) => sprintf(text(format), rest) }],
  any("html", (args) => textOf(args).replace(/[<>"'&\0]/g, (c) => HTML[c] ?? c), 0),
  any("js", (args) => textOf(args).replace(/[\\'"<>&=\n\r\t]/g, (c) => JS[c] ?? c), 0),
  any(
    "urlquery",
    (args) =>
      encodeURIComponent(textOf(args))
        .replaceAll("%20", "+")
        .replace(/[!'()*]/g, percent),
    0,
  ),
  any("eq", ([first, ...rest]) => {
    if (rest.length === 0) throw new FunctionError("missing argument for comparison");
    return rest.some((v) => equals(first, v));
  }),
  ["ne", { params: ["any", "any"], call: ([a, b]) => !equals(a, b) }],
  ["lt", { params: ["any", "any"], call: ([a, b]) => compare(a, b) < 0 }],
  ["le", { params: ["any", "any"], call: ([a, b]) => compare(a, b) <= 0 }],
  ["gt", { params: ["any", "any"], call: ([a, b]) => compare(a, b) > 0 }],
  ["ge", { params: ["any", "any"], call: ([a, b]) => compare(a, b) >= 0 }],
]);

/** In the header of a table the text of a column stays as it is. */
const HEADER_FUNCTIONS: ReadonlyMap<string, readonly GoParam[]> = new Map<string, readonly GoParam[]>([
  ["json", ["string"]],
  ["split", ["string", "string"]],
  ["join", ["string", "string"]],
  ["title", ["string"]],
  ["lower", ["string"]],
  ["upper", ["string"]],
  ["truncate", ["string", "int"]],
]);

export const FUNCTION_NAMES: ReadonlySet<string> = new Set(FUNCTIONS.keys());

export const isVariadic = (name: string): boolean => FUNCTIONS.get(name)?.variadic ?? false;

export const functionParams = (name: string, header = false): readonly GoParam[] =>
  (header ? HEADER_FUNCTIONS.get(name) : undefined) ?? FUNCTIONS.get(name)?.params ?? [];

/** Calls a function with arguments of its types. Throws FunctionError. */
export function callFunction(name: string, args: readonly GoValue[], header = false): GoValue {
  if (header && HEADER_FUNCTIONS.has(name)) return args[0];
  return FUNCTIONS.get(name)?.call(args);
}

const HTML: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
  "&": "&amp;",
  "\0": "\uFFFD",
};
const JS: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  '"': '\\"',
  "<": "\\u003C",
  ">": "\\u003E",
  "&": "\\u0026",
  "=": "\\u003D",
  "\n": "\\u000A",
  "\r": "\\u000D",
  "\t": "\\u0009",
};
const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
const textOf = (args: readonly GoValue[]): string =>
  typeof args[0] === "string" && args.length === 1 ? args[0] : formatAll(args);

function splitText(value: string, by: string): string[] {
  return by === "" ? [...value] : value.split(by);
}

function pad(value: string, before: number, after: number): string {
  if (value === "") return value;
  if (before < 0 || after < 0) throw new FunctionError("strings: negative Repeat count");
  return " ".repeat(Math.min(before, MAX_PAD)) + value + " ".repeat(Math.min(after, MAX_PAD));
}

function truncate(value: string, length: number): string {
  const bytes = Buffer.from(value);
  if (length < 0) throw new FunctionError(`runtime error: slice bounds out of range [:${length}]`);
  return bytes.length < length ? value : bytes.subarray(0, length).toString();
}

function lengthOf(value: GoValue): number {
  if (value === undefined) throw new FunctionError("len of untyped nil");
  if (value instanceof GoNil) throw new FunctionError("len of nil pointer");
  if (typeof value === "string") return Buffer.byteLength(value);
  if (value instanceof GoNumberText) return value.text.length;
  if (value instanceof GoList) return value.items.length;
  if (value instanceof GoMap) return value.entries.size;
  throw new FunctionError(`len of type ${typeOf(value)}`);
}

function presentItem(item: GoValue, what: string): GoValue {
  if (item === undefined || (item instanceof GoNil && item.type === "interface {}"))
    throw new FunctionError(`${what} of untyped nil`);
  return item;
}

function indexValue(item: GoValue, key: GoValue): GoValue {
  if (item === undefined) throw new FunctionError("index of untyped nil");
  if (item instanceof GoNil) throw new FunctionError("index of nil pointer");
  if (item instanceof GoMap) {
    if (key === undefined) throw new FunctionError("value is nil; should be of type string");
    // docker's map of ports has keys of a type of its own, which a text does not fit
    if (item.type.startsWith("map[nat.Port]")) throw new FunctionError("value has type string; should be nat.Port");
    if (typeof key !== "string") throw new FunctionError(`value has type ${typeOf(key)}; should be string`);
    return item.entries.has(key) ? item.entries.get(key) : item.zero;
  }
  if (item instanceof GoList) {
    const at = position(key, item.items.length);
    if (at === item.items.length) throw new FunctionError("reflect: slice index out of range");
    return item.items[at];
  }
  if (typeof item === "string") {
    const bytes = Buffer.from(item);
    const at = position(key, bytes.length);
    if (at === bytes.length) throw new FunctionError("reflect: string index out of range");
    return bytes[at] ?? 0;
  }
  throw new FunctionError(`can't index item of type ${typeOf(item)}`);
}

/** An index as a place in a list; the length itself is let through, as Go lets it. */
function position(key: GoValue, length: number): number {
  if (key === undefined) throw new FunctionError("cannot index slice/array with nil");
  if (typeof key !== "number") throw new FunctionError(`cannot index slice/array with type ${typeOf(key)}`);
  if (key < 0 || key > length) throw new FunctionError(`index out of range: ${key}`);
  return key;
}

function sliceValue(value: GoValue, bounds: readonly GoValue[]): GoValue {
  const item = presentItem(value, "slice");
  if (bounds.length > 3) throw new FunctionError(`too many slice indexes: ${bounds.length}`);
  if (typeof item === "string" && bounds.length === 3) throw new FunctionError("cannot 3-index slice a string");
  const bytes = typeof item === "string" ? Buffer.from(item) : undefined;
  if (!bytes && !(item instanceof GoList)) throw new FunctionError(`can't slice item of type ${typeOf(item)}`);
  const length = bytes ? bytes.length : list(item).length;
  const [from = 0, to = length] = bounds.map((b) => position(b, length));
  if (from > to) throw new FunctionError(`invalid slice index: ${from} > ${to}`);
  return bytes ? bytes.subarray(from, to).toString() : new GoList(typeOf(item), list(item).slice(from, to));
}

/** The kind of values that may be compared with each other. */
function kindOf(value: GoValue): string | undefined {
  if (value instanceof GoFloat) return "float";
  if (value instanceof GoNumberText) return "string";
  if (value === undefined || value instanceof GoNil) return "nil";
  return value instanceof GoList || value instanceof GoMap || value instanceof GoStruct ? undefined : typeof value;
}

const bare = (value: GoValue): string => formatValue(value);

function equals(a: GoValue, b: GoValue): boolean {
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  if (kindA === "nil" || kindB === "nil") return kindA === kindB;
  const odd = kindA === undefined ? a : kindB === undefined ? b : undefined;
  if (odd !== undefined) throw new FunctionError(`non-comparable type ${bare(odd)}: ${typeOf(odd)}`);
  if (kindA !== kindB) throw new FunctionError("incompatible types for comparison");
  return bare(a) === bare(b);
}

function compare(a: GoValue, b: GoValue): number {
  const [kindA, kindB] = [kindOf(a), kindOf(b)];
  if (kindA === undefined || kindB === undefined || kindA === "nil" || kindB === "nil")
    throw new FunctionError("invalid type for comparison");
  if (kindA !== kindB) throw new FunctionError("incompatible types for comparison");
  if (kindA === "boolean") throw new FunctionError("invalid type for comparison");
  return kindA === "string" ? compareText(bare(a), bare(b)) : Number(bare(a)) - Number(bare(b));
}
