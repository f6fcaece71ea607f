/**
 * The way of one packet: what it did on every link and what each namespace did with it, joined from frames, traces and routing. Pure.
 * Within a namespace frames and traces are in the kernel's order. A visit of a namespace begins with a frame that comes in and ends with
 * one that goes out; the next visit is at the other end of that link. No clock is asked. The runs through a namespace's chains are dealt
 * to its visits by their hooks.
 */
import type { RouteAnswer } from "../../kernel/netlink/route-query.ts";
import type { Ipv4Packet } from "../../net/frame.ts";
import type { NodeName } from "../../net/name.ts";
import { chainStep, droppedBy, specOf, translatorOf } from "./chain.ts";
import { findHops, type HopFrames, type Seen } from "./hop-frames.ts";
import {
  type ChainRun,
  type Ends,
  endsOf,
  type Identity,
  type NodeFacts,
  renderEnds,
  runsOf,
  type WalkLink,
  type WalkPacket,
  type WalkRecord,
} from "./record.ts";
import type { MetRule, OnLink, WalkHop, WalkStep } from "./walk.ts";

/** A hop with what its end is judged by. */
export interface Visit {
  readonly node: NodeName;
  readonly hop: WalkHop;
  /** The packet as it left the namespace, or was last seen in it. */
  readonly last: Ipv4Packet;
  /** The frame by which it came in, or went out of its sender. */
  readonly seen?: WalkPacket;
  /** The frame by which it went out. */
  readonly left?: WalkPacket;
  readonly route?: RouteAnswer;
  readonly mark?: number;
  /** The rule or policy that took it. */
  readonly dropped?: MetRule;
}

/** @param sender where it starts: it may have died there before any link saw it */
export function followPacket(record: WalkRecord, sender: NodeName, isIt: Identity): Visit[] {
  const hops = findHops(record, sender, isIt);
  if (hops[0]?.node !== sender || hops[0].in) {
    if (runsOf(record, sender, isIt).length > 0 || hops.length === 0) hops.unshift({ node: sender });
  }
  const groups = new Map<NodeName, ChainRun[][]>();
  return hops.flatMap((frames): Visit[] => {
    const { node } = frames;
    const waiting = groups.get(node) ?? groupRuns(runsOf(record, node, isIt));
    groups.set(node, waiting);
    const facts = record.nodes.get(node);
    const runs = takeRuns(waiting, frames);
    const visit = facts && visitOf(node, facts, frames, runs);
    return visit ? [visit] : [];
  });
}

// --- chains --------------------------------------------------------------------------------------------------------------

const RANK: Readonly<Record<string, number>> = { PREROUTING: 0, OUTPUT: 0, INPUT: 1, FORWARD: 1, POSTROUTING: 2 };
const rankOf = (run: ChainRun): number => RANK[run.chain] ?? 1;

/** One of iptables, whose name says where it hangs; nftables' own may have any name. */
const isNamed = ({ chain }: ChainRun): boolean => RANK[chain] !== undefined;

/** Hooks are met in order once a visit, PREROUTING only where it comes in. */
function groupRuns(runs: readonly ChainRun[]): ChainRun[][] {
  const groups: ChainRun[][] = [];
  for (const run of runs) {
    const group = groups.at(-1);
    const last = group?.findLast(isNamed);
    const again = group?.some((r) => r.table === run.table && r.chain === run.chain);
    const entersAgain = last && run.chain === "PREROUTING" && last.chain !== "PREROUTING";
    const follows = !last || !isNamed(run) || rankOf(run) >= rankOf(last);
    if (group && follows && !again && !entersAgain) group.push(run);
    else groups.push([run]);
  }
  return groups;
}

/** A namespace where it is sent meets OUTPUT, one where it comes in PREROUTING. */
function takeRuns(waiting: ChainRun[][], frames: HopFrames): ChainRun[] {
  const first = waiting[0]?.find(isNamed) ?? waiting[0]?.[0];
  if (!first) return [];
  const sent = frames.in === undefined;
  const leaves = first.chain === "OUTPUT" || first.chain === "POSTROUTING";
  const fits = isNamed(first) ? (sent ? leaves : first.chain !== "OUTPUT") : sent === (first.iif === undefined);
  return fits ? (waiting.shift() ?? []) : [];
}

