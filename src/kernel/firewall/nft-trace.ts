/**
 * What nf_tables does with chosen packets, as the kernel itself traces it: each rule that they match, each chain that they leave, each policy
 * (NFNLGRP_NFTRACE; what `nft monitor trace` and `xtables-monitor --trace` read). The packets are chosen by a table of our own that
 * sets their trace bit before any other table sees them; no rule of the namespace is touched, and the table goes with the trace: it
 * belongs to our socket, and the kernel removes it when that is closed, be it because the process was killed.
 * Source: include/uapi/linux/netfilter/{nf_tables,nfnetlink}.h; net/netfilter/{nf_tables_trace,nf_tables_core}.c.
 *
 * A rule that does not match is not traced. Headers and links come with the first message of each base chain only, and a trace's number
 * may change from hook to hook: what belongs together is known by order and by the packet's own headers. The trace bit is lost with
 * each veth (net/core/skbuff.c skb_scrub_packet): every namespace is traced by itself.
 */
import type { Ipv4 } from "../../net/address.ts";
import { decodeIpv4, type Ipv4Packet, PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "../../net/frame.ts";
import type { Port } from "../../net/port.ts";
import { AF_INET } from "../libc.ts";
import {
  attribute,
  decodeAttributes,
  NETLINK_NETFILTER,
  NetlinkError,
  NetlinkSocket,
  NLM_F_CREATE,
  nested,
  type Request,
  textAttribute,
} from "../netlink/netlink.ts";
import { type NetlinkListener, newsIn, openNetlinkListener } from "../netlink/netlink-listener.ts";
import type { Netns } from "../netns.ts";
import {
  NFGEN_BYTES,
  NFNL_SUBSYS_NFTABLES,
  NFNLGRP_NFTRACE,
  NFT_META_NFTRACE,
  NFT_MSG_DELTABLE,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWTABLE,
  NFT_MSG_TRACE,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFT_REG_1,
  NFT_TABLE_F_OWNER,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_TABLE,
  NFTA_CHAIN_TYPE,
  NFTA_DATA_VALUE,
  NFTA_HOOK_HOOKNUM,
  NFTA_HOOK_PRIORITY,
  NFTA_IMMEDIATE_DATA,
  NFTA_IMMEDIATE_DREG,
  NFTA_META_KEY,
  NFTA_META_SREG,
  NFTA_TABLE_FLAGS,
  NFTA_TABLE_NAME,
  NFTA_VERDICT_CHAIN,
  NFTA_VERDICT_CODE,
} from "../uapi/nf-tables.ts";
import {
  expression,
  field,
  isDestination,
  isDestinationPort,
  isProtocol,
  isSource,
  isSourcePort,
  message,
  newRule,
  number32,
} from "./nft-batch.ts";
import { keepRules } from "./rule-handle.ts";

/** Tables of walks begin so; traces of what happens in them are nobody's news. */
export const WALK_TABLE = "docknet-walk";

export interface TraceEvent {
  /** "filter"; of a table of the family inet "inet mine". */
  readonly table: string;
  readonly chain: string;
  /** A rule matched; a chain of rules ended without a decision; a built-in chain's policy decided. */
  readonly kind: "rule" | "return" | "policy";
  /** The rule's number in the kernel. */
  readonly handle?: number;
  readonly verdict: TraceVerdict;
  /** Events of one packet in one built-in chain have the same; those of other packets may stand between them. */
  readonly id?: number;
  /** Numbers of links; with the first event of a built-in chain. */
  readonly iif?: number;
  readonly oif?: number;
  /** fwmark; of a packet that has one, with the first event of a built-in chain. */
  readonly mark?: number;
  /** As it is when the built-in chain begins. */
  readonly ip?: Ipv4Packet;
}

export type TraceVerdict =
  | { readonly kind: "ACCEPT" | "DROP" | "CONTINUE" | "RETURN" | "QUEUE" | "STOLEN" }
  | { readonly kind: "JUMP" | "GOTO"; readonly chain: string };

/** Which packets are traced: all given fields match. Several selectors are alternatives. */
export interface TraceSelector {
  readonly proto: "tcp" | "udp" | "icmp";
  readonly source?: Ipv4;
  readonly destination?: Ipv4;
  readonly sport?: Port;
  readonly dport?: Port;
  /** TCP's sequence number, and the one that it acknowledges. */
  readonly sequence?: number;
  readonly acknowledges?: number;
  /** What a datagram's or an echo's data begins with; 16 bytes at most. */
  readonly data?: Uint8Array;
  /** Of ICMP: 3 is "destination unreachable". */
  readonly icmpType?: number;
}

export interface Trace {
  /** Reads what waits now. @returns false when the kernel sent more than its buffer took */
  drain(): boolean;
  /** Removes the table and stops. Idempotent. @throws NetlinkError */
  close(): void;
}

const PROTOCOLS = { tcp: PROTO_TCP, udp: PROTO_UDP, icmp: PROTO_ICMP } as const;

let tables = 0;

/**
 * Traces until closed; the first packet after it returns is reported. The caller closes it before the namespace goes.
 * @throws NetlinkError when the kernel has no nf_tables
 */
export function openTrace(ns: Netns, selectors: readonly TraceSelector[], onEvent: (event: TraceEvent) => void): Trace {
  const table = `${WALK_TABLE}-${process.pid}-${++tables}`;
  const owner = new NetlinkSocket(ns, NETLINK_NETFILTER);
  let whole = true;
  let listener: NetlinkListener | undefined;
  try {
    const tell = (bytes: Buffer): void => {
      for (const event of decodeMessages(bytes)) onEvent(event);
    };
    const group = { protocol: NETLINK_NETFILTER, groups: [NFNLGRP_NFTRACE] };
    listener = openNetlinkListener(ns, group, tell, () => {
      whole = false;
    });
    createTable(owner, table, selectors);
    keepRules(ns);
  } catch (error) {
    listener?.close();
    owner.close();
    throw error;
  }
  const { drain, close } = listener;
  let closed = false;
  return {
    drain() {
      drain();
      return whole;
    },
    close() {
      if (closed) return;
      closed = true;
      close();
      try {
        // not left to the close of its socket, which waits for an RCU grace period then
        owner.transact([deleteTable(table)]);
        keepRules(ns);
      } finally {
        owner.close();
      }
    },
  };
}

// --- the table that chooses --------------------------------------------------------------------------------------------

const REGISTER_BYTES = 16;
/** Before whatever somebody hangs there (NF_IP_PRI_FIRST, linux/netfilter_ipv4.h). */
const PRIORITY = -0x8000_0000;
/** What comes in, and what is sent from here (uapi/linux/netfilter.h). */
const HOOKS = { prerouting: 0, output: 3 } as const;

/** Kernels before 5.12 know no owners; there, a table that a crash leaves is removed when the lab is taken up (observe/repair.ts). */
function createTable(owner: NetlinkSocket, table: string, selectors: readonly TraceSelector[]): void {
  try {
    owner.transact(markTable(table, selectors, NFT_TABLE_F_OWNER));
  } catch (error) {
    if (!(error instanceof NetlinkError) || !["EOPNOTSUPP", "EINVAL"].includes(error.code)) throw error;
    owner.transact(markTable(table, selectors, 0));
  }
}

function markTable(table: string, selectors: readonly TraceSelector[], flags: number): Request[] {
  return [
    message(
      `create table ${table}`,
      NFT_MSG_NEWTABLE,
      NLM_F_CREATE,
      textAttribute(NFTA_TABLE_NAME, table),
      number32(NFTA_TABLE_FLAGS, flags),
    ),
    ...Object.entries(HOOKS).flatMap(([chain, hook]) => [
      message(
        `create chain ${chain} of ${table}`,
        NFT_MSG_NEWCHAIN,
        NLM_F_CREATE,
        textAttribute(NFTA_CHAIN_TABLE, table),
        textAttribute(NFTA_CHAIN_NAME, chain),
        nested(NFTA_CHAIN_HOOK, number32(NFTA_HOOK_HOOKNUM, hook), number32(NFTA_HOOK_PRIORITY, PRIORITY)),
        textAttribute(NFTA_CHAIN_TYPE, "filter"),
      ),
      ...selectors.map((selector) => newRule(table, chain, 0, [...matches(selector), ...setTraceBit()])),
    ]),
  ];
}

const deleteTable = (table: string): Request =>
  message(`delete table ${table}`, NFT_MSG_DELTABLE, 0, textAttribute(NFTA_TABLE_NAME, table));

function matches({ proto, source, destination, sport, dport, ...inside }: TraceSelector): Buffer[] {
  const { sequence, acknowledges, data, icmpType } = inside;
  return [
    ...isProtocol(PROTOCOLS[proto]),
    ...(source ? isSource(source) : []),
    ...(destination ? isDestination(destination) : []),
    ...(sport ? isSourcePort(sport) : []),
    ...(dport ? isDestinationPort(dport) : []),
    // ports, sequence number, acknowledgment number (RFC 9293, section 3.1)
    ...(sequence === undefined ? [] : field(NFT_PAYLOAD_TRANSPORT_HEADER, 4, bytes32(sequence))),
    ...(acknowledges === undefined ? [] : field(NFT_PAYLOAD_TRANSPORT_HEADER, 8, bytes32(acknowledges))),
    // headers of 8 bytes (RFC 768, RFC 792), of which ICMP's begins with the type
    ...(icmpType === undefined ? [] : field(NFT_PAYLOAD_TRANSPORT_HEADER, 0, Uint8Array.of(icmpType))),
    ...(data ? field(NFT_PAYLOAD_TRANSPORT_HEADER, 8, data.subarray(0, REGISTER_BYTES)) : []),
  ];
}

function bytes32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** "meta nftrace set 1" */
const setTraceBit = (): Buffer[] => [
  expression(
    "immediate",
    number32(NFTA_IMMEDIATE_DREG, NFT_REG_1),
    nested(NFTA_IMMEDIATE_DATA, attribute(NFTA_DATA_VALUE, Uint8Array.of(1))),
  ),
  expression("meta", number32(NFTA_META_KEY, NFT_META_NFTRACE), number32(NFTA_META_SREG, NFT_REG_1)),
];

// --- what it tells -----------------------------------------------------------------------------------------------------

const NFTA_TRACE = {
  table: 1,
  chain: 2,
  handle: 3,
  type: 4,
  verdict: 5,
  id: 6,
  network: 8,
  transport: 9,
  iif: 10,
  oif: 12,
  mark: 14,
  nfproto: 15,
  policy: 16,
};
/** Tables of this family see IPv4 packets too (uapi/linux/netfilter.h). */
const NFPROTO_INET = 1;
/** enum nft_trace_types */
const KINDS: Readonly<Record<number, TraceEvent["kind"]>> = { 1: "policy", 2: "return", 3: "rule" };
/** enum nf_inet_verdicts and nft_verdicts */
const VERDICTS: Readonly<Record<number, TraceVerdict["kind"]>> = {
  0: "DROP",
  1: "ACCEPT",
  2: "STOLEN",
  3: "QUEUE",
  [-1]: "CONTINUE",
  [-3]: "JUMP",
  [-4]: "GOTO",
  [-5]: "RETURN",
};

/** What came in one read. Malformed messages, other families and the walks' own tables are left out. Exported for its test. */
export function decodeMessages(bytes: Buffer): TraceEvent[] {
  return [...newsIn(bytes)].flatMap(({ type, body }) => {
    const isTrace = type === ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_TRACE) && body.length >= NFGEN_BYTES;
    const event = isTrace ? decodeTrace(body) : undefined;
    return event && !event.table.startsWith(WALK_TABLE) ? [event] : [];
  });
}

