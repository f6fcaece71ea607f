/**
 * Where a name goes that is no container's: which servers an embedded DNS server asks, which ones a name server that runs in a container
 * asks in turn, and whether an answer comes of it, and when. Each server is reached or not as any other packet is (predict.ts).
 * Source: docker-reference 6.4; what a silent server costs was seen on dockerd 28.5.2.
 */
import { contains, type Ipv4, type Ipv6, isIpv4, isLoopback } from "../../net/address.ts";
import { HOST, INTERNET, type NodeName } from "../../net/name.ts";
import type { Port } from "../../net/port.ts";
import { fileOwner } from "../../state/hosts.ts";
import {
  type Container,
  hasDefaultGateway,
  isHostAddress,
  networkById,
  type State,
  sandboxOwner,
} from "../../state/state.ts";
import { EMBEDDED_DNS } from "../firewall/embedded-dns.ts";
import { EMPTY_RULESET } from "../firewall/rule.ts";
import { isNameServer } from "./internet.ts";
import { predict } from "./predict.ts";
import type { Prediction, ProbeSpec } from "./prediction.ts";
import { indexState } from "./state-index.ts";

export const DNS_PORT = 53 as Port;

/** A server, and the node from which it is asked. */
export interface NameSource {
  readonly from: NodeName;
  readonly address: Ipv4 | Ipv6;
}

/** Of the servers that a container names, as many count (moby maxExtDNS). */
const SERVERS = 3;
/** How long a server is waited for (moby extIOTimeout). */
export const EXCHANGE_MS = 4000;

/**
 * Whom the embedded DNS server of a container asks: the servers of --dns from the container's namespace, else the host's from the host's;
 * those not at all when no network of the container leads out.
 */
export function embeddedSources(state: State, asker: Container): readonly NameSource[] {
  const { servers } = asker.dns;
  if (servers.length > 0)
    return servers
      .filter((address) => address !== EMBEDDED_DNS)
      .slice(0, SERVERS)
      .map((address) => ({ from: asker.node, address }));
  const leadsOut = asker.endpoints.some((e) => hasDefaultGateway(networkById(state, e.network)));
  return leadsOut ? [{ from: HOST, address: state.world.internet.dns }] : [];
}

/**
 * Whom a name server in a container asks, always from its own namespace: the servers of its --dns but itself, as dnsmasq passes over the
 * addresses of its own machine, else the internet's.
 */
export function resolverSources(state: State, resolver: Container): readonly NameSource[] {
  const { servers } = fileOwner(state, resolver).dns;
  const others = servers.filter((address) => !isOwn(state, resolver, address)).slice(0, SERVERS);
  return (others.length > 0 ? others : [state.world.internet.dns]).map((address) => ({ from: resolver.node, address }));
}

function isOwn(state: State, resolver: Container, address: Ipv4 | Ipv6): boolean {
  if (!isIpv4(address)) return address === "::1";
  const owner = sandboxOwner(state, resolver);
  if (owner === "host") return isHostAddress(state, address);
  return isLoopback(address) || (owner !== "gone" && owner.endpoints.some((e) => e.address === address));
}

export interface Forwarded {
  /** Does an answer come, and if not, is that said at once or only after a server was silent? */
  readonly outcome: "answered" | "failed";
  /** What silent servers cost before that, in ms. */
  readonly afterMs: number;
  /** One clause: who answered, or what became of the last server. */
  readonly because: string;
  /** The container whose name server hears every such question first of all that speak DNS; absent when none does. */
  readonly heardBy?: NodeName;
  /** The container whose name server passes the answer on; absent when the embedded server has it of the internet's. */
  readonly via?: NodeName;
}

/** @returns what becomes of a question that the embedded server of `asker` forwards */
export function predictForward(state: State, asker: Container): Forwarded {
  const sources = embeddedSources(state, asker);
  if (sources.length > 0) return askAll(state, sources, new Set());
  const because =
    asker.dns.servers.length > 0
      ? "it names no server but itself"
      : "none of its networks leads out, so that nothing is forwarded";
  return { outcome: "failed", afterMs: 0, because };
}

