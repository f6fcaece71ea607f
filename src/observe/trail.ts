/** The way of one probe through the captures: its request on each link, compared with the legs that were predicted. */
import { renderIpv4 } from "../net/frame.ts";
import { HOST } from "../net/name.ts";
import type { Leg, Prediction, ProbeSpec, Stop } from "../plan/predict/prediction.ts";
import {
  type CapturedPacket,
  type CapturedPackets,
  isRequest,
  sourcePortOf,
  targetPortOf,
} from "./captured-packets.ts";
import type { Hop, TranslationSeen } from "./report.ts";
import type { ProbeSource } from "./run.ts";

/** RFC 792 */
const ECHO_REPLY = 0;

/** One connection, datagram or echo request: a check's own, or a transfer's second one. */
export interface Flow {
  readonly probe: ProbeSpec;
  readonly predicted: Prediction;
}

/** Who sent a flow, and how captures find it. */
export interface Sender extends ProbeSource {
  /** The source port that NAT of its own node gave it in place of `port`, which another flow had already. */
  readonly leftWith?: number;
  /** The order of the last packet before it was sent. */
  readonly since: number;
}

export interface Trail {
  /** The request, link by link, in order of the way; first transmission only. */
  readonly request: readonly CapturedPacket[];
  /** Its answer, as far as it came. */
  readonly reply: readonly CapturedPacket[];
  /** Predicted legs that no capture saw. */
  readonly missing: readonly Leg[];
  /** Sightings that the prediction does not have: beyond the predicted end, or with other addresses. */
  readonly extra: readonly CapturedPacket[];
}

/** @param serverSaw the source port that the server reported: it singles out the proxy's own connection among many */
export function followTrail(
  captured: CapturedPackets,
  flow: Flow,
  sender: Sender | undefined,
  serverSaw?: number,
): Trail {
  const own = sender ? requestsOf(captured, flow, sender) : [];
  const claimed = new Set<CapturedPacket>();
  const missing: Leg[] = [];
  const ordered: CapturedPacket[] = [];
  for (const leg of flow.predicted.legs) {
    if (!captured.isCaptured(leg.node, leg.link)) continue;
    const found = (leg.newFlow ? laterFlow(captured, leg, ordered.at(-1), serverSaw) : own).find(
      (s) => !claimed.has(s) && matchesLeg(s, leg, flow.probe.proto),
    );
    if (found) {
      claimed.add(found);
      ordered.push(found);
    } else missing.push(leg);
  }
  const expected = (s: CapturedPacket): boolean =>
    flow.predicted.legs.some((leg) => matchesLeg(s, leg, flow.probe.proto)) ||
    (flow.predicted.unsure?.some((u) => u.node === s.node && u.link === s.link) ?? false);
  const extra = own.filter((s) => !claimed.has(s) && !expected(s)).sort((a, b) => a.order - b.order);
  const request = insertByWay(ordered, extra);
  const last = request.at(-1);
  return { request, reply: last ? repliesTo(captured, last) : [], missing, extra };
}

/** Strays take their place by what a router does to a packet: time to live falls along the way. */
function insertByWay(ordered: readonly CapturedPacket[], strays: readonly CapturedPacket[]): CapturedPacket[] {
  const way = [...ordered];
  for (const stray of strays) {
    const at = way.findLastIndex((s) => s.ip.ttl >= stray.ip.ttl && s.order < stray.order);
    way.splice(at + 1, 0, stray);
  }
  return way;
}

/** The probe's own packet wherever it was seen, repetitions with it: found by its source port, followed by what NAT does not change. */
function requestsOf(captured: CapturedPackets, flow: Flow, sender: Sender): CapturedPacket[] {
  const { probe } = flow;
  const { port, leftWith } = sender;
  const start = [
    ...captured.requestsFrom(port),
    ...(leftWith === undefined ? [] : captured.requestsFrom(leftWith)),
  ].find(
    (s) =>
      s.order > sender.since &&
      protoOf(s) === probe.proto &&
      ((s.ip.src === sender.address &&
        s.ip.dst === probe.address &&
        (targetPortOf(s.ip) === probe.port || probe.proto === "icmp")) ||
        isOwnTranslation(s, flow)) &&
      isAtSender(captured, flow, s),
  );
  return start ? captured.sameFlow(start).filter((s) => isRequest(s.ip)) : [];
}

