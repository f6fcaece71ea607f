/** `--help` in docker's layout: usage, description, aliases, options wrapped to the terminal. Source: docker/cli cli/cobra.go, pflag. */
import { isatty, WriteStream } from "node:tty";
import type { CommandSpec } from "./command.ts";
import { COMMANDS, type CommandEntry, GROUPS } from "./commands.ts";
import type { FlagKind, FlagSpec } from "./flags.ts";
import { PROGRAM } from "./status.ts";

const TYPE_WORDS: Readonly<Record<FlagKind, string>> = {
  bool: "",
  string: "string",
  int: "int",
  list: "list",
  strings: "strings",
  map: "map",
};

/** The help of one command, called by `path`. */
export function renderHelp(path: string, entry: CommandEntry, spec: CommandSpec, width = terminalWidth()): string {
  const shown = spec.flags.filter((f) => !f.hidden && f.deprecated === undefined);
  const blocks = [`Usage:  ${`${PROGRAM} ${path} ${spec.usage}`.trimEnd()}`, entry.about];
  if (entry.paths.length > 1) blocks.push(`Aliases:\n  ${entry.paths.map((p) => `${PROGRAM} ${p}`).join(", ")}`);
  if (shown.length > 0) blocks.push(`Options:\n${renderFlags(shown, width).trimEnd()}`);
  return `${blocks.join("\n\n")}\n`;
}

/** The help of a word that only leads to commands: `docknet network`. */
export function renderGroupHelp(group: string): string {
  const commands = commandsOf(group);
  const width = Math.max(11, ...commands.map((c) => c.name.length));
  return [
    `Usage:  ${PROGRAM} ${group} COMMAND`,
    GROUPS[group] ?? "",
    `Commands:\n${commands.map((c) => `  ${c.name.padEnd(width)} ${c.about}`).join("\n")}`,
    `Run '${PROGRAM} ${group} COMMAND --help' for more information on a command.\n`,
  ].join("\n\n");
}

/** The commands below a word, by their first name there, sorted. */
export function commandsOf(group: string): { readonly name: string; readonly about: string }[] {
  return COMMANDS.flatMap((entry) => {
    const path = entry.paths.find((p) => p.startsWith(`${group} `));
    return path ? [{ name: path.slice(group.length + 1), about: entry.about }] : [];
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One flag a paragraph, sorted by name, wrapped one column before the terminal's edge. */
export function renderFlags(specs: readonly FlagSpec[], width: number): string {
  const sorted = [...specs].sort((a, b) => (a.name < b.name ? -1 : 1));
  const heads = sorted.map((spec) => {
    const type = spec.type ?? TYPE_WORDS[spec.kind];
    return `${spec.short ? `  -${spec.short}, ` : "      "}--${spec.name}${type ? ` ${type}` : ""}`;
  });
  // one column is held for the separator that pflag puts into its lines
  const column = Math.max(...heads.map((h) => h.length)) + 3;
  return sorted
    .map((spec, at) => `${(heads[at] ?? "").padEnd(column)}${wrap(column, width - 1, spec.usage + defaultOf(spec))}\n`)
    .join("");
}

function defaultOf(spec: FlagSpec): string {
  const zero = spec.kind === "bool" ? "false" : spec.kind === "int" ? "0" : "";
  const plain = spec.default === undefined || spec.default === zero ? undefined : spec.default;
  const shown = spec.shown ?? (plain !== undefined && spec.kind === "string" ? `"${plain}"` : plain);
  return shown === undefined || shown === "" ? "" : ` (default ${shown})`;
}

/** pflag lets a line be this much longer so that no short word stands alone on the last one. */
const SLOP = 5;
const NARROWEST = 24;

/** Wraps a text that starts at a column; the lines after the first are indented to it. */
function wrap(column: number, width: number, text: string): string {
  let indent = column;
  let out = "";
  if (width - indent < NARROWEST) {
    indent = 16;
    out = `\n${" ".repeat(indent)}`;
    if (width - indent < NARROWEST) return text.replaceAll("\n", out);
  }
  const lines: string[] = [];
  for (let rest = text; rest !== "" || lines.length === 0; ) {
    const end = lineEnd(rest, width - indent - SLOP);
    lines.push(rest.slice(0, end));
    rest = rest.slice(end + 1);
  }
  return out + lines.join(`\n${" ".repeat(indent)}`).replaceAll(/\n(?! )/g, `\n${" ".repeat(indent)}`);
}

/** Where the first line of the text ends: a line break, else the last blank before the limit, else the whole text. */
function lineEnd(text: string, limit: number): number {
  if (limit + SLOP > text.length) return text.length;
  const head = text.slice(0, limit);
  const blank = Math.max(head.lastIndexOf(" "), head.lastIndexOf("\t"), head.lastIndexOf("\n"));
  if (blank <= 0) return text.length;
  const lineBreak = head.lastIndexOf("\n");
  return lineBreak > 0 && lineBreak < blank ? lineBreak : blank;
}

/** Docker asks standard input's terminal; 80 columns without one. */
function terminalWidth(): number {
  if (!isatty(0)) return 80;
  const terminal = new WriteStream(0);
  const { columns } = terminal;
  terminal.destroy();
  return columns || 80;
}
