/**
 * Says whether a namespace has exactly the resolver's rules that are wanted, by comparing the kernel's own listing with the messages
 * that make them. It reads nothing else: for all that differs there is iptables-save.
 */
import { type Ruleset, renderSpec } from "../../plan/firewall/rule.ts";
import { AF_INET } from "../libc.ts";
import {
  type Attribute,
  decodeAttributes,
  listAttributes,
  type Message,
  type NetlinkSocket,
  type Request,
} from "../netlink/netlink.ts";
import {
  NFGEN_BYTES,
  NFTA_CHAIN_COUNTERS,
  NFTA_CHAIN_FLAGS,
  NFTA_CHAIN_HANDLE,
  NFTA_CHAIN_USE,
  NFTA_COUNTER_BYTES,
  NFTA_COUNTER_PACKETS,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_RULE_COMPAT,
  NFTA_RULE_EXPRESSIONS,
  NFTA_RULE_HANDLE,
  NFTA_RULE_POSITION,
  NFTA_TABLE_FLAGS,
  NFTA_TABLE_NAME,
  NFTA_TABLE_USE,
} from "../uapi/nf-tables.ts";
import { dumpChains, dumpRules } from "./nft-batch.ts";
import { resolverMessages, resolverPortsOf } from "./nft-resolver.ts";
import type { TablesReading } from "./rules.ts";

const NOTHING = Buffer.alloc(0);
const COUNTER = Buffer.from("counter\0");

/** What the kernel numbers and counts itself; a chain's flags repeat that it has a hook. */
const OF_CHAIN = new Set([NFTA_CHAIN_HANDLE, NFTA_CHAIN_USE, NFTA_CHAIN_COUNTERS, NFTA_CHAIN_FLAGS]);
/** The protocol for targets of iptables is said when a rule is made, and not listed. */
const OF_RULE = new Set([NFTA_RULE_HANDLE, NFTA_RULE_POSITION, NFTA_RULE_COMPAT, NFTA_RULE_EXPRESSIONS]);

/**
 * @param socket of netfilter, in the namespace; @param tables its answer to `dumpTables`; @param wanted all rules of the node
 * @returns undefined when that is another ruleset, or the kernel's differs from it in anything but counters. @throws NetlinkError
 */
export function readResolver(
  socket: NetlinkSocket,
  tables: readonly Message[],
  wanted: Ruleset,
): TablesReading | undefined {
  const ports = resolverPortsOf(wanted);
  if (!ports) return undefined;
  // another iptables than this machine's has now may have written them
  const [first, second] = [resolverMessages(ports, "protocol first"), resolverMessages(ports, "address first")];
  const { chains } = first;
  const ofIpv4 = tables.filter(({ body }) => body.readUInt8(0) === AF_INET);
  if (ofIpv4.length !== 1 || !ofIpv4.every((t) => isPlainNat(t, chains.length))) return undefined;
  const listed = socket.query(dumpChains);
  if (listed.length !== chains.length || !chains.every((c, i) => isSame(c.body, listed[i]?.body, OF_CHAIN)))
    return undefined;
  const found = socket.query(dumpRules);
  const counts = compareRules(first.rules, found) ?? compareRules(second.rules, found);
  return counts && readingOf(wanted, counts);
}

/** Awake, and holding as many objects as there are chains: no sets, no flow tables. */
function isPlainNat({ body }: Message, chains: number): boolean {
  const table = decodeAttributes(body.subarray(NFGEN_BYTES));
  return (
    table.get(NFTA_TABLE_NAME)?.toString() === "nat\0" &&
    table.get(NFTA_TABLE_FLAGS)?.readUInt32BE(0) === 0 &&
    table.get(NFTA_TABLE_USE)?.readUInt32BE(0) === chains
  );
}

interface Counts {
  readonly packets: number;
  readonly bytes: number;
}

function compareRules(wanted: readonly Request[], found: readonly Message[]): Counts[] | undefined {
  if (wanted.length !== found.length) return undefined;
  const counts = wanted.flatMap((rule, i) => compareRule(rule.body, found[i]?.body) ?? []);
  return counts.length === wanted.length ? counts : undefined;
}

function compareRule(wanted: Uint8Array, found: Buffer | undefined): Counts | undefined {
  if (!found || !isSame(wanted, found, OF_RULE)) return undefined;
  const [wants, has] = [expressionsOf(wanted), expressionsOf(found)];
  const at = wants.findIndex(isCounter);
  const counter = has[at];
  if (!counter || !isCounter(counter) || !areSame(without(wants, at), without(has, at))) return undefined;
  const counted = decodeAttributes(dataOf(counter, NFTA_EXPR_DATA));
  return { packets: number64(counted.get(NFTA_COUNTER_PACKETS)), bytes: number64(counted.get(NFTA_COUNTER_BYTES)) };
}

const without = (list: readonly Attribute[], index: number): Attribute[] => list.filter((_, i) => i !== index);

function expressionsOf(rule: Uint8Array): Attribute[] {
  const attributes = listAttributes(Buffer.from(rule).subarray(NFGEN_BYTES));
  return listAttributes(attributes.find((a) => a.type === NFTA_RULE_EXPRESSIONS)?.value ?? NOTHING);
}

const isCounter = (expression: Attribute): boolean => dataOf(expression, NFTA_EXPR_NAME).equals(COUNTER);

const dataOf = ({ value }: Attribute, type: number): Buffer =>
  listAttributes(value).find((a) => a.type === type)?.value ?? NOTHING;

const number64 = (bytes: Buffer | undefined): number => Number(bytes?.readBigUInt64BE(0) ?? 0);

/** Whole messages, but for these attributes. What is nested is known from what we made: the kernel does not mark it. */
function isSame(wanted: Uint8Array, found: Buffer | undefined, ignored: ReadonlySet<number>): boolean {
  if (!found) return false;
  const [wants, has] = [Buffer.from(wanted), found].map((bytes) =>
    listAttributes(bytes.subarray(NFGEN_BYTES)).filter((a) => !ignored.has(a.type)),
  );
  return areSame(wants ?? [], has ?? []);
}

const areSame = (wanted: readonly Attribute[], found: readonly Attribute[]): boolean =>
  wanted.length === found.length && wanted.every((w, i) => w.type === found[i]?.type && isSameValue(w, found[i]));

const isSameValue = (wanted: Attribute, found: Attribute): boolean =>
  wanted.isNested
    ? areSame(listAttributes(wanted.value), listAttributes(found.value))
    : wanted.value.equals(found.value);

function readingOf({ chains, rules }: Ruleset, counts: readonly Counts[]): TablesReading {
  return {
    chains: chains.map(({ table, name, policy }) => ({ table, name, ...(policy ? { policy } : {}) })),
    rules: rules.map((rule, i) => ({
      table: rule.table,
      chain: rule.chain,
      spec: renderSpec(rule),
      packets: counts[i]?.packets ?? 0,
      bytes: counts[i]?.bytes ?? 0,
    })),
    unreadable: [],
  };
}
