/** Rules as a book for the one who learns: chain after chain as a packet meets them, each rule with its counters, its words and who wants it. And as JSON (rules.schema.json). */
import { renderOrigin } from "../errors.ts";
import type { ListedChain, ListedRule, NodeRules, RuleListing } from "../observe/rules.ts";
import { cleanStrings, renderCleanJson } from "./clean.ts";
import { Pen, type PenOptions, rulePieces, type Style } from "./pen.ts";
import { plural } from "./summary.ts";

/** With a line break at the end. */
export function renderRules(listing: RuleListing, options: PenOptions): string {
  const { nodes, counted } = cleanStrings(listing);
  const pen = new Pen(options);
  const blocks = nodes.map((node) => nodeLines(pen, node, counted));
  return `${[...blocks, ...changeLines(pen, nodes)].map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

export const renderRulesJson = (listing: RuleListing): string => renderCleanJson(listing);

function nodeLines(pen: Pen, { node, chains, beyond }: NodeRules, counted: boolean): string[] {
  const rules = chains.reduce((sum, c) => sum + c.rules.length, 0);
  const order = chains.length > 1 ? ", as a packet meets them" : "";
  const title = `${node}: ${plural(rules, "rule")} in ${plural(chains.length, "chain")}${order}`;
  return [
    ...pen.wrap(counted ? title : `${title}; planned, not read`, 0).map((line) => pen.paint("bold", line)),
    ...chains.flatMap((chain) => ["", ...chainLines(pen, chain, counted)]),
    ...(beyond.length > 0 ? [""] : []),
    ...beyond.map((table) => pen.paint("yellow", `${table}: not of iptables; see: nft list ${table}`)),
  ];
}

// --- a chain ---------------------------------------------------------------------------------------------------------

const ABOUT_INDENT = 2;

function chainLines(pen: Pen, chain: ListedChain, counted: boolean): string[] {
  const { table, name, about, rules } = chain;
  const [title, entry] = [`${table} ${name}`, entryOf(chain)];
  const isShort = title.length + 2 + entry.length <= pen.width;
  const under = isShort ? [] : pen.wrap(entry, ABOUT_INDENT).map((line) => `  ${pen.paint("dim", line)}`);
  const isQuiet = rules.length === 0 && chain.policy === "ACCEPT" && !chain.wantedPolicy;
  return [
    pen.paint("bold", title) + (isShort ? `  ${pen.paint("dim", entry)}` : ""),
    ...under,
    ...(about && !isQuiet ? pen.wrap(about, ABOUT_INDENT).map((line) => `  ${line}`) : []),
    ...remarksOf(chain).map(([style, text]) => `  ${pen.paint(style, text)}`),
    ...(counted && rules.length > 0
      ? [pen.paint("dim", `${"#".padStart(5)}${"packets".padStart(9)}${"bytes".padStart(7)}`)]
      : []),
    ...rules.flatMap((rule) => ruleLines(pen, rule, counted)),
  ];
}

/** "policy DROP, 3 packets, 180 bytes", "from PREROUTING, OUTPUT" */
function entryOf({ policy, packets, bytes, from, rules, leftOut }: ListedChain): string {
  const parts = policy
    ? [
        `policy ${policy}`,
        ...(packets === undefined ? [] : [`${renderCount(packets)} packets`, `${renderCount(bytes ?? 0)} bytes`]),
      ]
    : [from.length > 0 ? `from ${from.join(", ")}` : "nothing leads here"];
  const rest = leftOut ? [`${plural(leftOut, "rule")} left out`] : rules.length === 0 ? ["no rules"] : [];
  return [...parts, ...rest].join(", ");
}

function remarksOf(chain: ListedChain): (readonly [Style, string])[] {
  return [
    ...(chain.wantedPolicy ? [["red", `the lab wants policy ${chain.wantedPolicy}`] as const] : []),
    ...(chain.missing ? [["red", "missing: the lab wants this chain, the kernel does not have it"] as const] : []),
    ...(chain.foreign ? [["yellow", "not docknet's: somebody made this chain"] as const] : []),
    ...(chain.reordered ? [["red", "the lab wants these rules in another order"] as const] : []),
  ];
}

// --- a rule ----------------------------------------------------------------------------------------------------------

const PLANNED_INDENT = 7;
const COUNTED_INDENT = 23;
const STYLES: Readonly<Record<string, Style>> = {
  ACCEPT: "green",
  DROP: "red",
  REJECT: "red",
  DNAT: "yellow",
  SNAT: "yellow",
  MASQUERADE: "yellow",
};

function ruleLines(pen: Pen, rule: ListedRule, counted: boolean): string[] {
  const indent = counted ? COUNTED_INDENT : PLANNED_INDENT;
  const number = String(rule.number ?? "-").padStart(5);
  const counts =
    rule.packets === undefined
      ? " ".repeat(counted ? 16 : 0)
      : `${renderCount(rule.packets).padStart(9)}${renderCount(rule.bytes ?? 0).padStart(7)}`;
  const head = `${pen.paint("dim", number)}${pen.paint(rule.packets ? "bold" : "dim", counts)}  `;
  const [first = "", ...rest] = pen
    .wrap(rule.text, indent, rulePieces(rule.text))
    .map((line) => paintTarget(pen, line));
  const under = " ".repeat(indent);
  return [`${head}${first}`, ...[...rest, ...wordLines(pen, rule, indent)].map((line) => `${under}${line}`)];
}

const paintTarget = (pen: Pen, line: string): string =>
  line.replace(/(?<=-j )(ACCEPT|DROP|REJECT|DNAT|SNAT|MASQUERADE)\b/, (t) => pen.paint(STYLES[t] ?? "bold", t));

/** The words, and beside them who wants it where there is room; what differs from the lab below. */
function wordLines(pen: Pen, rule: ListedRule, indent: number): string[] {
  const { words = "", owner, at, foreign, missing } = rule;
  const by = [...(owner ? [owner] : []), ...(at ? [renderOrigin(at)] : [])].join(", ");
  const wide = pen.wrap(by === "" ? words : `${words} (${by})`, indent);
  const told =
    words === ""
      ? []
      : wide.length === 1
        ? [`${pen.paint("cyan", words)}${by === "" ? "" : ` ${pen.paint("dim", `(${by})`)}`}`]
        : [
            ...pen.wrap(words, indent).map((line) => pen.paint("cyan", line)),
            ...pen.wrap(`(${by})`, indent).map((line) => pen.paint("dim", line)),
          ];
  return [
    ...told,
    ...(foreign ? [pen.paint("yellow", "not docknet's: somebody added it")] : []),
    ...(missing ? [pen.paint("red", "missing: the kernel does not have it")] : []),
  ];
}

/** As iptables' own listing: five digits, then thousands, millions ... in powers of 1000 (iptables/xshared.c xtables_print_num). */
export function renderCount(count: number): string {
  if (count <= 99_999) return String(count);
  let rest = count;
  for (const unit of ["K", "M", "G"]) {
    rest = Math.floor((rest + 500) / 1000);
    if (rest <= 9999) return `${rest}${unit}`;
  }
  return `${Math.floor((rest + 500) / 1000)}T`;
}

// --- the end ---------------------------------------------------------------------------------------------------------

function changeLines(pen: Pen, nodes: readonly NodeRules[]): string[][] {
  const chains = nodes.flatMap((n) => n.chains);
  const things = [...chains, ...chains.flatMap((c) => c.rules)];
  const [foreign, missing] = [things.filter((t) => t.foreign).length, things.filter((t) => t.missing).length];
  const changed = chains.filter((c) => c.reordered || c.wantedPolicy).length;
  if (foreign + missing + changed === 0) return [];
  const parts = [
    ...(foreign > 0 ? [`${foreign} not docknet's`] : []),
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...(changed > 0 ? [`${plural(changed, "chain")} otherwise than the lab wants`] : []),
  ];
  return [pen.wrap(`Changed by hand: ${parts.join(", ")}. docknet reconcile puts that back.`, 0)];
}
