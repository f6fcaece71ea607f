/**
 * Conntrack entries as a NAT table: who is inside, as whom the outside knows it, who is at the other end. The four addresses are those of
 * RFC 2663 section 2 and of Cisco's `show ip nat translations`: local is how the inside sees an end, global how the outside does. Each row
 * names the rules that the lab has for it. Pure.
 */

import type { Origin } from "../errors.ts";
import type { ConntrackChange, ConntrackEntry, Tuple } from "../kernel/netlink/conntrack.ts";
import { addressOf, contains, type Ipv4, isLoopback, type Subnet, subnetOf, toNumber } from "../net/address.ts";
import { PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "../net/frame.ts";
import { HOST, type IfName, type NodeName, ROUTER } from "../net/name.ts";
import { describePurpose, type Rule, renderRule } from "../plan/firewall/rule.ts";
import { type Layout, type Node, nodeOf } from "../plan/layout.ts";
import { bridgesOf, type State } from "../state/state.ts";
import { matches } from "./translation.ts";

export interface NatTable {
  readonly schema: 1;
  /** Version. */
  readonly docknet: string;
  readonly lab: string;
  readonly nodes: readonly NodeNat[];
}

export interface NodeNat {
  readonly node: string;
  readonly rows: readonly NatRow[];
  /** Connections that are left out because nothing of them is translated. */
  readonly untranslated: number;
}

export type NatKind = "SNAT" | "MASQUERADE" | "DNAT" | "DNAT+SNAT" | "DNAT+MASQUERADE" | "none";

export interface NatRow {
  /** "tcp", "udp", "icmp", "sctp", else its number. */
  readonly proto: string;
  readonly kind: NatKind;
  /** Whose the first packet was: of the inside, or of the remote end. */
  readonly direction: "out" | "in";
  /** Back into the network that it came from. */
  readonly hairpin?: true;
  /** The inside end as the inside knows it. */
  readonly insideLocal: NatEnd;
  /** The same as the outside knows it: of a published port the published address. */
  readonly insideGlobal: NatEnd;
  /** The other end as the outside knows it. */
  readonly outsideGlobal: NatEnd;
  /** The same as the inside sees it. */
  readonly outsideLocal: NatEnd;
  /** TCP's state; of others UNREPLIED, REPLIED or ASSURED. */
  readonly state: string;
  readonly replied: boolean;
  readonly assured: boolean;
  /** Seconds until it is forgotten when nothing more comes. */
  readonly expiresSeconds: number;
  /** Of each direction, where net.netfilter.nf_conntrack_acct is 1. */
  readonly counters?: NonNullable<ConntrackEntry["counters"]>;
  /** Rules of the lab that translated it; none for what was written by hand, or by rules that are gone. */
  readonly by: readonly NatRule[];
  /** As conntrack(8) shows them. */
  readonly original: Tuple;
  readonly reply: Tuple;
}

export interface NatEnd {
  /** The node that has the address, where one does. */
  readonly node?: string;
  readonly address: string;
  readonly port?: number;
  /** Of icmp, at the inside end: an echo has one, and NAT may change it. */
  readonly id?: number;
}

export interface NatRule {
  /** "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", of table nat. */
  readonly rule: string;
  readonly words: string;
  readonly owner: string;
  readonly at?: Origin;
}

/** One change of a table as it happens. */
export interface NatEvent {
  /** RFC 3339 with milliseconds. */
  readonly time: string;
  readonly change: ConntrackChange;
  readonly node: string;
  readonly row: NatRow;
}

export interface NatChoice {
  /** Untranslated ones too. */
  readonly all?: boolean;
  /** "tcp", "udp", "icmp", "sctp" */
  readonly proto?: string;
}

/** What a node's entries are seen by. */
export interface NatView {
  readonly node: NodeName;
  readonly rules: readonly Rule[];
  readonly inside: readonly Subnet[];
  readonly own: ReadonlySet<string>;
  readonly names: ReadonlyMap<string, NodeName>;
  readonly layoutNode: Node | undefined;
}

export function natView(state: State, layout: Layout, node: NodeName): NatView {
  const layoutNode = nodeOf(layout, node);
  const addressesOf = (n: Node): Ipv4[] => n.links.flatMap((l) => l.addresses.map(addressOf));
  // a macvlan is beside the host, not behind it
  const inside = node === HOST ? bridgesOf(state).map((n) => n.subnet) : node === ROUTER ? [state.world.lan] : [];
  return {
    node,
    rules: (layoutNode?.rules.rules ?? []).filter((r) => r.table === "nat" && r.target.kind !== "JUMP"),
    inside,
    own: new Set(layoutNode ? addressesOf(layoutNode) : []),
    names: new Map(layout.nodes.flatMap((n) => addressesOf(n).map((address) => [address as string, n.name] as const))),
    layoutNode,
  };
}

/** By protocol and inside end. */
export function natRows(view: NatView, entries: readonly ConntrackEntry[], choice: NatChoice): Omit<NodeNat, "node"> {
  const wanted = entries.filter((e) => choice.proto === undefined || e.proto === choice.proto);
  const chosen = wanted.filter((e) => choice.all || isTranslated(e));
  return { rows: chosen.map((e) => natRow(view, e)).sort(byInside), untranslated: wanted.length - chosen.length };
}

function byInside(a: NatRow, b: NatRow): number {
  const [x, y] = [a.insideLocal, b.insideLocal];
  return (
    compare(a.proto, b.proto) ||
    toNumber(x.address as Ipv4) - toNumber(y.address as Ipv4) ||
    (x.port ?? x.id ?? 0) - (y.port ?? y.id ?? 0) ||
    (a.outsideGlobal.port ?? 0) - (b.outsideGlobal.port ?? 0)
  );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const isTranslated = (e: ConntrackEntry): boolean => hasNewSource(e) || hasNewTarget(e);

const hasNewSource = ({ original, reply }: ConntrackEntry): boolean =>
  original.src !== reply.dst || original.srcPort !== reply.dstPort;

/** The id of an echo is its sender's: it stands at both ends of a tuple. */
const hasNewTarget = ({ proto, original, reply }: ConntrackEntry): boolean =>
  original.dst !== reply.src || (proto !== "icmp" && original.dstPort !== reply.srcPort);

export function natRow(view: NatView, entry: ConntrackEntry): NatRow {
  const { proto, original: o, reply: r, assured, replied } = entry;
  const [newSource, newTarget] = [hasNewSource(entry), hasNewTarget(entry)];
  const targetRule = newTarget ? targetRuleOf(view, entry) : undefined;
  const sourceRule = newSource ? sourceRuleOf(view, entry) : undefined;
  const direction = newTarget || (!newSource && !isInside(view, o.src)) ? "in" : "out";
  const end = (address: Ipv4, port: number, isInsideEnd: boolean): NatEnd => {
    const node = isLoopback(address) ? view.node : view.names.get(address);
    const ports = hasPorts(proto) ? { port } : proto === "icmp" && isInsideEnd ? { id: port } : {};
    return { ...(node ? { node } : {}), address, ...ports };
  };
  const isOut = direction === "out";
  const [caller, callerSeen] = [end(o.src, o.srcPort, isOut), end(r.dst, r.dstPort, isOut)];
  const [called, callee] = [end(o.dst, o.dstPort, !isOut), end(r.src, r.srcPort, !isOut)];
  const ends = isOut
    ? { insideLocal: caller, insideGlobal: callerSeen, outsideGlobal: callee, outsideLocal: called }
    : { insideLocal: callee, insideGlobal: called, outsideGlobal: caller, outsideLocal: callerSeen };
  const isHairpin = newTarget && newSource && view.inside.some((s) => contains(s, o.src) && contains(s, r.src));
  return {
    proto,
    kind: kindOf(newTarget, newSource, sourceRule),
    direction,
    ...(isHairpin ? { hairpin: true } : {}),
    ...ends,
    state: entry.state ?? (assured ? "ASSURED" : replied ? "REPLIED" : "UNREPLIED"),
    replied,
    assured,
    expiresSeconds: entry.timeoutSeconds,
    ...(entry.counters ? { counters: entry.counters } : {}),
    by: [targetRule, sourceRule].flatMap((rule) => (rule ? [describe(rule)] : [])),
    original: o,
    reply: r,
  };
}

const hasPorts = (proto: string): boolean => proto === "tcp" || proto === "udp" || proto === "sctp";

const isInside = ({ own, inside }: NatView, address: Ipv4): boolean =>
  own.has(address) || isLoopback(address) || inside.some((s) => contains(s, address));

/** conntrack does not tell a fixed address from the link's: the rule does. */
function kindOf(newTarget: boolean, newSource: boolean, sourceRule: Rule | undefined): NatKind {
  if (!newSource) return newTarget ? "DNAT" : "none";
  const source = sourceRule?.target.kind === "MASQUERADE" ? "MASQUERADE" : "SNAT";
  return newTarget ? `DNAT+${source}` : source;
}

const describe = (rule: Rule): NatRule => ({
  rule: renderRule(rule),
  words: describePurpose(rule),
  owner: rule.owner.label,
  ...(rule.owner.at ? { at: rule.owner.at } : {}),
});

// --- whose rule ------------------------------------------------------------------------------------------------------

const PROTO_NUMBERS: Readonly<Record<string, number>> = { tcp: PROTO_TCP, udp: PROTO_UDP, icmp: PROTO_ICMP };

const flowOf = ({ proto, original: o }: ConntrackEntry) => ({
  proto: PROTO_NUMBERS[proto] ?? 0,
  src: toNumber(o.src),
  sport: o.srcPort,
  dport: o.dstPort,
});

function targetRuleOf({ rules }: NatView, entry: ConntrackEntry): Rule | undefined {
  const { original: o, reply: r } = entry;
  return rules.find(
    ({ match, target }) =>
      target.kind === "DNAT" &&
      target.to === r.src &&
      // a rule without a port leaves the packet its own
      (target.port ?? o.dstPort) === r.srcPort &&
      matches(match, flowOf(entry), { dst: toNumber(o.dst) }),
  );
}

function sourceRuleOf(view: NatView, entry: ConntrackEntry): Rule | undefined {
  const { original: o, reply: r } = entry;
  const out = linkTo(view.layoutNode, r.src);
  return view.rules.find(({ match, target }) => {
    if (target.kind !== "MASQUERADE" && target.kind !== "SNAT") return false;
    if (target.kind === "SNAT" && target.to !== undefined && target.to !== r.dst) return false;
    if (match.srcType === "LOCAL" && !view.own.has(o.src) && !isLoopback(o.src)) return false;
    // POSTROUTING comes after PREROUTING: it sees the new target
    return matches(match, flowOf(entry), { dst: toNumber(r.src), dport: r.srcPort, ...(out ? { out } : {}) });
  });
}

/** By which link a node sends to an address: that of its subnet, or of the default route. */
export function linkTo(node: Node | undefined, address: Ipv4): IfName | undefined {
  const linkAt = (to: Ipv4) => node?.links.find((l) => l.addresses.some((a) => contains(subnetOf(a), to)));
  const near = linkAt(address);
  if (near) return near.name;
  const route = node?.routes.find((r) => contains(r.to, address));
  return route && (route.link ?? linkAt(route.via)?.name);
}