function decodeTrace(body: Buffer): TraceEvent | undefined {
  const family = body.readUInt8(0);
  if (family !== AF_INET && family !== NFPROTO_INET) return undefined;
  const attributes = decodeAttributes(body.subarray(NFGEN_BYTES));
  const number = (type: number): number | undefined => ofSize(4, attributes.get(type))?.readUInt32BE(0);
  if ((number(NFTA_TRACE.nfproto) ?? AF_INET) !== AF_INET) return undefined;
  const kind = KINDS[number(NFTA_TRACE.type) ?? 0];
  const verdict =
    kind === "policy" ? policyOf(number(NFTA_TRACE.policy)) : verdictOf(attributes.get(NFTA_TRACE.verdict));
  if (!kind || !verdict) return undefined;
  const [handle, network] = [ofSize(8, attributes.get(NFTA_TRACE.handle)), attributes.get(NFTA_TRACE.network)];
  const [iif, oif, id] = [number(NFTA_TRACE.iif), number(NFTA_TRACE.oif), number(NFTA_TRACE.id)];
  const mark = number(NFTA_TRACE.mark);
  const table = textOf(attributes.get(NFTA_TRACE.table));
  return {
    table: family === AF_INET ? table : `inet ${table}`,
    chain: textOf(attributes.get(NFTA_TRACE.chain)),
    kind,
    ...(handle ? { handle: Number(handle.readBigUInt64BE(0)) } : {}),
    verdict,
    ...(id === undefined ? {} : { id }),
    ...(iif === undefined ? {} : { iif }),
    ...(oif === undefined ? {} : { oif }),
    ...(mark ? { mark } : {}),
    ...(network
      ? { ip: decodeIpv4(Buffer.concat([network, attributes.get(NFTA_TRACE.transport) ?? Buffer.alloc(0)])) }
      : {}),
  };
}

/** A number of another size is no number. */
const ofSize = (size: number, bytes: Buffer | undefined): Buffer | undefined =>
  bytes?.length === size ? bytes : undefined;

const textOf = (bytes: Buffer | undefined): string => bytes?.toString("utf8").replace(/\0.*$/s, "") ?? "";

const policyOf = (policy: number | undefined): TraceVerdict => ({ kind: policy === 0 ? "DROP" : "ACCEPT" });

function verdictOf(bytes: Buffer | undefined): TraceVerdict | undefined {
  const parts = bytes && decodeAttributes(bytes);
  const code = ofSize(4, parts?.get(NFTA_VERDICT_CODE))?.readInt32BE(0) ?? Number.NaN;
  // of a QUEUE the upper half is the number of the queue (uapi/linux/netfilter.h)
  const kind = VERDICTS[code > 0 ? code & 0xff : code];
  if (kind === undefined) return undefined;
  return kind === "JUMP" || kind === "GOTO" ? { kind, chain: textOf(parts?.get(NFTA_VERDICT_CHAIN)) } : { kind };
}
