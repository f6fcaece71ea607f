/** JSON as Go's encoding/json writes it: a line break at the end, and sorted keys where Go has a map. */

export const JSON_TYPE = "application/json";

/** The body of an answer (moby httputils.WriteJSON: no HTML escapes). */
export function encodeBody(value: unknown): string {
  return `${escapeSeparators(JSON.stringify(value))}\n`;
}

/** One document of a stream, where Go escapes what HTML would take for markup. */
export function encodeDocument(value: unknown): string {
  const text = escapeSeparators(JSON.stringify(value));
  return text.replaceAll("<", "\\u003c").replaceAll(">", "\\u003e").replaceAll("&", "\\u0026");
}

const escapeSeparators = (text: string): string => text.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");

/** Go writes the keys of a map in byte order. */
export function sortedMap<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
