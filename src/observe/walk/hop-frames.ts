/** The visits of one packet in namespaces, as its frames show them, in the order of its way. Pure. */
import type { NodeName } from "../../net/name.ts";
import { type Identity, placeOf, type WalkPacket, type WalkRecord } from "./record.ts";

/** Frames of one visit. */
export interface HopFrames {
  readonly node: NodeName;
  in?: Seen;
  out?: Seen;
}

/** On a link; of a bridge also the port by which it came or went. */
export interface Seen {
  readonly packet: WalkPacket;
  readonly link: string;
  readonly port?: string;
}

/** @param sender where its way begins */
export function findHops(record: WalkRecord, sender: NodeName, isIt: Identity): HopFrames[] {
  return orderHops(record, sender, hopsIn(record, isIt));
}

function hopsIn(record: WalkRecord, isIt: Identity): HopFrames[] {
  const packets = record.packets
    .filter((s) => s.frame.ip && isIt(s.frame.ip) && isMeant(record, s))
    .sort((a, b) => a.order - b.order);
  const hops: HopFrames[] = [];
  for (const packet of packets) {
    const same = hops.findLast((p) => p.node === packet.node);
    const bridge = record.nodes.get(packet.node)?.links.find((l) => l.name === packet.link)?.master;
    if (packet.direction === "in") {
      const entered = same && !same.out ? same.in : undefined;
      const masterOf = (link: string): string | undefined =>
        record.nodes.get(packet.node)?.links.find((l) => l.name === link)?.master;
      // from a port into its bridge, where a bridge with netfilter shows it as PREROUTING has left it
      if (same && entered && masterOf(entered.link) === packet.link)
        same.in = { packet: entered.packet, link: packet.link, port: entered.link };
      else hops.push({ node: packet.node, in: { packet, link: packet.link } });
    } else if (!same) hops.push({ node: packet.node, out: { packet, link: packet.link } });
    else if (!same.out) same.out = { packet, link: packet.link };
    // from a bridge out of its port; a flood leaves by several, of which the first is shown
    else if (same.out.link === bridge && !same.out.port) same.out = { packet, link: same.out.link, port: packet.link };
  }
  return hops;
}

/** From link to link, beginning where it is sent; what hangs on no link that was seen comes last. */
function orderHops(record: WalkRecord, sender: NodeName, hops: readonly HopFrames[]): HopFrames[] {
  const rest = [...hops];
  const ordered: HopFrames[] = [];
  const take = (fits: (frames: HopFrames) => boolean): HopFrames | undefined => {
    const at = rest.findIndex(fits);
    return at < 0 ? undefined : rest.splice(at, 1)[0];
  };
  let current = take((p) => p.node === sender && p.in === undefined);
  while (current) {
    ordered.push(current);
    const exit = current.out?.packet;
    // what goes out by lo comes in by lo
    const next =
      exit && (exit.link === "lo" ? [placeOf(exit.node, "lo")] : record.peers.get(placeOf(exit.node, exit.link)));
    current = next && take((p) => p.in !== undefined && next.includes(placeOf(p.node, p.in.packet.link)));
  }
  return [...ordered, ...rest];
}

/** A bridge that does not know an address floods its ports: stations that are not meant do not take the frame. */
function isMeant(record: WalkRecord, { node, link, direction, frame }: WalkPacket): boolean {
  const own = record.nodes.get(node)?.links.find((l) => l.name === link);
  if (direction === "out" || !own || own.master !== undefined) return true;
  return own.mac === frame.dstMac || frame.dstMac === "00:00:00:00:00:00" || frame.dstMac === "ff:ff:ff:ff:ff:ff";
}
