/** The wall clock in nanoseconds, as Docker writes times. */

const NANOS_PER_MS = 1_000_000n;
/** Wall clock less monotonic clock, in nanoseconds. */
let offset = 0n;

/** Nanoseconds since the epoch. Successive values rise, but where the machine's clock is set. */
export function epochNano(): bigint {
  const wall = BigInt(Date.now()) * NANOS_PER_MS;
  const monotonic = process.hrtime.bigint();
  const drift = wall - (monotonic + offset);
  if (drift > 2n * NANOS_PER_MS || drift < -2n * NANOS_PER_MS) offset = wall - monotonic;
  return monotonic + offset;
}

/** "2026-11-22T03:18:44.641888692Z": UTC as Go's time.RFC3339Nano, nanoseconds without zeros at the end; now unless said. */
export function rfc3339Nano(nano: bigint = epochNano()): string {
  const seconds = new Date(Number(nano / NANOS_PER_MS)).toISOString().slice(0, 19);
  const fraction = (nano % (1000n * NANOS_PER_MS)).toString().padStart(9, "0").replace(/0+$/, "");
  return fraction === "" ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

/** Of a time that `rfc3339Nano` wrote: nanoseconds since the epoch; 0 for anything else. */
export function parseRfc3339Nano(text: string): bigint {
  const [, whole = "", fraction = ""] = /^(.{19})(?:\.(\d{1,9}))?Z$/.exec(text) ?? [];
  const millis = Date.parse(`${whole}Z`);
  return Number.isNaN(millis) ? 0n : BigInt(millis) * NANOS_PER_MS + BigInt(fraction.padEnd(9, "0"));
}
