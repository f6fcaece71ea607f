/**
 * Which host ports a container gets, and who already has them. Source: moby daemon/libnetwork/portallocator,
 * portmapperapi PortBindingReq.Compare (order), drivers/bridge/port_mapping_linux.go (the implicit [::] twin).
 */
import { DocknetError } from "../errors.ts";
import { ANY_IPV4, type Ipv4, type Ipv6, isIpv4, LOCALHOST, toNumber } from "../net/address.ts";
import { type Port, type PortRange, type Proto, portKey } from "../net/port.ts";
import { indexOf } from "./container-index.ts";
import { containerById } from "./find.ts";
import { originOf, refusal } from "./refusal.ts";
import {
  bridgeById,
  type Container,
  type Endpoint,
  gatewayEndpoint,
  isBridge,
  isHostAddress,
  networkById,
  type PortBinding,
  type PortRequest,
  type State,
  sandboxOwner,
} from "./state.ts";

/** net.ipv4.ip_local_port_range of a Linux host (ip-sysctl). */
const EPHEMERAL: PortRange = { first: 32768 as Port, last: 60999 as Port };
const ANY_IPV6 = "::" as Ipv6;

/**
 * The bindings of a running container: those of its gateway endpoint, and one without host port for each routed endpoint. None when
 * it has no gateway. What an endpoint holds already it keeps.
 * @throws DocknetError CONFLICT, in Docker's words, with the place of the port
 */
export function bindPorts(state: State, container: Container): Bound {
  const gateway = publishingEndpoint(state, container);
  const requests = [...requestsOf(container)].sort(compareRequests);
  const bound: PortBinding[] = [];
  const lastPorts = new LastPorts(state);
  for (const endpoint of container.endpoints) {
    const held = container.bindings.filter((b) => b.endpoint === endpoint.id);
    if (isRouted(state, endpoint))
      for (const binding of held.length > 0 ? held : routedBindings(state, endpoint, requests)) bound.push(binding);
    else if (endpoint === gateway && held.length > 0) for (const binding of held) bound.push(binding);
    else if (endpoint === gateway) {
      const own = new OwnPorts();
      for (const request of requests) {
        const given = bindRequest(state, container, endpoint, request, own, lastPorts);
        for (const binding of given) bound.push(own.add(binding));
        remember(lastPorts, request, given);
      }
    }
  }
  return { bindings: bound, lastPorts: lastPorts.all() };
}

/** The gateway endpoint carries the ports, and only a bridge can: where a macvlan leads out, dockerd leaves a line in its log and no binding. */
export function publishingEndpoint(state: State, { endpoints }: Container): Endpoint | undefined {
  const gateway = gatewayEndpoint(state, endpoints);
  return gateway && isBridge(networkById(state, gateway.network)) ? gateway : undefined;
}

export interface Bound {
  readonly bindings: readonly PortBinding[];
  readonly lastPorts: State["lastPorts"];
}

/** What `-p` asked for; with -P also an ephemeral port for every exposed one that it did not name. */
function requestsOf({ publish, publishAll, exposed }: Container): readonly PortRequest[] {
  if (!publishAll) return publish;
  const named = new Set(publish.map(({ target, proto }) => `${target}/${proto}`));
  const rest = exposed.filter(({ port, proto }) => !named.has(`${port}/${proto}`));
  return [...publish, ...rest.map(({ port, proto }) => ({ target: port, proto }))];
}

/** What was chosen for each address, so that the next choice goes on after it. */
function remember(last: LastPorts, { published }: PortRequest, given: readonly PortBinding[]): void {
  if (published && published.first === published.last) return;
  for (const { hostIp, proto, hostPort } of given) if (hostPort) last.set(rangeKey(hostIp, proto, published), hostPort);
}

/** `State.lastPorts` while a container is bound. */
class LastPorts {
  private readonly before: State["lastPorts"];
  private readonly given = new Map<string, number>();

  constructor({ lastPorts }: State) {
    this.before = lastPorts;
  }

  get(key: string): number | undefined {
    return this.given.get(key) ?? this.before[key];
  }

  set(key: string, port: Port): void {
    this.given.set(key, port);
  }

  all(): State["lastPorts"] {
    return this.given.size > 0 ? { ...this.before, ...Object.fromEntries(this.given) } : this.before;
  }
}

/** What this start has bound so far. */
class OwnPorts {
  private readonly ports = new Map<number, PortBinding[]>();

  add(binding: PortBinding): PortBinding {
    if (!binding.hostPort) return binding;
    const key = portKey(binding.hostPort, binding.proto);
    const before = this.ports.get(key);
    if (before) before.push(binding);
    else this.ports.set(key, [binding]);
    return binding;
  }

