/** Which entries of the namespaces' conntrack tables one walk has made. */
import type { ConntrackEntry, FirstPacket } from "../../kernel/netlink/conntrack.ts";
import type { Ipv4Packet } from "../../net/frame.ts";
import type { NodeName } from "../../net/name.ts";
import { sourcePortOf, targetPortOf } from "../captured-packets.ts";
import { renderConntrack } from "../judge.ts";
import { identityOf, type WalkRecord } from "./record.ts";
import type { Walk } from "./walk.ts";

export type FindConntrack = (node: NodeName, first: FirstPacket) => ConntrackEntry | undefined;

/**
 * Those that a packet like one of these made where it was seen, in the order of the way: a namespace shows it as it came, and as NAT left it.
 * @param nodes that may have a table, in the order of the way. @param firsts the request, and the proxy's own when it opened one
 */
export function conntrackOf(
  record: WalkRecord,
  nodes: readonly NodeName[],
  firsts: readonly Ipv4Packet[],
  find: FindConntrack,
): Walk["conntrack"] {
  const told = new Map<string, Walk["conntrack"][number]>();
  for (const first of firsts) {
    const isIt = identityOf(first);
    for (const node of nodes) {
      const seen = [...record.packets.map((s) => ({ node: s.node, ip: s.frame.ip })), ...record.traces]
        .flatMap((s) => (s.node === node && s.ip && isIt(s.ip) ? [s.ip] : []))
        .flatMap((ip) => firstPacketOf(ip) ?? []);
      for (const packet of seen) {
        const entry = find(node, packet);
        // found by its other direction it is another flow's
        if (!entry || !isMadeBy(entry, packet)) continue;
        const text = renderConntrack(entry);
        told.set(`${node} ${text}`, { node, entry: text });
      }
    }
  }
  return [...told.values()];
}

const PROTOCOLS: Readonly<Record<number, FirstPacket["proto"]>> = { 1: "icmp", 6: "tcp", 17: "udp" };

function firstPacketOf(ip: Ipv4Packet): FirstPacket | undefined {
  const [proto, srcPort] = [PROTOCOLS[ip.proto], sourcePortOf(ip)];
  if (!proto || srcPort === undefined) return undefined;
  return { proto, src: ip.src, dst: ip.dst, srcPort, dstPort: targetPortOf(ip) ?? srcPort };
}

const isMadeBy = ({ original }: ConntrackEntry, { src, dst, srcPort, dstPort }: FirstPacket): boolean =>
  original.src === src && original.dst === dst && original.srcPort === srcPort && original.dstPort === dstPort;
