/** The links of all nodes that an executor holds, with their indexes, both ends of each veth pair and the parents of macvlans, by rtnetlink in process. */
import type { NodeName } from "../net/name.ts";
import type { Executor } from "./executor.ts";
import {
  decodeAddress,
  decodeLinkFacts,
  decodeRouteFacts,
  dumpAddresses,
  dumpLinks,
  dumpRoutes,
  type LinkFacts,
} from "./netlink/rtnetlink-read.ts";
import { findPeers, placeOf } from "./peer.ts";

/** What one namespace has. */
export interface Wiring {
  /** By index, lo included. */
  readonly links: readonly WiredLink[];
  readonly gateway?: { readonly via: string; readonly link: string };
}

export interface WiredLink {
  readonly index: number;
  readonly name: string;
  /** "bridge", "veth", "macvlan", "dummy"; "" for lo and what has none. */
  readonly kind: string;
  readonly mac: string;
  readonly mtuBytes: number;
  readonly up: boolean;
  readonly master?: string;
  /** IPv4, "172.17.0.2/16". */
  readonly addresses: readonly string[];
  /** Of a veth its other end, of a macvlan or VLAN its parent, where that is in a node of the lab. */
  readonly peer?: { readonly node: NodeName; readonly name: string };
}

/** Changes nothing. @throws NetlinkError */
export function readWiring(executor: Executor): ReadonlyMap<NodeName, Wiring> {
  const names = executor.nodeNames;
  const links = new Map(names.map((name) => [name, executor.node(name).route.query(dumpLinks).map(decodeLinkFacts)]));
  const peers = findPeers(executor, links);
  return new Map(
    names.map((node) => {
      const { route } = executor.node(node);
      const own = links.get(node) ?? [];
      const nameOf = (index: number): string | undefined => own.find((l) => l.index === index)?.name;
      const addresses = route.query(dumpAddresses).flatMap((m) => decodeAddress(m) ?? []);
      const routes = route.query(dumpRoutes).flatMap((m) => decodeRouteFacts(m) ?? []);
      const way = routes.find((r) => r.to === "0.0.0.0/0" && r.via !== undefined);
      const link = way && nameOf(way.index);
      const wiring: Wiring = {
        links: own.map((l): WiredLink => {
          const on = addresses.filter((a) => a.index === l.index).map((a) => a.address);
          return wiredLink(l, nameOf(l.masterIndex), peers.get(placeOf(node, l.index)), on);
        }),
        ...(way?.via && link ? { gateway: { via: way.via, link } } : {}),
      };
      return [node, wiring] as const;
    }),
  );
}

function wiredLink(
  { index, name, kind, mac, mtuBytes, up }: LinkFacts,
  master: string | undefined,
  peer: WiredLink["peer"],
  addresses: readonly string[],
): WiredLink {
  return {
    index,
    name,
    kind,
    mac,
    mtuBytes,
    up,
    ...(master ? { master } : {}),
    addresses,
    ...(peer ? { peer } : {}),
  };
}