/** One after the other, until one answers. @param asking those that wait for this already: they fail at once, their own question came back */
function askAll(state: State, sources: readonly NameSource[], asking: ReadonlySet<NodeName>): Forwarded {
  let afterMs = 0;
  let because = "it has no server";
  let heardBy: NodeName | undefined;
  for (const source of sources) {
    const said = ask(state, source, asking);
    heardBy ??= said.heardBy;
    const heard = heardBy ? { heardBy } : {};
    if (said.outcome === "answered" && said.afterMs < EXCHANGE_MS)
      return {
        outcome: "answered",
        afterMs: afterMs + said.afterMs,
        because: said.because,
        ...heard,
        ...(said.via ? { via: said.via } : {}),
      };
    afterMs += Math.min(said.afterMs, EXCHANGE_MS);
    because = said.because;
  }
  return { outcome: "failed", afterMs, because, ...(heardBy ? { heardBy } : {}) };
}

function ask(state: State, { from, address }: NameSource, asking: ReadonlySet<NodeName>): Forwarded {
  if (!isIpv4(address)) return failed(0, `there is no way to ${address}: the lab has no IPv6`);
  const way = predictQuestion(state, from, address, "udp");
  if (way.outcome !== "reach") {
    // what a router says of a connected UDP socket's packet does not reach it, but for a refusal (udp(7) IP_RECVERR)
    const isSilent = way.outcome === "drop" || (way.outcome === "unreachable" && hasRoute(state, from, address));
    return failed(isSilent ? EXCHANGE_MS : 0, `nobody answers at ${address}: ${way.because}`);
  }
  const resolver = resolverBehind(state, way);
  if (resolver) {
    if (asking.has(resolver.node))
      return failed(0, `${resolver.node} is asked what it asks itself: the question runs in a circle`);
    const said = askAll(state, resolverSources(state, resolver), new Set([...asking, resolver.node]));
    return {
      ...said,
      because: `${resolver.node} at ${address} is asked, and ${said.because}`,
      heardBy: resolver.node,
      via: resolver.node,
    };
  }
  if (way.server === INTERNET && isNameServer(state.world, address, { port: DNS_PORT, proto: "udp" }))
    return { outcome: "answered", afterMs: 0, because: `the internet's name server ${address} answers` };
  return failed(EXCHANGE_MS, `${way.server} answers at ${address}:${DNS_PORT}, but does not speak DNS`);
}

const failed = (afterMs: number, because: string): Forwarded => ({ outcome: "failed", afterMs, because });

/** The way of a question to a server. */
export function predictQuestion(state: State, from: NodeName, address: Ipv4, proto: "tcp" | "udp"): Prediction {
  return predict(state, { from, address, port: DNS_PORT, proto }, NO_RULES);
}

/** Rules only name what decides. */
const NO_RULES = { host: EMPTY_RULESET, router: EMPTY_RULESET };

/** The container whose name server such a packet ends at: what serves port 53 behind all translations. */
export function resolverBehind(state: State, way: Prediction, port = DNS_PORT): Container | undefined {
  if (way.outcome !== "reach" || way.server === undefined) return undefined;
  if ((way.legs.at(-1)?.dport ?? port) !== DNS_PORT) return undefined;
  return indexState(state).containerOf(way.server);
}

/** Which kind of name server such a probe ends at, if it ends at one: then it speaks DNS. */
export function nameServerAt(state: State, probe: ProbeSpec): "internet" | "container" | undefined {
  const { port, proto, address } = probe;
  if (port === undefined || proto === "icmp" || proto === "sctp") return undefined;
  if (isNameServer(state.world, address, { port, proto })) return "internet";
  if (!state.containers.some((c) => c.serves.some((s) => s.port === DNS_PORT))) return undefined;
  return resolverBehind(state, predict(state, probe, NO_RULES), port) ? "container" : undefined;
}

/** Without one a packet is refused as it is sent. */
function hasRoute(state: State, from: NodeName, address: Ipv4): boolean {
  const container = indexState(state).containerOf(from);
  const owner = container ? sandboxOwner(state, container) : "host";
  if (owner === "host") return true;
  if (owner === "gone") return false;
  return owner.endpoints.some((e) => {
    const network = networkById(state, e.network);
    return hasDefaultGateway(network) || contains(network.subnet, address);
  });
}
