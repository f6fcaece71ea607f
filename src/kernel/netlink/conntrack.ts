/**
 * The conntrack table of a namespace, read by nfnetlink in process: what was translated into what. Original tuple, reply tuple
 * and state, as `conntrack -L` shows them. Source: include/uapi/linux/netfilter/nfnetlink_conntrack.h.
 */
import { fromNumber, type Ipv4, toBytes } from "../../net/address.ts";
import { AF_INET } from "../libc.ts";
import type { Netns } from "../netns.ts";
import {
  attribute,
  decodeAttributes,
  type Message,
  NETLINK_NETFILTER,
  NetlinkError,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_DUMP,
  nested,
  type Request,
} from "./netlink.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_NEW = 0;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_TIMEOUT = 7;
const CTA_COUNTERS_ORIG = 9;
const CTA_COUNTERS_REPLY = 10;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_PROTO_ICMP_ID = 4;
const CTA_PROTO_ICMP_TYPE = 5;
const CTA_PROTO_ICMP_CODE = 6;
/** RFC 792 */
const ECHO_REQUEST = 8;
const CTA_COUNTERS_PACKETS = 1;
const CTA_COUNTERS_BYTES = 2;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const IPS_SEEN_REPLY = 2;
const IPS_ASSURED = 4;
const IPS_SRC_NAT = 16;
const IPS_DST_NAT = 32;
const TCP_STATES = [
  "NONE",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "FIN_WAIT",
  "CLOSE_WAIT",
  "LAST_ACK",
  "TIME_WAIT",
  "CLOSE",
  "SYN_SENT2",
];
const PROTOCOL_NUMBERS = { icmp: 1, tcp: 6, udp: 17 } as const;
const PROTOCOLS: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 132: "sctp" };

export interface Tuple {
  readonly src: Ipv4;
  readonly dst: Ipv4;
  /** Ports of tcp, udp, sctp; the echo id twice for icmp. */
  readonly srcPort: number;
  readonly dstPort: number;
}

export interface ConntrackEntry {
  readonly proto: string;
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly state?: string;
  readonly replied: boolean;
  readonly assured: boolean;
  readonly srcNat: boolean;
  readonly dstNat: boolean;
  readonly timeoutSeconds: number;
  /** Of each direction, where net.netfilter.nf_conntrack_acct is 1. */
  readonly counters?: { readonly original: FlowCounters; readonly reply: FlowCounters };
}

export interface FlowCounters {
  readonly packets: number;
  readonly bytes: number;
}

/** As `conntrack -E` names them. */
export type ConntrackChange = "NEW" | "UPDATE" | "DESTROY";

export interface ConntrackEvent {
  readonly change: ConntrackChange;
  readonly entry: ConntrackEntry;
}

/** All IPv4 entries at this moment. @throws NetlinkError */
export function readConntrack(ns: Netns): ConntrackEntry[] {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    return socket.query(dumpRequest()).flatMap(decodeEntry);
  } finally {
    socket.close();
  }
}

/** What identifies an entry from its creation on. */
export interface FirstPacket extends Tuple {
  readonly proto: "tcp" | "udp" | "icmp";
}

/**
 * The entry of a flow, if there is one: a dump would go through all buckets of the kernel's table, 15 ms of it.
 * @throws NetlinkError
 */
export function findConntrack(ns: Netns, first: FirstPacket): ConntrackEntry | undefined {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    return socket.query(getRequest(first)).flatMap(decodeEntry)[0];
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return undefined;
    throw error;
  } finally {
    socket.close();
  }
}

function getRequest({ proto, src, dst, srcPort, dstPort }: FirstPacket): Request {
  const number16 = (type: number, value: number): Buffer => attribute(type, Uint8Array.of(value >> 8, value & 0xff));
  const number8 = (type: number, value: number): Buffer => attribute(type, Uint8Array.of(value));
  const ends =
    proto === "icmp"
      ? [
          number16(CTA_PROTO_ICMP_ID, srcPort),
          number8(CTA_PROTO_ICMP_TYPE, ECHO_REQUEST),
          number8(CTA_PROTO_ICMP_CODE, 0),
        ]
      : [number16(CTA_PROTO_SRC_PORT, srcPort), number16(CTA_PROTO_DST_PORT, dstPort)];
  return {
    what: "find a conntrack entry",
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
    flags: 0,
    body: Buffer.concat([
      Buffer.from([AF_INET, 0, 0, 0]),
      nested(
        CTA_TUPLE_ORIG,
        nested(CTA_TUPLE_IP, attribute(CTA_IP_V4_SRC, toBytes(src)), attribute(CTA_IP_V4_DST, toBytes(dst))),
        nested(CTA_TUPLE_PROTO, number8(CTA_PROTO_NUM, PROTOCOL_NUMBERS[proto]), ...ends),
      ),
    ]),
  };
}

/**
 * Deletes the entries that match, as docker does when port bindings change: an old flow would go on as its first packet went
 * (moby daemon/libnetwork/iptables/conntrack.go). @returns how many. @throws NetlinkError
 */
