/** Single values of the command line as Go's libraries read them, with their error texts: numbers, sizes, durations, addresses. Pure. */
import { isIPv4, isIPv6 } from "node:net";
import { FlagValueError, quoteGo } from "./flags.ts";

/** Go's strconv.ParseUint, base 10. */
export function parseUint(text: string, bits: 16 | 64): number {
  return readUint(text, bits, /^[0-9]+$/.test(text) ? BigInt(text) : undefined);
}

/** A flag's unsigned number: decimal, 0x, 0o, 0b, or octal after a leading 0. Source: pflag uint16.go (base 0). */
export function parseUintFlag(text: string, bits: 16 | 64): number {
  const known = /^(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)$/.test(text);
  return readUint(text, bits, known ? BigInt(text.replace(/^0(?=[0-7])/, "0o")) : undefined);
}

function readUint(text: string, bits: 16 | 64, value: bigint | undefined): number {
  const fail = (why: string): FlagValueError =>
    new FlagValueError(`strconv.ParseUint: parsing ${quoteGo(text)}: ${why}`);
  if (value === undefined) throw fail("invalid syntax");
  if (BigInt.asUintN(bits, value) !== value) throw fail("value out of range");
  return Number(value);
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};

/** "64m", "1.5 GiB" as bytes, 1024-based. Source: go-units size.go RAMInBytes of 0.5. */
export function parseSize(text: string): number {
  // the last digit, point or blank parts the number from its unit
  const [, number, suffix = ""] = /^(.*[0-9. ])([^0-9. ]*)$/s.exec(text) ?? [];
  const digits = number?.endsWith(" ") ? number.slice(0, -1) : number;
  if (digits === undefined) throw new FlagValueError(`invalid size: '${text}'`);
  if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(digits))
    throw new FlagValueError(`strconv.ParseFloat: parsing ${quoteGo(digits)}: invalid syntax`);
  if (digits.startsWith("-")) throw new FlagValueError(`invalid size: '${text}'`);
  if (!/^(b?|[kmgtp](i?b)?)$/i.test(suffix)) throw new FlagValueError(`invalid suffix: '${suffix}'`);
  return Math.trunc(Number(digits) * (SIZE_UNITS[suffix.charAt(0).toLowerCase()] ?? 1));
}

/** A size, or -1 for no limit. */
export const parseSwapSize = (text: string): number => (text === "-1" ? -1 : parseSize(text));

/** "1.5", "1/2", "5e-1" processors as billionths. Source: docker/cli opts/opts.go ParseCPUs. */
export function parseCpus(text: string): number {
  const found = /^([+-]?)(?:([0-9]+)\/([0-9]+)|([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,3}))?)$/.exec(text);
  const [, sign, dividend, divisor = "1", whole = "", fraction = "", exponent = "0"] = found ?? [];
  if (!found || (dividend ?? whole + fraction) === "" || /^0+$/.test(divisor))
    throw new FlagValueError(`failed to parse ${text} as a rational number`);
  const shift = 9 - fraction.length + Number(exponent);
  const numerator = BigInt(dividend ?? whole + fraction) * 10n ** BigInt(Math.max(shift, 0));
  const denominator = BigInt(divisor) * 10n ** BigInt(Math.max(-shift, 0));
  if (numerator % denominator !== 0n) throw new FlagValueError("value is too precise");
  return Number(numerator / denominator) * (sign === "-" ? -1 : 1);
}

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "\u00b5s": 1e3,
  "\u03bcs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** "1m30s" as nanoseconds. Source: Go time.ParseDuration. */
export function parseDuration(text: string): number {
  const fail = (why: string): FlagValueError => new FlagValueError(`time: ${why}`);
  const [, sign, parts = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (parts === "0") return 0;
  if (parts === "") throw fail(`invalid duration ${quoteGo(text)}`);
  let total = 0;
  for (let rest = parts; rest !== ""; ) {
    const [whole = "", number = "", unit = ""] = /^([0-9]*\.?[0-9]*)([^0-9.]*)/.exec(rest) ?? [];
    if (!/[0-9]/.test(number)) throw fail(`invalid duration ${quoteGo(text)}`);
    if (unit === "") throw fail(`missing unit in duration ${quoteGo(text)}`);
    const factor = NANOSECONDS[unit];
    if (factor === undefined) throw fail(`unknown unit ${quoteGo(unit)} in duration ${quoteGo(text)}`);
    total += Number(number) * factor;
    rest = rest.slice(whole.length);
  }
  if (total >= 2 ** 63) throw fail(`invalid duration ${quoteGo(text)}`);
  return Math.trunc(total) * (sign === "-" ? -1 : 1);
}

/** An address in its shortest form, undefined for none: "2001:DB8::0:53" is 2001:db8::53, "::ffff:10.0.0.1" is 10.0.0.1. Source: Go net.ParseIP. */
export function parseIp(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const short = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  const bits = Number.parseInt(high, 16) * 65536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join(".");
}

/** 6, 8 or 20 bytes as `01:23:..`, `01-23-..` or `0123.4567...`. Source: Go net.ParseMAC. */
export function isMac(text: string): boolean {
  const pairs = /^[0-9a-f]{2}(?::[0-9a-f]{2})+$|^[0-9a-f]{2}(?:-[0-9a-f]{2})+$/i.test(text);
  const quads = /^[0-9a-f]{4}(?:\.[0-9a-f]{4})+$/i.test(text);
  const bytes = pairs ? (text.length + 1) / 3 : quads ? ((text.length + 1) / 5) * 2 : 0;
  return [6, 8, 20].includes(bytes);
}

/** The two sides of the first `separator`; undefined on the right when there is none. Go's strings.Cut. */
export function cut(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** key=value texts as a record; the last one of a key wins, no `=` means an empty value. */
export const pairsOf = (texts: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    texts.map((text) => {
      const [key, value = ""] = cut(text, "=");
      return [key, value];
    }),
  );
