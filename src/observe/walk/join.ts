/** The story of a walk: the packet itself, what came of it and by whom, the proxy's own connection, the answer. Pure. */
import type { Reaction } from "../../kernel/speech/stimulus.ts";
import { isLoopback } from "../../net/address.ts";
import { type Ipv4Packet, PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "../../net/frame.ts";
import type { NodeName } from "../../net/name.ts";
import type { ProxyListener } from "../../plan/layout.ts";
import { isRequest, sourcePortOf, targetPortOf } from "../captured-packets.ts";
import { endsOf, identityOf, placeOf, type WalkLink, type WalkPacket, type WalkRecord } from "./record.ts";
import type { MetRule, Walk, WalkVerdict, Way } from "./walk.ts";
import { followPacket, ghostOf, type Visit } from "./way.ts";

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
  const request = wayOf("request", words, visits, record, proxied ? undefined : refusal);
  const own = proxied && {
    ...wayOf("proxy", packetWords(proxied.packet), proxied.visits, record, refusal),
    note: `the userland proxy of ${proxied.proxy.owner.label} opens a connection of its own`,
  };
  const back = answer ? followPacket(record, answer.node, identityOf(answer.frame.ip)) : [];
  const reply = answer && wayOf("reply", packetWords(answer.frame.ip), back, record);
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

/** "nothing listens on 81/tcp of b at 172.17.0.3: its kernel answers RST"; undefined: that is no refusal. */
function refusalOf({ node, hop, last }: Visit, answer: Ipv4Packet, proto: Walk["proto"]): string | undefined {
  if (hop.action !== "receive" || !(answer.tcp?.flags.rst || answer.icmp?.type === 3)) return undefined;
  const how = answer.tcp ? "RST" : packetWords(answer);
  const { dst, dport } = endsOf(last);
  // at another address something may
  return `nothing listens on ${dport}/${proto} of ${node} at ${dst}: its kernel answers ${how}`;
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

const byOrder = (a: WalkPacket, b: WalkPacket): number => a.order - b.order;

/** The first that its sender sent: on a link, or in a chain that took it before any link. undefined: it was never made. */
function requestOf(record: WalkRecord, { sender, sport, proto }: WalkCourse): Ipv4Packet | undefined {
  const isIt = (ip: Ipv4Packet | undefined): boolean =>
    ip !== undefined && ip.proto === NUMBERS[proto] && sourcePortOf(ip) === sport && isRequest(ip);
  const sent = record.packets
    .filter((s) => s.node === sender && s.direction === "out" && isIt(s.frame.ip))
    .sort(byOrder)[0];
  return sent?.frame.ip ?? record.traces.find((t) => t.node === sender && isIt(t.ip))?.ip;
}

interface Answer {
  readonly node: NodeName;
  readonly frame: { readonly ip: Ipv4Packet };
}

/** What the namespace where the packet ended sent back: on a link, or in a chain that took it before any link. */
function answerTo(record: WalkRecord, { node, last, seen }: Visit): Answer | undefined {
  const sent = record.packets
    .filter((s) => s.node === node && s.direction === "out" && (!seen || s.order > seen.order))
    .sort(byOrder)
    .map((s) => s.frame.ip);
  const made = record.traces.filter((t) => t.node === node && t.iif === undefined).map((t) => t.ip);
  const ip = [...sent, ...made].find((ip) => ip && answers(ip, last));
  return ip && { node, frame: { ip } };
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
  const sent = record.packets
    .filter((s) => s.node === sender && s.direction === "out" && s.frame.ip && follows(s.frame.ip))
    .sort(byOrder)[0]?.frame.ip;
  return sent && wayOf("second", packetWords(sent), followPacket(record, sender, identityOf(sent)), record);
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
  const own = record.packets
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
  if (icmp?.type === 11) return "icmp time exceeded";
  return icmp ? `icmp type ${icmp.type}` : `protocol ${proto}`;
}

/** @param refusal what is to be said of its last namespace in place of "delivered" */
function wayOf(kind: Way["kind"], packet: string, visits: readonly Visit[], record: WalkRecord, refusal?: string): Way {
  const hops = visits.map((visit, i) => {
    const isLast = i === visits.length - 1;
    const because = isLast ? (refusal ?? endWords(visit, record)) : undefined;
    return because ? { ...visit.hop, because } : visit.hop;
  });
  return { kind, packet, hops };
}

/** What became of it in its last namespace. */
function endWords(visit: Visit, record: WalkRecord): string {
  const { node, hop, last, dropped, route } = visit;
  const { dst, dport } = endsOf(last);
  const links = record.nodes.get(node)?.links ?? [];
  if (dropped) return `${dropped.table} ${dropped.chain} takes it: ${wordsOf(dropped)}`;
  if (hop.action === "receive")
    return dport === undefined ? `${node} has the address ${dst}` : `delivered to port ${dport} of ${node}`;
  if (hop.out) return `it left ${node} by ${hop.out.link}, and nobody took it${cutOff(visit, record)}`;
  if (hop.in?.port && !route)
    return `the bridge ${hop.in.link} of ${node} does not pass it on${downWords(links, hop.in.link)}`;
  if (!route || route.type === "none") return noWayWords(visit, record);
  if (route.type === "local")
    return `${node} has the address ${dst} itself, and does not send it by lo${downWords(links, "lo")}`;
  if (route.type === "broadcast")
    return hop.in
      ? `${dst} is a broadcast address of ${node}, and nobody answers for it`
      : `${dst} is a broadcast address, and ${node} sends there only what asks for it (SO_BROADCAST)`;
  if (route.type !== "unicast") return `the route of ${node} to ${dst} says ${route.type}`;
  const next = route.via ?? dst;
  const dev = links.find((l) => l.index === route.oif)?.name ?? "its link";
  if (isAsked(record, node, next)) {
    const gateway = route.via ? `the gateway ${next}` : next;
    return `${node} asks on ${dev} who has ${gateway}, and nobody answers ARP`;
  }
  if (hop.in && last.ttl <= 1) return `${node} does not route it on: its ttl of ${last.ttl} is used up`;
  return `${node} does not send it on, though it has a route by ${dev}`;
}

/** Why routing refuses: the kernel has one number for several reasons, so it is asked what it says of a packet of its own. */
function noWayWords({ node, hop, last, route, mark }: Visit, record: WalkRecord): string {
  const facts = record.nodes.get(node);
  const { src, dst } = last;
  const entry = facts?.links.find((l) => l.name === hop.in?.link);
  const own = entry && facts?.route({ destination: dst, ...(mark ? { mark } : {}) });
  const errno = own ? own.errno : route?.errno;
  const says = { EINVAL: "blackhole", EHOSTUNREACH: "unreachable", EACCES: "prohibit" }[errno ?? ""];
  if (says) return `the route of ${node} to ${dst} says ${says}`;
  if (!entry || !own || own.type === "none") {
    const down = facts?.links.filter((l) => !l.isUp && isEthernet(l)).map((l) => l.name) ?? [];
    return `${node} has no route to ${dst}${down.length > 0 ? `; it has links that are down: ${down.join(", ")}` : ""}`;
  }
  if (own.type === "unicast" && facts?.forwards(entry.index) === false)
    return `${node} routes nothing on: its net.ipv4.ip_forward is 0`;
  if (isLoopback(dst)) return `${node} takes nothing for ${dst} that comes in by ${entry.name} (route_localnet)`;
  const back = facts?.route({ destination: src });
  if (back?.type === "local")
    return `${node} has the address ${src} itself, and takes nothing from it that comes in by ${entry.name}`;
  if (back?.oif !== entry.index)
    return `${node} takes nothing from ${src} that comes in by ${entry.name}: its own way there is another (rp_filter)`;
  return `${node} has no route to ${dst} for a packet that comes in there`;
}

/** ": link eth0 of web is down": the link that the frame was meant for, or the other end of its pair. */
function cutOff({ left }: Visit, record: WalkRecord): string {
  const links = [...record.nodes].flatMap(([node, facts]) => facts.links.map((link) => ({ node, link })));
  const meant = links.find(({ node, link }) => link.mac === left?.frame.dstMac && node !== left?.node);
  const places = meant ? (record.peers.get(placeOf(meant.node, meant.link.name)) ?? []) : [];
  const ends = links.filter(({ node, link }) => places.includes(placeOf(node, link.name)));
  const down = [...(meant ? [meant] : []), ...ends].find(({ link }) => !link.isUp);
  if (down) return `: link ${down.link.name} of ${down.node} is down`;
  const loose = ends.find(({ node, link }) => node === left?.node && link.master === undefined);
  return loose && meant ? `: ${loose.link.name}, the way to ${meant.node}, is not a port of it` : "";
}

/** lo is none, and neither are the tunnels that the kernel makes in every namespace. */
const isEthernet = ({ mac }: WalkLink): boolean => /^(?:..:){5}..$/.test(mac) && mac !== "00:00:00:00:00:00";

const downWords = (links: readonly WalkLink[], name: string): string =>
  links.some((l) => l.name === name && !l.isUp) ? ": it is down" : "";

/** ARP was sent for it, or the kernel has given up on it. */
function isAsked(record: WalkRecord, node: NodeName, address: string): boolean {
  const failed = record.nodes.get(node)?.neighbours.some((n) => n.address === address && n.state !== "known");
  return (
    failed === true ||
    record.packets.some(
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
  const route = record.nodes.get(end.node)?.route;
  const place = dport === undefined ? `${end.node}` : `${dport}/${proto} of ${end.node}`;
  if (refusal) return { verdict: "refuse", reason: refusal };
  const lost = back.at(-1);
  // a sender that is busy may not have read yet what came
  const hasArrived = lost?.node === sender && lost.hop.action === "receive" && !lost.dropped && !lost.last.icmp?.quoted;
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
  if (end.hop.action === "receive" && hasAnswer && lost && !lost.last.icmp?.quoted)
    return { verdict: "drop", reason: `it arrives, but the answer is lost: ${endWords(lost, record)}` };
  if (end.hop.action === "receive") {
    const { src } = end.last;
    const arrives = `it arrives at ${place}, and`;
    return route?.({ destination: src }).type === "none"
      ? { verdict: "unreachable", reason: `${arrives} ${end.node} has no route back to ${src}` }
      : { verdict: "silent", reason: `${arrives} no answer came in time` };
  }
  return { verdict: end.hop.out ? "silent" : "unreachable", reason: because };
}

/** What the sender takes for a closed port (net/ipv4/tcp_ipv4.c tcp_v4_err). */
const REFUSALS = / --reject-with (tcp-reset|icmp-port-unreachable)\b/;

/** REJECT answers the sender; so may a rule of nftables' own. */
function rejected(rule: MetRule, reaction: Reaction | undefined): WalkVerdict | undefined {
  const errno = reaction?.kind === "errno" ? reaction.errno : undefined;
  // EPERM: the sender's own chain took it
  const tells = rule.verdict === "REJECT" || (rule.see !== undefined && errno !== undefined && errno !== "EPERM");
  // where the userland proxy got the refusal, the sender has its connection all the same
  const isRefusal = errno === "ECONNREFUSED" || (reaction?.kind === "answer" && REFUSALS.test(rule.rule));
  return tells ? (isRefusal ? "refuse" : "unreachable") : undefined;
}
