/**
 * What a tree may look like, as data, and the check of a tree against it: each fault with its place, in the words of Compose's
 * schema check (compose-go schema/schema.go).
 */
import type { Origin } from "../errors.ts";
import { type Mapping, type Scalar, type Sequence, type Tree, toPlain } from "./tree.ts";

export type Kind = "boolean" | "integer" | "null" | "number" | "string";

/** What is wrong with a value of the right kind, to stand behind its path; undefined when nothing is. */
export type ValueCheck = (value: Scalar["value"]) => string | undefined;

export type Shape =
  | { readonly is: "anything" }
  | { readonly is: "scalar"; readonly kinds: readonly Kind[]; readonly check: ValueCheck | undefined }
  | { readonly is: "list"; readonly of: Shape; readonly unique: boolean }
  | { readonly is: "map"; readonly of: Shape; readonly keys: RegExp; readonly open: boolean }
  | {
      readonly is: "record";
      readonly keys: ReadonlyMap<string, Shape>;
      readonly required: readonly string[];
      /** `x-*` may stand in it. */
      readonly extensible: boolean;
    }
  | { readonly is: "either"; readonly shapes: readonly Shape[] };

export const anything: Shape = { is: "anything" };

export function scalarOf(kinds: readonly Kind[], check?: ValueCheck): Shape {
  return { is: "scalar", kinds, check };
}

/** @param unique two equal items are a fault; elsewhere the later one replaces the earlier */
export function listOf(of: Shape, unique = false): Shape {
  return { is: "list", of, unique };
}

/** Keys of the user's choice. @param open other keys may stand too, with anything in them */
export function mapOf(of: Shape, keys = /./s, open = false): Shape {
  return { is: "map", of, keys, open };
}

export function recordOf(keys: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape {
  return { is: "record", keys: new Map(Object.entries(keys)), required, extensible: true };
}

/** A record without `x-*`. */
export function strictRecordOf(keys: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape {
  return { is: "record", keys: new Map(Object.entries(keys)), required, extensible: false };
}

export function either(...shapes: readonly Shape[]): Shape {
  return { is: "either", shapes };
}

export interface Fault {
  /** Names of keys and numbers of items, from the root. */
  readonly path: readonly string[];
  /** To stand behind the path. */
  readonly text: string;
  readonly at: Origin;
  /** The value is of a wrong kind: these were welcome. */
  readonly wanted?: readonly string[];
}

/** Everything that is wrong with the tree. @param at the place to name for the tree itself: its key's, where it has one */
export function findFaults(tree: Tree, shape: Shape, at: Origin = tree.at, path: readonly string[] = []): Fault[] {
  switch (shape.is) {
    case "anything":
      return [];
    case "scalar":
      return tree.kind === "scalar" && isOfKind(tree, shape.kinds)
        ? faultOf(path, at, shape.check?.(tree.value))
        : [wrongKind(path, at, shape.kinds)];
    case "list":
      return tree.kind === "sequence"
        ? listFaults(tree, shape.of, shape.unique, at, path)
        : [wrongKind(path, at, ["array"])];
    case "map":
      return tree.kind === "mapping" ? mapFaults(tree, shape, path) : [wrongKind(path, at, ["mapping"])];
    case "record":
      return tree.kind === "mapping" ? recordFaults(tree, shape, at, path) : [wrongKind(path, at, ["mapping"])];
    case "either":
      return eitherFaults(tree, shape.shapes, at, path);
    default:
      return shape satisfies never;
  }
}

function faultOf(path: readonly string[], at: Origin, text: string | undefined): Fault[] {
  return text === undefined ? [] : [{ path, at, text }];
}

function wrongKind(path: readonly string[], at: Origin, wanted: readonly string[]): Fault {
  const names = [...new Set(wanted)].sort();
  const last = names.at(-1) ?? "";
  return {
    path,
    at,
    wanted: names,
    text: `must be a ${[names.slice(0, -1).join(", "), last].filter(Boolean).join(" or ")}`,
  };
}

function isOfKind({ value }: Scalar, kinds: readonly Kind[]): boolean {
  if (value === null) return kinds.includes("null");
  if (typeof value === "number")
    return kinds.includes("number") || (kinds.includes("integer") && Number.isInteger(value));
  return kinds.includes(typeof value as Kind);
}

function listFaults(tree: Sequence, of: Shape, unique: boolean, at: Origin, path: readonly string[]): Fault[] {
  const faults = tree.items.flatMap((item, i) => findFaults(item, of, item.at, [...path, String(i)]));
  if (!unique || faults.length > 0) return faults;
  const seen = new Map<string, number>();
  for (const [i, item] of tree.items.entries()) {
    const text = JSON.stringify(toPlain(item));
    const twin = seen.get(text);
    if (twin !== undefined) return faultOf(path, at, `items at ${twin} and ${i} are equal`);
    seen.set(text, i);
  }
  return [];
}

function mapFaults(tree: Mapping, shape: Shape & { is: "map" }, path: readonly string[]): Fault[] {
  return [...tree.entries].flatMap(([key, { at, value }]) => {
    if (shape.keys.test(key)) return findFaults(value, shape.of, at, [...path, key]);
    return shape.open ? [] : [unknownKey(path, key, at)];
  });
}

function recordFaults(tree: Mapping, shape: Shape & { is: "record" }, at: Origin, path: readonly string[]): Fault[] {
  const missing = shape.required.filter((key) => !tree.entries.has(key));
  const faults = [...tree.entries].flatMap(([key, entry]) => {
    const own = shape.keys.get(key);
    if (own) return findFaults(entry.value, own, entry.at, [...path, key]);
    return shape.extensible && key.startsWith("x-") ? [] : [unknownKey(path, key, entry.at)];
  });
  const names = missing.map((key) => `'${key}'`).join(", ");
  return [...faultOf(path, at, missing.length > 0 ? `missing property ${names}` : undefined), ...faults];
}

const unknownKey = (path: readonly string[], key: string, at: Origin): Fault => ({
  path,
  at,
  text: `additional properties '${key}' not allowed`,
});

/** The faults of the alternative that fits best: one whose kind is right, else what all of them want. */
function eitherFaults(tree: Tree, shapes: readonly Shape[], at: Origin, path: readonly string[]): Fault[] {
  const tried = shapes.map((shape) => findFaults(tree, shape, at, path));
  if (tried.some((faults) => faults.length === 0)) return [];
  const wanted: string[] = [];
  for (const faults of tried) {
    const kinds = faults.length === 1 && faults[0]?.path.length === path.length ? faults[0].wanted : undefined;
    if (kinds === undefined) return faults;
    wanted.push(...kinds);
  }
  return [wrongKind(path, at, wanted)];
}
