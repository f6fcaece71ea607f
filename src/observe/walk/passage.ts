/** The visits of one packet in namespaces, as its frames show them, in the order of its way. Pure. */
import type { NodeName } from "../../net/name.ts";
import { type Identity, placeOf, type WalkRecord, type WalkSighting } from "./record.ts";

/** Frames of one visit. */
export interface Passage {
  readonly node: NodeName;
  in?: Seen;
  out?: Seen;
}

/** On a link; of a bridge also the port by which it came or went. */
export interface Seen {
  readonly sighting: WalkSighting;
  readonly link: string;
  readonly port?: string;
}

/** @param sender where its way begins */
export function findPassages(record: WalkRecord, sender: NodeName, isIt: Identity): Passage[] {
  return orderPassages(record, sender, passagesOf(record, isIt));
}

function passagesOf(record: WalkRecord, isIt: Identity): Passage[] {
  const sightings = record.sightings
    .filter((s) => s.frame.ip && isIt(s.frame.ip) && isMeant(record, s))
    .sort((a, b) => a.order - b.order);
  const passages: Passage[] = [];
  for (const sighting of sightings) {
    const same = passages.findLast((p) => p.node === sighting.node);
    const bridge = record.nodes.get(sighting.node)?.links.find((l) => l.name === sighting.link)?.master;
    if (sighting.direction === "in") {
      const entered = same && !same.out ? same.in : undefined;
      const masterOf = (link: string): string | undefined =>
        record.nodes.get(sighting.node)?.links.find((l) => l.name === link)?.master;
      // from a port into its bridge, where a bridge with netfilter shows it as PREROUTING has left it
      if (same && entered && masterOf(entered.link) === sighting.link)
        same.in = { sighting: entered.sighting, link: sighting.link, port: entered.link };
      else passages.push({ node: sighting.node, in: { sighting, link: sighting.link } });
    } else if (!same) passages.push({ node: sighting.node, out: { sighting, link: sighting.link } });
    else if (!same.out) same.out = { sighting, link: sighting.link };
    // from a bridge out of its port; a flood leaves by several, of which the first is told
    else if (same.out.link === bridge && !same.out.port)
      same.out = { sighting, link: same.out.link, port: sighting.link };
  }
  return passages;
}

/** From link to link, beginning where it is sent; what hangs on no link that was seen comes last. */
function orderPassages(record: WalkRecord, sender: NodeName, passages: readonly Passage[]): Passage[] {
  const rest = [...passages];
  const ordered: Passage[] = [];
  const take = (fits: (passage: Passage) => boolean): Passage | undefined => {
    const at = rest.findIndex(fits);
    return at < 0 ? undefined : rest.splice(at, 1)[0];
  };
  let current = take((p) => p.node === sender && p.in === undefined);
  while (current) {
    ordered.push(current);
    const exit = current.out?.sighting;
    // what goes out by lo comes in by lo
    const next =
      exit && (exit.link === "lo" ? [placeOf(exit.node, "lo")] : record.peers.get(placeOf(exit.node, exit.link)));
    current = next && take((p) => p.in !== undefined && next.includes(placeOf(p.node, p.in.sighting.link)));
  }
  return [...ordered, ...rest];
}

/** A bridge that does not know an address floods its ports: stations that are not meant do not take the frame. */
function isMeant(record: WalkRecord, { node, link, direction, frame }: WalkSighting): boolean {
  const own = record.nodes.get(node)?.links.find((l) => l.name === link);
  if (direction === "out" || !own || own.master !== undefined) return true;
  return own.mac === frame.dstMac || frame.dstMac === "00:00:00:00:00:00" || frame.dstMac === "ff:ff:ff:ff:ff:ff";
}
