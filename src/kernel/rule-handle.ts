/** The kernel's numbers of a namespace's rules, in the order in which iptables-save shows the rules. Source: linux/netfilter/nf_tables.h. */
import { AF_INET } from "./libc.ts";
import { decodeAttributes, NETLINK_NETFILTER, NetlinkSocket } from "./netlink.ts";
import type { Netns } from "./netns.ts";
import { dumpRules } from "./nft-batch.ts";

const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_HANDLE = 3;
/** struct nfgenmsg */
const HEADER_BYTES = 4;

/** "filter FORWARD" -> handles, first rule first. IPv4 tables only. @throws NetlinkError */
export function readHandles(ns: Netns): Map<string, number[]> {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    const handles = new Map<string, number[]>();
    for (const { body } of socket.query(dumpRules)) {
      if (body.readUInt8(0) !== AF_INET) continue;
      const attributes = decodeAttributes(body.subarray(HEADER_BYTES));
      const handle = attributes.get(NFTA_RULE_HANDLE);
      if (!handle) continue;
      const key = `${textOf(attributes.get(NFTA_RULE_TABLE))} ${textOf(attributes.get(NFTA_RULE_CHAIN))}`;
      handles.set(key, [...(handles.get(key) ?? []), Number(handle.readBigUInt64BE(0))]);
    }
    return handles;
  } finally {
    socket.close();
  }
}

const textOf = (bytes: Buffer | undefined): string => bytes?.toString("utf8").replace(/\0.*$/s, "") ?? "";
