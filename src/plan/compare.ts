/**
 * One lab under two firewall profiles: which cells of the matrix of who reaches what change, which rules come, go or stand elsewhere, and
 * why. Pure: both sides are predicted; what was measured is added by whoever measures.
 */
import type { Origin } from "../errors.ts";
import type { Ipv4 } from "../net/address.ts";
import type { Transfer } from "../net/ftp.ts";
import { HOST } from "../net/name.ts";
import type { Port } from "../net/port.ts";
import { needsBridgeNetfilter } from "../state/network.ts";
import type { CheckSpec, State } from "../state/state.ts";
import type { Check } from "./check/check.ts";
import { checksOf } from "./check/checks.ts";
import { type FirewallProfile, type Traits, traitsOf } from "./firewall/profile.ts";
import {
  explainRule,
  type Purpose,
  type Rule,
  type Ruleset,
  renderRule,
  renderSpec,
  type Table,
} from "./firewall/rule.ts";
import { longestCommon } from "./firewall/rule-diff.ts";
import { predict } from "./predict/predict.ts";
import type { Outcome, Prediction, ProbeProto, ProbeSpec } from "./predict/prediction.ts";

/** The lab as one profile builds it. */
export interface Side {
  readonly state: State;
  readonly rules: { readonly host: Ruleset; readonly router: Ruleset };
}

/** What one of the two would be if it did not know the gateway mode of one network: does the mode make a difference? */
export interface Without {
  /** Its name. */
  readonly network: string;
  /** Which of the two: 0 or 1. */
  readonly of: 0 | 1;
  readonly side: Side;
}

export interface Comparison {
  readonly schema: 1;
  readonly lab: string;
  readonly profiles: readonly [FirewallProfile, FirewallProfile];
  /** Every probe of either side's matrix, in its order. */
  readonly cells: readonly Cell[];
  /** Table by table and chain by chain; what stays where it is is left out. */
  readonly rules: readonly RuleChange[];
}

/** What of a cell differs: what the sender or the server sees, only what decides it, or nothing. */
export type CellChange = "outcome" | "source" | "way" | "none";

export interface Cell {
  readonly from: string;
  /** As people say it: "db:5432/tcp". */
  readonly to: string;
  /** On the later side; a container may have another one on the earlier side, which then says so. */
  readonly address: Ipv4;
  /** Absent for icmp. */
  readonly port?: Port;
  readonly proto: ProbeProto;
  /** A file is fetched by FTP. */
  readonly transfer?: Transfer;
  readonly change: CellChange;
  readonly sides: readonly [CellSide, CellSide];
  /** What makes the difference, one sentence; absent where nothing differs. */
  readonly why?: string;
  /** Of the port or service in the lab file. */
  readonly at?: Origin;
}

export interface CellSide {
  /** Where the packet goes on this side, if not to the cell's address. */
  readonly address?: Ipv4;
  readonly outcome: Outcome;
  /** The source address that the server sees. */
  readonly seenAs?: Ipv4;
  readonly because: string;
  /** What decides it: the rule that drops, or the one that translates; of the host, unless it names another node. */
  readonly rule?: RuleWords & { readonly node?: string };
  readonly measured?: Measured;
}

export interface Measured {
  readonly outcome: Outcome;
  readonly seenAs?: string;
  /** Is it what was predicted? */
  readonly agrees: boolean;
}

export interface RuleWords {
  readonly table: Table;
  readonly chain: string;
  /** As iptables prints it: "-A DOCKER ...". */
  readonly text: string;
  /** With the owner: "the published port is open (port 8080:80/tcp of web)". */
  readonly words: string;
  readonly at?: Origin;
}

export interface RuleChange extends RuleWords {
  readonly change: "added" | "removed" | "moved";
  /** The chain in which it stood before, where it moved; the same one when only its place among the others did. */
  readonly from?: string;
}

/** @param explicit the file's own checks, which are cells too. @param without for each network whose gateway mode one side does not know */
export function compareSides(
  before: Side,
  after: Side,
  explicit: readonly CheckSpec[],
  without: readonly Without[] = [],
): Comparison {
  const profiles = [before.state.engine.profile, after.state.engine.profile] as const;
  // in the order of the earlier side, in the words of the later one
  const probes = new Map([...probesOf(before, after.state, explicit), ...probesOf(after, after.state, explicit)]);
  return {
    schema: 1,
    lab: after.state.lab,
    profiles,
    cells: [...probes.values()].map((asked) => cellOf(asked, before, after, without)),
    rules: changedRules(before.rules.host, after.rules.host),
  };
}

/** A probe of one side's matrix, as the later side sends it. */
type Asked = Pick<Check, "probe" | "to" | "at">;

