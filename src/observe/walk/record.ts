/** What was recorded while one packet was on its way: frames on links, traces of nf_tables, readings. Joined by walk/way.ts. */

import type { TraceEvent } from "../../kernel/firewall/nft-trace.ts";
import type { KernelRule } from "../../kernel/firewall/rules.ts";
import type { Neighbour } from "../../kernel/netlink/neighbours.ts";
import type { RouteAnswer, RouteQuestion } from "../../kernel/netlink/route-query.ts";
import type { Frame, Ipv4Packet } from "../../net/frame.ts";
import type { NodeName } from "../../net/name.ts";
import type { Ruleset } from "../../plan/firewall/rule.ts";
import { sourcePortOf, targetPortOf } from "../captured-packets.ts";

/** One frame on one link. */
export interface WalkPacket {
  readonly node: NodeName;
  readonly link: string;
  readonly direction: "in" | "out";
  /** Of the frames of one namespace: the kernel's own. Between namespaces it says nothing. */
  readonly order: number;
  readonly frame: Frame;
}

export interface NodeTrace extends TraceEvent {
  readonly node: NodeName;
}

export interface WalkLink {
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly isBridge: boolean;
  readonly isUp: boolean;
  /** Name of the bridge that it is a port of. */
  readonly master?: string;
  /** Of a macvlan the link on which it stands: "eth0 of @host". */
  readonly parent?: string;
}

/** What a namespace has, read when the packet was on its way. */
export interface NodeFacts {
  readonly links: readonly WalkLink[];
  /** By `ruleKey`; empty where there are no tables. */
  readonly rules: ReadonlyMap<string, KernelRule>;
  readonly planned: Ruleset;
  readonly route: (question: RouteQuestion) => RouteAnswer;
  /** Does it route on what comes in by that link? By its number. */
  readonly forwards: (index: number) => boolean;
  readonly neighbours: readonly Neighbour[];
}

export interface WalkRecord {
  readonly packets: readonly WalkPacket[];
  /** In order, namespace by namespace. */
  readonly traces: readonly NodeTrace[];
  readonly nodes: ReadonlyMap<NodeName, NodeFacts>;
  /** Where a frame comes in that goes out of a link, both by `placeOf`: the other end of a veth pair; of macvlans several. */
  readonly peers: ReadonlyMap<string, readonly string[]>;
}

export const placeOf = (node: NodeName, link: string): string => `${node} ${link}`;

export const ruleKey = (table: string, handle: number): string => `${table} ${handle}`;

/** A packet to be found again, translated or not. */
export type Identity = (ip: Ipv4Packet) => boolean;

/**
 * What no NAT and no router changes: the IP identification, the length, and of TCP the sequence number with the flags. A SYN,ACK has
 * no identification (net/ipv4/ip_output.c ip_build_and_send_pkt), but 32 random bits of sequence.
 */
export function identityOf(packet: Ipv4Packet): Identity {
  const key = identityKey(packet);
  return (ip) => identityKey(ip) === key;
}

function identityKey({ proto, id, length, tcp, icmp }: Ipv4Packet): string {
  const flags = tcp ? Object.values(tcp.flags).join() : "";
  return [proto, id, length, tcp?.seq, flags, icmp?.type, icmp?.code, icmp?.seq].join(" ");
}

/** One run through the chains of one table at one hook. */
export interface ChainRun {
  readonly table: string;
  readonly chain: string;
  readonly iif?: number;
  readonly oif?: number;
  /** fwmark, as it is when the chain begins. */
  readonly mark?: number;
  /** As it is when the chain begins. */
  readonly ip: Ipv4Packet;
  readonly events: readonly TraceEvent[];
}

/**
 * Runs of one packet in one namespace, in order. A rule that REJECTs sends its message before its own trace: the message's runs stand
 * between the rule and the run that it belongs to.
 */
export function runsOf(record: WalkRecord, node: NodeName, isIt: Identity): ChainRun[] {
  const runs: { head: TraceEvent; ip: Ipv4Packet; events: TraceEvent[] }[] = [];
  for (const event of record.traces) {
    if (event.node !== node) continue;
    if (event.ip) runs.push({ head: event, ip: event.ip, events: [event] });
    else runs.findLast(({ head }) => head.id === event.id)?.events.push(event);
  }
  return runs
    .filter(({ ip }) => isIt(ip))
    .map(({ head, ip, events }) => ({
      table: head.table,
      chain: head.chain,
      ...(head.iif === undefined ? {} : { iif: head.iif }),
      ...(head.oif === undefined ? {} : { oif: head.oif }),
      ...(head.mark === undefined ? {} : { mark: head.mark }),
      ip,
      events,
    }));
}

export interface Ends {
  readonly src: string;
  readonly sport?: number;
  readonly dst: string;
  readonly dport?: number;
}

export function endsOf(ip: Ipv4Packet): Ends {
  const [sport, dport] = ip.icmp ? [undefined, undefined] : [sourcePortOf(ip), targetPortOf(ip)];
  return {
    src: ip.src,
    ...(sport === undefined ? {} : { sport }),
    dst: ip.dst,
    ...(dport === undefined ? {} : { dport }),
  };
}

/** "172.17.0.2:40000 -> 203.0.113.80:80" */
export function renderEnds({ src, sport, dst, dport }: Ends): string {
  const end = (address: string, port: number | undefined): string =>
    port === undefined ? address : `${address}:${port}`;
  return `${end(src, sport)} -> ${end(dst, dport)}`;
}
