/**
 * A YAML document as values that know where they were written. Interpolation, `extends`, `include` and merging all work
 * on this tree and keep each value's origin, so a message about line 14 of an override file points there.
 *
 * Keys live in a Map: `__proto__` and `constructor` are keys like any other.
 */
import type { Origin } from "../errors.ts";

/** `!reset` removes what earlier files said, `!override` replaces it (Compose specification, 13-merge.md). */
export type MergeTag = "reset" | "override";

export interface Scalar {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  readonly at: Origin;
  readonly tag?: MergeTag;
}

export interface Sequence {
  readonly kind: "sequence";
  readonly items: readonly Tree[];
  readonly at: Origin;
  readonly tag?: MergeTag;
}

export interface Mapping {
  readonly kind: "mapping";
  readonly entries: ReadonlyMap<string, Entry>;
  readonly at: Origin;
  readonly tag?: MergeTag;
}

/** A key with its own place: most messages point at the key, not at the value. */
export interface Entry {
  readonly at: Origin;
  readonly value: Tree;
}

export type Tree = Scalar | Sequence | Mapping;

/** The entry of a mapping, or undefined when the tree is no mapping or has no such key. */
export function entryOf(tree: Tree | undefined, key: string): Entry | undefined {
  return tree?.kind === "mapping" ? tree.entries.get(key) : undefined;
}

export function childOf(tree: Tree | undefined, key: string): Tree | undefined {
  return entryOf(tree, key)?.value;
}

export function isNull(tree: Tree): boolean {
  return tree.kind === "scalar" && tree.value === null;
}

export function scalar(value: Scalar["value"], at: Origin): Scalar {
  return { kind: "scalar", value, at };
}

export function mapping(entries: ReadonlyMap<string, Entry>, at: Origin): Mapping {
  return { kind: "mapping", entries, at };
}

export function sequence(items: readonly Tree[], at: Origin): Sequence {
  return { kind: "sequence", items, at };
}

/** Same values, wherever they were written. */
export function equalTrees(a: Tree, b: Tree): boolean {
  if (a === b) return true;
  if (a.kind === "scalar" && b.kind === "scalar") return a.value === b.value;
  if (a.kind === "sequence" && b.kind === "sequence") {
    return (
      a.items.length === b.items.length &&
      a.items.every((item, i) => {
        const other = b.items[i];
        return other !== undefined && equalTrees(item, other);
      })
    );
  }
  if (a.kind === "mapping" && b.kind === "mapping") {
    return (
      a.entries.size === b.entries.size &&
      [...a.entries].every(([key, entry]) => {
        const other = b.entries.get(key);
        return other !== undefined && equalTrees(entry.value, other.value);
      })
    );
  }
  return false;
}

/** Plain data for a schema checker. Objects have no prototype, so `__proto__` is data too. */
export function toPlain(tree: Tree): unknown {
  if (tree.kind === "scalar") return tree.value;
  if (tree.kind === "sequence") return tree.items.map(toPlain);
  const plain: Record<string, unknown> = Object.create(null);
  for (const [key, entry] of tree.entries) plain[key] = toPlain(entry.value);
  return plain;
}

/** The place of a path inside a tree; of its nearest ancestor when the path leads nowhere. */
export function originAt(tree: Tree, path: readonly PropertyKey[]): Origin {
  let at = tree.at;
  let here: Tree | undefined = tree;
  for (const step of path) {
    if (here?.kind === "mapping") {
      const entry: Entry | undefined = here.entries.get(String(step));
      if (!entry) return at;
      at = entry.at;
      here = entry.value;
    } else if (here?.kind === "sequence") {
      const item: Tree | undefined = here.items[Number(step)];
      if (!item) return at;
      at = item.at;
      here = item;
    } else {
      return at;
    }
  }
  return at;
}
