/** The story of a walk: the packet itself, what came of it and by whom, the proxy's own connection, the answer. Pure. */
import type { Reaction } from "../kernel/stimulus.ts";
import { type Ipv4Packet, PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "../net/frame.ts";
import type { NodeName } from "../net/name.ts";
import type { ProxyListener } from "../plan/layout.ts";
import { isRequest, sourcePortOf, targetPortOf } from "./recorder.ts";
import type { MetRule, Walk, WalkVerdict, Way } from "./walk.ts";
import { endsOf, identityOf, type WalkRecord, type WalkSighting } from "./walk-record.ts";
import { followPacket, ghostOf, type Visit } from "./walk-way.ts";

/** What was sent, and what is known of it beside the record. */
export interface WalkCourse {
  /** The namespace that sends. */
  readonly sender: NodeName;
  readonly address: string;
  readonly port?: number;
  readonly proto: Walk["proto"];
  /** Source port; for icmp the echo id. */
  readonly sport: number;
  /** undefined: nothing came back in time. */
  readonly reaction?: Reaction;
  readonly host: NodeName;
  /** Listeners of the userland proxy on the host. */
  readonly proxies: readonly ProxyListener[];
  readonly reply: boolean;
  readonly second: boolean;
}

export interface Story extends Pick<Walk, "verdict" | "reason" | "rule" | "ways"> {
  /** The packets by which flows began: the request, and the proxy's own. */
  readonly firsts: readonly Ipv4Packet[];
}

export function joinWalk(record: WalkRecord, course: WalkCourse): Story {
  const packet = requestOf(record, course);
  const visits = packet
    ? followPacket(record, course.sender, identityOf(packet))
    : ghostOf(record, course.sender, course.address);
  const proxied = proxyOf(record, course, visits);
  const end = (proxied?.visits ?? visits).at(-1);
  const answer = end && answerTo(record, end);
  const refusal = end && answer && refusalOf(end, answer.frame.ip, course.proto);
  const words = packet ? packetWords(packet) : WORDS[course.proto];
  const request = told("request", words, visits, record, proxied ? undefined : refusal);
  const own = proxied && {
    ...told("proxy", packetWords(proxied.packet), proxied.visits, record, refusal),
    note: `the userland proxy of ${proxied.proxy.owner.label} opens a connection of its own`,
  };
  const back = answer ? followPacket(record, answer.node, identityOf(answer.frame.ip)) : [];
  const reply = answer && told("reply", packetWords(answer.frame.ip), back, record);
  const second = course.second && packet ? secondOf(record, course, packet) : undefined;
  const because = (own ?? request).hops.at(-1)?.because ?? "it was not seen anywhere";
  return {
    ...judge(course, { end, because, refusal, hasAnswer: answer !== undefined, back, record }),
    ways: [
      request,
      ...(own ? [own] : []),
      ...(second ? [second] : []),
      ...(reply && (course.reply || back.some((v) => v.dropped)) ? [reply] : []),
    ],
    firsts: [...(packet ? [packet] : []), ...(proxied ? [proxied.packet] : [])],
  };
}

/** "nothing listens on 81/tcp of b: its kernel answers RST"; undefined: that is no refusal. */
function refusalOf({ node, hop, last }: Visit, answer: Ipv4Packet, proto: Walk["proto"]): string | undefined {
  if (hop.action !== "receive" || !(answer.tcp?.flags.rst || answer.icmp?.type === 3)) return undefined;
  const how = answer.tcp ? "RST" : packetWords(answer);
  return `nothing listens on ${endsOf(last).dport}/${proto} of ${node}: its kernel answers ${how}`;
}

/** Has the last namespace answered, or a rule taken it? Until then more may come. */
export function isComplete(record: WalkRecord, course: WalkCourse): boolean {
  const packet = requestOf(record, course);
  if (!packet) return false;
  const visits = followPacket(record, course.sender, identityOf(packet));
  const end = visits.at(-1);
  if (end && proxyAt(course, end) === undefined) return true;
  const last = proxyOf(record, course, visits)?.visits.at(-1);
  return last !== undefined && (last.dropped !== undefined || answerTo(record, last) !== undefined);
}

export const hasSecond = (record: WalkRecord, course: WalkCourse): boolean => {
  const packet = requestOf(record, course);
  return packet !== undefined && secondOf(record, course, packet) !== undefined;
};

const WORDS = { tcp: "tcp SYN", udp: "udp datagram", icmp: "icmp echo request" } as const;
const NUMBERS = { tcp: PROTO_TCP, udp: PROTO_UDP, icmp: PROTO_ICMP } as const;

// --- finding packets ---------------------------------------------------------------------------------------------------

const byOrder = (a: WalkSighting, b: WalkSighting): number => a.order - b.order;

/** The first that its sender sent: on a link, or in a chain that took it before any link. undefined: it was never made. */
function requestOf(record: WalkRecord, { sender, sport, proto }: WalkCourse): Ipv4Packet | undefined {
  const isIt = (ip: Ipv4Packet | undefined): boolean =>
    ip !== undefined && ip.proto === NUMBERS[proto] && sourcePortOf(ip) === sport && isRequest(ip);
  const sent = record.sightings
    .filter((s) => s.node === sender && s.direction === "out" && isIt(s.frame.ip))
    .sort(byOrder)[0];
  return sent?.frame.ip ?? record.traces.find((t) => t.node === sender && isIt(t.ip))?.ip;
}

interface Answer {
  readonly node: NodeName;
  readonly frame: { readonly ip: Ipv4Packet };
}

/** What the namespace where the packet ended sent back. */
function answerTo(record: WalkRecord, { node, last, seen }: Visit): Answer | undefined {
  return record.sightings
    .filter((s) => s.node === node && s.direction === "out" && (!seen || s.order > seen.order))
    .sort(byOrder)
    .flatMap(({ frame }) => (frame.ip && answers(frame.ip, last) ? [{ node, frame: { ip: frame.ip } }] : []))[0];
}

function answers(ip: Ipv4Packet, request: Ipv4Packet): boolean {
  if (ip.icmp?.quoted) return ip.icmp.quoted.id === request.id && ip.icmp.quoted.proto === request.proto;
  // the source address may be translated back before any link sees it
  if (ip.proto !== request.proto || ip.dst !== request.src) return false;
  if (request.tcp) return ip.tcp?.ack === (request.tcp.seq + 1) >>> 0 && ip.tcp.dstPort === request.tcp.srcPort;
  if (request.icmp) return ip.icmp?.type === 0 && ip.icmp.id === request.icmp.id && ip.icmp.seq === request.icmp.seq;
  return ip.udp?.dstPort === request.udp?.srcPort;
}

/** The handshake's ACK, or the datagram or echo request after the first. */
function secondOf(record: WalkRecord, { sender, sport }: WalkCourse, first: Ipv4Packet): Way | undefined {
  const follows = (ip: Ipv4Packet): boolean => {
    if (ip.proto !== first.proto || sourcePortOf(ip) !== sport) return false;
    if (first.tcp) return ip.tcp?.seq === (first.tcp.seq + 1) >>> 0 && !ip.tcp.flags.syn && ip.tcp.flags.ack;
    return isRequest(ip) && ip.id !== first.id;
  };
  const sent = record.sightings
    .filter((s) => s.node === sender && s.direction === "out" && s.frame.ip && follows(s.frame.ip))
    .sort(byOrder)[0]?.frame.ip;
  return sent && told("second", packetWords(sent), followPacket(record, sender, identityOf(sent)), record);
}

/** The listener may be the userland proxy, which opens a connection of its own. */
interface Proxied {
  readonly proxy: ProxyListener;
  readonly packet: Ipv4Packet;
  readonly visits: readonly Visit[];
}

function proxyOf(record: WalkRecord, course: WalkCourse, visits: readonly Visit[]): Proxied | undefined {
  const end = visits.at(-1);
  const proxy = end && proxyAt(course, end);
  if (!proxy) return undefined;
  const own = record.sightings
    .filter((s) => s.node === course.host && s.direction === "out" && end.seen && s.order > end.seen.order)
    .sort(byOrder)
    .find(
      ({ frame: { ip } }) =>
        ip && isRequest(ip) && ip.dst === proxy.containerIp && targetPortOf(ip) === proxy.containerPort,
    )?.frame.ip;
  return own && { proxy, packet: own, visits: followPacket(record, course.host, identityOf(own)) };
}

function proxyAt({ host, proto, proxies }: WalkCourse, { node, hop, last }: Visit): ProxyListener | undefined {
  if (node !== host || hop.action !== "receive") return undefined;
  const { dst, dport } = endsOf(last);
  return proxies.find((p) => p.proto === proto && p.hostPort === dport && (p.hostIp === "0.0.0.0" || p.hostIp === dst));
}

// --- words -------------------------------------------------------------------------------------------------------------

const UNREACHABLE = ["net unreachable", "host unreachable", "protocol unreachable", "port unreachable"] as const;

/** "tcp SYN", "udp datagram", "icmp echo request", "icmp port unreachable" */
export function packetWords({ tcp, udp, icmp, proto }: Ipv4Packet): string {
  if (tcp) {
    const flags = (["syn", "fin", "rst", "psh", "ack"] as const).filter((name) => tcp.flags[name]);
    return `tcp ${flags.join(",").toUpperCase()}`;
  }
  if (udp) return "udp datagram";
  if (icmp?.type === 8) return "icmp echo request";
  if (icmp?.type === 0) return "icmp echo reply";
  if (icmp?.type === 3) return `icmp ${UNREACHABLE[icmp.code] ?? `unreachable, code ${icmp.code}`}`;
  return icmp ? `icmp type ${icmp.type}` : `protocol ${proto}`;
}

/** @param refusal what is to be said of its last namespace in place of "delivered" */
function told(kind: Way["kind"], packet: string, visits: readonly Visit[], record: WalkRecord, refusal?: string): Way {
  const hops = visits.map((visit, i) => {
    const isLast = i === visits.length - 1;
    const because = isLast ? (refusal ?? endWords(visit, record)) : undefined;
    return because ? { ...visit.hop, because } : visit.hop;
  });
  return { kind, packet, hops };
}

/** What became of it in its last namespace. */
function endWords({ node, hop, last, dropped, route }: Visit, record: WalkRecord): string {
  const { dst, dport } = endsOf(last);
  if (dropped) return `${dropped.table} ${dropped.chain} takes it: ${wordsOf(dropped)}`;
  if (hop.action === "receive")
    return dport === undefined ? `${node} has the address ${dst}` : `delivered to port ${dport} of ${node}`;
  if (hop.out) return `it left ${node} by ${hop.out.link}, and nobody took it`;
  if (!route || route.type === "none")
    return `${node} has no route to ${dst}${route?.errno === "EINVAL" ? " for a packet that comes in there" : ""}`;
  if (route.type !== "unicast") return `the route of ${node} to ${dst} says ${route.type}`;
  const next = route.via ?? dst;
  const dev = record.nodes.get(node)?.links.find((l) => l.index === route.oif)?.name ?? "its link";
  if (isAsked(record, node, next)) {
    const gateway = route.via ? `the gateway ${next}` : next;
    return `${node} asks on ${dev} who has ${gateway}, and nobody answers ARP`;
  }
  return `${node} does not send it on, though it has a route by ${dev}`;
}

/** ARP was sent for it, or the kernel has given up on it. */
function isAsked(record: WalkRecord, node: NodeName, address: string): boolean {
  const failed = record.nodes.get(node)?.neighbours.some((n) => n.address === address && n.state !== "known");
  return (
    failed === true ||
    record.sightings.some(
      (s) =>
        s.node === node && s.direction === "out" && s.frame.arp?.operation === 1 && s.frame.arp.targetIp === address,
    )
  );
}

const wordsOf = (rule: MetRule): string => rule.words ?? rule.rule;

// --- the verdict -------------------------------------------------------------------------------------------------------

interface Ended {
  readonly end: Visit | undefined;
  readonly because: string;
  /** Whom the listener refused, in words. */
  readonly refusal: string | undefined;
  readonly hasAnswer: boolean;
  readonly back: readonly Visit[];
  readonly record: WalkRecord;
}

function judge(
  { reaction, proto, sender }: WalkCourse,
  { end, because, refusal, hasAnswer, back, record }: Ended,
): Omit<Story, "ways" | "firsts"> {
  if (!end) return { verdict: "silent", reason: because };
  if (end.dropped) return { verdict: rejected(end.dropped, reaction) ?? "drop", reason: because, rule: end.dropped };
  const { dst, dport } = endsOf(end.last);
  const place = dport === undefined ? `${end.node}` : `${dport}/${proto} of ${end.node}`;
  if (refusal) return { verdict: "refuse", reason: refusal };
  const lost = back.at(-1);
  // a sender that is busy may not have read yet what came
  const hasArrived = lost?.node === sender && lost.hop.action === "receive" && !lost.dropped;
  if (reaction ? reaction.kind === "answer" : hasArrived) {
    const { src, sport } = endsOf(end.last);
    const seen = sport === undefined ? src : `${src}:${sport}`;
    return {
      verdict: "reach",
      reason: `${end.node} answers at ${dport === undefined ? dst : `${dst}:${dport}`}; it sees ${seen}`,
    };
  }
  if (lost?.dropped)
    return {
      verdict: "drop",
      reason: `it arrives, but the answer is lost: ${endWords(lost, record)}`,
      rule: lost.dropped,
    };
  if (end.hop.action === "receive" && hasAnswer && lost)
    return { verdict: "drop", reason: `it arrives, but the answer is lost: ${endWords(lost, record)}` };
  if (end.hop.action === "receive")
    return { verdict: "silent", reason: `it arrives at ${place}, and no answer came in time` };
  return { verdict: end.hop.out ? "silent" : "unreachable", reason: because };
}

/** REJECT tells the sender. */
function rejected(rule: MetRule, reaction: Reaction | undefined): WalkVerdict | undefined {
  if (rule.verdict !== "REJECT") return undefined;
  return reaction?.kind === "errno" && reaction.errno === "ECONNREFUSED" ? "refuse" : "unreachable";
}
