/** `until` of prunes and of events: a moment, or a duration before now. Source: moby api/types/time/timestamp.go, daemon/prune.go. */
import { epochNano } from "../../kernel/clock.ts";
import type { Filters } from "./filter.ts";
import { httpError } from "./refuse.ts";

/** Nanoseconds since the epoch. @throws DocknetError USAGE */
export function untilNanos(filters: Filters): bigint | undefined {
  const [text, ...more] = filters.get("until");
  if (text === undefined) return undefined;
  if (more.length > 0) throw httpError(400, 'more than one "until" filter specified');
  const moment = durationNanos(text) ?? secondsNanos(text) ?? rfc3339Nanos(text);
  if (moment === undefined) throw httpError(400, `failed to parse value as time or duration: ${JSON.stringify(text)}`);
  return moment;
}

const UNIT: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n,
};

/** "10m", "1h30m": that long ago. */
function durationNanos(text: string): bigint | undefined {
  if (!/^(\d{1,9}(h|ms|m|s|us|ns))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+)(h|ms|m|s|us|ns)/g)];
  return (
    epochNano() - parts.reduce((sum, [, count = "0", unit = "ns"]) => sum + BigInt(count) * (UNIT[unit] ?? 0n), 0n)
  );
}

const secondsNanos = (text: string): bigint | undefined =>
  /^\d{1,12}$/.test(text) ? BigInt(text) * 1_000_000_000n : undefined;

/** "2026-11-22", "2026-11-22T03:18", "2026-11-22T03:18:44.641888692Z". */
function rfc3339Nanos(text: string): bigint | undefined {
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? "";
  const whole = text.replace(/\.\d{1,9}/, "");
  const zoned = /(Z|[+-]\d\d:\d\d)$/.test(whole) || !whole.includes("T") ? whole : `${whole}Z`;
  const millis = /^\d{4}-\d\d-\d\d(T|$)/.test(whole) ? Date.parse(zoned) : Number.NaN;
  return Number.isNaN(millis) ? undefined : BigInt(millis) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}
