/**
 * Conntrack entries that contradict the NAT rules of the lab: NAT rules see a flow's first packet only, so a flow that began while they
 * were otherwise goes on as it began, and so does each new packet with the same addresses and ports. Pure.
 */
import type { ConntrackEntry } from "../kernel/netlink/conntrack.ts";
import { addressOf, type Ipv4, isLoopback, toNumber } from "../net/address.ts";
import { PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "../net/frame.ts";
import { HOST, type IfName, type NodeName, ROUTER } from "../net/name.ts";
import { type Rule, renderRule } from "../plan/firewall/rule.ts";
import { type Layout, type Node, nodeOf } from "../plan/layout.ts";
import { linkTo } from "./conntrack.ts";
import { renderConntrack } from "./judge.ts";
import type { Drift } from "./report.ts";
import { matches } from "./translation.ts";

/** The nodes that translate for others. */
export const TRANSLATORS: readonly NodeName[] = [HOST, ROUTER];

/** A connection that has ended is begun anew by the next SYN, with the rules of then (net/netfilter/nf_conntrack_proto_tcp.c). */
const ENDED: ReadonlySet<string> = new Set(["TIME_WAIT", "CLOSE"]);

/** Why an entry of this node is stale; undefined when the rules would make the same of its first packet. */
export function staleFlow(layout: Layout, name: NodeName, entry: ConntrackEntry): Drift | undefined {
  const node = nodeOf(layout, name);
  if (!node || PROTOCOLS[entry.proto] === undefined || (entry.state !== undefined && ENDED.has(entry.state)))
    return undefined;
  const { original, reply } = entry;
  const own = new Set<string>(node.links.flatMap((l) => l.addresses.map(addressOf)));
  // what the node itself sends, and over lo, has rules of other hooks
  if (own.has(original.src) || isLoopback(original.src) || isLoopback(original.dst)) return undefined;
  const target = own.has(original.dst) ? differentTarget(node, entry) : undefined;
  const source =
    target || own.has(reply.src) || !isKnown(layout, original.src) ? undefined : differentSource(node, entry);
  const found = target ?? source;
  return (
    found && {
      node: name,
      kind: "conntrack entry",
      problem: "unexpected",
      what: renderConntrack(entry),
      ...found,
    }
  );
}

type Difference = Pick<Drift, "wanted" | "found" | "owner" | "at">;

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: PROTO_TCP, udp: PROTO_UDP, icmp: PROTO_ICMP };

const flowOf = ({ proto, original: o }: ConntrackEntry) => ({
  proto: PROTOCOLS[proto] ?? 0,
  src: toNumber(o.src),
  sport: o.srcPort,
  dport: o.dstPort,
});

/** What is addressed to the node: the first rule of its DNAT chains that is about it decides. */
function differentTarget(node: Node, entry: ConntrackEntry): Difference | undefined {
  const { original: o, reply: r } = entry;
  const from = linkTo(node, o.src);
  const rule = natRules(node).find(
    ({ match, target }) =>
      (target.kind === "DNAT" || target.kind === "RETURN") &&
      isIn(match.in, from) &&
      matches(match, flowOf(entry), { dst: toNumber(o.dst) }),
  );
  const isTranslated = o.dst !== r.src || (entry.proto !== "icmp" && o.dstPort !== r.srcPort);
  if (rule?.target.kind !== "DNAT")
    return isTranslated ? { wanted: "no translation", found: `a translation to ${r.src}:${r.srcPort}` } : undefined;
  const same = rule.target.to === r.src && (rule.target.port ?? o.dstPort) === r.srcPort;
  return same
    ? undefined
    : { wanted: renderRule(rule), found: foundTo(isTranslated, r.src, r.srcPort), ...ownerOf(rule) };
}

/** What is sent on: the first rule of POSTROUTING that is about it decides. */
function differentSource(node: Node, entry: ConntrackEntry): Difference | undefined {
  const { original: o, reply: r } = entry;
  const out = linkTo(node, r.src);
  const rule = natRules(node).find(
    ({ match, target }) =>
      (target.kind === "MASQUERADE" || target.kind === "SNAT") &&
      match.srcType === undefined &&
      matches(match, flowOf(entry), { dst: toNumber(r.src), dport: r.srcPort, ...(out ? { out } : {}) }),
  );
  const isTranslated = o.src !== r.dst;
  if (!rule) return isTranslated ? { wanted: "no translation", found: `a translation to ${r.dst}` } : undefined;
  const to = rule.target.kind === "SNAT" ? rule.target.to : undefined;
  const same = isTranslated && (to === undefined || to === r.dst);
  return same
    ? undefined
    : { wanted: renderRule(rule), found: foundTo(isTranslated, r.dst, r.dstPort), ...ownerOf(rule) };
}

const foundTo = (isTranslated: boolean, address: Ipv4, port: number): string =>
  isTranslated ? `a translation to ${address}:${port}` : "no translation";

const ownerOf = ({ owner }: Rule): Pick<Drift, "owner" | "at"> => ({
  owner: owner.label,
  ...(owner.at ? { at: owner.at } : {}),
});

const natRules = (node: Node): readonly Rule[] => node.rules.rules.filter((r) => r.table === "nat");

/** Of the lab as it is now: a flow of somebody who has gone is over, whatever its entry says. */
const isKnown = (layout: Layout, address: Ipv4): boolean =>
  layout.nodes.some((n) => n.links.some((l) => l.addresses.some((a) => addressOf(a) === address)));

function isIn(wanted: Rule["match"]["in"], link: IfName | undefined): boolean {
  if (wanted === undefined || link === undefined) return wanted === undefined;
  return typeof wanted === "string" ? wanted === link : wanted.not !== link;
}
