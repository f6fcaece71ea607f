/**
 * Text from a lab file or a packet, made safe to print. A service may be named, and a check may be called, whatever YAML can hold:
 * escape sequences would repaint the terminal, a line break would forge a line of the report, a bidi override would swap
 * "allow" and "deny" before the reader's eyes (CVE-2021-42574).
 */

/** C0, DEL and C1; line and paragraph separators; bidi marks, embeddings, overrides and isolates; zero width; BOM; lone surrogates. */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for here
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

/** One line of printable text; what is taken out leaves no gap, but white space stays one blank. */
export function cleanText(text: string): string {
  // whole ANSI sequences first, so that "\x1b[31m" leaves no "[31m" behind (ECMA-48 5.4 CSI, 5.6 OSC and its kin)
  const plain = text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
    /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g,
    "",
  );
  const oneLine = plain.replace(/[\t\n\r\u2028\u2029]+/g, " ").replace(UNPRINTABLE, "");
  // GitHub's runner acts on ##[command] anywhere in a line of a log (actions/runner ActionCommand.cs TryParse)
  return oneLine.replaceAll("##[", "# #[");
}

/** Every string of a value cleaned, so that no renderer can forget one. */
export function cleanStrings<T>(value: T): T {
  if (typeof value === "string") return cleanText(value) as T;
  if (Array.isArray(value)) return value.map(cleanStrings) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cleanStrings(inner)])) as T;
}

/** Characters that JSON leaves as they are, but a terminal or a page does not: C1, DEL, separators, bidi controls. */
const ESCAPED = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** JSON text with the same meaning, in which what could harm a terminal is escaped, not removed. */
export function escapeJson(text: string): string {
  return text.replace(ESCAPED, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Pretty, with a line break at the end, and harmless on a terminal. */
export const renderCleanJson = (value: object): string => `${escapeJson(JSON.stringify(value, null, 2))}\n`;
