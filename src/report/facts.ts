/**
 * What happened in one check, as facts for people: the packet before and after, by which rule and for whom; where it was
 * lost; for what is not PASS also what was expected, and everything seen. Every format that shows evidence shows these facts.
 */
import { renderOrigin } from "../errors.ts";
import type { CheckResult, DataSeen, Drift, Evidence, Report, RuleSeen, TranslationSeen } from "../observe/report.ts";
import type { Outcome } from "../plan/predict/prediction.ts";
import { plural } from "./summary.ts";

export interface Fact {
  /** "before", "because": at most 10 characters; empty where the fact goes on from the one above. */
  readonly label: string;
  /** Stands before the text, in a column of its own: the place of a frame. */
  readonly lead?: string;
  readonly text: string;
  /** prose may be broken between words, a rule only before an option, a packet only after its two ends. */
  readonly kind: "prose" | "rule" | "packet";
  /** Said beside the text: who changed the packet. */
  readonly note?: string;
  /** Parts of the text that a translation changed. */
  readonly changed?: readonly string[];
}

export interface StoryOptions {
  /** Also every link where the packet was seen; what is not PASS always has them. */
  readonly hops?: boolean;
}

/** Most telling first. */
export function factsOf(check: CheckResult, report: Report, options: StoryOptions = {}): Fact[] {
  const passed = check.verdict === "PASS";
  const withHops = !passed || options.hops === true;
  return [
    ...(passed ? [] : [...reasonFacts(check), ...comparisonFacts(check)]),
    ...(check.data ? controlConnectionFacts(check.evidence, withHops) : []),
    ...(check.data ? dataConnectionFacts(check.data) : []),
    ...decidingFacts(check, withHops),
    ...(passed ? [] : driftFacts(relatedDrift(check, report))),
    ...controlFacts(check, report),
    ...(!passed && check.at ? [prose("lab file", renderOrigin(check.at))] : []),
  ];
}

/** The packet that decided: of a transfer the data connection's, once there was one. */
function decidingFacts(check: CheckResult, withHops: boolean): Fact[] {
  const evidence = decidingEvidence(check);
  return [
    ...translationFacts(evidence.translations),
    ...lostFacts(evidence),
    ...(check.verdict === "PASS" ? quietEndFacts(check) : []),
    ...conntrackFacts(evidence),
    ...(withHops ? hopFacts(evidence) : unchangedFacts(check)),
    ...(check.data && check.verdict === "PASS" && evidence.lost ? [prose("because", check.predicted.because)] : []),
  ];
}

const decidingEvidence = ({ data, evidence }: CheckResult): Evidence => data?.evidence ?? evidence;

/** The story in a few words, for a cell of a table. */
export function gist(check: CheckResult): string {
  if (check.verdict !== "PASS") return check.reasons[0] ?? outcomeWords(check, check.observed.outcome);
  const { translations, lost } = decidingEvidence(check);
  if (translations.length > 0) return translations.map(translationGist).join(", then ");
  if (lost?.rule) return `dropped by ${lost.rule.table} ${lost.rule.chain} on ${lost.rule.node}`;
  if (check.observed.outcome !== "reach") return check.observed.errno ?? outcomeWords(check, check.observed.outcome);
  if (check.proto === "dns") return check.observed.server ?? "an address";
  return "unchanged";
}

function translationGist(translation: TranslationSeen): string {
  const port = changesSourcePort(translation) ? " with a new source port" : "";
  return `${verbOf(translation)} on ${translation.node}${port}`;
}

/** Facts as plain lines with the labels in a column, for formats without colour or width. */
export function plainLines(facts: readonly Fact[]): string[] {
  return facts.map(({ label, lead = "", text, note }) =>
    `${label.padEnd(10)} ${lead}${text}${note ? `  (${note})` : ""}`.trimEnd(),
  );
}

const PACKET_WORDS: Readonly<Record<Outcome, string>> = {
  reach: "an answer",
  refuse: "a refusal",
  drop: "silence",
  unreachable: "no way to send it",
};
const NAME_WORDS: Readonly<Record<Outcome, string>> = {
  reach: "an address",
  refuse: "no server there",
  drop: "silence",
  unreachable: "no such name",
};

