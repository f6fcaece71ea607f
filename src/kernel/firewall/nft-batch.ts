/**
 * Messages of nf_tables for what iptables-nft writes: a table, its chains, and rules made of the same expressions in the same order, so
 * that iptables shows and deletes them as its own. One transaction is one send: the kernel takes all of it or nothing.
 * Source: include/uapi/linux/netfilter/{nf_tables,nfnetlink,nf_tables_compat,nf_nat}.h, and what `iptables-restore` 1.8.9 sends.
 */
import { type Ipv4, toBytes } from "../../net/address.ts";
import type { Port } from "../../net/port.ts";
import { AF_INET } from "../libc.ts";
import {
  attribute,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nested,
  type Request,
  textAttribute,
} from "../netlink/netlink.ts";
import type { Netns } from "../netns.ts";
import {
  NF_ACCEPT,
  NF_NAT_RANGE_MAP_IPS,
  NF_NAT_RANGE_PROTO_SPECIFIED,
  NFNL_SUBSYS_NFTABLES,
  NFT_CMP_EQ,
  NFT_JUMP,
  NFT_META_L4PROTO,
  NFT_MSG_GETCHAIN,
  NFT_MSG_GETRULE,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWRULE,
  NFT_MSG_NEWTABLE,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFT_REG_1,
  NFT_REG_VERDICT,
  NFTA_CHAIN_COUNTERS,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_POLICY,
  NFTA_CHAIN_TABLE,
  NFTA_CHAIN_TYPE,
  NFTA_CMP_DATA,
  NFTA_CMP_OP,
  NFTA_CMP_SREG,
  NFTA_COUNTER_BYTES,
  NFTA_COUNTER_PACKETS,
  NFTA_DATA_VALUE,
  NFTA_DATA_VERDICT,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_HOOK_HOOKNUM,
  NFTA_HOOK_PRIORITY,
  NFTA_IMMEDIATE_DATA,
  NFTA_IMMEDIATE_DREG,
  NFTA_LIST_ELEM,
  NFTA_META_DREG,
  NFTA_META_KEY,
  NFTA_PAYLOAD_BASE,
  NFTA_PAYLOAD_DREG,
  NFTA_PAYLOAD_LEN,
  NFTA_PAYLOAD_OFFSET,
  NFTA_RULE_CHAIN,
  NFTA_RULE_COMPAT,
  NFTA_RULE_COMPAT_FLAGS,
  NFTA_RULE_COMPAT_PROTO,
  NFTA_RULE_EXPRESSIONS,
  NFTA_RULE_TABLE,
  NFTA_TABLE_NAME,
  NFTA_TARGET_INFO,
  NFTA_TARGET_NAME,
  NFTA_TARGET_REV,
  NFTA_VERDICT_CHAIN,
  NFTA_VERDICT_CODE,
} from "../uapi/nf-tables.ts";

const NLM_F_APPEND = 0x800;

/** One transaction in a namespace. @throws NetlinkError, and then nothing was changed */
export function commitBatch(ns: Netns, requests: readonly Request[]): void {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    socket.transact(requests);
  } finally {
    socket.close();
  }
}

/** struct nfgenmsg: the family, version 0, resource id 0. */
export const message = (what: string, type: number, flags: number, ...attributes: readonly Buffer[]): Request => ({
  what,
  type: (NFNL_SUBSYS_NFTABLES << 8) | type,
  flags,
  body: Buffer.concat([Buffer.from([AF_INET, 0, 0, 0]), ...attributes]),
});

export const dumpChains = message("list nftables' chains", NFT_MSG_GETCHAIN, NLM_F_DUMP);
export const dumpRules = message("list nftables' rules", NFT_MSG_GETRULE, NLM_F_DUMP);

/** Refused with EEXIST when it is there. */
export const newTable = (table: string): Request =>
  message(`create table ${table}`, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, textAttribute(NFTA_TABLE_NAME, table));

/** Where a built-in chain of nat hangs: number of the hook (uapi/linux/netfilter.h) and priority (netfilter_ipv4.h). */
export interface Hook {
  readonly number: number;
  readonly priority: number;
}

/** A chain of rules that others jump to, or with a hook a built-in one of type nat that accepts and counts what no rule decides. */
export function newChain(table: string, name: string, hook?: Hook): Request {
  return message(
    `create chain ${name}`,
    NFT_MSG_NEWCHAIN,
    NLM_F_CREATE | NLM_F_EXCL,
    textAttribute(NFTA_CHAIN_TABLE, table),
    textAttribute(NFTA_CHAIN_NAME, name),
    ...(hook
      ? [
          nested(
            NFTA_CHAIN_HOOK,
            number32(NFTA_HOOK_HOOKNUM, hook.number),
            number32(NFTA_HOOK_PRIORITY, hook.priority),
          ),
          number32(NFTA_CHAIN_POLICY, NF_ACCEPT),
          nested(NFTA_CHAIN_COUNTERS, zero64(NFTA_COUNTER_PACKETS), zero64(NFTA_COUNTER_BYTES)),
          textAttribute(NFTA_CHAIN_TYPE, "nat"),
        ]
      : []),
  );
}

