/**
 * A firewall rule as data: rendered, applied, undone, compared and explained from one record. The text form is that of
 * iptables-save, option for option, so a rule read back from the kernel equals the rule that was planned.
 * Source: iptables-extensions(8); order of options as iptables prints them.
 */
import type { Origin } from "../../errors.ts";
import type { Ipv4, Subnet } from "../../net/address.ts";
import type { IfName } from "../../net/name.ts";
import type { Port, Proto } from "../../net/port.ts";

export type Table = "raw" | "nat" | "filter";

/** In the order in which a packet meets them. */
export const TABLES: readonly Table[] = ["raw", "nat", "filter"];

export interface Chain {
  readonly table: Table;
  readonly name: string;
  /** Built-in chains have one; the user's chains have none. */
  readonly policy?: "ACCEPT" | "DROP";
}

interface Not<T> {
  readonly not: T;
}
type Maybe<T> = T | Not<T>;

/** All given fields must match. */
export interface Match {
  readonly source?: Maybe<Ipv4 | Subnet>;
  readonly destination?: Maybe<Ipv4 | Subnet>;
  readonly in?: Maybe<IfName>;
  readonly out?: Maybe<IfName>;
  readonly proto?: Proto | "icmp";
  readonly sport?: Port;
  readonly dport?: Port;
  readonly ctstate?: readonly ("RELATED" | "ESTABLISHED" | "DNAT" | "NEW")[];
  readonly dstType?: "LOCAL";
  readonly srcType?: "LOCAL";
}

export type Target =
  | { readonly kind: "ACCEPT" | "DROP" | "RETURN" | "MASQUERADE" }
  | { readonly kind: "JUMP"; readonly chain: string }
  /** Without a port the packet keeps its own, of whatever protocol it is. */
  | { readonly kind: "DNAT"; readonly to: Ipv4; readonly port?: Port }
  /** A new source address, or with the port alone only a new port. */
  | { readonly kind: "SNAT"; readonly to: Ipv4 }
  | { readonly kind: "SNAT"; readonly to?: undefined; readonly port: Port }
  | { readonly kind: "REJECT"; readonly with: "icmp-net-unreachable" };

/** What a rule is there for; a prediction names the rule it expects by purpose and owner. */
export type Purpose =
  | "jump"
  | "masquerade"
  | "masquerade-local"
  | "masquerade-hairpin"
  | "dnat"
  | "skip-dnat"
  | "open-port"
  | "default-drop"
  | "default-accept"
  | "routed-icmp"
  | "outgoing"
  | "icc-accept"
  | "icc-drop"
  | "replies"
  | "direct-access"
  | "direct-access-trusted"
  | "loopback-access"
  | "internal-in"
  | "internal-out"
  | "isolation"
  | "isolation-drop"
  | "routed-replies"
  | "routed-open"
  | "return"
  | "forward-policy"
  | "dns-query"
  | "dns-answer"
  | "router-dnat"
  | "router-masquerade"
  | "router-replies"
  | "static-in"
  | "static-out"
  | "router-forward"
  | "router-private"
  | "router-out";

/** Which object of the lab wants a rule. */
export interface Owner {
  readonly kind: "engine" | "network" | "endpoint" | "port" | "router";
  /** For people: "port 8080/tcp of web", "network backend". */
  readonly label: string;
  readonly at?: Origin;
}

export interface Rule {
  readonly table: Table;
  readonly chain: string;
  readonly match: Match;
  readonly target: Target;
  readonly purpose: Purpose;
  readonly owner: Owner;
}

/** The whole wanted content of one namespace's tables: chains, and rules in the order in which they stand. */
export interface Ruleset {
  readonly chains: readonly Chain[];
  readonly rules: readonly Rule[];
}

export const EMPTY_RULESET: Ruleset = { chains: [], rules: [] };

/** "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80" */
export function renderRule(rule: Rule): string {
  return `-A ${rule.chain} ${renderSpec(rule)}`;
}

/** The rule without its chain: what follows `-A CHAIN`, `-I CHAIN n` or `-D CHAIN`. */
export function renderSpec(rule: Pick<Rule, "match" | "target">): string {
  const known = specs.get(rule);
  if (known !== undefined) return known;
  const spec = [...renderMatch(rule.match), ...renderTarget(rule.target)].join(" ");
  specs.set(rule, spec);
  return spec;
}

/** A rule never changes, and is compared each time that the lab does. */
const specs = new WeakMap<Pick<Rule, "match" | "target">, string>();