/** What came of it, as fits what was asked: a packet sent, or a name looked up. */
const outcomeWords = ({ proto }: CheckResult, outcome: Outcome): string =>
  (proto === "dns" ? NAME_WORDS : PACKET_WORDS)[outcome];

const prose = (label: string, text: string): Fact => ({ label, text, kind: "prose" });

// --- what was wanted, what came ----------------------------------------------------------------------------------------

function reasonFacts(check: CheckResult): Fact[] {
  return check.reasons.map((reason, i) => prose(i === 0 ? "reason" : "", reason));
}

function comparisonFacts(check: CheckResult): Fact[] {
  const { expected, predicted } = check;
  const as = (seen: string | undefined): string => (seen ? `, the server sees ${seen}` : "");
  return [
    prose("expected", `${outcomeWords(check, expected.outcome)}${as(seenText(expected))}`),
    prose("predicted", `${outcomeWords(check, predicted.outcome)}${as(predicted.seenAs)}: ${predicted.because}`),
    prose("observed", observedWords(check)),
  ];
}

/** "203.0.113.92", "203.0.113.92:40000" */
const seenText = ({ seenAs, seenPort }: CheckResult["expected"]): string | undefined =>
  seenAs && seenPort !== undefined ? `${seenAs}:${seenPort}` : seenAs;

function observedWords(check: CheckResult): string {
  const { outcome, server, seenAs, errno, afterMs } = check.observed;
  const who = server ? ` from ${server}` : "";
  const code = errno ? ` (${errno})` : "";
  const seen = seenAs ? `, the server saw ${seenAs}` : "";
  return `${outcomeWords(check, outcome)}${who}${code} after ${Math.round(afterMs)} ms${seen}`;
}

// --- translations --------------------------------------------------------------------------------------------------------

function translationFacts(translations: readonly TranslationSeen[]): Fact[] {
  return translations.flatMap((translation, i): Fact[] => {
    const [before, after] = [packetOf(translation.before), packetOf(translation.after)];
    const told = i > 0 && translations[i - 1]?.after === translation.before;
    const changed = [
      ...(before.src === after.src ? [] : [after.src]),
      ...(before.dst === after.dst ? [] : [after.dst]),
    ].filter((part) => part !== "");
    return [
      ...(told ? [] : [{ label: "before", text: before.text, kind: "packet" } as const]),
      { label: "after", text: after.text, kind: "packet", note: changeWords(translation), changed },
      prose("by", doerWords(translation)),
      ...ruleFacts(translation.rule),
    ];
  });
}

/** "MASQUERADE on @host: what leaves the network takes the host's address" */
function doerWords(translation: TranslationSeen): string {
  const words = translation.rule ? ruleWords(translation.rule) : undefined;
  return `${verbOf(translation)} on ${translation.node}${words ? `: ${words}` : ""}`;
}

interface Packet {
  readonly src: string;
  readonly dst: string;
  readonly text: string;
}

/** "172.17.0.2:40000 -> 203.0.113.80:80", with the arrow that frames have too. */
function packetOf(text: string): Packet {
  const [, src = "", dst = ""] = /^(\S+) -?> (\S+)/.exec(text) ?? [];
  return { src, dst, text: text.replace(" -> ", " > ") };
}

function changeWords({ kind, before, after }: TranslationSeen): string {
  if (kind === "proxy") return "a connection of its own";
  const [old, now] = [packetOf(before), packetOf(after)];
  const parts = [partWords("source", old.src, now.src), partWords("destination", old.dst, now.dst)];
  const what = parts.filter((part) => part !== "").join(", new ");
  return what === "" ? "unchanged" : `new ${what}`;
}

function partWords(end: string, before: string, after: string): string {
  if (before === after) return "";
  if (hostOf(before) === hostOf(after)) return `${end} port`;
  return portOf(before) === portOf(after) ? end : `${end} and port`;
}

