/**
 * A namespace's ARP table (`ip neighbour`): whom it has asked for a MAC address, and whom it knows. Source: rtnetlink(7), arp(7);
 * include/uapi/linux/neighbour.h; net/core/neighbour.c.
 */
import { readFileSync } from "node:fs";
import { fromNumber, type Ipv4 } from "../../net/address.ts";
import { AF_INET } from "../libc.ts";
import { NDA_DST, NUD_FAILED, NUD_INCOMPLETE, NUD_PERMANENT, RTM_DELNEIGH, RTM_GETNEIGH } from "../uapi/rtnetlink.ts";
import {
  attribute,
  decodeAttributes,
  type Message,
  NetlinkError,
  type NetlinkSocket,
  NLM_F_DUMP,
  type Request,
} from "./netlink.ts";

export interface Neighbour {
  /** Of the link. */
  readonly index: number;
  readonly address: Ipv4;
  /** "incomplete": asked, not answered yet. "failed": asked in vain. */
  readonly state: "incomplete" | "failed" | "known";
}

const NDMSG_BYTES = 12;
const STATE_AT = 8;

/**
 * How often the one table that all namespaces share had no room for somebody new. Only who lives in the machine's own network sees it.
 * net/core/neighbour.c neigh_stat_seq_show: a line of names, then one for each CPU, in hexadecimal
 */
export function timesTableFull(): number | undefined {
  try {
    const [names = "", ...cpus] = readFileSync("/proc/net/stat/arp_cache", "latin1").trim().split("\n");
    const at = names.split(/\s+/).indexOf("table_fulls");
    if (at < 0) return undefined;
    return cpus.reduce((n, line) => n + Number.parseInt(line.split(/\s+/)[at] ?? "0", 16), 0);
  } catch {
    return undefined;
  }
}

/** @param socket rtnetlink, in the namespace. @throws NetlinkError */
export function readNeighbours(socket: NetlinkSocket): Neighbour[] {
  return dumpNeighbours(socket).flatMap(decodeNeighbour);
}

/**
 * Forgets whom the namespace has asked and knows: it asks again with the next packet. Who is being asked is not forgotten, since packets
 * wait for the answer, nor what somebody wrote there for good. @param socket rtnetlink, in the namespace. @throws NetlinkError
 */
export function forgetNeighbours(socket: NetlinkSocket): void {
  const known = dumpNeighbours(socket).filter(isLearned);
  try {
    socket.request(known.map(deletion));
  } catch (error) {
    // the kernel has forgotten it first
    if (!(error instanceof NetlinkError) || error.code !== "ENOENT") throw error;
  }
}

function dumpNeighbours(socket: NetlinkSocket): Message[] {
  const body = Buffer.alloc(NDMSG_BYTES);
  body.writeUInt8(AF_INET, 0);
  return socket.query({ what: "list neighbours", type: RTM_GETNEIGH, flags: NLM_F_DUMP, body });
}

/** By what tells one from another: link and address. */
function deletion({ body }: Message): Request {
  const address = decodeAttributes(body.subarray(NDMSG_BYTES)).get(NDA_DST) ?? Buffer.alloc(0);
  return {
    what: "forget a neighbour",
    type: RTM_DELNEIGH,
    flags: 0,
    body: Buffer.concat([body.subarray(0, NDMSG_BYTES), attribute(NDA_DST, address)]),
  };
}

const isLearned = ({ body }: Message): boolean =>
  (body.readUInt16LE(STATE_AT) & (NUD_INCOMPLETE | NUD_FAILED | NUD_PERMANENT)) === 0;

/** struct ndmsg */
function decodeNeighbour({ body }: Message): Neighbour[] {
  const address = decodeAttributes(body.subarray(NDMSG_BYTES)).get(NDA_DST);
  if (body.readUInt8(0) !== AF_INET || !address) return [];
  const bits = body.readUInt16LE(STATE_AT);
  const state = bits & NUD_INCOMPLETE ? "incomplete" : bits & NUD_FAILED ? "failed" : "known";
  return [{ index: body.readInt32LE(4), address: fromNumber(address.readUInt32BE(0)), state }];
}
