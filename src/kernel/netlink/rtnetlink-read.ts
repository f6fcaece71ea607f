/**
 * Dumps of links, IPv4 addresses, routes, policy rules and nftables' tables, by netlink in process: for adopting and reconciling, where
 * reading must be fast. Each object keeps its own message, which also deletes it (as `ip address flush` and `ip route flush` do).
 * Source: include/uapi/linux/{rtnetlink,if_link,if_addr,fib_rules,net_namespace,netfilter/nf_tables}.h.
 */
import { broadcastOf, fromNumber, type IfAddr, subnetOf, toBytes } from "../../net/address.ts";
import type { ForeignObject } from "../../plan/observed.ts";
import { AF_INET } from "../libc.ts";
import { NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, NFT_MSG_GETTABLE, NFTA_TABLE_NAME } from "../uapi/nf-tables.ts";
import {
  FRA_PRIORITY,
  FRA_TABLE,
  IFA_ADDRESS,
  IFA_BROADCAST,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  IFA_LOCAL,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_BRPORT_MODE,
  IFLA_CARRIER,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_INFO_SLAVE_DATA,
  IFLA_LINK,
  IFLA_LINK_NETNSID,
  IFLA_LINKINFO,
  IFLA_MACVLAN_MODE,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_QDISC,
  IFLA_VLAN_ID,
  NETNSA_FD,
  NETNSA_NSID,
  RT_SCOPE_HOST,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PRIORITY,
  RTA_TABLE,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_F_CLONED,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETNSID,
  RTM_GETROUTE,
  RTM_GETRULE,
  RTN_UNICAST,
  RTNH_F_ONLINK,
  RTPROT_KERNEL,
} from "../uapi/rtnetlink.ts";
import { attribute, decodeAttributes, type Message, NLM_F_DUMP, type Request, uint32 } from "./netlink.ts";

const GET_TABLE = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE;
const TABLE_DELETED = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE;

const dump = (what: string, type: number, body: Uint8Array): Request => ({ what, type, flags: NLM_F_DUMP, body });

export const dumpLinks = dump("list links", RTM_GETLINK, Buffer.alloc(16));
export const dumpAddresses = dump("list addresses", RTM_GETADDR, Buffer.from([AF_INET, 0, 0, 0, 0, 0, 0, 0]));
export const dumpRoutes = dump("list routes", RTM_GETROUTE, Buffer.from([AF_INET, ...Buffer.alloc(11)]));
export const dumpPolicies = dump("list policy rules", RTM_GETRULE, Buffer.from([AF_INET, ...Buffer.alloc(11)]));
/** struct nfgenmsg: any family, version 0, resource id 0 */
export const dumpTables = dump("list nftables' tables", GET_TABLE, Buffer.alloc(4));

/** The request that deletes it. */
export function deleteForeign({ object, what, message }: ForeignObject): Request {
  const type = {
    link: RTM_DELLINK,
    address: RTM_DELADDR,
    route: RTM_DELROUTE,
    policy: RTM_DELRULE,
    table: TABLE_DELETED,
  }[object];
  return { what: `delete ${object} ${what}`, type, flags: 0, body: Buffer.from(message, "hex") };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const NOTHING = Buffer.alloc(0);
const text = (bytes: Buffer | undefined): string => bytes?.toString("utf8").replace(/\0.*$/s, "") ?? "";

// --- links -----------------------------------------------------------------------------------------------------------

export interface LinkFacts {
  readonly index: number;
  readonly name: string;
  readonly kind: string;
  readonly mac: string;
  readonly mtuBytes: number;
  readonly up: boolean;
  /** 0: no master. */
  readonly masterIndex: number;
  readonly hairpin: boolean;
  /** Number of a veth's other end, of the parent of a macvlan or VLAN, in the namespace that ours calls `peerNsid`; undefined: in our own. */
  readonly peerIndex?: number;
  readonly peerNsid?: number;
  /** Of a macvlan: "bridge"; a number in words that no mode has. */
  readonly mode?: string;
  readonly vlanId?: number;
  readonly foreign: ForeignObject;
}

/** Kinds whose IFLA_LINK is another link of the lab. */
const PAIRED = new Set(["veth", "macvlan", "vlan"]);

const macvlanMode = (mode: number | undefined): string =>
  ({ 1: "private", 2: "vepa", 4: "bridge", 8: "passthru" })[mode ?? 0] ?? `mode ${mode}`;

/** struct ifinfomsg */
export function decodeLinkFacts({ body }: Message): LinkFacts {
  const index = body.readInt32LE(4);
  const attributes = decodeAttributes(body.subarray(16));
  const info = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? NOTHING);
  const port = decodeAttributes(info.get(IFLA_INFO_SLAVE_DATA) ?? NOTHING);
  const data = decodeAttributes(info.get(IFLA_INFO_DATA) ?? NOTHING);
  const name = text(attributes.get(IFLA_IFNAME));
  const kind = text(info.get(IFLA_INFO_KIND));
  const [link, nsid] = [attributes.get(IFLA_LINK), attributes.get(IFLA_LINK_NETNSID)];
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  return {
    index,
    name,
    kind,
    mac: hex(attributes.get(IFLA_ADDRESS) ?? NOTHING).replaceAll(/(..)(?!$)/g, "$1:"),
    mtuBytes: attributes.get(IFLA_MTU)?.readUInt32LE(0) ?? 0,
    up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    masterIndex: attributes.get(IFLA_MASTER)?.readUInt32LE(0) ?? 0,
    hairpin: port.get(IFLA_BRPORT_MODE)?.readUInt8(0) === 1,
    ...(PAIRED.has(kind) && link ? { peerIndex: link.readUInt32LE(0) } : {}),
    ...(PAIRED.has(kind) && nsid ? { peerNsid: nsid.readInt32LE(0) } : {}),
    ...(kind === "macvlan" ? { mode: macvlanMode(data.get(IFLA_MACVLAN_MODE)?.readUInt32LE(0)) } : {}),
    ...(kind === "vlan" ? { vlanId: data.get(IFLA_VLAN_ID)?.readUInt16LE(0) ?? 0 } : {}),
    foreign: { object: "link", what: name, message: hex(header) },
  };
}

