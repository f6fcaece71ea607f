/** Sizes, ids and orders as docker prints them. Sources: go-units size.go; fvbommel/sortorder; docker/cli formatter. */

/** `59MB`, `1.09kB`: steps of 1000, so many significant digits. */
export const humanSize = (bytes: number, digits = 4): string =>
  sizeIn(bytes, 1000, ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"], digits);

/** `23.54GiB`: steps of 1024. */
export const humanBytes = (bytes: number): string =>
  sizeIn(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"], 4);

function sizeIn(bytes: number, base: number, units: readonly string[], digits: number): string {
  let size = bytes;
  let step = 0;
  for (; size >= base && step < units.length - 1; step++) size /= base;
  return `${Number(size.toPrecision(digits))}${units[step]}`;
}

/** The first 12 digits of an id, without its algorithm. */
export const shortId = (id: string): string => id.replace(/^[^:]*:/, "").slice(0, 12);

/** At most so many characters, the last of them `…`. */
export function ellipsis(text: string, length: number): string {
  const chars = [...text];
  if (chars.length <= length) return text;
  return length <= 3 ? chars.slice(0, length).join("") : `${chars.slice(0, length - 1).join("")}…`;
}

/** Numbers inside of texts are compared as numbers: net2 before net10. */
export function compareNatural(a: string, b: string): number {
  const [chunksA, chunksB] = [a, b].map((text) => text.match(/\d+|\D/g) ?? []);
  for (let at = 0; ; at++) {
    const [x, y] = [chunksA?.[at], chunksB?.[at]];
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? -1 : 1;
    if (x === y) continue;
    const areNumbers = /^\d/.test(x) && /^\d/.test(y);
    const order = areNumbers ? compareDigits(x, y) : x < y ? -1 : 1;
    if (order !== 0) return order;
  }
}

function compareDigits(a: string, b: string): number {
  const [x, y] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  if (x.length !== y.length) return x.length - y.length;
  return x === y ? a.length - b.length : x < y ? -1 : 1;
}

/** Seconds since 1970 as Go's Time.String() in this machine's zone: `2006-01-02 15:04:05 -0700 MST`. */
export function goTimeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString();
  const sign = offset < 0 ? "-" : "+";
  const [hours, minutes] = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60].map((n) =>
    String(n).padStart(2, "0"),
  );
  const zone = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
    .formatToParts(date)
    .find((part) => part.type === "timeZoneName")?.value;
  const name = zone === undefined || /^GMT[+-]/.test(zone) ? `${sign}${hours}${minutes === "00" ? "" : minutes}` : zone;
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${sign}${hours}${minutes} ${name}`;
}