/**
 * What NAT has given the same two ends is another's packet: elsewhere, or of the sender's node too, and nearer to that other one it lived
 * longer. A bridge with netfilter translates without a hop.
 */
function isAtSender(captured: CapturedPackets, { predicted }: Flow, s: CapturedPacket): boolean {
  const [first] = predicted.legs;
  if (first && (s.node !== first.node || s.direction !== "out")) return false;
  return captured.sameFlow(s).every((other) => other.ip.ttl <= s.ip.ttl);
}

/** What the host itself sends, or a container in its network, is first seen after nat OUTPUT and POSTROUTING have changed it. */
function isOwnTranslation(s: CapturedPacket, flow: Flow): boolean {
  const [first] = flow.predicted.legs;
  return (
    s.node === HOST &&
    s.direction === "out" &&
    first?.node === HOST &&
    first.direction === "out" &&
    flow.predicted.legs.some((leg) => !leg.newFlow && matchesLeg(s, leg, flow.probe.proto))
  );
}

function protoOf(s: CapturedPacket): string {
  return s.ip.tcp ? "tcp" : s.ip.udp ? "udp" : s.ip.icmp ? "icmp" : String(s.ip.proto);
}

function matchesLeg(s: CapturedPacket, leg: Leg, proto: string): boolean {
  return (
    s.node === leg.node &&
    s.link === leg.link &&
    s.direction === leg.direction &&
    s.ip.src === leg.src &&
    s.ip.dst === leg.dst &&
    protoOf(s) === proto &&
    (leg.dport === undefined || targetPortOf(s.ip) === leg.dport)
  );
}

/** The userland proxy's connection: a request of its own. Links are read in any order: one that was read after the client's is only likelier. */
function laterFlow(
  captured: CapturedPackets,
  leg: Leg,
  previous: CapturedPacket | undefined,
  serverSaw: number | undefined,
): readonly CapturedPacket[] {
  if (serverSaw !== undefined) return captured.requestsFrom(serverSaw);
  const requests = captured.on(leg.node, leg.link).filter((s) => isRequest(s.ip));
  const at = requests.findIndex((s) => s.order > (previous?.order ?? 0));
  return at < 0 ? requests : [...requests.slice(at), ...requests.slice(0, at)];
}

function repliesTo(captured: CapturedPackets, last: CapturedPacket): CapturedPacket[] {
  const port = sourcePortOf(last.ip);
  const first = (port === undefined ? [] : captured.answersTo(port))
    .filter((s) => s.node === last.node && s.link === last.link)
    .find((s) => s.order > last.order && s.direction !== last.direction && answers(s, last));
  return first ? [...captured.sameFlow(first)] : [];
}

function answers(s: CapturedPacket, request: CapturedPacket): boolean {
  if (s.ip.src !== request.ip.dst || s.ip.dst !== request.ip.src) return false;
  if (request.ip.tcp) return s.ip.tcp?.ack === (request.ip.tcp.seq + 1) >>> 0;
  if (request.ip.icmp) return s.ip.icmp?.type === ECHO_REPLY && s.ip.icmp.seq === request.ip.icmp.seq;
  return s.ip.udp?.dstPort === request.ip.udp?.srcPort;
}

export function hopOf(s: CapturedPacket): Hop {
  const [sport, dport] = [sourcePortOf(s.ip), targetPortOf(s.ip)];
  return {
    node: s.node,
    link: s.link,
    direction: s.direction,
    frame: renderIpv4(s.ip),
    src: s.ip.src,
    dst: s.ip.dst,
    ...(sport === undefined ? {} : { sport }),
    ...(dport === undefined ? {} : { dport }),
    ttl: s.ip.ttl,
  };
}