export function forgetFlows(ns: Netns, matches: (entry: ConntrackEntry) => boolean): number {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    const doomed = socket.query(dumpRequest()).filter((message) => decodeEntry(message).some(matches));
    for (const { body } of doomed) {
      try {
        socket.request([deleteRequest(body)]);
      } catch (error) {
        // it ended by itself meanwhile
        if (!(error instanceof NetlinkError) || error.code !== "ENOENT") throw error;
      }
    }
    return doomed.length;
  } finally {
    socket.close();
  }
}

function deleteRequest(entry: Buffer): Request {
  const tuple = decodeAttributes(entry.subarray(4)).get(CTA_TUPLE_ORIG) ?? Buffer.alloc(0);
  return {
    what: "delete a conntrack entry",
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
    flags: 0,
    body: Buffer.concat([Buffer.from([AF_INET, 0, 0, 0]), nested(CTA_TUPLE_ORIG, tuple)]),
  };
}

/** struct nfgenmsg: family, version 0, resource id 0 */
function dumpRequest(): Request {
  return {
    what: "list conntrack entries",
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
    flags: NLM_F_DUMP,
    body: Buffer.from([AF_INET, 0, 0, 0]),
  };
}

/** What the kernel sends to listeners (NFNLGRP_CONNTRACK_*). Anything else than a change of an IPv4 entry is left out. */
export function decodeConntrackEvent(type: number, flags: number, body: Buffer): ConntrackEvent[] {
  if (type >>> 8 !== NFNL_SUBSYS_CTNETLINK || body.length < 4 || body.readUInt8(0) !== AF_INET) return [];
  const message = type & 0xff;
  if (message !== IPCTNL_MSG_CT_NEW && message !== IPCTNL_MSG_CT_DELETE) return [];
  const isNew = (flags & NLM_F_CREATE) !== 0;
  const change = message === IPCTNL_MSG_CT_DELETE ? "DESTROY" : isNew ? "NEW" : "UPDATE";
  return decodeEntry({ body }).map((entry) => ({ change, entry }));
}

function decodeEntry({ body }: Pick<Message, "body">): ConntrackEntry[] {
  const attributes = decodeAttributes(body.subarray(4));
  const original = decodeTuple(attributes.get(CTA_TUPLE_ORIG));
  const reply = decodeTuple(attributes.get(CTA_TUPLE_REPLY));
  if (!original || !reply) return [];
  const status = attributes.get(CTA_STATUS)?.readUInt32BE(0) ?? 0;
  const state = decodeTcpState(attributes.get(CTA_PROTOINFO));
  const [sent, answered] = [CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY].map((type) => decodeCounters(attributes.get(type)));
  return [
    {
      proto: PROTOCOLS[original.proto] ?? String(original.proto),
      original: original.tuple,
      reply: reply.tuple,
      ...(state ? { state } : {}),
      replied: (status & IPS_SEEN_REPLY) !== 0,
      assured: (status & IPS_ASSURED) !== 0,
      srcNat: (status & IPS_SRC_NAT) !== 0,
      dstNat: (status & IPS_DST_NAT) !== 0,
      timeoutSeconds: attributes.get(CTA_TIMEOUT)?.readUInt32BE(0) ?? 0,
      ...(sent && answered ? { counters: { original: sent, reply: answered } } : {}),
    },
  ];
}

function decodeTuple(bytes: Buffer | undefined): { proto: number; tuple: Tuple } | undefined {
  if (!bytes) return undefined;
  const parts = decodeAttributes(bytes);
  const ip = decodeAttributes(parts.get(CTA_TUPLE_IP) ?? Buffer.alloc(0));
  const proto = decodeAttributes(parts.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0));
  const [src, dst] = [ip.get(CTA_IP_V4_SRC), ip.get(CTA_IP_V4_DST)];
  if (!src || !dst) return undefined;
  const id = proto.get(CTA_PROTO_ICMP_ID)?.readUInt16BE(0) ?? 0;
  return {
    proto: proto.get(CTA_PROTO_NUM)?.readUInt8(0) ?? 0,
    tuple: {
      src: fromNumber(src.readUInt32BE(0)),
      dst: fromNumber(dst.readUInt32BE(0)),
      srcPort: proto.get(CTA_PROTO_SRC_PORT)?.readUInt16BE(0) ?? id,
      dstPort: proto.get(CTA_PROTO_DST_PORT)?.readUInt16BE(0) ?? id,
    },
  };
}

function decodeCounters(bytes: Buffer | undefined): FlowCounters | undefined {
  const counted = bytes && decodeAttributes(bytes);
  const [packets, octets] = [counted?.get(CTA_COUNTERS_PACKETS), counted?.get(CTA_COUNTERS_BYTES)];
  if (!packets || !octets) return undefined;
  return { packets: Number(packets.readBigUInt64BE(0)), bytes: Number(octets.readBigUInt64BE(0)) };
}

function decodeTcpState(bytes: Buffer | undefined): string | undefined {
  const tcp = bytes && decodeAttributes(bytes).get(CTA_PROTOINFO_TCP);
  const state = tcp && decodeAttributes(tcp).get(CTA_PROTOINFO_TCP_STATE);
  return state ? TCP_STATES[state.readUInt8(0)] : undefined;
}
