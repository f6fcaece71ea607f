/**
 * Flags as spf13/pflag reads them, with its error texts: `-dit`, `-p8080:80`, `--rm=false`, `--`, repeated lists, and flags that end at
 * the first positional (run, exec). A flag is data; its values are checked here, once. Sources: pflag flag.go parseLongArg,
 * parseSingleShortArg; docker/cli opts/opts.go.
 */

/** bool needs no value; int is 64 bits wide; list is repeated, strings also splits at commas (CSV), map is a list of key[=value]. */
export type FlagKind = "bool" | "string" | "int" | "list" | "strings" | "map";

export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  readonly kind: FlagKind;
  /** The word for the value in --help, where it is not that of the kind: "network", "bytes"; "" shows none. */
  readonly type?: string;
  readonly usage: string;
  /** The value when the flag is not given. */
  readonly default?: string;
  /** The default as --help shows it, where it does not follow from `default`: "map[]". */
  readonly shown?: string;
  readonly hidden?: true;
  /** What to say on stderr when it is used: "use --help". */
  readonly deprecated?: string;
  /** The same for its short form alone. */
  readonly shortDeprecated?: string;
  /** The flag whose value this one sets: `--net` is `--network`. */
  readonly sets?: string;
  /** Checks one value and gives it back as it is kept; throws FlagValueError. */
  readonly check?: (value: string) => string;
  /** Names that the shell may offer for the value. */
  readonly completes?: string;
}

/** A value that the flag does not take; the message is the part after `invalid argument "x" for "--y" flag: `. */
export class FlagValueError extends Error {
  override readonly name = "FlagValueError";
}

/** A command line that the grammar does not take, in pflag's words. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** The values of one command line. Asking for a flag that the command does not have is our own mistake. */
export class Flags {
  private readonly specs: ReadonlyMap<string, FlagSpec>;
  private readonly values: ReadonlyMap<string, readonly string[]>;
  private readonly given: ReadonlySet<string>;

  constructor(
    specs: ReadonlyMap<string, FlagSpec>,
    values: ReadonlyMap<string, readonly string[]>,
    given: ReadonlySet<string>,
  ) {
    this.specs = specs;
    this.values = values;
    this.given = given;
  }

  /** Whether the flag stands on the command line, under this name. */
  changed(name: string): boolean {
    this.specOf(name);
    return this.given.has(name);
  }

  bool(name: string): boolean {
    return this.last(name) === "true";
  }

  string(name: string): string {
    return this.last(name) ?? "";
  }

  int(name: string): number {
    return Number(this.last(name) ?? "0");
  }

  /** In the order given. */
  list(name: string): readonly string[] {
    const spec = this.specOf(name);
    return this.values.get(name) ?? (spec.default === undefined ? [] : [spec.default]);
  }

  /** key=value pairs; the last one of a key wins; no `=` means an empty value. */
  map(name: string): Readonly<Record<string, string>> {
    return Object.fromEntries(this.list(name).map(splitPair));
  }

  private last(name: string): string | undefined {
    return this.list(name).at(-1);
  }

  private specOf(name: string): FlagSpec {
    const spec = this.specs.get(name);
    if (!spec) throw new Error(`flag --${name} is not declared`);
    return spec;
  }
}

const splitPair = (pair: string): [string, string] => {
  const at = pair.indexOf("=");
  return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
};

export interface ParseOptions {
  /** Flags end at the first argument that is none. */
  readonly stopAtFirst?: boolean;
  /** Told of the use of a deprecated flag. */
  readonly warn?: (message: string) => void;
}

export interface Parsed {
  readonly flags: Flags;
  readonly args: readonly string[];
}