function probesOf({ state, rules }: Side, later: State, explicit: readonly CheckSpec[]): Map<string, Asked> {
  const checks = [...(explicit.length > 0 ? checksOf(state, rules, explicit) : []), ...checksOf(state, rules, [])];
  const probes = new Map<string, Asked>();
  for (const { probe: own, to, at } of checks) {
    const probe = probeIn(own, state, later);
    // the same source port for two senders is a question about one host, not about profiles
    if (!own.sourcePort && !probes.has(probeKey(probe)))
      probes.set(probeKey(probe), { probe, to: to.replace(own.address, probe.address), ...(at ? { at } : {}) });
  }
  return probes;
}

/** The same end of the other side: where a network has no gateway, its containers' addresses begin at one that is the gateway's elsewhere. */
function addressIn(address: Ipv4, own: State, other: State): Ipv4 {
  for (const { node, endpoints } of own.containers) {
    const end = endpoints.find((e) => e.address === address);
    const same = other.containers
      .find((c) => end && c.node === node)
      ?.endpoints.find((e) => e.network === end?.network);
    if (same) return same.address;
  }
  return address;
}

const probeIn = (probe: ProbeSpec, own: State, other: State): ProbeSpec => ({
  ...probe,
  address: addressIn(probe.address, own, other),
});

/** The checks that measure every cell on one side, in the order of the cells. */
export function checksOfCells(comparison: Comparison, { state, rules }: Side): Check[] {
  const which = comparison.profiles.indexOf(state.engine.profile);
  return comparison.cells.map((cell, i): Check => {
    const address = cell.sides[which]?.address ?? cell.address;
    const probe = probeOf({ ...cell, address }, state);
    const predicted = predict(state, probe, rules);
    const { outcome, seenAs } = predicted;
    return {
      id: `cell/${i}`,
      group: "explicit",
      claim: `${cell.from} to ${cell.to}`,
      probe,
      to: cell.to,
      predicted,
      expected: { outcome, ...(seenAs ? { seenAs } : {}) },
    };
  });
}

const probeKey = ({ from, address, port, proto, transfer }: ProbeSpec): string =>
  `${from} ${address} ${port} ${proto} ${transfer}`;

function probeOf({ from, address, port, proto, transfer }: Cell, state: State): ProbeSpec {
  const node = state.containers.find((c) => c.node === from)?.node ?? (from as ProbeSpec["from"]);
  return { from: node, address, proto, ...(port ? { port } : {}), ...(transfer ? { transfer } : {}) };
}

// --- cells -----------------------------------------------------------------------------------------------------------

function cellOf({ probe, to, at }: Asked, before: Side, after: Side, without: readonly Without[]): Cell {
  const earlier = probeIn(probe, after.state, before.state);
  const predictions = [predict(before.state, earlier, before.rules), predict(after.state, probe, after.rules)] as const;
  const change = changeOf(predictions[0], before.state, predictions[1], after.state);
  const { from, address, port, proto, transfer } = probe;
  const elsewhere = earlier.address === address ? {} : { address: earlier.address };
  return {
    from,
    to,
    address,
    ...(port ? { port } : {}),
    proto,
    ...(transfer ? { transfer } : {}),
    change,
    sides: [{ ...elsewhere, ...sideOf(predictions[0]) }, sideOf(predictions[1])],
    ...(change === "none" ? {} : { why: whyChanged([earlier, probe], predictions, [before, after], without) }),
    ...(at ? { at } : {}),
  };
}

/** Whoever has another number on the other side is still the same. */
function changeOf(a: Prediction, ofA: State, b: Prediction, ofB: State): CellChange {
  if (a.outcome !== b.outcome || a.server !== b.server) return "outcome";
  if ((a.seenAs && addressIn(a.seenAs, ofA, ofB)) !== b.seenAs) return "source";
  return wayOf(a) === wayOf(b) ? "none" : "way";
}

/** What happens to the packet, in one word each: translations, then what stops it. */
function wayOf(prediction: Prediction): string {
  const { translations, stop } = prediction;
  const end = stop && (stop.rule?.purpose ?? (stop.policy ? "policy" : stop.node));
  return [...translations.map((t) => `${t.node} ${t.kind}`), end].join(", ");
}

function sideOf(prediction: Prediction): CellSide {
  const { outcome, seenAs, because, stop, translations } = prediction;
  const { rule, node } = stop?.rule ? stop : outcome === "reach" ? (translations[0] ?? {}) : {};
  const words = rule && { ...wordsOf(rule), ...(node && node !== HOST ? { node } : {}) };
  return { outcome, ...(seenAs ? { seenAs } : {}), because, ...(words ? { rule: words } : {}) };
}