// --- one visit -------------------------------------------------------------------------------------------------------------

function visitOf(node: NodeName, facts: NodeFacts, frames: HopFrames, runs: readonly ChainRun[]): Visit | undefined {
  const came = frames.in?.packet.frame.ip;
  const led = frames.out ? undefined : ledBy(facts, runs);
  const went = frames.out?.packet.frame.ip ?? led;
  const first = came ?? runs[0]?.ip ?? went;
  if (!first) return undefined;
  const last = went ?? runs.at(-1)?.ip ?? first;
  const switched = isSwitched(facts.links, frames);
  const dropped = droppedBy(node, facts, runs, frames.out !== undefined);
  const entry = frames.in && facts.links.find((l) => l.name === frames.in?.link);
  const asked = switched ? undefined : (led ?? routedAs(runs, last));
  const route =
    asked &&
    facts.route({
      destination: asked.dst,
      ...markOf(runs),
      // what comes in by lo was routed when it was sent
      ...(entry && entry.name !== "lo" ? { source: asked.src, iif: entry.index } : {}),
    });
  const steps = stepsOf(node, facts, {
    first,
    runs,
    went,
    route: asked && route && needsRoute(runs, dropped) ? { to: asked.dst, answer: route } : undefined,
  });
  const action = dropped
    ? "drop"
    : switched && frames.out
      ? "switch"
      : frames.out
        ? frames.in
          ? "forward"
          : "send"
        : // what a node sends to itself comes in by lo
          route?.type === "local" && frames.in
          ? "receive"
          : "end";
  const hop: WalkHop = {
    node,
    action,
    ...(frames.in ? { in: onLink(facts.links, frames.in) } : {}),
    ...(frames.out && !dropped ? { out: onLink(facts.links, frames.out) } : {}),
    steps,
  };
  const seen = frames.in?.packet ?? frames.out?.packet;
  const left = frames.out?.packet;
  return {
    node,
    hop,
    last,
    ...(seen ? { seen } : {}),
    ...(left ? { left } : {}),
    ...(route ? { route } : {}),
    ...markOf(runs),
    ...(dropped ? { dropped } : {}),
  };
}

/**
 * As a DNAT rule led it on, when no chain and no link has seen it after that: then it died where routing decides. undefined: no such rule
 * was the last, or it does not say one address.
 */
function ledBy(facts: NodeFacts, runs: readonly ChainRun[]): Ipv4Packet | undefined {
  const run = runs.at(-1);
  const spec = run?.table === "nat" ? specOf(facts, run.events.at(-1)) : undefined;
  const [, dst, port] = / -j DNAT --to-destination (\d+\.\d+\.\d+\.\d+)(?::(\d+))?(?: |$)/.exec(` ${spec}`) ?? [];
  if (!run || !dst) return undefined;
  const { ip } = run;
  const to = port ? { dstPort: Number(port) } : {};
  return {
    ...ip,
    dst: dst as Ipv4Packet["dst"],
    ...(ip.tcp ? { tcp: { ...ip.tcp, ...to } } : {}),
    ...(ip.udp ? { udp: { ...ip.udp, ...to } } : {}),
  };
}

/** From port to port of a bridge, without the bridge's own device. */
function isSwitched(links: readonly WalkLink[], { in: came }: HopFrames): boolean {
  return came !== undefined && came.port === undefined && links.find((l) => l.name === came.link)?.master !== undefined;
}

/** As rules have marked it, when routing asked for it. */
function markOf(runs: readonly ChainRun[]): { mark?: number } {
  const mark = (runs.findLast((r) => r.oif === undefined || r.iif === undefined) ?? runs.at(-1))?.mark;
  return mark ? { mark } : {};
}

/** The addresses by which it was routed: those after PREROUTING. */
function routedAs(runs: readonly ChainRun[], last: Ipv4Packet): Ipv4Packet {
  return (
    runs.find((r) => r.chain === "FORWARD" || r.chain === "INPUT")?.ip ??
    runs.findLast((r) => r.chain === "OUTPUT" || r.chain === "POSTROUTING")?.ip ??
    last
  );
}