/** Reads a command line. Throws FlagError. */
export function parseFlags(specs: readonly FlagSpec[], argv: readonly string[], options: ParseOptions = {}): Parsed {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const byShort = new Map(specs.flatMap((spec) => (spec.short ? [[spec.short, spec] as const] : [])));
  const values = new Map<string, string[]>();
  const given = new Set<string>();
  const args: string[] = [];
  let at = 0;

  const set = (spec: FlagSpec, text: string): void => {
    const target = spec.sets ?? spec.name;
    const read = readValue(spec, text);
    const repeated = spec.kind === "list" || spec.kind === "strings" || spec.kind === "map";
    values.set(target, repeated ? [...(values.get(target) ?? []), ...read] : read);
    given.add(spec.name);
    if (spec.deprecated !== undefined) options.warn?.(`Flag --${spec.name} has been deprecated, ${spec.deprecated}`);
  };
  const next = (): string | undefined => (at < argv.length ? argv[at++] : undefined);

  const parseLong = (argument: string): void => {
    const [name, ...rest] = argument.slice(2).split("=");
    if (!name || name.startsWith("-")) throw new FlagError(`bad flag syntax: ${argument}`);
    const spec = byName.get(name);
    if (!spec) throw new FlagError(`unknown flag: --${name}`);
    const value = rest.length > 0 ? rest.join("=") : spec.kind === "bool" ? "true" : next();
    if (value === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    set(spec, value);
  };

  const parseShort = (argument: string): void => {
    for (let letters = argument.slice(1); letters !== ""; ) {
      const letter = String.fromCodePoint(letters.codePointAt(0) ?? 0);
      const spec = byShort.get(letter);
      if (!spec) throw new FlagError(`unknown shorthand flag: '${letter}' in -${letters}`);
      if (spec.shortDeprecated !== undefined)
        options.warn?.(`Flag shorthand -${letter} has been deprecated, ${spec.shortDeprecated}`);
      const rest = letters.slice(letter.length);
      const assigned = rest.length > 1 && rest.startsWith("=");
      const value = assigned ? rest.slice(1) : spec.kind === "bool" ? "true" : rest === "" ? next() : rest;
      if (value === undefined) throw new FlagError(`flag needs an argument: '${letter}' in -${letters}`);
      set(spec, value);
      letters = spec.kind === "bool" && !assigned ? rest : "";
    }
  };

  for (let argument = next(); argument !== undefined; argument = next()) {
    if (argument === "--") {
      args.push(...argv.slice(at));
      break;
    }
    if (argument.startsWith("--")) parseLong(argument);
    else if (argument.startsWith("-") && argument.length > 1) parseShort(argument);
    else {
      args.push(argument);
      if (!options.stopAtFirst) continue;
      args.push(...argv.slice(at));
      break;
    }
  }
  return { flags: new Flags(byName, values, given), args };
}

/** One value of the command line as the values that are kept. */
function readValue(spec: FlagSpec, text: string): string[] {
  try {
    const read = KINDS[spec.kind](text);
    return spec.check ? read.map(spec.check) : read;
  } catch (error) {
    if (!(error instanceof FlagValueError)) throw error;
    const name = spec.short ? `-${spec.short}, --${spec.name}` : `--${spec.name}`;
    throw new FlagError(`invalid argument ${quoteGo(text)} for "${name}" flag: ${error.message}`);
  }
}

const KINDS: Readonly<Record<FlagKind, (text: string) => string[]>> = {
  bool: (text) => [String(parseBool(text))],
  string: (text) => [text],
  int: (text) => [String(parseInteger(text))],
  list: (text) => [text],
  map: (text) => [text],
  strings: (text) => splitCsv(text),
};

const TRUE = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE = ["0", "f", "F", "false", "FALSE", "False"];

/** Go's strconv.ParseBool. */
export function parseBool(text: string): boolean {
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw new FlagValueError(`strconv.ParseBool: parsing ${quoteGo(text)}: invalid syntax`);
}

/** Go's strconv.ParseInt with base 0: decimal, 0x, 0o, 0b, a leading 0 for octal, `_` between digits. */
export function parseInteger(text: string, bits = 64): number {
  const found = /^([+-]?)(0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]*|0[bB][01_]+|[1-9][0-9_]*)$/.exec(text);
  const fail = (why: string): FlagValueError =>
    new FlagValueError(`strconv.ParseInt: parsing ${quoteGo(text)}: ${why}`);
  const [, sign, digits] = found ?? [];
  if (digits === undefined || digits.endsWith("_") || digits.includes("__")) throw fail("invalid syntax");
  const plain = digits.replaceAll("_", "").replace(/^0(?=[0-7])/, "0o");
  if (plain === "0o" || plain === "0O") throw fail("invalid syntax");
  const value = BigInt(plain) * (sign === "-" ? -1n : 1n);
  if (BigInt.asIntN(bits, value) !== value) throw fail("value out of range");
  return Number(value);
}

/** One line of CSV as Go's encoding/csv reads it. An empty text is no value. */
export function splitCsv(text: string): string[] {
  if (text === "") return [];
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] !== '"') {
      const end = text.indexOf(",", at) < 0 ? text.length : text.indexOf(",", at);
      const field = text.slice(at, end);
      const quote = field.indexOf('"');
      if (quote >= 0)
        throw new FlagValueError(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
      fields.push(field);
      at = end;
    } else {
      let field = "";
      let end = text.indexOf('"', ++at);
      while (end >= 0 && text[end + 1] === '"') {
        field += text.slice(at, end + 1);
        at = end + 2;
        end = text.indexOf('"', at);
      }
      if (end < 0)
        throw new FlagValueError(
          `parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`,
        );
      fields.push(field + text.slice(at, end));
      at = end + 1;
      if (at < text.length && text[at] !== ",")
        throw new FlagValueError(`parse error on line 1, column ${end + 1}: extraneous or missing " in quoted-field`);
    }
    if (at >= text.length) return fields;
    at++;
  }
}

const GO_ESCAPES: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  '"': '\\"',
  "\\": "\\\\",
};

/** Go's %q of a text. */
export function quoteGo(text: string): string {
  const inner = [...text].map((char) => {
    const known = GO_ESCAPES[char];
    if (known) return known;
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
    if (/\p{C}|\p{Z}/u.test(char) && char !== " ")
      return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    return char;
  });
  return `"${inner.join("")}"`;
}