/** Can it send, if it is up and has carrier? */
export function decodeLinkReadiness({ body }: Message): boolean {
  const attributes = decodeAttributes(body.subarray(16));
  const isOn = (body.readUInt32LE(8) & IFF_UP) !== 0 && attributes.get(IFLA_CARRIER)?.readUInt8(0) === 1;
  return !isOn || text(attributes.get(IFLA_QDISC)) !== "noop";
}

/** By what number a namespace calls another (ip-netns(8), nsid). */
export function nsidOf(netnsFd: number): Request {
  const body = Buffer.concat([Buffer.alloc(4), attribute(NETNSA_FD, uint32(netnsFd))]);
  return { what: "ask for a namespace's number", type: RTM_GETNSID, flags: 0, body };
}

/** -1: it has not been given one. */
export const decodeNsid = ({ body }: Message): number =>
  decodeAttributes(body.subarray(4)).get(NETNSA_NSID)?.readInt32LE(0) ?? -1;

// --- addresses -------------------------------------------------------------------------------------------------------

export interface AddressFacts {
  readonly index: number;
  readonly address: string;
  readonly plain: boolean;
  readonly secondary: boolean;
  /** Without the link's name, which the message does not tell. */
  readonly foreign: ForeignObject;
}

/** struct ifaddrmsg */
export function decodeAddress({ body }: Message): AddressFacts | undefined {
  const attributes = decodeAttributes(body.subarray(8));
  const local = attributes.get(IFA_LOCAL);
  if (body.readUInt8(0) !== AF_INET || !local) return undefined;
  const length = body.readUInt8(1);
  const address = `${fromNumber(local.readUInt32BE(0))}/${length}` as IfAddr;
  const broadcast = length <= 30 ? toBytes(broadcastOf(subnetOf(address))) : undefined;
  const isLoopback = address === "127.0.0.1/8";
  const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
    hex(a ?? NOTHING) === hex(b ?? NOTHING);
  return {
    index: body.readUInt32LE(4),
    address,
    plain: isLoopback
      ? body.readUInt8(3) === RT_SCOPE_HOST
      : body.readUInt8(3) === 0 &&
        (body.readUInt8(2) & IFA_F_PERMANENT) !== 0 &&
        same(attributes.get(IFA_ADDRESS), local) &&
        same(attributes.get(IFA_BROADCAST), broadcast),
    secondary: (body.readUInt8(2) & IFA_F_SECONDARY) !== 0,
    foreign: { object: "address", what: address, message: hex(body) },
  };
}

// --- routes ----------------------------------------------------------------------------------------------------------

const ROUTE_TYPES = [
  "unspec",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
  "nat",
];

export interface RouteFacts {
  readonly to: string;
  readonly via?: string;
  /** 0: none, or several. */
  readonly index: number;
  readonly plain: boolean;
  readonly ofKernel: boolean;
  readonly foreign: ForeignObject;
}