/** At the end of its chain. @param protocol what the rule is limited to, for the targets of iptables; 0 for any */
export function newRule(table: string, chain: string, protocol: number, expressions: readonly Buffer[]): Request {
  return message(
    `add a rule to ${chain}`,
    NFT_MSG_NEWRULE,
    NLM_F_CREATE | NLM_F_APPEND,
    textAttribute(NFTA_RULE_TABLE, table),
    textAttribute(NFTA_RULE_CHAIN, chain),
    nested(NFTA_RULE_EXPRESSIONS, ...expressions),
    nested(NFTA_RULE_COMPAT, number32(NFTA_RULE_COMPAT_PROTO, protocol), number32(NFTA_RULE_COMPAT_FLAGS, 0)),
  );
}

// --- expressions: what a rule matches ----------------------------------------------------------------------------------

export const isProtocol = (protocol: number): Buffer[] => [
  expression("meta", number32(NFTA_META_KEY, NFT_META_L4PROTO), number32(NFTA_META_DREG, NFT_REG_1)),
  isEqual([protocol]),
];

/** struct iphdr (RFC 791, section 3.1) */
export const isIpProtocol = (protocol: number): Buffer[] =>
  field(NFT_PAYLOAD_NETWORK_HEADER, 9, Uint8Array.of(protocol));
export const isSource = (address: Ipv4): Buffer[] => field(NFT_PAYLOAD_NETWORK_HEADER, 12, toBytes(address));
export const isDestination = (address: Ipv4): Buffer[] => field(NFT_PAYLOAD_NETWORK_HEADER, 16, toBytes(address));

/** The same places in TCP and UDP (RFC 9293, section 3.1; RFC 768). */
export const isSourcePort = (port: Port): Buffer[] => field(NFT_PAYLOAD_TRANSPORT_HEADER, 0, bytes16(port));
export const isDestinationPort = (port: Port): Buffer[] => field(NFT_PAYLOAD_TRANSPORT_HEADER, 2, bytes16(port));

export const field = (header: number, offset: number, value: Uint8Array): Buffer[] => [
  expression(
    "payload",
    number32(NFTA_PAYLOAD_DREG, NFT_REG_1),
    number32(NFTA_PAYLOAD_BASE, header),
    number32(NFTA_PAYLOAD_OFFSET, offset),
    number32(NFTA_PAYLOAD_LEN, value.length),
  ),
  isEqual(value),
];

const isEqual = (value: ArrayLike<number>): Buffer =>
  expression(
    "cmp",
    number32(NFTA_CMP_SREG, NFT_REG_1),
    number32(NFTA_CMP_OP, NFT_CMP_EQ),
    nested(NFTA_CMP_DATA, attribute(NFTA_DATA_VALUE, Uint8Array.from(value))),
  );

// --- expressions: what it does ---------------------------------------------------------------------------------------

export const counter = (): Buffer => expression("counter", zero64(NFTA_COUNTER_BYTES), zero64(NFTA_COUNTER_PACKETS));

export const jump = (chain: string): Buffer =>
  expression(
    "immediate",
    number32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT),
    nested(
      NFTA_IMMEDIATE_DATA,
      nested(NFTA_DATA_VERDICT, number32(NFTA_VERDICT_CODE, NFT_JUMP), textAttribute(NFTA_VERDICT_CHAIN, chain)),
    ),
  );

/** "-j DNAT --to-destination TO:PORT": struct nf_nat_range2, padded to 8 bytes. */
export function toDestination(to: Ipv4, port: Port): Buffer {
  const info = Buffer.alloc(48);
  info.writeUInt32LE(NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED, 0);
  for (const at of [4, 20]) info.set(toBytes(to), at);
  for (const at of [36, 38]) info.writeUInt16BE(port, at);
  return xtTarget("DNAT", 2, info);
}

/** "-j SNAT --to-source :PORT": struct nf_nat_ipv4_multi_range_compat of one range, padded to 8 bytes. */
export function toSourcePort(port: Port): Buffer {
  const info = Buffer.alloc(24);
  info.writeUInt32LE(1, 0);
  info.writeUInt32LE(NF_NAT_RANGE_PROTO_SPECIFIED, 4);
  for (const at of [16, 18]) info.writeUInt16BE(port, at);
  return xtTarget("SNAT", 0, info);
}

/** A target of iptables as it is, by nft_compat. */
const xtTarget = (name: string, revision: number, info: Uint8Array): Buffer =>
  expression(
    "target",
    textAttribute(NFTA_TARGET_NAME, name),
    number32(NFTA_TARGET_REV, revision),
    attribute(NFTA_TARGET_INFO, info),
  );

export const expression = (name: string, ...data: readonly Buffer[]): Buffer =>
  nested(NFTA_LIST_ELEM, textAttribute(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, ...data));

/** nf_tables' numbers are in network order. */
export function number32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return attribute(type, bytes);
}

const zero64 = (type: number): Buffer => attribute(type, Buffer.alloc(8));
const bytes16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
