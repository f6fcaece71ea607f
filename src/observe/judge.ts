/** One check's verdict from what was predicted, what came back and what was seen on the way. Pure; each reason is one sentence. */
import { messageOf } from "../errors.ts";
import type { ConntrackEntry } from "../kernel/netlink/conntrack.ts";
import type { NodeName } from "../net/name.ts";
import type { Check } from "../plan/check/check.ts";
import { renderSpec } from "../plan/firewall/rule.ts";
import type { Outcome } from "../plan/predict/prediction.ts";
import { describePlanned } from "./counters.ts";
import type { CheckResult, Evidence, Lost, Observed, RuleSeen, TranslationSeen, Verdict } from "./report.ts";
import type { ProbeRun, ProbeSource, Probing } from "./run.ts";
import { type Flow, hopOf, rewritesOf, type Trail } from "./trail.ts";
import { decidingFlow, type FlowRun, namedFlow, wrongDataSource, wrongStage } from "./transfer.ts";

export interface Observations {
  readonly run: ProbeRun;
  /** Of the flow whose fate is the outcome. */
  readonly trail: Trail;
  /** Of a transfer that came to a data connection: the control connection's. */
  readonly control?: Trail;
  /** For an expected drop: did the predicted rule count exactly this probe's frames? undefined: no rule to ask. */
  readonly dropCounted?: boolean;
  /** The predicted rule's counter does not agree, and there was no time to ask for this probe alone. */
  readonly unproven?: boolean;
  /** The rule that did drop it, with its count, where that was measured. */
  readonly dropper?: RuleSeen;
  readonly conntrack: ConntrackIndex;
  /** Frames that captures had to throw away: then what was not seen proves nothing. */
  readonly framesLost: number;
}

export function judge(check: Check, observations: Observations): CheckResult {
  const observed = observedOf(observations.run);
  const wrong = [
    ...(check.fault ? [check.fault] : []),
    ...wrongOutcome(check, observed, observations),
    ...wrongStage(check, observations.run),
    ...wrongAnswer(check, observed, observations),
  ];
  const unseen = wrong.length === 0 ? wrongWay(check, observed, observations) : [];
  const uncounted = observations.unproven === true && wrong.length === 0 && unseen.length === 0;
  const inconclusive =
    check.fault === undefined &&
    (observations.run.failure !== undefined ||
      uncounted ||
      (wrong.length === 0 && unseen.length > 0 && observations.framesLost > 0));
  const verdict: Verdict = inconclusive ? "INCONCLUSIVE" : wrong.length + unseen.length > 0 ? "FAIL" : "PASS";
  const reasons =
    observations.run.failure !== undefined
      ? [...(check.fault ? [check.fault] : []), `the probe could not be made: ${messageOf(observations.run.failure)}`]
      : uncounted
        ? ["it was dropped, but the counter of the rule that should have done it does not agree"]
        : [...wrong, ...unseen];
  const { from, address, port, proto, transfer } = check.probe;
  const { outcome, seenAs, because } = check.predicted;
  return {
    id: check.id,
    group: check.group,
    claim: check.claim,
    from,
    to: check.to,
    address,
    ...(port ? { port } : {}),
    proto,
    ...(transfer ? { transfer } : {}),
    verdict,
    expected: check.expected,
    predicted: { outcome, ...(seenAs ? { seenAs } : {}), because },
    observed,
    reasons,
    ...evidencesOf(check, observed, observations),
    ...(check.control ? { control: check.control } : {}),
    ...(check.at ? { at: check.at } : {}),
  };
}

/** What a probe's reply says, in the report's words. */
export function observedOf({ reply }: Pick<ProbeRun, "reply">): Observed {
  const outcome: Outcome = reply.outcome === "silent" ? "drop" : reply.outcome;
  return {
    outcome,
    ...(reply.answer
      ? { seenAs: `${reply.answer.from.address}:${reply.answer.from.port}`, server: reply.answer.service }
      : {}),
    afterMs: reply.afterMs,
    ...(reply.errno ? { errno: reply.errno } : {}),
  };
}

const VERB: Readonly<Record<Outcome, string>> = {
  reach: "it was answered",
  refuse: "it was refused",
  drop: "there was no answer",
  unreachable: "there was no way",
};

