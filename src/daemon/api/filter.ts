/** `filters={"label":["a"],...}` of lists, prunes and events. Source: moby api/types/filters/parse.go. */

import type { Json } from "../record.ts";
import { isObject } from "./fields.ts";
import { httpError } from "./refuse.ts";

/** Values by key; of one key any may match, of several keys all must. */
export class Filters {
  private readonly values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.values = values;
  }

  has(key: string): boolean {
    return this.get(key).length > 0;
  }

  get(key: string): readonly string[] {
    return this.values.get(key) ?? [];
  }

  /** @throws DocknetError USAGE for a key that is not in `known` */
  check(known: readonly string[]): this {
    for (const key of this.values.keys()) if (!known.includes(key)) throw httpError(400, `invalid filter '${key}'`);
    return this;
  }

  /** True without values of that key. */
  exact(key: string, value: string): boolean {
    return !this.has(key) || this.get(key).includes(value);
  }

  /** As `exact`, and a value may also be a pattern that matches a part. */
  match(key: string, ...candidates: readonly string[]): boolean {
    return !this.has(key) || this.get(key).some((pattern) => candidates.some((text) => matches(pattern, text)));
  }

  /** A value may be the beginning. */
  fuzzy(key: string, ...candidates: readonly string[]): boolean {
    return !this.has(key) || this.get(key).some((start) => candidates.some((text) => text.startsWith(start)));
  }

  /** "name" or "name=value"; all of them must be there. */
  labels(key: string, labels: Readonly<Record<string, string>>): boolean {
    return this.get(key).every((wanted) => {
      const equals = wanted.indexOf("=");
      const value = labels[equals < 0 ? wanted : wanted.slice(0, equals)];
      return value !== undefined && (equals < 0 || value === wanted.slice(equals + 1));
    });
  }

  /** @returns undefined without values. @throws DocknetError USAGE */
  flag(key: string): boolean | undefined {
    const [text, ...more] = this.get(key);
    if (text === undefined) return undefined;
    if (more.length > 0) throw httpError(400, `got more than one value for filter key "${key}"`);
    const yes = text === "1" || text === "true";
    if (yes || text === "0" || text === "false") return yes;
    throw httpError(400, `invalid value for filter '${key}', must be "true" (or "1"), or "false" (or "0")`);
  }
}

const MAX_PATTERN = 256;

/** Docker takes patterns for regular expressions. Repeated groups and many repeats, which can take JavaScript for ever, are plain text here. */
function matches(pattern: string, text: string): boolean {
  const repeats = pattern.match(/[*+?{]/g)?.length ?? 0;
  const isTame = pattern.length <= MAX_PATTERN && repeats <= 2 && !/\(\?|\)[*+?{]/.test(pattern);
  if (!isTame) return text.includes(pattern);
  try {
    return new RegExp(pattern).test(text);
  } catch {
    return text.includes(pattern);
  }
}

const MAX_VALUES = 1000;

/** @param text JSON: an object of lists, or of objects whose keys are the values (before API 1.22). @throws DocknetError USAGE */
export function parseFilters(text: string | undefined): Filters {
  if (!text) return new Filters(new Map());
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw httpError(400, "invalid filter");
  }
  if (!isObject(value)) throw httpError(400, "invalid filter");
  const entries = Object.entries(value).map(([key, list]) => [key, valuesOf(list)] as const);
  if (entries.reduce((sum, [, list]) => sum + list.length, 0) > MAX_VALUES) throw httpError(400, "invalid filter");
  return new Filters(new Map(entries.filter(([, list]) => list.length > 0)));
}

function valuesOf(list: Json): readonly string[] {
  if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list as readonly string[];
  if (!isObject(list)) throw httpError(400, "invalid filter");
  return Object.entries(list).flatMap(([value, set]) => (set === true ? [value] : []));
}
