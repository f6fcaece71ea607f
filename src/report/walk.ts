/** A walk as text: a story of numbered hops that a beginner reads top down, or one line a hop. And as JSON (walk.schema.json). */
import { renderOrigin } from "../errors.ts";
import type { MetRule, OnLink, Walk, WalkHop, WalkStep, WalkVerdict, Way } from "../observe/walk/walk.ts";
import { cleanStrings, renderCleanJson } from "./clean.ts";
import { Pen, type PenOptions, rulePieces, type Style } from "./pen.ts";
import { addressLines } from "./walk-addresses.ts";

export interface WalkTextOptions extends PenOptions {
  /** One line a hop. */
  readonly brief?: boolean;
}

/** With a line break at the end. */
export function renderWalk(found: Walk, options: WalkTextOptions): string {
  const walk = cleanStrings(found);
  const pen = new Pen(options);
  const lines = [
    ...walk.ways.flatMap((way) => [
      pen.paint("bold", titleOf(walk, way)),
      ...way.hops.flatMap((hop, i) => (options.brief ? [briefLine(pen, hop, i)] : storyLines(pen, hop, i))),
      "",
    ]),
    // a brief hop tells it already
    ...(options.brief ? [] : addressLines(pen, walk)),
    ...endLines(pen, walk),
  ];
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

export const renderWalkJson = (walk: Walk): string => renderCleanJson(walk);

// --- titles --------------------------------------------------------------------------------------------------------------

function titleOf(walk: Walk, way: Way): string {
  const port = walk.port === undefined ? "" : `:${walk.port}`;
  switch (way.kind) {
    case "request":
      return `${way.packet} from ${walk.from} to ${walk.to} (${walk.address}${port})`;
    case "proxy":
      return `${way.note ?? "the listener opens a connection of its own"}: ${way.packet}`;
    case "second":
      return `The flow's second packet: ${way.packet}`;
    case "reply":
      return `The answer: ${way.packet}`;
  }
}

const VERBS: Readonly<Record<WalkHop["action"], string>> = {
  send: "sends it",
  forward: "routes it on",
  switch: "switches it from port to port",
  receive: "receives it",
  drop: "drops it",
  end: "is where it ends",
};

// --- the story -----------------------------------------------------------------------------------------------------------

const INDENT = "      ";
/** Labels stand in a column of this width. */
const LABEL = 17;

function storyLines(pen: Pen, hop: WalkHop, i: number): string[] {
  const style: Style = hop.action === "drop" || hop.action === "end" ? "red" : "bold";
  return [
    `${String(i + 1).padStart(3)}  ${pen.paint(style, `${hop.node} ${VERBS[hop.action]}`)}`,
    ...(hop.in ? [row(pen, "in", `${onLink(hop.in)}`)] : []),
    ...hop.steps.flatMap((step) => stepLines(pen, step)),
    ...(hop.out ? [row(pen, "out", `${onLink(hop.out)}`)] : []),
    ...(hop.because ? wrapped(pen, hop.action === "receive" ? "so" : "because", hop.because) : []),
  ];
}

const row = (pen: Pen, label: string, text: string): string =>
  `${INDENT}${pen.paint("dim", label.padEnd(LABEL))} ${text}`;

function wrapped(pen: Pen, label: string, text: string, pieces?: readonly string[]): string[] {
  const [first = "", ...rest] = pen.wrap(text, INDENT.length + LABEL + 1, pieces);
  return [row(pen, label, first), ...rest.map((line) => row(pen, "", line))];
}

/** "docker0 (port veth1a2b3c4)  172.17.0.2:40000 -> 203.0.113.80:80  ttl 64", "eth0 (on eth0 of @host)  ..." */
function onLink(on: OnLink): string {
  const by = on.port ? `port ${on.port}` : on.parent ? `on ${on.parent}` : "";
  const place = by ? `${on.link} (${by})` : on.link;
  return `${place}  ${endsText(on)}  ttl ${on.ttl}`;
}

const endText = (address: string, port: number | undefined): string =>
  port === undefined ? address : `${address}:${port}`;
const endsText = (on: OnLink): string => `${endText(on.src, on.sport)} -> ${endText(on.dst, on.dport)}`;

function stepLines(pen: Pen, step: WalkStep): string[] {
  if (step.kind === "route") return [row(pen, "route", step.route)];
  if (step.kind === "translation") return changes(step).map((text) => row(pen, "changed", pen.paint("yellow", text)));
  const style: Style = step.verdict === "ACCEPT" ? "green" : "red";
  const decided = step.policy ? `policy ${step.verdict}` : step.verdict;
  const what = step.rules.length === 0 ? "no rule matches: " : "";
  return [
    row(pen, `${step.table} ${step.chain}`, `${what}${pen.paint(style, decided)}`),
    ...step.rules.flatMap((rule) => ruleLines(pen, rule)),
  ];
}

/** A jump says where it leads, and that is all there is to it. */
function ruleLines(pen: Pen, rule: MetRule): string[] {
  const text = rule.rule;
  const lines = wrapped(pen, "", text, rulePieces(text));
  if (rule.verdict.startsWith("to ")) return lines;
  const place = rule.at ? `, ${renderOrigin(rule.at)}` : "";
  return rule.words
    ? [...lines, ...wrapped(pen, "", `  ${rule.words}${place}`).map((l) => pen.paint("cyan", l))]
    : lines;
}

/** "source 172.17.0.2:40000 -> 192.168.0.10:40000 by nat POSTROUTING MASQUERADE" */
function changes({ before, after, by }: Extract<WalkStep, { kind: "translation" }>): string[] {
  const [old, now] = [before.split(" -> "), after.split(" -> ")];
  const how = by === "conntrack" ? "by conntrack, as it did for the flow's first packet" : `by ${by}`;
  return ["source", "destination"].flatMap((end, i) =>
    old[i] === now[i] ? [] : [`${end} ${old[i]} -> ${now[i]} ${how}`],
  );
}

// --- one line a hop --------------------------------------------------------------------------------------------------------

function briefLine(pen: Pen, hop: WalkHop, i: number): string {
  const place = (on: OnLink | undefined): string => (hop.action === "switch" ? (on?.port ?? "") : (on?.link ?? ""));
  const links = `${place(hop.in)} > ${place(hop.out)}`.trim();
  const on = hop.in ?? hop.out;
  const how = hop.steps.flatMap((s) => (s.kind === "translation" ? changes(s) : [])).join("; ");
  const end = hop.because ? hop.because : "";
  const text = [on ? endsText(on) : "", how, end].filter((part) => part !== "").join("; ");
  const style: Style = hop.action === "drop" || hop.action === "end" ? "red" : "bold";
  return `${String(i + 1).padStart(3)}  ${pen.paint(style, hop.node.padEnd(12))} ${hop.action.padEnd(8)} ${links.padEnd(26)} ${text}`;
}

// --- the end ---------------------------------------------------------------------------------------------------------------

const VERDICT: Readonly<Record<WalkVerdict, readonly [Style, string]>> = {
  reach: ["green", "reached"],
  refuse: ["yellow", "refused"],
  drop: ["red", "dropped"],
  unreachable: ["red", "no way"],
  silent: ["red", "silence"],
};

function endLines(pen: Pen, walk: Walk): string[] {
  const [style, word] = VERDICT[walk.verdict];
  const [first = "", ...rest] = pen.wrap(`${word}: ${walk.reason}`, 0);
  const { rule } = walk;
  const owner = rule && [...(rule.owner ? [rule.owner] : []), ...(rule.at ? [renderOrigin(rule.at)] : [])].join(", ");
  const ruleText =
    rule && (/^policy (\S+)$/.exec(rule.rule) ? `-P ${rule.chain} ${rule.rule.slice("policy ".length)}` : rule.rule);
  return [
    ...[first, ...rest].map((line) => pen.paint(style, line)),
    ...(rule?.see ? [`  rule      ${rule.rule}; see: ${rule.see}  (on ${rule.node})`] : []),
    ...(rule && !rule.see ? [`  rule      -t ${rule.table} ${ruleText ?? ""}  (on ${rule.node})`] : []),
    ...(owner ? [`  wanted by ${owner}`] : []),
    ...walk.conntrack.map(({ node, entry }, i) => `  ${i === 0 ? "conntrack" : "         "} ${node}: ${entry}`),
    ...walk.warnings.map((warning) => pen.paint("yellow", `  ${warning}`)),
  ];
}