const hostOf = (end: string): string => end.replace(/:\d+$/, "");
const portOf = (end: string): string => /:(\d+)$/.exec(end)?.[1] ?? "";

function verbOf(translation: TranslationSeen): string {
  return translation.kind === "proxy" ? "userland proxy" : translation.kind;
}

/** A source port changed on the way: the sign of NAPT, and another story than plain masquerading. */
export function changesSourcePort({ kind, before, after }: TranslationSeen): boolean {
  return kind !== "proxy" && portOf(packetOf(before).src) !== portOf(packetOf(after).src);
}

// --- a transfer's two connections ----------------------------------------------------------------------------------------

/** It stands: what changed it on its way, or that nothing did. */
function controlConnectionFacts(evidence: Evidence, withHops: boolean): Fact[] {
  const changed = evidence.translations.length > 0;
  return [
    prose("first", "the control connection, to a port that is known: it stands"),
    ...(changed ? translationFacts(evidence.translations) : withHops ? [] : samePacketFacts(evidence)),
    ...conntrackFacts(evidence),
    ...(withHops ? hopFacts(evidence) : []),
  ];
}

function dataConnectionFacts({ openedBy, from = openedBy, to, seenAs }: DataSeen): Fact[] {
  const opened = seenAs === undefined ? "tried" : "opened";
  const seen = seenAs === undefined || seenAs === from ? "" : `, seen as ${seenAs}`;
  const note = `the data connection, ${opened} by ${openedBy}${seen}`;
  return [{ label: "second", text: `${from} > ${to}`, kind: "packet", note }];
}

// --- rules ---------------------------------------------------------------------------------------------------------------

function ruleFacts(rule: RuleSeen | undefined): Fact[] {
  if (!rule) return [];
  const counted = rule.packets === undefined ? {} : { note: `${plural(rule.packets, "packet")} counted` };
  const owner = [...(rule.owner ? [rule.owner] : []), ...(rule.at ? [renderOrigin(rule.at)] : [])].join(", ");
  return [
    { label: "rule", text: ruleText(rule), kind: "rule", ...counted },
    ...(owner ? [prose("wanted by", owner)] : []),
  ];
}

/** As iptables takes it: "-t nat -A DOCKER ...", "-t filter -P FORWARD DROP". */
export function ruleText({ table, chain, rule }: RuleSeen): string {
  const policy = /^policy (\S+)$/.exec(rule);
  if (policy) return `-t ${table} -P ${chain} ${policy[1]}`;
  return rule.startsWith("-") ? `-t ${table} ${rule}` : `${table} ${chain}: ${rule}`;
}

/** Its meaning without its owner: plan/rule.ts explains a rule as "words (owner)", and the owner has a line of its own here. */
export function ruleWords({ words, owner }: RuleSeen): string | undefined {
  const tail = ` (${owner})`;
  return owner && words?.endsWith(tail) ? words.slice(0, -tail.length) : words;
}

// --- what did not arrive ---------------------------------------------------------------------------------------------------

function lostFacts({ lost }: Evidence): Fact[] {
  if (!lost) return [];
  const { lastSeen, rule } = lost;
  const reason = rule ? `on ${rule.node}: ${ruleWords(rule) ?? lost.reason}` : lost.reason;
  return [
    ...(lastSeen
      ? [
          {
            label: "last seen",
            text: lastSeen.frame,
            kind: "packet",
            note: `on ${lastSeen.link} of ${lastSeen.node}`,
          } as const,
        ]
      : []),
    prose(rule ? "dropped" : "because", reason),
    ...ruleFacts(rule),
  ];
}

/** Refused, or no way: no rule to show, so the reason is. */
function quietEndFacts(check: CheckResult): Fact[] {
  const { observed, predicted } = check;
  if (observed.outcome === "reach" || decidingEvidence(check).lost) return [];
  const code = observed.errno ? ` (${observed.errno})` : "";
  return [prose("seen", `${outcomeWords(check, observed.outcome)}${code}`), prose("because", predicted.because)];
}