/** What sets one line of releases apart from another, by the sign that only one of the two predictions bears. */
const REASONS: readonly {
  readonly sign: Purpose | "policy" | "proxy";
  readonly trait: keyof Traits;
  readonly why: string;
}[] = [
  {
    sign: "direct-access",
    trait: "guardsAddresses",
    why: "since docker-28 a rule in raw drops what is addressed to a container itself and comes from outside its bridge",
  },
  {
    sign: "isolation-drop",
    trait: "isolatesBridges",
    why: "up to docker-28 the isolation chains drop what goes from one bridge to another",
  },
  {
    sign: "default-drop",
    trait: "dropsByDefault",
    why: "since docker-28 what is not published is dropped for each network, whatever the policy of FORWARD is",
  },
  {
    sign: "policy",
    trait: "dropsByDefault",
    why: "docker-20.10 leaves what is not published to the policy of FORWARD",
  },
  {
    sign: "proxy",
    trait: "containersByProxy",
    why: "up to docker-28 the userland proxy answers what containers send to a published port; docker-29 translates the address",
  },
];

function whyChanged(
  probes: readonly [ProbeSpec, ProbeSpec],
  predictions: readonly [Prediction, Prediction],
  [before, after]: readonly [Side, Side],
  without: readonly Without[],
): string {
  const [a, b] = predictions;
  const unknown = without.find(({ of, side }) => {
    const { state } = of === 0 ? before : after;
    const otherwise = predict(side.state, probeIn(probes[of], state, side.state), side.rules);
    return changeOf(predictions[of], state, otherwise, side.state) !== "none";
  });
  if (unknown) return `docker-20.10 does not know the gateway mode of network ${unknown.network}`;
  const [traitsA, traitsB] = [traitsOf(before.state), traitsOf(after.state)];
  const reason = REASONS.find(
    ({ sign, trait }) => traitsA[trait] !== traitsB[trait] && bears(a, sign) !== bears(b, sign),
  );
  if (reason) return reason.why;
  return needsBridgeNetfilter(before.state) === needsBridgeNetfilter(after.state)
    ? "the rules that decide it differ"
    : "docker-20.10 lets frames within a bridge pass iptables, later releases only where they need it";
}

function bears({ stop, translations }: Prediction, sign: string): boolean {
  if (sign === "policy") return stop?.policy !== undefined;
  if (sign === "proxy") return translations.some((t) => t.kind === "proxy");
  return stop?.rule?.purpose === sign;
}

// --- rules -----------------------------------------------------------------------------------------------------------

function changedRules(before: Ruleset, after: Ruleset): RuleChange[] {
  const [gone, come] = leftOver(before, after);
  const moved = new Map<Rule, Rule>();
  const free = new Set(gone);
  for (const rule of come) {
    const was =
      [...free].find((r) => sameRule(r, rule) && r.chain === rule.chain) ?? [...free].find((r) => sameRule(r, rule));
    if (!was) continue;
    moved.set(rule, was);
    free.delete(was);
  }
  const removed = [...free].map((rule): RuleChange => ({ change: "removed", ...wordsOf(rule) }));
  const rest = come.map((rule): RuleChange => {
    const was = moved.get(rule);
    return was ? { change: "moved", ...wordsOf(rule), from: was.chain } : { change: "added", ...wordsOf(rule) };
  });
  return [...removed, ...rest].sort((a, b) => place(a) - place(b));
}

/** Rules that do not stand in their chain as they do on the other side: of the one, of the other. */
function leftOver(before: Ruleset, after: Ruleset): [Rule[], Rule[]] {
  const key = (r: Rule): string => `${r.table} ${r.chain}`;
  const keys = [...new Set([...before.rules, ...after.rules].map(key))];
  const pairs = keys.map((k): [Rule[], Rule[]] => {
    const [a, b] = [before, after].map(({ rules }) => rules.filter((r) => key(r) === k)) as [Rule[], Rule[]];
    const kept = longestCommon(a.map(renderRule), b.map(renderRule));
    const [stayA, stayB] = [new Set(kept.map(([i]) => i)), new Set(kept.map(([, j]) => j))];
    return [a.filter((_, i) => !stayA.has(i)), b.filter((_, j) => !stayB.has(j))];
  });
  return [pairs.flatMap(([a]) => a), pairs.flatMap(([, b]) => b)];
}

const sameRule = (a: Rule, b: Rule): boolean => a.table === b.table && renderSpec(a) === renderSpec(b);

const TABLE_ORDER: readonly Table[] = ["raw", "nat", "filter"];
const place = ({ table, change }: RuleChange): number =>
  TABLE_ORDER.indexOf(table) * 3 + ["removed", "added", "moved"].indexOf(change);

function wordsOf(rule: Rule): RuleWords {
  const { table, chain, owner } = rule;
  return { table, chain, text: renderRule(rule), words: explainRule(rule), ...(owner.at ? { at: owner.at } : {}) };
}