function wrongOutcome(check: Check, observed: Observed, { trail, dropper }: Observations): string[] {
  if (observed.outcome === check.expected.outcome) return [];
  const reasons = [
    `expected ${check.expected.outcome}, but ${VERB[observed.outcome]}${observed.errno ? ` (${observed.errno})` : ""}`,
  ];
  if (check.expected.outcome !== check.predicted.outcome && observed.outcome === check.predicted.outcome) {
    const rule = check.predicted.stop?.rule ?? check.predicted.translations[0]?.rule;
    const by = rule ? `, by ${renderSpec(rule)} of ${rule.chain} (${rule.owner.label})` : "";
    return [...reasons, `the lab is built as the file says: ${check.predicted.because}${by}`];
  }
  if (dropper)
    reasons.push(
      `dropped at ${dropper.node} by ${dropper.table} ${dropper.chain}: ${dropper.rule}, ${dropper.packets} packets counted${dropper.owner ? ` (${dropper.owner})` : ""}`,
    );
  return [...reasons, ...wayReasons(trail)];
}

/** Nobody tells what source an echo request came with; the last link that it was seen on does. */
function wrongEchoSource(check: Check, { request }: Trail): string[] {
  const seen = request.at(-1)?.ip.src;
  const looped = check.predicted.legs.length === 0; // over lo, where nothing is captured and nothing translates
  if (!check.expected.seenAs || looped || seen === check.expected.seenAs) return [];
  return [`the echo request arrived from ${seen ?? "nowhere that was captured"}, not ${check.expected.seenAs}`];
}

function wrongAnswer(check: Check, observed: Observed, { run, trail }: Observations): string[] {
  if (observed.outcome !== "reach" || check.expected.outcome !== "reach") return [];
  if (check.probe.proto === "icmp") return wrongEchoSource(check, trail);
  return [...wrongResponder(check, run.reply), ...wrongDataSource(check, run)];
}

/** Of a check that expects an answer: who gave it, and as whom it has seen the sender. */
export function wrongResponder(check: Probing, { answer }: ProbeRun["reply"]): string[] {
  if (!answer) return ["something answered, but not the lab's responder"];
  const reasons: string[] = [];
  if (check.expected.seenAs && answer.from.address !== check.expected.seenAs) {
    reasons.push(
      `the server saw ${answer.from.address} as the sender, not ${check.expected.seenAs}: ${check.predicted.because}`,
    );
  }
  const { seenPort } = check.expected;
  if (seenPort !== undefined && answer.from.port !== seenPort)
    reasons.push(`the server saw source port ${answer.from.port}, not ${seenPort}`);
  const server = check.expected.server ?? check.predicted.server;
  if (server && server !== answer.service) reasons.push(`${answer.service} answered, not ${server}`);
  return reasons;
}

/** The outcome is right; was the way? */
function wrongWay(check: Check, observed: Observed, observations: Observations): string[] {
  if (check.predicted.outcome !== observed.outcome) return [];
  const { control } = observations;
  const reasons = [
    ...wayReasons(observations.trail),
    ...(control ? wayReasons(control).map((reason) => `the control connection: ${reason}`) : []),
  ];
  const rule = check.predicted.stop?.rule;
  if (observations.dropCounted !== false || !rule) return reasons;
  const other = observations.dropper
    ? `; ${observations.dropper.table} ${observations.dropper.chain} did: ${observations.dropper.rule}`
    : "";
  return [
    `it was dropped, but not by ${rule.table} ${rule.chain}: -A ${rule.chain} ${renderSpec(rule)} (${rule.owner.label})${other}`,
    ...reasons,
  ];
}

function wayReasons({ missing, extra, request }: Trail): string[] {
  const last = request.at(-1);
  const reasons: string[] = [];
  const [leg] = missing;
  if (leg) {
    const pair = `${leg.src} -> ${leg.dst}${leg.dport ? `:${leg.dport}` : ""}`;
    const where = last
      ? `; last seen ${last.direction} on ${last.node}/${last.link} as ${hopOf(last).frame}`
      : "; it was seen on no link";
    reasons.push(`${pair} was not seen ${leg.direction} on ${leg.node}/${leg.link}${where}`);
  }
  const [stray] = extra;
  if (stray)
    reasons.push(
      `seen where it should not be: ${stray.direction} on ${stray.node}/${stray.link} as ${hopOf(stray).frame}`,
    );
  return reasons;
}

/** Of what the check names, and of a transfer's data connection beside it. */
function evidencesOf(
  check: Check,
  observed: Observed,
  observations: Observations,
): Pick<CheckResult, "evidence" | "data"> {
  const { run, trail, control, conntrack } = observations;
  const lost = observed.outcome === "drop" ? { lost: lostOf(check, observations) } : {};
  const deciding = { ...evidenceOf(decidingFlow(run), trail, conntrack), ...lost };
  const { data } = run.reply;
  if (!control || !data) return { evidence: deciding };
  const renderEnd = ({ address, port }: ProbeSource): string => `${address}:${port}`;
  return {
    evidence: evidenceOf(namedFlow(run), control, conntrack),
    data: {
      openedBy: check.predicted.transfer?.data.from ?? data.openedBy,
      ...(data.from ? { from: renderEnd(data.from) } : {}),
      to: renderEnd(data.to),
      ...(data.seenAs ? { seenAs: renderEnd(data.seenAs) } : {}),
      evidence: deciding,
    },
  };
}