/** What dies before routing has decided was not routed. */
function needsRoute(runs: readonly ChainRun[], dropped: MetRule | undefined): boolean {
  return !dropped || !isBeforeRouting(runs, runs.length - 1);
}

/** A chain of nftables' own has no name that tells: what comes in and has no link to go out by is not routed yet, or stays here. */
function isBeforeRouting(runs: readonly ChainRun[], at: number, stays = false): boolean {
  const run = runs[at];
  if (!run || isNamed(run)) return run?.chain === "PREROUTING";
  const isIn = run.iif !== undefined && run.oif === undefined;
  return isIn && (!stays || runs.slice(at).some((r) => r.chain === "PREROUTING"));
}

function onLink(links: readonly WalkLink[], { packet, link, port }: Seen): OnLink {
  const { ip } = packet.frame;
  const own = links.find((l) => l.name === link);
  const master = own?.master;
  return {
    link: master ?? link,
    ...(port || master ? { port: port ?? link } : {}),
    ...(own?.parent ? { parent: own.parent } : {}),
    ...(ip ? endsOf(ip) : { src: "", dst: "" }),
    ttl: ip?.ttl ?? 0,
  };
}

// --- steps ---------------------------------------------------------------------------------------------------------------

interface Course {
  readonly first: Ipv4Packet;
  readonly runs: readonly ChainRun[];
  readonly went: Ipv4Packet | undefined;
  readonly route: Routed | undefined;
}

interface Routed {
  readonly to: string;
  readonly answer: RouteAnswer;
}

function stepsOf(node: NodeName, facts: NodeFacts, { first, runs, went, route }: Course): WalkStep[] {
  const steps: WalkStep[] = [];
  const routeStep = route && ({ kind: "route", route: renderRoute(facts.links, route.to, route.answer) } as const);
  let routed = routeStep === undefined;
  const decide = (): void => {
    if (!routed && routeStep) steps.push(routeStep);
    routed = true;
  };
  let ends = endsOf(first);
  for (const [i, run] of runs.entries()) {
    const translated = changeTo(ends, endsOf(run.ip), "conntrack");
    if (translated) steps.push(translated);
    ends = endsOf(run.ip);
    if (!isBeforeRouting(runs, i, route?.answer.type === "local")) decide();
    steps.push(chainStep(node, facts, run));
    const after = runs[i + 1]?.ip ?? went;
    const change = after && run.table === "nat" && changeTo(ends, endsOf(after), translatorOf(facts, run));
    if (change && after) {
      steps.push(change);
      ends = endsOf(after);
    }
  }
  decide();
  const change = went && changeTo(ends, endsOf(went), "conntrack");
  if (change) steps.push(change);
  return steps;
}

function changeTo(before: Ends, after: Ends, by: string): WalkStep | undefined {
  const [old, now] = [renderEnds(before), renderEnds(after)];
  return old === now ? undefined : { kind: "translation", before: old, after: now, by };
}

/** As `ip route get` says it: "203.0.113.80 via 192.168.0.1 dev eth0 src 192.168.0.10". */
function renderRoute(links: readonly WalkLink[], to: string, { type, via, oif, prefsrc, errno }: RouteAnswer): string {
  const dev = links.find((l) => l.index === oif)?.name;
  if (type === "none") return `${to}: none${errno ? ` (${errno})` : ""}`;
  const words = [
    ...(type === "unicast" ? [] : [type]),
    to,
    ...(via ? [`via ${via}`] : []),
    ...(dev && type !== "local" ? [`dev ${dev}`] : []),
    ...(prefsrc && type === "unicast" ? [`src ${prefsrc}`] : []),
  ];
  return words.join(" ");
}

/** Of a packet that was never made, or waits for ARP: what its sender's routing says. */
export function ghostOf(record: WalkRecord, sender: NodeName, destination: string): Visit[] {
  const facts = record.nodes.get(sender);
  if (!facts) return [];
  const dst = destination as Ipv4Packet["dst"];
  const route = facts.route({ destination: dst });
  const steps = [{ kind: "route", route: renderRoute(facts.links, destination, route) } as const];
  const last: Ipv4Packet = { src: route.prefsrc ?? dst, dst, ttl: 64, id: 0, proto: 0, length: 0 };
  return [{ node: sender, hop: { node: sender, action: "end", steps }, last, route }];
}
