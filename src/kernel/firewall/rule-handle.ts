/**
 * The rules of a namespace as iptables shows them, each with the kernel's number for it, by which a trace names it. What was read is kept
 * for as long as nobody changes the rules: the kernel counts the transactions of each namespace (nf_tables' generation).
 * Source: linux/netfilter/nf_tables.h.
 */
import { AF_INET } from "../libc.ts";
import { decodeAttributes, NETLINK_NETFILTER, NetlinkSocket } from "../netlink/netlink.ts";
import type { Netns } from "../netns.ts";
import {
  NFGEN_BYTES,
  NFT_MSG_GETGEN,
  NFTA_GEN_ID,
  NFTA_RULE_CHAIN,
  NFTA_RULE_HANDLE,
  NFTA_RULE_TABLE,
} from "../uapi/nf-tables.ts";
import { dumpRules, message } from "./nft-batch.ts";
import { type KernelRule, readRules } from "./rules.ts";

export interface NumberedRule extends KernelRule {
  readonly handle: number;
}

interface Kept {
  generation: number;
  readonly rules: Promise<readonly NumberedRule[]>;
}

const kept = new WeakMap<Netns, Kept>();

/** Of the IPv4 tables; policies are left out. Its counters may be old. @throws DocknetError, NetlinkError */
export function readNumberedRules(ns: Netns): Promise<readonly NumberedRule[]> {
  const generation = generationOf(ns);
  const known = kept.get(ns);
  if (known?.generation === generation) return known.rules;
  const reading: Kept = { generation, rules: read(ns) };
  kept.set(ns, reading);
  const forget = (): void => {
    if (kept.get(ns) === reading) kept.delete(ns);
  };
  // a change while it was read: text and numbers may be of two moments
  reading.rules.then(() => reading.generation === generationOf(ns) || forget()).catch(forget);
  return reading.rules;
}

/** After a transaction of our own that touched no rule of iptables. When others had one meanwhile, what was read is forgotten. */
export function keepRules(ns: Netns): void {
  const known = kept.get(ns);
  if (!known) return;
  if (generationOf(ns) === known.generation + 1) known.generation += 1;
  else kept.delete(ns);
}

async function read(ns: Netns): Promise<readonly NumberedRule[]> {
  const handles = readHandles(ns);
  const rules = (await readRules(ns)).filter((r) => r.position > 0);
  return rules.flatMap((rule) => {
    const handle = handles.get(`${rule.table} ${rule.chain}`)?.[rule.position - 1];
    return handle === undefined ? [] : [{ ...rule, handle }];
  });
}

const getGeneration = message("ask for the generation of nf_tables", NFT_MSG_GETGEN, 0);

function generationOf(ns: Netns): number {
  return ask(ns, (socket) => {
    const [answer] = socket.query(getGeneration);
    return (answer && decodeAttributes(answer.body.subarray(NFGEN_BYTES)).get(NFTA_GEN_ID)?.readUInt32BE(0)) ?? 0;
  });
}

/** "filter FORWARD" -> handles, first rule first. */
function readHandles(ns: Netns): Map<string, number[]> {
  const handles = new Map<string, number[]>();
  for (const { body } of ask(ns, (socket) => socket.query(dumpRules))) {
    if (body.readUInt8(0) !== AF_INET) continue;
    const attributes = decodeAttributes(body.subarray(NFGEN_BYTES));
    const handle = attributes.get(NFTA_RULE_HANDLE);
    if (!handle) continue;
    const key = `${textOf(attributes.get(NFTA_RULE_TABLE))} ${textOf(attributes.get(NFTA_RULE_CHAIN))}`;
    handles.set(key, [...(handles.get(key) ?? []), Number(handle.readBigUInt64BE(0))]);
  }
  return handles;
}

function ask<T>(ns: Netns, question: (socket: NetlinkSocket) => T): T {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    return question(socket);
  } finally {
    socket.close();
  }
}

const textOf = (bytes: Buffer | undefined): string => bytes?.toString("utf8").replace(/\0.*$/s, "") ?? "";
