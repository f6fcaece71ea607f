/**
 * What NAT did to a packet, found while packets are captured: the same packet on the link before, compared. The rule is found among
 * those that the lab wants; answers are translated back by conntrack without a rule, and shown as the undoing of one. Pure.
 */
import { contains, fromNumber, type Ipv4, type Subnet } from "../net/address.ts";
import { type Flow, readFlow } from "../net/flow.ts";
import { PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "../net/frame.ts";
import type { IfName, NodeName } from "../net/name.ts";
import type { Match, Rule } from "../plan/firewall/rule.ts";

/** What one namespace may translate by. Plain data. */
export interface Translator {
  readonly node: NodeName;
  /** Of table nat, in their order, jumps left out. */
  readonly rules: readonly Rule[];
  /** That the node bears itself. */
  readonly addresses: readonly Ipv4[];
}

export interface Place {
  readonly node: NodeName;
  readonly link: IfName;
}

interface Seen {
  readonly flow: Flow;
  readonly node: NodeName;
  readonly atMs: number;
}

/** Packets under way: of those that are older nothing is said. */
const MAX_AGE_MS = 1000;
/** Remembered in one generation; when it is full the one before is forgotten. */
const MAX_UNDER_WAY = 32_768;

const PROTO_NAMES: Readonly<Record<number, string>> = { [PROTO_TCP]: "tcp", [PROTO_UDP]: "udp", [PROTO_ICMP]: "icmp" };

export class TranslationWatch {
  private translators: readonly Translator[];
  /** Where each packet was seen last, by its key. */
  private young = new Map<number, Seen>();
  private old = new Map<number, Seen>();

  constructor(translators: readonly Translator[]) {
    this.translators = translators;
  }

  /** What is translated by from now on. */
  follow(translators: readonly Translator[]): void {
    this.translators = translators;
  }

  /**
   * Packets in order of time. @returns "DNAT 192.168.0.10:8080 -> 172.17.0.2:80 by nat DOCKER (port 8080:80/tcp of web)" where a packet
   * comes with other addresses than on the link before; else undefined
   */
  see(frame: Uint8Array, place: Place, atMs: number): string | undefined {
    if (this.translators.length === 0) return undefined;
    const flow = readFlow(frame);
    if (!flow) return undefined;
    const before = this.young.get(flow.key) ?? this.old.get(flow.key);
    if (this.young.size >= MAX_UNDER_WAY) [this.old, this.young] = [this.young, new Map()];
    this.young.set(flow.key, { flow, node: place.node, atMs });
    if (!before || before.flow.check !== flow.check || isSame(before.flow, flow)) return undefined;
    // who sends the same again begins anew, with a higher time to live
    if (atMs - before.atMs > MAX_AGE_MS || flow.ttl > before.flow.ttl || flow.proto !== before.flow.proto)
      return undefined;
    const parts = [this.destination(before, flow), this.source(before, flow, place)];
    const told = parts.filter((p) => p !== undefined);
    return told.length > 0 ? told.join("; ") : undefined;
  }

  private destination(before: Seen, after: Flow): string | undefined {
    const old = before.flow;
    if (old.dst === after.dst && old.dport === after.dport) return undefined;
    const change = `${end(old.dst, old.dport)} -> ${end(after.dst, after.dport)}`;
    const to = addressIn(after.dst);
    const rule = this.find(before.node, ({ match, target }) => {
      if (target.kind !== "DNAT" || target.to !== to || (target.port ?? old.dport) !== after.dport) return false;
      return matches(match, old, { dst: old.dst });
    });
    if (rule) return isStatic(rule) ? staticWords(rule, change) : `DNAT ${change} by ${nameOf(rule)}`;
    // what was masqueraded had an address of the node
    const wasOwn = this.translators.some((t) => t.addresses.includes(addressIn(old.dst)));
    return wasOwn ? `SNAT undone for the reply: ${change}` : `destination ${change} by no rule of the lab`;
  }

  private source(before: Seen, after: Flow, { node, link }: Place): string | undefined {
    const old = before.flow;
    const isEcho = after.proto === PROTO_ICMP;
    if (old.src === after.src && (old.sport === after.sport || isEcho)) return undefined;
    const [portBefore, portAfter] = isEcho ? [0, 0] : [old.sport, after.sport];
    const change = `${end(old.src, portBefore)} -> ${end(after.src, portAfter)}`;
    const from = addressIn(old.src);
    const undone = this.find(
      before.node,
      ({ match, target }) =>
        target.kind === "DNAT" &&
        target.to === from &&
        target.port === old.sport &&
        (match.dport === undefined || match.dport === after.sport),
    );
    if (undone) return `DNAT undone for the reply: ${change}`;
    const out = node === before.node ? link : undefined;
    const rule = this.find(before.node, ({ match, target }, translator) => {
      if (target.kind !== "MASQUERADE" && target.kind !== "SNAT") return false;
      if (target.kind === "SNAT" && target.to !== undefined && target.to !== addressIn(after.src)) return false;
      if (match.srcType === "LOCAL" && !translator.addresses.includes(from)) return false;
      return matches(match, old, { dst: after.dst, dport: after.dport, ...(out ? { out } : {}) });
    });
    if (rule && isStatic(rule)) return staticWords(rule, change);
    return `SNAT ${change}${rule ? ` by ${nameOf(rule)}` : ""}`;
  }

  /** Of the node that the packet was in last; where links between were not captured, of any. */
  private find(node: NodeName, fits: (rule: Rule, translator: Translator) => boolean): Rule | undefined {
    const own = this.translators.filter((t) => t.node === node);
    for (const translator of own.length > 0 ? own : this.translators) {
      const rule = translator.rules.find((r) => fits(r, translator));
      if (rule) return rule;
    }
    return undefined;
  }
}

/** 1:1 NAT changes a flow's packets and the answers of one that came the other way alike: a single packet does not tell which it is. */
const isStatic = ({ purpose }: Rule): boolean => purpose === "static-in" || purpose === "static-out";
const staticWords = ({ owner }: Rule, change: string): string => `1:1 NAT ${change} (${owner.label})`;

const isSame = (a: Flow, b: Flow): boolean =>
  a.src === b.src && a.dst === b.dst && a.sport === b.sport && a.dport === b.dport;

/** As far as a packet shows it; the interface it came in by is not asked. */
export function matches(
  match: Match,
  flow: Pick<Flow, "proto" | "src" | "sport" | "dport">,
  now: { readonly dst: number; readonly dport?: number; readonly out?: IfName },
): boolean {
  return (
    (match.proto === undefined || match.proto === PROTO_NAMES[flow.proto]) &&
    (match.dport === undefined || match.dport === (now.dport ?? flow.dport)) &&
    (match.sport === undefined || match.sport === flow.sport) &&
    fits(match.source, (s) => isIn(s, addressIn(flow.src))) &&
    fits(match.destination, (d) => isIn(d, addressIn(now.dst))) &&
    (now.out === undefined || fits(match.out, (out) => out === now.out))
  );
}

function fits<T extends string>(wanted: T | { readonly not: T } | undefined, is: (value: T) => boolean): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === "string" ? is(wanted) : !is(wanted.not);
}

const isIn = (wanted: Ipv4 | Subnet, address: Ipv4): boolean =>
  wanted.includes("/") ? contains(wanted as Subnet, address) : wanted === address;

/** "nat DOCKER (port 8080:80/tcp of web)", "nat POSTROUTING MASQUERADE (network bridge)" */
const nameOf = ({ table, chain, target, owner }: Rule): string =>
  `${table} ${chain}${target.kind === "MASQUERADE" ? " MASQUERADE" : ""} (${owner.label})`;

const addressIn = (bits: number): Ipv4 => fromNumber(bits >>> 0);

const end = (address: number, port: number): string =>
  port === 0 ? addressIn(address) : `${addressIn(address)}:${port}`;
