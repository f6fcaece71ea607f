/**
 * The way to the embedded DNS server (plan/embedded-dns.ts), written in process: every container has these six rules, and a process of
 * iptables-restore for each is what building a lab would mostly cost. What stands in the kernel afterwards is byte for byte the same.
 */
import type { Port, Proto } from "../../net/port.ts";
import { EMBEDDED_DNS, type ResolverPorts, resolverRuleset } from "../../plan/firewall/embedded-dns.ts";
import { type Rule, type Ruleset, renderRule } from "../../plan/firewall/rule.ts";
import type { RuleEdit } from "../../plan/firewall/rule-edit.ts";
import { NetlinkError, type Request } from "../netlink/netlink.ts";
import type { Netns } from "../netns.ts";
import {
  commitBatch,
  counter,
  isDestination,
  isDestinationPort,
  isIpProtocol,
  isProtocol,
  isSource,
  isSourcePort,
  jump,
  newChain,
  newRule,
  newTable,
  toDestination,
  toSourcePort,
} from "./nft-batch.ts";
import { iptablesIsNft, type RuleOrder, ruleOrder } from "./nft-support.ts";

const TABLE = "nat";
/** IANA's numbers. */
const PROTOCOL = { tcp: 6, udp: 17 } as const;
const DNS_PORT = 53 as Port;
const OUTPUT = { number: 3, priority: -100 };
const POSTROUTING = { number: 4, priority: 100 };

/** This kernel lacks something: not asked again. */
let refused = false;

/**
 * Makes a container's resolver rules, in a namespace without a table nat, on a machine whose iptables works on nf_tables.
 * @returns false when nothing was done and iptables-restore must do it
 */
export async function commitResolver(ns: Netns, ports: ResolverPorts): Promise<boolean> {
  if (refused || !(await iptablesIsNft())) return false;
  const { table, chains, rules } = resolverMessages(ports, await ruleOrder());
  try {
    commitBatch(ns, [table, ...chains, ...rules]);
    return true;
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    refused ||= lacksFeature(error);
    return false;
  }
}

/** A refusal that would come again in every namespace: without nf_tables, nft_compat or xt_nat. */
export const lacksFeature = ({ code }: NetlinkError): boolean =>
  code === "EOPNOTSUPP" || code === "ENOENT" || code === "EINVAL";

/** @returns undefined unless the edits make exactly the resolver's rules out of nothing */
export function resolverPortsIn(edits: readonly RuleEdit[]): ResolverPorts | undefined {
  const chains = edits.flatMap((e) => (e.kind === "chain.create" ? e.chain : []));
  const rules = edits.flatMap((e) => (e.kind === "rule.insert" && e.atEnd ? e.rule : []));
  return chains.length + rules.length === edits.length ? resolverPortsOf({ chains, rules }) : undefined;
}

/** As `resolverPortsIn`, of rules that stand. */
export function resolverPortsOf({ chains, rules }: Ruleset): ResolverPorts | undefined {
  const [tcp, udp] = [portOf(rules, "tcp"), portOf(rules, "udp")];
  if (tcp === undefined || udp === undefined) return undefined;
  const whole = resolverRuleset({ tcp, udp }, { kind: "endpoint", label: "DNS" });
  const isWhole =
    areSame(chains, whole.chains, (c) => `${c.table} ${c.name} ${c.policy}`) &&
    areSame(rules, whole.rules, (r) => `${r.table} ${renderRule(r)}`);
  return isWhole ? { tcp, udp } : undefined;
}

function portOf(rules: readonly Rule[], proto: Proto): Port | undefined {
  const target = rules.find((r) => r.match.proto === proto)?.target;
  return target?.kind === "DNAT" ? target.port : undefined;
}

function areSame<T>(found: readonly T[], wanted: readonly T[], text: (item: T) => string): boolean {
  const texts = found.map(text);
  return texts.length === wanted.length && wanted.every((item, i) => text(item) === texts[i]);
}

/** What makes the rules, chains and rules in the order of `resolverRuleset`. */
export interface ResolverMessages {
  readonly table: Request;
  readonly chains: readonly Request[];
  readonly rules: readonly Request[];
}

const NEW_TABLE = newTable(TABLE);
const CHAINS = [
  newChain(TABLE, "OUTPUT", OUTPUT),
  newChain(TABLE, "POSTROUTING", POSTROUTING),
  newChain(TABLE, "DOCKER_OUTPUT"),
  newChain(TABLE, "DOCKER_POSTROUTING"),
];
const TO_DNS = isDestination(EMBEDDED_DNS);
const JUMPS = [
  newRule(TABLE, "OUTPUT", 0, [...TO_DNS, counter(), jump("DOCKER_OUTPUT")]),
  newRule(TABLE, "POSTROUTING", 0, [...TO_DNS, counter(), jump("DOCKER_POSTROUTING")]),
];

export function resolverMessages(ports: ResolverPorts, order: RuleOrder): ResolverMessages {
  const asks = (protocol: number, address: readonly Buffer[]): Buffer[] =>
    order === "protocol first" ? [...isProtocol(protocol), ...address] : [...address, ...isIpProtocol(protocol)];
  const protos = ["tcp", "udp"] as const;
  const queries = protos.map((proto) =>
    newRule(TABLE, "DOCKER_OUTPUT", PROTOCOL[proto], [
      ...asks(PROTOCOL[proto], TO_DNS),
      ...isDestinationPort(DNS_PORT),
      counter(),
      toDestination(EMBEDDED_DNS, ports[proto]),
    ]),
  );
  const answers = protos.map((proto) =>
    newRule(TABLE, "DOCKER_POSTROUTING", PROTOCOL[proto], [
      ...asks(PROTOCOL[proto], isSource(EMBEDDED_DNS)),
      ...isSourcePort(ports[proto]),
      counter(),
      toSourcePort(DNS_PORT),
    ]),
  );
  return { table: NEW_TABLE, chains: CHAINS, rules: [...JUMPS, ...queries, ...answers] };
}
