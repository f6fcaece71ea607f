/**
 * Makes two recordings of one session comparable: what no two runs share (ids, times, generated MACs, kernel names) becomes a
 * placeholder, everything else stays byte for byte. Equal things stay equal, and different forms of a thing stay different:
 *
 *   <id64:WEB> <id12:WEB>   an id that an earlier step printed, whole or short; `br-<id12:FRONT>`
 *   <id64:#1> <id12:#1>     any other, numbered by its first appearance in the step
 *   <WEB:4>                 a shorter prefix that the step was given as an argument
 *   <mac:#1>                a MAC address that no step asked for
 *   <time> <date> <date:s>  RFC 3339, and Go's time.String() with and without a fraction; Go's zero time stays
 *   <ago> <up>              "3 seconds ago", "Up 3 seconds"; a table's column that holds them is no longer padded
 *   <veth> <netns>          a generated link name, a sandbox's path
 *
 * What `ip` of iproute2 6.10 and later adds about an address that the kernel gave, "proto kernel_lo", is left out.
 */
export interface Known {
  /** Ids of 64 digits and the names that the session gave them. */
  readonly ids: ReadonlyMap<string, string>;
  /** MAC addresses that some step asked for; they stay. */
  readonly macs: ReadonlySet<string>;
  /** Prefixes that this step was given as arguments, and what to call them; they end where a word ends. */
  readonly prefixes: ReadonlyMap<string, string>;
}

/** @returns a function for all texts of one step: its numbers go on from text to text */
export function normaliser(known: Known): (text: string) => string {
  const idName = namer(new Map([...known.ids].map(([id, name]) => [id.slice(0, SHORT_ID), name])));
  const macName = namer(new Map());
  return (text) => {
    let out = loosenTables(text);
    out = replaceTimes(out);
    for (const [prefix, name] of known.prefixes) out = out.replace(new RegExp(`\\b${prefix}\\b`, "g"), `<${name}>`);
    out = out.replace(HEX_64, (id) => `<id64:${idName(id.slice(0, SHORT_ID))}>`);
    out = out.replace(/("SandboxKey": ?")[^"]+(")|[/\w.-]+\/netns\/[0-9a-f]{12}\b/g, (_, head, tail) =>
      head ? `${head}<netns>${tail}` : "<netns>",
    );
    out = out.replace(HEX_12, (id) => `<id12:${idName(id)}>`);
    out = out.replace(MAC, (mac) => (known.macs.has(mac) ? mac : `<mac:${macName(mac)}>`));
    out = out.replace(/(?<= scope \w+) proto kernel_(?:lo|ll|ra)\b/g, "");
    return out.replace(/\bveth[0-9a-f]{7}\b/g, "<veth>");
  };
}

const SHORT_ID = 12;
const HEX_64 = /(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])/g;
const HEX_12 = /(?<![0-9A-Za-z])[0-9a-f]{12}(?![0-9A-Za-z])/g;
const MAC = /(?<![0-9A-Za-z:])[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?![0-9A-Za-z:])/g;

/** Known keys by their name, others as "#1", "#2" by first appearance. */
function namer(names: ReadonlyMap<string, string>): (key: string) => string {
  const numbers = new Map<string, string>();
  return (key) => {
    const name = names.get(key) ?? numbers.get(key) ?? `#${numbers.size + 1}`;
    if (!names.has(key)) numbers.set(key, name);
    return name;
  };
}

const AGO = /\b(?:Less than a second|About a minute|\d+ (?:second|minute)s?) ago\b/g;
const UP = /\bUp (?:Less than a second|About a minute|\d+ (?:second|minute)s?)(?= \(|\s|"|$)/gm;

function replaceTimes(text: string): string {
  return text
    .replace(/\b(?!0001)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(?=Z|[+-]\d\d:\d\d)/g, "<time>")
    .replace(/\b(?!0001)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9} (?=[+-]\d{4})/g, "<date> ")
    .replace(/\b(?!0001)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?=[+-]\d{4})/g, "<date:s> ")
    .replace(/"time":\d{10},"timeNano":\d{19}\b/g, '"time":<s>,"timeNano":<ns>')
    .replace(/\bexecDuration=\d+/g, "execDuration=<s>")
    .replace(AGO, "<ago>")
    .replace(UP, "<up>");
}

/** A header in capitals, its columns at least three blanks apart (docker's tabwriter: minimum 10, padding 3). */
const HEADER = /^[A-Z][A-Z0-9 ]*?(?: {3,}[A-Z][A-Z0-9 ]*?)+$/;

/**
 * How wide a column with "3 seconds ago" is depends on the time. Such columns lose their padding; a table whose cells do not
 * stand under their headers stays as it is, and so does every other column.
 */
function loosenTables(text: string): string {
  const lines = text.split("\n");
  const header = lines[0] ?? "";
  const end = lines.indexOf("") < 0 ? lines.length : lines.indexOf("");
  if (!HEADER.test(header.trimEnd())) return text;
  const starts = [...header.matchAll(/(?<=^| {3})[A-Z]/g)].map(({ index }) => index);
  const rows = lines.slice(0, end).map((line) => starts.map((start, i) => line.slice(start, starts[i + 1])));
  const aligned = rows.every((cells) => cells.slice(0, -1).every((cell) => cell.endsWith("   ")));
  if (!aligned) return text;
  const timed = starts.map((_, i) => rows.some((cells) => cells[i] !== replaceTimes(cells[i] ?? "")));
  const loose = rows.map((cells) =>
    cells.map((cell, i) => (timed[i] && i < starts.length - 1 ? `${replaceTimes(cell).trimEnd()}   ` : cell)).join(""),
  );
  return [...loose, ...lines.slice(end)].join("\n");
}

/**
 * What docknet says where docker names itself ("docker: Error response", "Run 'docker run --help'"): the recorded text with the
 * other name. Paths, option keys and "docker0" are no program names.
 */
export function inNameOf(program: "docker" | "docknet", text: string): string {
  return program === "docker" ? text : text.replace(/(?<![\w./-])docker(?![\w./-])/g, program);
}
