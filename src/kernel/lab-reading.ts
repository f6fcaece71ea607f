/** Reads all nodes that an executor holds, by netlink in process: what adopting and reconciling compare with the Layout. */

import { readFileSync } from "node:fs";
import type { NodeName } from "../net/name.ts";
import type { Ruleset } from "../plan/firewall/rule.ts";
import { type Layout, type Node, nodeOf } from "../plan/layout.ts";
import type { ForeignObject, Observed, ObservedLink, ObservedNode } from "../plan/observed.ts";
import type { Executor } from "./executor.ts";
import { readResolver } from "./firewall/nft-listing.ts";
import { iptablesIsNft } from "./firewall/nft-support.ts";
import { readTables, type TablesReading } from "./firewall/rules.ts";
import { type Message, NETLINK_NETFILTER, NetlinkError, NetlinkSocket } from "./netlink/netlink.ts";
import {
  decodeAddress,
  decodeLinkFacts,
  decodePolicy,
  decodeRouteFacts,
  decodeTable,
  dumpAddresses,
  dumpLinks,
  dumpPolicies,
  dumpRoutes,
  dumpTables,
  type LinkFacts,
  type TableFacts,
} from "./netlink/rtnetlink-read.ts";
import type { Netns } from "./netns.ts";
import { findPeers, type PeerMap, placeOf } from "./peer.ts";
import { readSysctl } from "./reading.ts";

/** Processes of `iptables-save` at a time. */
const READERS = 4;
const IPTABLES = new Set(["raw", "mangle", "nat", "filter", "security"]);

/** @param wanted says which sysctls are asked for, and which rules need no process to be recognised. Changes nothing. @throws DocknetError or NetlinkError */
export async function readLab(executor: Executor, wanted: Layout): Promise<Observed> {
  const names = executor.nodeNames;
  const links = new Map(names.map((name) => [name, executor.node(name).route.query(dumpLinks).map(decodeLinkFacts)]));
  const peers = findPeers(executor, links);
  const inProcess = await iptablesIsNft();
  const tables = new Map(
    names.map((name) => [name, listTables(executor.netns(name), inProcess ? nodeOf(wanted, name)?.rules : undefined)]),
  );
  const rules = await readAllTables(executor, names, tables);
  return {
    nodes: names.map((name): ObservedNode => {
      const { ns, route } = executor.node(name);
      const own = links.get(name) ?? [];
      const nameOf = (index: number): string | undefined => own.find((l) => l.index === index)?.name;
      const read = rules.get(name) ?? { chains: [], rules: [], unreadable: [] };
      const node = nodeOf(wanted, name);
      return {
        name,
        nameLost: !ns.hasName(),
        links: readLinks(name, own, route.query(dumpAddresses), peers),
        routes: route
          .query(dumpRoutes)
          .flatMap((m) => decodeRouteFacts(m) ?? [])
          .map(({ index, foreign, ...facts }) => {
            const link = nameOf(index);
            return { ...facts, ...(link ? { link } : {}), foreign: onDevice(foreign, link) };
          }),
        sysctls: node ? readSysctls(ns, node) : new Map(),
        chains: read.chains,
        rules: read.rules,
        others: [
          ...optional(() => route.query(dumpPolicies)).flatMap((m) => decodePolicy(m) ?? []),
          ...(tables.get(name)?.facts ?? []).filter((t) => !isOfIptables(t, read)).map((t) => t.foreign),
        ],
        proxies: executor.listeners(name),
      };
    }),
  };
}

const onDevice = (foreign: ForeignObject, link: string | undefined): ForeignObject =>
  link === undefined ? foreign : { ...foreign, what: `${foreign.what} dev ${link}` };

function readLinks(
  node: NodeName,
  own: readonly LinkFacts[],
  addresses: readonly Message[],
  peers: PeerMap,
): ObservedLink[] {
  const found = addresses.flatMap((m) => decodeAddress(m) ?? []);
  return own.map((link): ObservedLink => {
    const master = own.find((l) => l.index === link.masterIndex)?.name;
    const peer = peers.get(placeOf(node, link.index));
    return {
      name: link.name,
      kind: link.kind,
      mac: link.mac,
      mtuBytes: link.mtuBytes,
      up: link.up,
      ...(master ? { master } : {}),
      hairpin: link.hairpin,
      ...(peer ? { peer } : {}),
      ...(link.mode === undefined ? {} : { mode: link.mode }),
      ...(link.vlanId === undefined ? {} : { vlanId: link.vlanId }),
      addresses: found
        .filter((a) => a.index === link.index)
        .map(({ address, plain, secondary, foreign }) => ({
          address,
          plain,
          secondary,
          foreign: { ...foreign, what: `${foreign.what} on ${link.name}` },
        })),
      foreign: link.foreign,
    };
  });
}

function readSysctls(ns: Netns, node: Node): Map<string, string | undefined> {
  const keys = new Set([...node.sysctls, ...node.links.flatMap((l) => l.sysctls)].map((s) => s.key));
  return ns.enter(() => new Map([...keys].map((key) => [key, readSysctl(key)])));
}

// --- tables ----------------------------------------------------------------------------------------------------------

/** Names of what nf_tables holds: "table ip nat", those that iptables made among them. @throws NetlinkError */
export const readTableNames = (ns: Netns): string[] => listTables(ns, undefined).facts.map((t) => t.foreign.what);

interface Tables {
  readonly facts: readonly TableFacts[];
  /** What is in those of iptables, where that could be read without `iptables-save`. */
  readonly read?: TablesReading;
}

/** All tables of nftables, those that iptables made among them. */
function listTables(ns: Netns, wanted: Ruleset | undefined): Tables {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    const found = optional(() => socket.query(dumpTables));
    const read = wanted && readResolver(socket, found, wanted);
    return { facts: found.map(decodeTable), ...(read ? { read } : {}) };
  } finally {
    socket.close();
  }
}

const isOfIptables = (t: TableFacts, read: TablesReading): boolean =>
  t.family === "ip" && IPTABLES.has(t.name) && !read.unreadable.includes(t.name);

/** `iptables-save` costs a process: only where there is a table that it would show, and that is not known already. */
async function readAllTables(
  executor: Executor,
  names: readonly NodeName[],
  tables: ReadonlyMap<NodeName, Tables>,
): Promise<Map<NodeName, TablesReading>> {
  const read = new Map<NodeName, TablesReading>();
  const waiting: NodeName[] = [];
  for (const name of names) {
    const known = tables.get(name);
    const legacy = hasLegacyTables(executor.netns(name));
    if (known?.read && !legacy) read.set(name, known.read);
    else if (legacy || known?.facts.some((t) => t.family === "ip" && IPTABLES.has(t.name))) waiting.push(name);
  }
  const work = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop())
      read.set(name, await readTables(executor.netns(name)));
  };
  await Promise.all(Array.from({ length: READERS }, work));
  return read;
}

/** Of the iptables that is not a face of nftables. */
export function hasLegacyTables(ns: Netns): boolean {
  return ns.enter(() => {
    try {
      return readFileSync("/proc/thread-self/net/ip_tables_names", "utf8") !== "";
    } catch {
      return false;
    }
  });
}

/** What this kernel was built without, it has none of. */
function optional(ask: () => Message[]): Message[] {
  try {
    return ask();
  } catch (error) {
    if (error instanceof NetlinkError && (error.code === "EOPNOTSUPP" || error.code === "EINVAL")) return [];
    throw error;
  }
}
