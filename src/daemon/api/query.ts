/** The query of a request: text by key, read as moby's daemon/server/httputils/form.go does. */
import { httpError } from "./refuse.ts";

export type Query = Readonly<Record<string, string>>;

/** The last value of each key counts once; a key that is repeated has its first value, as Go's Form.Get. */
export function parseQuery(url: string): Query {
  const start = url.indexOf("?");
  const pairs = [...new URLSearchParams(start < 0 ? "" : url.slice(start + 1))].reverse();
  return Object.fromEntries(pairs);
}

/** Anything but these is true. */
export function flagOf(query: Query, key: string, fallback = false): boolean {
  const text = query[key]?.trim().toLowerCase();
  if (text === undefined) return fallback;
  return !["", "0", "no", "false", "none"].includes(text);
}

/** @throws DocknetError with status 500: what Go's strconv says */
export function integerOf(query: Query, key: string): number | undefined {
  const text = query[key];
  return text === undefined || text === "" ? undefined : atoi(text);
}

/** Go's strconv.Atoi. */
export function atoi(text: string, status = 500, prefix = ""): number {
  const value = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value))
    throw httpError(status, `${prefix}strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return value;
}

/** Rows or columns of a terminal. @param what "height" */
export function cellsOf(query: Query, key: "h" | "w", what: string): number {
  const text = query[key] ?? "";
  if (!/^\d{1,9}$/.test(text)) throw httpError(400, `invalid resize ${what} ${JSON.stringify(text)}: invalid syntax`);
  if (Number(text) > 65_535) throw httpError(400, `invalid resize ${what} ${JSON.stringify(text)}: value out of range`);
  return Number(text);
}

/** "1795333340", "1795333340.584914533": seconds since the epoch to nanoseconds. @throws DocknetError with status 500 */
export function nanosOf(text: string | undefined): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  const [, seconds, fraction = ""] = /^(-?\d{1,12})(?:\.(\d{1,9})\d*)?$/.exec(text) ?? [];
  if (seconds === undefined) {
    const bad = text.split(".")[0] ?? text;
    throw httpError(500, `strconv.ParseInt: parsing ${JSON.stringify(bad)}: invalid syntax`);
  }
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}
