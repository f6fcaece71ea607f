/**
 * Values as Go's text/template sees them: what a field is called, what prints, what is true. Numbers of JavaScript stand for Go's ints.
 * `undefined` is reflect's zero Value: it prints as "<no value>".
 */

export type GoValue =
  | undefined
  | string
  | number
  | boolean
  | GoFloat
  | GoNumberText
  | GoNil
  | GoList
  | GoMap
  | GoStruct;

export class GoFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** json.Number: a number that was read without a type, and is kept as text. */
export class GoNumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A nil pointer or nil interface of a type. */
export class GoNil {
  readonly type: string;
  constructor(type: string) {
    this.type = type;
  }
}

export class GoList {
  readonly type: string;
  readonly items: readonly GoValue[];
  /** nil and empty lists differ in JSON only. */
  readonly isNil: boolean;
  constructor(type: string, items: readonly GoValue[], isNil = false) {
    this.type = type;
    this.items = items;
    this.isNil = isNil;
  }
}

/** Keys are kept sorted, as Go prints and ranges over them. */
export class GoMap {
  readonly type: string;
  readonly entries: ReadonlyMap<string, GoValue>;
  /** What a missing key gives in `index`. */
  readonly zero: GoValue;
  readonly isNil: boolean;
  readonly methods: ReadonlyMap<string, GoMethod>;
  constructor(
    type: string,
    entries: Iterable<readonly [string, GoValue]>,
    zero: GoValue,
    isNil = false,
    methods: ReadonlyMap<string, GoMethod> = new Map(),
  ) {
    this.methods = methods;
    this.type = type;
    this.entries = new Map([...entries].sort(([a], [b]) => compareText(a, b)));
    this.zero = zero;
    this.isNil = isNil;
  }
}

export interface GoField {
  readonly name: string;
  readonly value: () => GoValue;
  /** Its own fields are fields of the struct around it. */
  readonly embedded?: boolean;
}

export interface GoMethod {
  readonly params: readonly GoParam[];
  readonly call: (args: readonly GoValue[]) => GoValue;
}

export type GoParam = "string" | "int" | "[]string" | "any";

export interface GoStructOptions {
  readonly fields?: readonly GoField[];
  readonly methods?: ReadonlyMap<string, GoMethod>;
  /** What `json` prints; it may be a value of Go again. */
  readonly json?: () => unknown;
  /** The JSON's text itself, where its escapes matter. */
  readonly jsonText?: () => string;
  /** What it prints as, when its type says so itself (time.Time). */
  readonly text?: string;
}

export class GoStruct {
  /** With a leading `*` for a pointer. */
  readonly type: string;
  readonly fields: readonly GoField[];
  readonly methods: ReadonlyMap<string, GoMethod>;
  readonly json: () => unknown;
  readonly jsonText: (() => string) | undefined;
  readonly text: string | undefined;
  constructor(type: string, options: GoStructOptions) {
    this.type = type;
    this.fields = options.fields ?? [];
    this.methods = options.methods ?? new Map();
    this.json = options.json ?? (() => ({}));
    this.jsonText = options.jsonText;
    this.text = options.text;
  }

  field(name: string): GoField | undefined {
    const own = this.fields.find((f) => f.name === name);
    if (own) return own;
    for (const embedded of this.fields.filter((f) => f.embedded)) {
      const value = embedded.value();
      const found = value instanceof GoStruct ? value.field(name) : undefined;
      if (found) return found;
    }
    return undefined;
  }
}

/** Go compares texts by their bytes. */
export const compareText = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export function typeOf(value: GoValue): string {
  if (value === undefined) return "<nil>";
  if (typeof value === "string") return "string";
  if (typeof value === "number") return "int";
  if (typeof value === "boolean") return "bool";
  if (value instanceof GoFloat) return "float64";
  if (value instanceof GoNumberText) return "json.Number";
  return value.type;
}

/** text/template's truth: empty, zero and nil are false. */
export function isTrue(value: GoValue): boolean {
  if (value === undefined || value instanceof GoNil) return false;
  if (value instanceof GoFloat) return value.value !== 0;
  if (value instanceof GoNumberText) return value.text !== "";
  if (value instanceof GoList) return value.items.length > 0;
  if (value instanceof GoMap) return value.entries.size > 0;
  return value instanceof GoStruct || Boolean(value);
}

/** What `range` goes through: key and value; undefined when there is nothing to go through. */
export function pairsOf(value: GoValue): Iterable<readonly [GoValue, GoValue]> | undefined {
  if (value instanceof GoList) return value.items.entries();
  if (value instanceof GoMap) return value.entries;
  if (typeof value === "number") return countTo(value);
  return value === undefined || (value instanceof GoNil && value.type === "interface {}") ? [] : undefined;
}

function* countTo(end: number): Iterable<readonly [GoValue, GoValue]> {
  for (let n = 0; n < end; n++) yield [n, n];
}

/** What an address of memory looks like; its number means nothing. */
const ADDRESS = "0xc000000000";

/** A value as an action prints it: the outermost pointer is followed. */
export const printValue = (value: GoValue): string => (value === undefined ? "<no value>" : formatValue(value));

/** fmt's %v. */
export function formatValue(value: GoValue, inside = false): string {
  if (value === undefined || value instanceof GoNil) return "<nil>";
  if (value instanceof GoFloat) return formatFloat(value.value);
  if (value instanceof GoNumberText) return value.text;
  if (value instanceof GoList) return `[${value.items.map((v) => formatValue(v, true)).join(" ")}]`;
  if (value instanceof GoMap)
    return `map[${[...value.entries].map(([k, v]) => `${k}:${formatValue(v, true)}`).join(" ")}]`;
  if (!(value instanceof GoStruct)) return String(value);
  if (value.text !== undefined) return value.text;
  if (inside && value.type.startsWith("*")) return ADDRESS;
  return `{${value.fields.map((f) => formatValue(f.value(), true)).join(" ")}}`;
}

export function formatFloat(value: number): string {
  const size = Math.abs(value);
  if (Number.isFinite(value) && (size === 0 || (size >= 1e-4 && size < 1e21))) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** Go's json.Marshal without the escapes for HTML, as docker's `json` function has it. */
export function toJson(value: unknown): string {
  if (value === undefined || value === null || value instanceof GoNil) return "null";
  if (value instanceof GoFloat) return String(value.value);
  if (value instanceof GoNumberText) return value.text;
  if (value instanceof GoStruct) return value.jsonText?.() ?? toJson(value.json());
  if (value instanceof GoList) return value.isNil ? "null" : `[${value.items.map(toJson).join(",")}]`;
  if (value instanceof GoMap) return value.isNil ? "null" : joinPairs(value.entries);
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  if (typeof value === "object") return joinPairs(Object.entries(value));
  return JSON.stringify(value).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

const joinPairs = (pairs: Iterable<readonly [string, unknown]>): string =>
  `{${[...pairs].map(([key, value]) => `${JSON.stringify(key)}:${toJson(value)}`).join(",")}}`;
