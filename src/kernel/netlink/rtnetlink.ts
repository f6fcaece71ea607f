/**
 * rtnetlink(7) requests for the few things a lab is made of, and the reading back of links. Pure encoders; sending is NetlinkSocket's.
 * Source: include/uapi/linux/{rtnetlink,if_link,if_addr,veth,net_namespace}.h.
 */
import {
  addressOf,
  broadcastOf,
  type IfAddr,
  type Ipv4,
  prefixLength,
  type Subnet,
  subnetOf,
  toBytes,
} from "../../net/address.ts";
import { type Mac, macToBytes } from "../../net/mac.ts";
import type { IfName } from "../../net/name.ts";
import { AF_INET } from "../libc.ts";
import {
  AF_BRIDGE,
  IFA_ADDRESS,
  IFA_BROADCAST,
  IFA_LOCAL,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_BRPORT_MODE,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINK,
  IFLA_LINK_NETNSID,
  IFLA_LINKINFO,
  IFLA_MACVLAN_MODE,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_PROTINFO,
  IFLA_VLAN_ID,
  NETNSA_FD,
  NETNSA_NSID,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELROUTE,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNSID,
  RTM_NEWROUTE,
  RTM_SETLINK,
  RTN_UNICAST,
  RTPROT_BOOT,
  VETH_INFO_PEER,
} from "../uapi/rtnetlink.ts";
import {
  attribute,
  decodeAttributes,
  type Message,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nested,
  type Request,
  textAttribute,
  uint16,
  uint32,
} from "./netlink.ts";

export interface NewLink {
  readonly name: IfName;
  /** Chosen by us, so that nothing must be read back. */
  readonly index: number;
  readonly mac?: Mac | undefined;
  readonly mtuBytes?: number | undefined;
}

export function createBridge(link: NewLink): Request {
  const body = Buffer.concat([
    linkHeader(link.index),
    ...linkAttributes(link),
    nested(IFLA_LINKINFO, textAttribute(IFLA_INFO_KIND, "bridge")),
  ]);
  return { what: `create bridge ${link.name}`, type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, body };
}

/** @param peer is made straight in the namespace behind `netnsFd` */
export function createVeth(link: NewLink, peer: NewLink & { readonly netnsFd: number }): Request {
  const far = Buffer.concat([
    linkHeader(peer.index),
    ...linkAttributes(peer),
    attribute(IFLA_NET_NS_FD, uint32(peer.netnsFd)),
  ]);
  const info = nested(
    IFLA_LINKINFO,
    textAttribute(IFLA_INFO_KIND, "veth"),
    nested(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, far)),
  );
  const body = Buffer.concat([linkHeader(link.index), ...linkAttributes(link), info]);
  return {
    what: `create veth ${link.name} with peer ${peer.name}`,
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body,
  };
}

const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

/** @param parent number of a link in another namespace, and what the receiving namespace calls that one (ip-netns(8), nsid) */
export function createMacvlan(
  link: NewLink,
  parent: { readonly index: number; readonly nsid: number },
  mode: keyof typeof MACVLAN_MODES,
): Request {
  const data = nested(IFLA_INFO_DATA, attribute(IFLA_MACVLAN_MODE, uint32(MACVLAN_MODES[mode])));
  const place = [attribute(IFLA_LINK, uint32(parent.index)), attribute(IFLA_LINK_NETNSID, uint32(parent.nsid))];
  return createOn(link, place, "macvlan", data);
}

/** @param parentIndex of a link in the same namespace */
export function createVlan(link: NewLink, parentIndex: number, vlanId: number): Request {
  const data = nested(IFLA_INFO_DATA, attribute(IFLA_VLAN_ID, uint16(vlanId)));
  return createOn(link, [attribute(IFLA_LINK, uint32(parentIndex))], "vlan", data);
}

export function createDummy(link: NewLink): Request {
  return createOn(link, [], "dummy");
}

function createOn(link: NewLink, place: readonly Buffer[], kind: string, ...data: readonly Buffer[]): Request {
  const info = nested(IFLA_LINKINFO, textAttribute(IFLA_INFO_KIND, kind), ...data);
  return {
    what: `create ${kind} ${link.name}`,
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: Buffer.concat([linkHeader(link.index), ...linkAttributes(link), ...place, info]),
  };
}

/** Gives another namespace a number in the receiving one; the kernel chooses it. */
export function numberNetns(netnsFd: number): Request {
  const body = Buffer.concat([
    Buffer.alloc(4),
    attribute(NETNSA_NSID, uint32(0xffffffff)),
    attribute(NETNSA_FD, uint32(netnsFd)),
  ]);
  return { what: "number a namespace", type: RTM_NEWNSID, flags: 0, body };
}

export function deleteLink(name: IfName, index: number): Request {
  return { what: `delete link ${name}`, type: RTM_DELLINK, flags: 0, body: linkHeader(index) };
}

