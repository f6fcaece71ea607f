/** --since and --until: a moment, or a duration back from now, as the engine takes it. Source: moby api/types/time/timestamp.go GetTimestamp. */
import { parseDuration } from "./flag-value.ts";
import { FlagValueError, quoteGo } from "./flags.ts";

const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/i;

/** Unix seconds, with nanoseconds where they were given; a moment without zone is one of the local zone. Throws FlagValueError. */
export function readTimestamp(text: string, now: Date): string {
  const back = text === "0" ? undefined : durationOf(text);
  if (back !== undefined) return String(Math.floor((now.getTime() - back / 1e6) / 1000));
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] =
    DATE.exec(text) ?? [];
  if (year === undefined || month === undefined || day === undefined) return readSeconds(text);
  checkRange(text, [Number(month), Number(day), Number(hour), Number(minute), Number(second)], Number(year));
  const moment = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone.toUpperCase()}`);
  return `${Math.floor(moment.getTime() / 1000)}.${fraction.padEnd(9, "0")}`;
}

/** What is no date: seconds and fraction, sent as they are. */
function readSeconds(text: string): string {
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) return text;
  if (text.includes("-")) throw new FlagValueError(`parsing time ${quoteGo(text)}: cannot parse`);
  throw new FlagValueError(`failed to parse value as time or duration: ${quoteGo(text)}`);
}

function durationOf(text: string): number | undefined {
  try {
    return parseDuration(text);
  } catch (error) {
    if (error instanceof FlagValueError) return undefined;
    throw error;
  }
}

function checkRange(text: string, parts: readonly [number, number, number, number, number], year: number): void {
  const [month, day, hour, minute, second] = parts;
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const bad =
    ((month < 1 || month > 12) && "month") ||
    ((day < 1 || day > days) && "day") ||
    (hour > 23 && "hour") ||
    (minute > 59 && "minute") ||
    (second > 59 && "second");
  if (bad) throw new FlagValueError(`parsing time ${quoteGo(text)}: ${bad} out of range`);
}