// --- the packet on its way -----------------------------------------------------------------------------------------------

/** "last seen" says it for a drop, "before" and "after" for a translation. */
function unchangedFacts(check: CheckResult): Fact[] {
  const evidence = decidingEvidence(check);
  if (check.observed.outcome !== "reach" || evidence.translations.length > 0) return [];
  const packet = samePacketFacts(evidence);
  return packet.length === 0 ? [] : [...packet, prose("because", check.predicted.because)];
}

function samePacketFacts({ hops }: Evidence): Fact[] {
  const [first] = hops;
  if (!first) return [];
  const links = [...new Set(hops.map((hop) => `${hop.node} ${hop.link}`))];
  return [
    {
      label: "packet",
      text: withoutDetail(first.frame),
      kind: "packet",
      note: `the same on ${links.join(", ")}`,
    },
  ];
}

const withoutDetail = (frame: string): string => /^\S+ -?> \S+/.exec(frame)?.[0] ?? frame;

function hopFacts({ hops }: Evidence): Fact[] {
  const place = (i: number): string => `${hops[i]?.node} ${hops[i]?.link} ${hops[i]?.direction}`;
  const column = Math.max(0, ...hops.map((_, i) => place(i).length));
  return hops.map((hop, i) => ({
    label: i === 0 ? "way" : "",
    lead: `${place(i).padEnd(column)}  `,
    text: hop.frame,
    kind: "packet",
  }));
}

function conntrackFacts({ conntrack }: Evidence): Fact[] {
  return conntrack.map(({ node, entry }, i) => prose(i === 0 ? "conntrack" : "", `${node}: ${entry}`));
}

// --- around it -----------------------------------------------------------------------------------------------------------

function controlFacts(check: CheckResult, report: Report): Fact[] {
  const control = check.control === undefined ? undefined : report.checks.find((c) => c.id === check.control);
  if (!control) return [];
  return [prose("control", `${control.verdict}: ${control.claim}`)];
}

const SHOWN_DRIFT = 3;

function driftFacts(drift: readonly Drift[]): Fact[] {
  const shown = drift.slice(0, SHOWN_DRIFT).map((d, i) => prose(i === 0 ? "kernel" : "", driftWords(d)));
  const rest = drift.length - SHOWN_DRIFT;
  return rest > 0 ? [...shown, prose("", `and ${plural(rest, "more difference")}, listed below`)] : shown;
}

/** "rule missing on @host: nat DOCKER: -A DOCKER ... (port 8080:80/tcp of web, lab.yaml:14:12)" */
export function driftWords(drift: Drift): string {
  const { node, kind, problem, what, wanted, found, owner, at } = drift;
  const values = [...(wanted ? [`wanted ${wanted}`] : []), ...(found ? [`found ${found}`] : [])].join(", ");
  const whose = [...(owner ? [owner] : []), ...(at ? [renderOrigin(at)] : [])].join(", ");
  return `${kind} ${problem} on ${node}: ${what}${values ? `: ${values}` : ""}${whose ? ` (${whose})` : ""}`;
}

/** Drift of the same line or owner; where there is none, drift on the nodes that the packet crossed. */
export function relatedDrift(check: CheckResult, report: Report): Drift[] {
  const evidences = [check.evidence, ...(check.data ? [check.data.evidence] : [])];
  const rules = evidences
    .flatMap((e) => [...e.translations.map((t) => t.rule), e.lost?.rule])
    .filter((r) => r !== undefined);
  const owners = new Set(rules.map((r) => r.owner).filter((o) => o !== undefined));
  const sameLine = (d: Drift): boolean =>
    d.at !== undefined && check.at !== undefined && d.at.file === check.at.file && d.at.line === check.at.line;
  const close = report.drift.filter((d) => sameLine(d) || (d.owner !== undefined && owners.has(d.owner)));
  if (close.length > 0) return close;
  const nodes = new Set([check.from, ...evidences.flatMap((e) => e.hops.map((h) => h.node))]);
  return report.drift.filter((d) => nodes.has(d.node));
}