export function setLinkUp(name: IfName, index: number, up: boolean): Request {
  return {
    what: `set link ${name} ${up ? "up" : "down"}`,
    type: RTM_NEWLINK,
    flags: 0,
    body: linkHeader(index, up ? IFF_UP : 0, IFF_UP),
  };
}

/** Another MAC or MTU, in place. */
export function changeLink({ name, index, mac, mtuBytes }: NewLink): Request {
  const attributes = [
    ...(mac ? [attribute(IFLA_ADDRESS, macToBytes(mac))] : []),
    ...(mtuBytes ? [attribute(IFLA_MTU, uint32(mtuBytes))] : []),
  ];
  return {
    what: `change link ${name}`,
    type: RTM_NEWLINK,
    flags: 0,
    body: Buffer.concat([linkHeader(index), ...attributes]),
  };
}

/** @param bridgeIndex 0 takes the link out of its bridge */
export function setLinkMaster(name: IfName, index: number, bridgeIndex: number): Request {
  return {
    what: `make ${name} a bridge port`,
    type: RTM_NEWLINK,
    flags: 0,
    body: Buffer.concat([linkHeader(index), attribute(IFLA_MASTER, uint32(bridgeIndex))]),
  };
}

export function setHairpin(name: IfName, index: number, on: boolean): Request {
  const header = linkHeader(index);
  header.writeUInt8(AF_BRIDGE, 0);
  const body = Buffer.concat([header, nested(IFLA_PROTINFO, attribute(IFLA_BRPORT_MODE, Uint8Array.of(on ? 1 : 0)))]);
  return { what: `set hairpin of ${name}`, type: RTM_SETLINK, flags: 0, body };
}

export function addAddress(link: IfName, index: number, address: IfAddr): Request {
  return {
    what: `add address ${address} to ${link}`,
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: addressBody(index, address),
  };
}

export function deleteAddress(link: IfName, index: number, address: IfAddr): Request {
  return {
    what: `delete address ${address} of ${link}`,
    type: RTM_DELADDR,
    flags: 0,
    body: addressBody(index, address),
  };
}

export function addRoute(to: Subnet, via: Ipv4, index: number | undefined): Request {
  return {
    what: `add route ${to} via ${via}`,
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: routeBody(to, via, index),
  };
}

export function deleteRoute(to: Subnet, via: Ipv4, index: number | undefined): Request {
  return { what: `delete route ${to} via ${via}`, type: RTM_DELROUTE, flags: 0, body: routeBody(to, via, index) };
}

/** struct ifinfomsg */
function linkHeader(index: number, flags = 0, change = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

function linkAttributes(link: NewLink): Buffer[] {
  return [
    textAttribute(IFLA_IFNAME, link.name),
    ...(link.mac ? [attribute(IFLA_ADDRESS, macToBytes(link.mac))] : []),
    ...(link.mtuBytes ? [attribute(IFLA_MTU, uint32(link.mtuBytes))] : []),
  ];
}

/** struct ifaddrmsg; a broadcast address as docker and `ip address add ... brd +` set it. */
function addressBody(index: number, address: IfAddr): Buffer {
  const length = prefixLength(address);
  const header = Buffer.alloc(8);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(length, 1);
  header.writeUInt32LE(index, 4);
  const own = toBytes(addressOf(address));
  const broadcast = length <= 30 ? [attribute(IFA_BROADCAST, toBytes(broadcastOf(subnetOf(address))))] : [];
  return Buffer.concat([header, attribute(IFA_LOCAL, own), attribute(IFA_ADDRESS, own), ...broadcast]);
}

/** struct rtmsg */
function routeBody(to: Subnet, via: Ipv4, index: number | undefined): Buffer {
  const length = prefixLength(to);
  const header = Buffer.from([
    AF_INET,
    length,
    0,
    0,
    RT_TABLE_MAIN,
    RTPROT_BOOT,
    RT_SCOPE_UNIVERSE,
    RTN_UNICAST,
    0,
    0,
    0,
    0,
  ]);
  return Buffer.concat([
    header,
    ...(length > 0 ? [attribute(RTA_DST, toBytes(addressOf(to)))] : []),
    attribute(RTA_GATEWAY, toBytes(via)),
    ...(index === undefined ? [] : [attribute(RTA_OIF, uint32(index))]),
  ]);
}

// --- reading ---------------------------------------------------------------------------------------------------------

export interface LinkSummary {
  readonly index: number;
  readonly name: string;
}

export const dumpLinks: Request = { what: "list links", type: RTM_GETLINK, flags: NLM_F_DUMP, body: linkHeader(0) };

export function decodeLink({ body }: Message): LinkSummary {
  const name = decodeAttributes(body.subarray(16)).get(IFLA_IFNAME);
  return { index: body.readInt32LE(4), name: name ? name.toString("utf8").replace(/\0.*$/, "") : "" };
}