/** Where the request left a node with other addresses than it came with. */
export function rewritesOf(request: readonly CapturedPacket[]): Omit<TranslationSeen, "kind" | "rule">[] {
  return request.flatMap((after, i) => {
    const before = request[i - 1];
    // a bridge with netfilter rewrites a frame on its way through a port: between two nodes, but it is the host that did it
    const node = before?.node === after.node ? after.node : HOST;
    return before && renderPair(before) !== renderPair(after)
      ? [{ node, before: renderPair(before), after: renderPair(after) }]
      : [];
  });
}

export function renderPair(s: CapturedPacket): string {
  return `${renderEnd(s.ip.src, sourcePortOf(s.ip))} -> ${renderEnd(s.ip.dst, targetPortOf(s.ip))}`;
}

const renderEnd = (address: string, port: number | undefined): string =>
  port === undefined ? address : `${address}:${port}`;

/**
 * How many frames of this probe the deciding rule of a node must have counted, repetitions included: requests that entered the node,
 * or, where the answer is what is lost, answers that the server sent.
 * @param until the order of the last packet that counts
 */
export function framesInto(captured: CapturedPackets, flow: Flow, sender: Sender, until: number): number {
  const { legs, stop } = flow.predicted;
  const last = legs.at(-1);
  if (!stop || !last) return 0;
  const at = (leg: Leg, packets: readonly CapturedPacket[]): CapturedPacket[] =>
    packets.filter((s) => s.node === leg.node && s.link === leg.link && s.order <= until);
  const requests = requestsOf(captured, flow, sender);
  if (stop.onReply) {
    const [asked] = at(last, requests);
    const port = asked && sourcePortOf(asked.ip);
    if (port === undefined) return 0;
    return at(last, captured.answersTo(port)).filter(
      (s) => s.order > sender.since && s.direction === "out" && isAnswerOn(s, last, port),
    ).length;
  }
  const entry = entryOf(legs, stop, last);
  return at(entry, requests).filter((s) => matchesLeg(s, entry, flow.probe.proto)).length;
}

/**
 * Resets and refusals that came into the deciding rule's node and that no probe sent: who gets an answer from another address than it
 * asked tells that address off, and the rule that drops the probe may count those too. Resets to the address that the rule is about, and
 * what came to a container by the link of the probe (its answer went past the NAT, by a macvlan).
 * @param after the order of the last packet that does not count
 */
export function complaintsInto(
  captured: CapturedPackets,
  { predicted: { legs, stop } }: Flow,
  containers: ReadonlySet<string>,
  after: number,
): number {
  const last = legs.at(-1);
  if (!stop || !last) return 0;
  const { link } = entryOf(legs, stop, last);
  const guarded = stop.rule?.match.destination;
  return captured.packets.filter(
    (s) =>
      s.order > after &&
      s.node === stop.node &&
      s.direction === "in" &&
      ((s.ip.tcp?.flags.rst && s.ip.dst === guarded) || (s.link === link && isComplaintTo(containers, s))),
  ).length;
}

const isComplaintTo = (containers: ReadonlySet<string>, { ip }: CapturedPacket): boolean =>
  containers.has(ip.dst) && (ip.tcp?.flags.rst === true || ip.icmp?.type === 3);

const entryOf = (legs: readonly Leg[], stop: Stop, last: Leg): Leg =>
  legs.findLast((leg) => leg.node === stop.node && leg.direction === "in") ?? last;

/** @param port the request's source port, or echo id */
function isAnswerOn({ ip }: CapturedPacket, leg: Leg, port: number): boolean {
  if (ip.src !== leg.dst || ip.dst !== leg.src) return false;
  if (ip.icmp) return ip.icmp.type === ECHO_REPLY && ip.icmp.id === port;
  return targetPortOf(ip) === port && sourcePortOf(ip) === leg.dport;
}