function renderMatch(match: Match): string[] {
  const ports = [
    ...(match.sport ? ["--sport", String(match.sport)] : []),
    ...(match.dport ? ["--dport", String(match.dport)] : []),
  ];
  const types = [
    ...(match.srcType ? ["--src-type", match.srcType] : []),
    ...(match.dstType ? ["--dst-type", match.dstType] : []),
  ];
  return [
    ...renderMaybe("-s", match.source, withLength),
    ...renderMaybe("-d", match.destination, withLength),
    ...renderMaybe("-i", match.in, String),
    ...renderMaybe("-o", match.out, String),
    ...(match.proto ? ["-p", match.proto] : []),
    ...(match.proto && ports.length > 0 ? ["-m", match.proto, ...ports] : []),
    ...(match.ctstate ? ["-m", "conntrack", "--ctstate", match.ctstate.join(",")] : []),
    ...(types.length > 0 ? ["-m", "addrtype", ...types] : []),
  ];
}

function renderMaybe<T extends string>(
  option: string,
  value: Maybe<T> | undefined,
  text: (value: T) => string,
): string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [option, text(value)] : ["!", option, text(value.not)];
}

const withLength = (address: Ipv4 | Subnet): string => (address.includes("/") ? address : `${address}/32`);

function renderTarget(target: Target): string[] {
  switch (target.kind) {
    case "JUMP":
      return ["-j", target.chain];
    case "DNAT":
      return ["-j", "DNAT", "--to-destination", target.port === undefined ? target.to : `${target.to}:${target.port}`];
    case "SNAT":
      return ["-j", "SNAT", "--to-source", target.to ?? `:${target.port}`];
    case "REJECT":
      return ["-j", "REJECT", "--reject-with", target.with];
    default:
      return ["-j", target.kind];
  }
}

const WORDS: Readonly<Record<Purpose, string>> = {
  jump: "go through the rules of another chain",
  masquerade: "what leaves the network takes the host's address",
  "masquerade-local": "what the host itself sends in takes the gateway's address",
  "masquerade-hairpin": "a container that calls its own published port sees the gateway",
  dnat: "the host's port leads to the container's port",
  "skip-dnat": "this network's own containers reach published ports through the userland proxy",
  "open-port": "the published port is open",
  "default-drop": "nothing else comes in from outside the network",
  "default-accept": "everything comes in: the network is unprotected",
  "routed-icmp": "a routed network answers ping",
  outgoing: "containers may send out",
  "icc-accept": "containers of this network reach each other",
  "icc-drop": "containers of this network do not reach each other",
  replies: "replies to containers are let in",
  "direct-access": "a container's own address is not reachable from outside its bridge",
  "direct-access-trusted": "a trusted interface may reach the container's own address",
  "loopback-access": "a port published on loopback is not reachable from another machine",
  "internal-in": "nothing outside reaches an internal network",
  "internal-out": "an internal network reaches nothing outside",
  isolation: "what leaves this network may not go into another one",
  "isolation-drop": "nothing comes in from another network's bridge",
  "routed-replies": "replies of a routed network are let out",
  "routed-open": "other networks may reach a routed one",
  return: "back to the chain that it came from",
  "forward-policy": "what no rule accepts is not forwarded",
  "dns-query": "what asks 127.0.0.11 goes to the embedded DNS server",
  "dns-answer": "the embedded DNS server answers from port 53",
  "router-dnat": "the router's port leads to a machine of the LAN",
  "router-masquerade": "what leaves the LAN takes the router's one public address",
  "router-replies": "the router passes on what belongs to a flow that it knows",
  "static-in": "the public address leads to its one machine, on every port",
  "static-out": "the machine leaves with a public address of its own",
  "router-forward": "the router lets in what it gave a new destination",
  "router-private": "private addresses do not exist on the internet",
  "router-out": "the router lets the LAN out",
};

/** One rule in words: "the published port is open (port 8080/tcp of web)". */
export function explainRule(rule: Pick<Rule, "purpose" | "owner">): string {
  return `${WORDS[rule.purpose]} (${rule.owner.label})`;
}

/** The same without its owner; a jump says where it leads. */
export function describePurpose({ purpose, target }: Pick<Rule, "purpose" | "target">): string {
  return purpose === "jump" && target.kind === "JUMP" ? `go on in ${target.chain}, then come back` : WORDS[purpose];
}
