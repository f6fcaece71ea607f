/**
 * YAML text to a tree of values with their places. YAML 1.2 core: `22:22` is text, `yes` is text.
 *
 * The text is not trusted. Before the YAML parser runs, size, character set and a rough count of items and flow depth
 * are checked, because its time grows with them; alias expansion is counted by the size of what would be copied, so a
 * "billion laughs" costs nothing.
 */
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  Parser,
  Scalar as YamlScalar,
} from "yaml";
import { DocknetError, type Origin } from "../errors.ts";
import type { ProblemList } from "./problem-list.ts";
import { type Entry, type Mapping, type MergeTag, mapping, scalar, sequence, type Tree } from "./tree.ts";

export const MAX_FILE_BYTES = 5 * 1024 * 1024;
/** About a second of parsing; a lab of a thousand services has a third of it. */
const MAX_ITEMS = 120_000;
const MAX_NODES = 250_000;
const MAX_DEPTH = 100;

/**
 * The trees of one file's documents, which Compose merges; none for a file without content, undefined when the file cannot be
 * understood at all. Problems go to the list.
 * @param file the name that origins bear
 */
export function parseDocuments(text: string, file: string, problems: ProblemList): Mapping[] | undefined {
  if (!checkText(text, file, problems)) return undefined;
  const lines = new LineCounter();
  const locate = (offset: number): Origin => {
    const { line, col } = lines.linePos(Math.max(0, offset));
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const before = problems.errors.length;
  const documents = composeAll(text, lines, locate, problems);
  if (!documents || problems.errors.length > before) return undefined;
  const trees = documents.flatMap(({ contents: root }) => {
    // a file without content is an empty list of documents; an empty document beside others says nothing
    if (root === null) return [];
    const tree = problems.attempt(locate(0), () => new Converter(locate, problems).convert(root, "", 0).tree);
    if (tree && tree.kind !== "mapping") problems.error(tree.at, "top-level object must be a mapping");
    return tree?.kind === "mapping" ? [tree] : [];
  });
  return problems.errors.length > before ? undefined : trees;
}

function checkText(text: string, file: string, problems: ProblemList): boolean {
  const start = { file, line: 1, column: 1 };
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    problems.error(start, `the file is too large: more than ${MAX_FILE_BYTES / 1024 / 1024} MiB`);
    return false;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(text);
  if (control) {
    const above = text.slice(0, control.index).split("\n");
    const at = { file, line: above.length, column: (above.at(-1)?.length ?? 0) + 1 };
    problems.error(at, "yaml: control characters are not allowed", "Save the file as UTF-8 text");
    return false;
  }
  const fault = findExcess(text);
  if (fault) problems.error(start, fault);
  return fault === undefined;
}

/** Counts without parsing: the parser's time and stack grow with these. Quotes are not looked at, limits are far away. */
function findExcess(text: string): string | undefined {
  let items = 0;
  let depth = 0;
  let indicators = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    const next = text[i + 1];
    const ends = next === " " || next === "\n" || next === undefined;
    if (char === "\n") indicators = 0;
    if (char === "[" || char === "{") depth++;
    if ((char === "]" || char === "}") && depth > 0) depth--;
    if ((char === "-" || char === "?") && ends) indicators++;
    const counts = char === "\n" || char === "," || char === "[" || char === "{";
    if (counts || ((char === ":" || char === "-" || char === "?") && ends)) items++;
    if (items > MAX_ITEMS) return `the file is too large: more than ${MAX_ITEMS} lines and items`;
    if (depth > 10 * MAX_DEPTH || indicators > 2 * MAX_DEPTH) return `nested deeper than ${MAX_DEPTH} levels`;
  }
  return undefined;
}