  at(port: Port, proto: Proto): readonly PortBinding[] {
    return this.ports.get(portKey(port, proto)) ?? [];
  }
}

const rangeKey = (hostIp: Ipv4 | Ipv6, proto: Proto, range: PortRange | undefined): string =>
  range ? `${hostIp}/${proto}/${range.first}-${range.last}` : `${hostIp}/${proto}`;

/** Processes of a host-mode container listen on the host itself. @throws DocknetError CONFLICT when a published port is there before */
export function checkListeners(state: State, container: Container): void {
  if (sandboxOwner(state, container) !== "host") return;
  for (const { port, proto, at } of container.serves) {
    const held = indexOf(state).bindingsAt(port, proto);
    const taken = held.find(({ binding }) => collides(binding, ANY_IPV4, port, proto));
    if (!taken) continue;
    const holder = containerById(state, taken.container);
    throw new DocknetError(
      "CONFLICT",
      `${container.name} cannot listen on 0.0.0.0:${port}/${proto} of the host: address already in use`,
      { ...(at ? { at } : {}), remedy: `Publish another host port: ${port}/${proto} belongs to ${holder.name}` },
    );
  }
}

function isRouted(state: State, endpoint: Endpoint): boolean {
  const network = networkById(state, endpoint.network);
  return isBridge(network) && network.gatewayMode === "routed" && !network.internal;
}

/** Host port and host address do not matter, but an IPv6 host address asks for nothing of an IPv4 network. */
function routedBindings(state: State, endpoint: Endpoint, requests: readonly PortRequest[]): PortBinding[] {
  const { hostBinding } = bridgeById(state, endpoint.network);
  return requests
    .filter((r) => r.hostIp === undefined || isIpv4(r.hostIp))
    .map((r) => bindingOf(r, endpoint, hostBinding, undefined));
}

/** Exact host ports before ranges, then container port, protocol, host port, host address (IPv4 first, by number). */
function compareRequests(a: PortRequest, b: PortRequest): number {
  const order: readonly Proto[] = ["tcp", "udp", "sctp"];
  return (
    Number(isRange(a)) - Number(isRange(b)) ||
    a.target - b.target ||
    order.indexOf(a.proto) - order.indexOf(b.proto) ||
    (a.published?.first ?? 0) - (b.published?.first ?? 0) ||
    addressRank(a.hostIp) - addressRank(b.hostIp)
  );
}

const addressRank = (ip: Ipv4 | Ipv6 | undefined): number =>
  ip === undefined ? 0 : isIpv4(ip) ? toNumber(ip) : 2 ** 32;

const isRange = (r: PortRequest): boolean => r.published === undefined || r.published.first !== r.published.last;

function bindRequest(
  state: State,
  container: Container,
  endpoint: Endpoint,
  request: PortRequest,
  own: OwnPorts,
  lastPorts: LastPorts,
): PortBinding[] {
  const network = bridgeById(state, endpoint.network);
  const hostIp = request.hostIp ?? network.hostBinding;
  // an IPv6 host address reaches an IPv4 container through the proxy only
  if (!isIpv4(hostIp) && !state.engine.userlandProxy) return [];
  // an unspecified address means both families, with one port number
  const addresses =
    request.hostIp === undefined && hostIp === ANY_IPV4 && state.engine.userlandProxy ? [hostIp, ANY_IPV6] : [hostIp];
  const { proto } = request;
  const isFree = (port: Port): boolean => {
    const held = [...heldPorts(state, container, port, proto), ...own.at(port, proto)];
    return addresses.every((ip) => !held.some((h) => collides(h, ip, port, proto)));
  };
  const free = firstFree(lastPorts, hostIp, request, isFree);
  if (free === undefined) throw portConflict(state, container, endpoint, request, hostIp, own);
  if (!isBindable(state, hostIp)) throw notAssignable(state, container, endpoint, request, hostIp, free);
  return addresses.map((ip) => bindingOf(request, endpoint, ip, free));
}

/** Can a socket of the host be bound to it? Nothing of the lab's world has an IPv6 address but lo. */
function isBindable(state: State, ip: Ipv4 | Ipv6): boolean {
  return isIpv4(ip) ? ip === ANY_IPV4 || isHostAddress(state, ip) : ip === ANY_IPV6 || ip === "::1";
}

function bindingOf(
  request: PortRequest,
  endpoint: Endpoint,
  hostIp: Ipv4 | Ipv6,
  hostPort: Port | undefined,
): PortBinding {
  return {
    hostIp,
    ...(hostPort ? { hostPort } : {}),
    target: request.target,
    proto: request.proto,
    endpoint: endpoint.id,
    ...(request.at ? { at: request.at } : {}),
  };
}

type Held = Pick<PortBinding, "hostIp" | "hostPort" | "proto">;