function evidenceOf(run: FlowRun, trail: Trail, conntrack: ConntrackIndex): Evidence {
  return {
    hops: trail.request.map(hopOf),
    translations: translationsOf(run.flow, trail),
    conntrack: conntrackOf(run, trail, conntrack),
  };
}

function translationsOf({ predicted }: Flow, trail: Trail): TranslationSeen[] {
  const pending = [...predicted.translations];
  return rewritesOf(trail.request).map((rewrite): TranslationSeen => {
    // DNAT and MASQUERADE of one node happen between the same two links; the first is named, its rule the telling one
    const at = pending.findIndex((t) => t.node === rewrite.node);
    const [planned] = at < 0 ? [] : pending.splice(at, 1);
    const rule = planned?.rule ? describePlanned(planned.node, planned.rule) : undefined;
    return { ...rewrite, kind: planned?.kind ?? (sameTarget(rewrite) ? "SNAT" : "DNAT"), ...(rule ? { rule } : {}) };
  });
}

const sameTarget = (r: { before: string; after: string }): boolean =>
  r.before.split(" -> ")[1] === r.after.split(" -> ")[1];

function lostOf(check: Check, { trail, dropper, dropCounted }: Observations): Lost {
  const way = trail.reply.length > 0 ? trail.reply : trail.request;
  const last = way.at(-1);
  const answered = trail.reply.length > 0;
  const planned =
    check.predicted.stop?.rule && dropCounted
      ? describePlanned(check.predicted.stop.node, check.predicted.stop.rule)
      : undefined;
  const rule = dropper ?? planned;
  return {
    ...(last ? { lastSeen: { node: last.node, link: last.link, frame: hopOf(last).frame } } : {}),
    ...(rule ? { rule } : {}),
    reason: rule
      ? `${answered ? "the answer" : "it"} was dropped by ${rule.table} ${rule.chain} of ${rule.node}`
      : last
        ? `${answered ? "the answer" : "it"} was seen last ${last.direction} on ${last.node}/${last.link}`
        : "it was seen on no link",
  };
}

/** Entries by node and original tuple. */
export type ConntrackIndex = ReadonlyMap<NodeName, ReadonlyMap<string, ConntrackEntry>>;

export function indexConntrack(entries: readonly ConntrackEntry[]): ReadonlyMap<string, ConntrackEntry> {
  return new Map(
    entries.map(({ proto, original: o, ...rest }) => [
      tupleKey(proto, o.src, o.srcPort, o.dst, o.dstPort),
      { proto, original: o, ...rest },
    ]),
  );
}

export const tupleKey = (
  proto: string,
  src: string,
  sport: number | undefined,
  dst: string,
  dport: number | undefined,
): string => `${proto} ${src}:${sport ?? ""} ${dst}:${dport ?? ""}`;

/** Entries of the probe's flow: its original tuple is the packet as it entered the node, or as the node's own sender made it. */
function conntrackOf({ flow, source }: FlowRun, trail: Trail, conntrack: ConntrackIndex): Evidence["conntrack"] {
  const { proto, address, port } = flow.probe;
  return [...conntrack].flatMap(([node, entries]) => {
    const entered = trail.request.find((s) => s.node === node && s.direction === "in");
    const hop = entered && hopOf(entered);
    const keys = [
      ...(hop ? [tupleKey(proto, hop.src, hop.sport, hop.dst, hop.dport ?? hop.sport)] : []),
      ...(source ? [tupleKey(proto, source.address, source.port, address, port ?? source.port)] : []),
    ];
    const entry = keys.map((k) => entries.get(k)).find((e) => e !== undefined);
    return entry ? [{ node, entry: renderConntrack(entry) }] : [];
  });
}

/** "tcp ESTABLISHED 172.17.0.2:40000 -> 203.0.113.80:80, replies 203.0.113.80:80 -> 192.168.0.10:40000" */
export function renderConntrack(e: ConntrackEntry): string {
  const side = (t: ConntrackEntry["original"]): string => `${t.src}:${t.srcPort} -> ${t.dst}:${t.dstPort}`;
  return `${e.proto}${e.state ? ` ${e.state}` : ""} ${side(e.original)}, ${e.replied ? "replies" : "awaits replies"} ${side(e.reply)}`;
}
