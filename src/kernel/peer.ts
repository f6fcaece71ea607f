/** Which two links belong together, across the namespaces of a lab: the ends of a veth pair, a macvlan and its parent. */
import type { NodeName } from "../net/name.ts";
import type { Executor } from "./executor.ts";
import { decodeNsid, type LinkFacts, nsidOf } from "./netlink/rtnetlink-read.ts";

/** By place: the other end of the veth that is there, the parent of the macvlan. */
export type PeerMap = ReadonlyMap<string, { readonly node: NodeName; readonly name: string }>;

/** A link's place in the lab: its namespace and its index there. */
export const placeOf = (node: NodeName, index: number): string => `${node} ${index}`;

/**
 * Other ends of veths and parents of macvlans, where these are in a node of the lab. A link tells its peer's number and what its own
 * namespace calls the peer's; each namespace that has such links is asked what it calls the others until all are known.
 */
export function findPeers(executor: Executor, links: ReadonlyMap<NodeName, readonly LinkFacts[]>): PeerMap {
  const peers = new Map<string, { node: NodeName; name: string }>();
  // a container is mostly wired to a node with many ends: asking those first is mostly enough
  const byEnds = [...links.keys()].sort((a, b) => endsOf(links.get(b)) - endsOf(links.get(a)));
  for (const [node, own] of links) {
    const unknown = new Set(own.flatMap((l) => l.peerNsid ?? []));
    const nodeOfNsid = new Map<number | undefined, NodeName>([[undefined, node]]);
    for (const other of byEnds) {
      if (unknown.size === 0) break;
      const nsid = executor
        .node(node)
        .route.query(nsidOf(executor.netns(other).fd))
        .map(decodeNsid)[0];
      if (nsid !== undefined && unknown.delete(nsid)) nodeOfNsid.set(nsid, other);
    }
    for (const link of own) {
      const peerNode = link.peerIndex === undefined ? undefined : nodeOfNsid.get(link.peerNsid);
      const peer = peerNode && links.get(peerNode)?.find((l) => l.index === link.peerIndex);
      if (peerNode && peer) peers.set(placeOf(node, link.index), { node: peerNode, name: peer.name });
    }
  }
  return peers;
}

const endsOf = (links: readonly LinkFacts[] = []): number => links.filter((l) => l.peerNsid !== undefined).length;