/** What other containers hold of a port, and what processes of host-mode containers listen on. */
function heldPorts(state: State, except: Container, port: Port, proto: Proto): readonly Held[] {
  const index = indexOf(state);
  const bound = index.bindingsAt(port, proto).filter(({ container }) => container !== except.id);
  const listening = [...index.serversAt(port, proto)].some(
    (id) => id !== except.id && sandboxOwner(state, containerById(state, id)) === "host",
  );
  return [...bound.map(({ binding }) => binding), ...(listening ? [{ hostIp: ANY_IPV4, hostPort: port, proto }] : [])];
}

/** The unspecified address collides with every address of its family, and the reverse. */
function collides(held: Held, hostIp: Ipv4 | Ipv6, port: Port, proto: Proto): boolean {
  if (held.hostPort !== port || held.proto !== proto) return false;
  if (held.hostIp === hostIp) return true;
  const unspecified = (ip: Ipv4 | Ipv6): boolean => ip === ANY_IPV4 || ip === ANY_IPV6;
  return isIpv4(held.hostIp) === isIpv4(hostIp) && (unspecified(held.hostIp) || unspecified(hostIp));
}

/** Of a range the next after the last one given on that address, wrapping; each range has a memory of its own (portallocator). */
function firstFree(
  lastPorts: LastPorts,
  hostIp: Ipv4 | Ipv6,
  { published, proto }: PortRequest,
  isFree: (port: Port) => boolean,
): Port | undefined {
  const { first, last } = published ?? EPHEMERAL;
  const before = (first < last && lastPorts.get(rangeKey(hostIp, proto, published))) || last;
  const length = last - first + 1;
  for (let i = 1; i <= length; i++) {
    const port = (first + ((before - first + i) % length)) as Port;
    if (isFree(port)) return port;
  }
  return undefined;
}

function portConflict(
  state: State,
  container: Container,
  endpoint: Endpoint,
  request: PortRequest,
  hostIp: Ipv4 | Ipv6,
  own: OwnPorts,
): DocknetError {
  const prefix = refusalOf(container, endpoint);
  const at = originOf(request);
  if (!request.published || isRange(request)) {
    return refusal(500, `${prefix}all ports are allocated`, { ...at, remedy: "Publish a wider range of host ports" });
  }
  const port = request.published.first;
  const clash = (b: Held): boolean => collides(b, hostIp, port, request.proto);
  const mine = own.at(port, request.proto).find(clash);
  // one container port asked for twice is bound in one go, and only the second socket finds it out
  if (mine && mine.target === request.target && request.proto === "tcp") {
    return refusal(500, `${prefix}failed to listen on TCP socket: address already in use`, {
      ...at,
      remedy: `Publish another host port: ${port}/tcp belongs to an earlier line of this container`,
    });
  }
  const other = indexOf(state)
    .bindingsAt(port, request.proto)
    .filter((h) => h.container !== container.id && clash(h.binding))
    .map((h) => ({ ...h, since: containerById(state, h.container).programmedAt }))
    .sort((a, b) => a.since - b.since)[0];
  const held = mine ?? other?.binding;
  if (held) {
    return refusal(500, `${prefix}Bind for ${held.hostIp}:${port} failed: port is already allocated`, {
      ...at,
      remedy: `Publish another host port: ${port}/${request.proto} belongs to ${mine || !other ? "an earlier line of this container" : containerById(state, other.container).name}`,
    });
  }
  return refusal(500, `${prefix}${failedBind(endpoint, request, hostIp, port)}: address already in use`, {
    ...at,
    remedy: `Publish another host port: a container in host network mode listens on ${port}/${request.proto}`,
  });
}

function notAssignable(
  state: State,
  container: Container,
  endpoint: Endpoint,
  request: PortRequest,
  hostIp: Ipv4 | Ipv6,
  port: Port,
): DocknetError {
  const message = `${failedBind(endpoint, request, hostIp, port)}: cannot assign requested address`;
  return refusal(500, refusalOf(container, endpoint) + message, {
    ...originOf(request),
    remedy: `Publish on an address that the host has: ${ANY_IPV4}, ${LOCALHOST} or ${state.world.host}`,
  });
}

/** Host and container side as types.PortBinding prints them. */
function failedBind(endpoint: Endpoint, { target, proto }: PortRequest, hostIp: Ipv4 | Ipv6, port: Port): string {
  const host = isIpv4(hostIp) ? hostIp : `[${hostIp}]`;
  return `failed to bind host port for ${host}:${port}:${endpoint.address}:${target}/${proto}`;
}

const refusalOf = (container: Container, endpoint: Endpoint): string =>
  `driver failed programming external connectivity on endpoint ${container.name} (${endpoint.id}): `;
