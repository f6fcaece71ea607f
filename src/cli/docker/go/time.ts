/** Times as Go prints them. */

/** RFC 3339 -> `2006-01-02 15:04:05.999999999 -0700 MST` (Go's Time.String); the zone stays as it was written. */
export function formatGoTime(text: string): string {
  const found = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.exec(text);
  if (!found) return text;
  const [, date, time, fraction = "", zone = "Z"] = found;
  const offset = zone === "Z" ? "+0000 UTC" : `${zone.replace(":", "")} ${zone.replace(":", "")}`;
  return `${date} ${time}${fraction.replace(/\.?0+$/, "")} ${offset}`;
}
