/**
 * Typed reads of a tree. A value of the wrong kind becomes one problem at its place, in the words of Compose's schema
 * check (compose-go schema/schema.go), and is read as absent.
 */
import type { Origin } from "../errors.ts";
import type { ProblemList } from "./problem-list.ts";
import { type Entry, isNull, type Mapping } from "./tree.ts";

/** A text with the place where it was written. */
export interface Placed<T> {
  readonly value: T;
  readonly at: Origin;
}

export function readMapping(
  entry: Entry | undefined,
  path: string,
  problems: ProblemList,
  nullable = false,
): Mapping | undefined {
  if (!entry || (nullable && isNull(entry.value))) return undefined;
  if (entry.value.kind === "mapping") return entry.value;
  problems.error(entry.at, `${path} must be a mapping`);
  return undefined;
}

export function readString(entry: Entry | undefined, path: string, problems: ProblemList): string | undefined {
  if (!entry) return undefined;
  if (entry.value.kind === "scalar" && typeof entry.value.value === "string") return entry.value.value;
  problems.error(entry.at, `${path} must be a string`);
  return undefined;
}

/** `true`, `"true"`: interpolation makes text of everything. */
export function readBoolean(entry: Entry | undefined, path: string, problems: ProblemList): boolean | undefined {
  if (!entry) return undefined;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  if (typeof value === "boolean") return value;
  // YAML 1.1 words, which Compose accepts where text stands for a boolean (compose-go interpolation casts)
  if (typeof value === "string" && /^(true|y|yes|on)$/i.test(value)) return true;
  if (typeof value === "string" && /^(false|n|no|off)$/i.test(value)) return false;
  problems.error(entry.at, `${path} must be a boolean or string`);
  return undefined;
}

export function readInteger(
  entry: Entry | undefined,
  path: string,
  problems: ProblemList,
  minimum = Number.MIN_SAFE_INTEGER,
): number | undefined {
  if (!entry) return undefined;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  const number = typeof value === "string" && /^[+-]?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) {
    problems.error(entry.at, `${path} must be a integer or string`);
    return undefined;
  }
  if (number >= minimum) return number;
  problems.error(entry.at, `${path} must be greater than or equal to ${minimum}`);
  return undefined;
}

/** Items of a list that may be text or numbers, each once; the later of two equal ones stands in the earlier's place. */
export function readTexts(
  entry: Entry | undefined,
  path: string,
  problems: ProblemList,
  numbers = false,
): Placed<string>[] {
  if (!entry) return [];
  if (entry.value.kind !== "sequence") {
    problems.error(entry.at, `${path} must be a array`);
    return [];
  }
  const texts = new Map<string, Placed<string>>();
  for (const [i, item] of entry.value.items.entries()) {
    const value = item.kind === "scalar" ? item.value : undefined;
    if (typeof value === "string" || (numbers && typeof value === "number"))
      texts.set(String(value), { value: String(value), at: item.at });
    else problems.error(item.at, `${path}.${i} must be a string`);
  }
  return [...texts.values()];
}

/** One text, or a list of them. */
export function readTextOrTexts(entry: Entry | undefined, path: string, problems: ProblemList): Placed<string>[] {
  if (entry?.value.kind === "scalar" && typeof entry.value.value === "string") {
    return [{ value: entry.value.value, at: entry.value.at }];
  }
  return readTexts(entry, path, problems);
}

/** `{k: v}` or `["k=v"]`; numbers and booleans become text, null becomes "". */
export function readPairs(entry: Entry | undefined, path: string, problems: ProblemList): Map<string, Placed<string>> {
  const pairs = new Map<string, Placed<string>>();
  if (!entry) return pairs;
  if (entry.value.kind === "mapping") {
    for (const [key, item] of entry.value.entries) {
      if (item.value.kind === "scalar") pairs.set(key, { value: String(item.value.value ?? ""), at: item.at });
      else problems.error(item.at, `${path}.${key} must be a boolean, null, number or string`);
    }
    return pairs;
  }
  if (entry.value.kind === "scalar") {
    problems.error(entry.at, `${path} must be a mapping`);
    return pairs;
  }
  for (const { value, at } of readTexts(entry, path, problems)) {
    const cut = value.indexOf("=");
    pairs.set(cut < 0 ? value : value.slice(0, cut), { value: cut < 0 ? "" : value.slice(cut + 1), at });
  }
  return pairs;
}

/** Own properties whatever the key: fromEntries defines `__proto__`, it does not assign to it. */
export function toRecord(pairs: ReadonlyMap<string, Placed<string>>): Readonly<Record<string, string>> {
  return Object.fromEntries([...pairs].map(([key, { value }]) => [key, value]));
}