/** struct rtmsg. undefined for the kernel's own table of local addresses and for cached routes. */
export function decodeRouteFacts({ body }: Message): RouteFacts | undefined {
  const attributes = decodeAttributes(body.subarray(12));
  const table = attributes.get(RTA_TABLE)?.readUInt32LE(0) ?? body.readUInt8(4);
  const flags = body.readUInt32LE(8);
  const [protocol, scope, type] = [body.readUInt8(5), body.readUInt8(6), body.readUInt8(7)];
  if (body.readUInt8(0) !== AF_INET || flags & RTM_F_CLONED) return undefined;
  if (table === RT_TABLE_LOCAL && protocol === RTPROT_KERNEL) return undefined;
  const to = `${fromNumber(attributes.get(RTA_DST)?.readUInt32BE(0) ?? 0)}/${body.readUInt8(1)}`;
  const gateway = attributes.get(RTA_GATEWAY);
  const via = gateway && fromNumber(gateway.readUInt32BE(0));
  const metric = attributes.get(RTA_PRIORITY)?.readUInt32LE(0) ?? 0;
  const simple = [RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE, RTA_CACHEINFO];
  const typeName = ROUTE_TYPES[type] ?? `type ${type}`;
  return {
    to,
    ...(via ? { via } : {}),
    index: attributes.get(RTA_OIF)?.readUInt32LE(0) ?? 0,
    ofKernel: protocol === RTPROT_KERNEL && table === RT_TABLE_MAIN && via === undefined,
    plain:
      table === RT_TABLE_MAIN &&
      type === RTN_UNICAST &&
      via !== undefined &&
      metric === 0 &&
      scope === 0 &&
      body.readUInt8(2) === 0 &&
      body.readUInt8(3) === 0 &&
      (flags & RTNH_F_ONLINK) === 0 &&
      [...attributes.keys()].every((key) => simple.includes(key)),
    foreign: {
      object: "route",
      what: [
        ...(type === RTN_UNICAST ? [] : [typeName]),
        to === "0.0.0.0/0" ? "default" : to,
        ...(via ? [`via ${via}`] : []),
        ...(metric ? [`metric ${metric}`] : []),
        ...(table === RT_TABLE_MAIN ? [] : [`table ${table}`]),
      ].join(" "),
      message: hex(body),
    },
  };
}

// --- what docknet never makes ----------------------------------------------------------------------------------------

/** Priority -> table of the rules that every namespace starts with (net/ipv4/fib_rules.c fib_default_rules_init). */
const BORN_POLICIES: Readonly<Record<number, number>> = { 0: 255, 32766: 254, 32767: 253 };
const FRA_PLAIN = new Set([FRA_PRIORITY, FRA_TABLE, 14 /* SUPPRESS_PREFIXLEN */, 21 /* PROTOCOL */, 19 /* L3MDEV */]);

/** struct fib_rule_hdr. undefined for those that a namespace starts with. */
export function decodePolicy({ body }: Message): ForeignObject | undefined {
  const attributes = decodeAttributes(body.subarray(12));
  const priority = attributes.get(FRA_PRIORITY)?.readUInt32LE(0) ?? 0;
  const table = attributes.get(FRA_TABLE)?.readUInt32LE(0) ?? body.readUInt8(4);
  const plain = body.readUInt8(1) + body.readUInt8(2) + body.readUInt8(3) + body.readUInt32LE(8) === 0;
  if (plain && BORN_POLICIES[priority] === table && [...attributes.keys()].every((key) => FRA_PLAIN.has(key)))
    return undefined;
  return { object: "policy", what: `rule ${priority} table ${table}`, message: hex(body) };
}

const FAMILIES: Readonly<Record<number, string>> = {
  1: "inet",
  2: "ip",
  3: "arp",
  5: "netdev",
  7: "bridge",
  10: "ip6",
};

export interface TableFacts {
  readonly family: string;
  readonly name: string;
  readonly foreign: ForeignObject;
}

/** struct nfgenmsg */
export function decodeTable({ body }: Message): TableFacts {
  const nameBytes = decodeAttributes(body.subarray(4)).get(NFTA_TABLE_NAME) ?? NOTHING;
  const family = FAMILIES[body.readUInt8(0)] ?? String(body.readUInt8(0));
  const name = text(nameBytes);
  const message = Buffer.concat([Buffer.from([body.readUInt8(0), 0, 0, 0]), attribute(NFTA_TABLE_NAME, nameBytes)]);
  return { family, name, foreign: { object: "table", what: `table ${family} ${name}`, message: hex(message) } };
}