function composeAll(
  text: string,
  lines: LineCounter,
  locate: (offset: number) => Origin,
  problems: ProblemList,
): Document.Parsed[] | undefined {
  const options = { version: "1.2", schema: "core", uniqueKeys: false, logLevel: "silent" } as const;
  const documents: Document.Parsed[] = [];
  try {
    for (const document of new Composer(options).compose(new Parser(lines.addNewLine).parse(text), true, text.length)) {
      documents.push(document as Document.Parsed);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.error(locate(0), `nested deeper than ${MAX_DEPTH} levels`);
    return undefined;
  }
  for (const error of documents.flatMap(({ errors }) => errors).slice(0, 20)) {
    const tooDeep = error.message.includes("call stack");
    problems.error(
      locate(error.pos[0]),
      tooDeep ? `nested deeper than ${MAX_DEPTH} levels` : `yaml: ${oneLine(error.message)}`,
    );
  }
  return documents;
}

const oneLine = (text: string): string => text.split("\n")[0] ?? text;

/** A tree with the number of nodes that it would have if aliases were copied. */
interface Sized {
  readonly tree: Tree;
  readonly size: number;
}

class Converter {
  private readonly anchors = new Map<string, Sized | "open">();
  private readonly locate: (offset: number) => Origin;
  private readonly problems: ProblemList;

  constructor(locate: (offset: number) => Origin, problems: ProblemList) {
    this.locate = locate;
    this.problems = problems;
  }

  convert(node: unknown, path: string, depth: number): Sized {
    const at = this.locateNode(node);
    if (depth > MAX_DEPTH) throw new DocknetError("LAB_FILE", `nested deeper than ${MAX_DEPTH} levels`, { at });
    if (isAlias(node)) return this.followAlias(node.source, at);
    const anchor = isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
    if (anchor) this.anchors.set(anchor, "open");
    const bare = this.convertBare(node, path, depth, at);
    const tag = readTag(node);
    const sized = tag ? { tree: { ...bare.tree, tag }, size: bare.size } : bare;
    if (sized.size > MAX_NODES) {
      throw new DocknetError("LAB_FILE", "document contains excessive aliasing", {
        at,
        remedy: `Copy less with anchors and aliases: the file stands for more than ${MAX_NODES} values`,
      });
    }
    if (anchor) this.anchors.set(anchor, sized);
    return sized;
  }

  private convertBare(node: unknown, path: string, depth: number, at: Origin): Sized {
    if (isMap(node)) return this.convertMap(node.items, path, depth, at);
    if (isSeq(node)) {
      const items = node.items.map((item, i) => this.convert(item, `${path}[${i}]`, depth + 1));
      return {
        tree: sequence(
          items.map((item) => item.tree),
          at,
        ),
        size: sum(items),
      };
    }
    const value = isScalar(node) ? readScalar(node) : null;
    if (value === null || typeof value === "string" || typeof value === "boolean")
      return { tree: scalar(value, at), size: 1 };
    if (typeof value === "number") return { tree: scalar(value, at), size: 1 };
    return { tree: scalar(String(value), at), size: 1 };
  }

  private convertMap(pairs: readonly Pair[], path: string, depth: number, at: Origin): Sized {
    const own = new Map<string, Entry>();
    const inherited: { readonly before: number; readonly from: readonly Mapping[] }[] = [];
    let size = 1;
    for (const pair of pairs) {
      const keyAt = this.locateNode(pair.key);
      const isMerge = isMergeKey(pair.key);
      const key = isMerge ? "<<" : this.readKey(pair.key, path, keyAt);
      const value = this.convert(pair.value, path === "" ? (key ?? "") : `${path}.${key}`, depth + 1);
      size += value.size + 1;
      if (isMerge && inherited.length > 0) this.problems.error(keyAt, 'mapping key "<<" already defined');
      else if (isMerge) inherited.push({ before: own.size, from: this.readMergeSources(value.tree) });
      else if (key === undefined) continue;
      else if (own.has(key))
        this.problems.error(keyAt, `mapping key "${key}" already defined at line ${own.get(key)?.at.line}`);
      else own.set(key, { at: keyAt, value: value.tree });
    }
    return { tree: mapping(inherited.length === 0 ? own : inheritKeys(own, inherited), at), size };
  }

  private readKey(node: unknown, path: string, at: Origin): string | undefined {
    const target = isAlias(node) ? this.followAlias(node.source, at).tree : undefined;
    const value = target
      ? target.kind === "scalar"
        ? target.value
        : target.kind
      : isScalar(node)
        ? node.value
        : "a collection";
    const isText = target ? target.kind === "scalar" : isScalar(node);
    if (isScalar(node) && node.anchor && typeof node.value === "string") {
      this.anchors.set(node.anchor, { tree: scalar(node.value, at), size: 1 });
    }
    if (isText && typeof value === "string") return value;
    this.problems.error(
      at,
      `non-string key ${path === "" ? "at top level" : `in ${path}`}: ${String(value)}`,
      "Quote the key",
    );
    return undefined;
  }

  /** `<<: *a` and `<<: [*a, *b]` (https://yaml.org/type/merge.html). */
  private readMergeSources(tree: Tree): Mapping[] {
    const sources = tree.kind === "sequence" ? tree.items : [tree];
    return sources.flatMap((source) => {
      if (source.kind === "mapping") return [source];
      this.problems.error(source.at, "yaml: map merge requires map or sequence of maps as the value");
      return [];
    });
  }

  private followAlias(name: string, at: Origin): Sized {
    const target = this.anchors.get(name);
    if (target && target !== "open") return target;
    const message = target
      ? `yaml: anchor '${name}' value contains itself`
      : `yaml: unknown anchor '${name}' referenced`;
    throw new DocknetError("LAB_FILE", message, { at });
  }

  private locateNode(node: unknown): Origin {
    const range = isAlias(node) || isScalar(node) || isMap(node) || isSeq(node) ? node.range : undefined;
    return this.locate(range?.[0] ?? 0);
  }
}

/** Compose looks at no tag but these two. */
function readTag(node: unknown): MergeTag | undefined {
  const tag = isScalar(node) || isMap(node) || isSeq(node) ? node.tag : undefined;
  return tag === "!reset" || tag === "!override" ? (tag === "!reset" ? "reset" : "override") : undefined;
}

/** Numbers as Go's YAML reads them: `017` and `0o17` are octal, `0b11` binary, `1_000` is a thousand. */
function readScalar(node: YamlScalar): unknown {
  if (node.tag === "tag:yaml.org,2002:binary" || node.tag === "!!binary")
    return Buffer.from(String(node.value), "base64").toString("utf8");
  if (node.type !== YamlScalar.PLAIN || node.tag !== undefined || node.source === undefined) return node.value;
  const text = node.source.replaceAll("_", "");
  const [, sign, digits = ""] = /^([+-]?)(0b[01]+|0o?[0-7]+|0x[0-9a-f]+|[1-9]\d*)$/i.exec(text) ?? [];
  if (digits === "") return node.value;
  const value = Number(digits.replace(/^0o?(?=[0-7]+$)/i, "0o"));
  return sign === "-" ? -value : value;
}

const sum = (items: readonly Sized[]): number => items.reduce((total, item) => total + item.size, 1);

function isMergeKey(node: unknown): boolean {
  return isScalar(node) && node.value === "<<" && node.type === YamlScalar.PLAIN;
}

/** Keys written out win; of several sources the earlier wins; inherited keys stand where `<<` stands. */
function inheritKeys(
  own: ReadonlyMap<string, Entry>,
  inherited: readonly { readonly before: number; readonly from: readonly Mapping[] }[],
): Map<string, Entry> {
  const all = new Map<string, Entry>();
  const ownEntries = [...own];
  let next = 0;
  for (const { before, from } of inherited) {
    for (; next < before; next++) {
      const entry = ownEntries[next];
      if (entry) all.set(entry[0], entry[1]);
    }
    for (const source of from) {
      for (const [key, entry] of source.entries) if (!own.has(key) && !all.has(key)) all.set(key, entry);
    }
  }
  for (const [key, entry] of ownEntries.slice(next)) all.set(key, entry);
  return all;
}
