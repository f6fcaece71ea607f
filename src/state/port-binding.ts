/**
 * Which host ports a container gets, and who already has them. Source: moby daemon/libnetwork/portallocator,
 * portmapperapi PortBindingReq.Compare (order), drivers/bridge/port_mapping_linux.go (the implicit [::] twin).
 */
import { DocknetError } from "../errors.ts";
import { ANY_IPV4, type Ipv4, type Ipv6, isIpv4, LOCALHOST, toNumber } from "../net/address.ts";
import { type Port, type PortRange, type Proto, portsOf } from "../net/port.ts";
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
  let { lastPorts } = state;
  for (const endpoint of container.endpoints) {
    const held = container.bindings.filter((b) => b.endpoint === endpoint.id);
    if (isRouted(state, endpoint)) bound.push(...(held.length > 0 ? held : routedBindings(state, endpoint, requests)));
    else if (endpoint === gateway && held.length > 0) bound.push(...held);
    else if (endpoint === gateway)
      for (const request of requests) {
        const given = bindRequest({ ...state, lastPorts }, container, endpoint, request, bound);
        bound.push(...given);
        lastPorts = remember(lastPorts, request, given);
      }
  }
  return { bindings: bound, lastPorts };
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
  const rest = exposed.filter(({ port, proto }) => !publish.some((r) => r.target === port && r.proto === proto));
  return [...publish, ...rest.map(({ port, proto }) => ({ target: port, proto }))];
}

/** What was chosen for each address, so that the next choice goes on after it. */
function remember(
  last: State["lastPorts"],
  { published }: PortRequest,
  given: readonly PortBinding[],
): State["lastPorts"] {
  if (published && published.first === published.last) return last;
  const entries = given.flatMap(({ hostIp, proto, hostPort }) =>
    hostPort ? [[rangeKey(hostIp, proto, published), hostPort] as const] : [],
  );
  return { ...last, ...Object.fromEntries(entries) };
}

const rangeKey = (hostIp: Ipv4 | Ipv6, proto: Proto, range: PortRange | undefined): string =>
  range ? `${hostIp}/${proto}/${range.first}-${range.last}` : `${hostIp}/${proto}`;

/** Processes of a host-mode container listen on the host itself. @throws DocknetError CONFLICT when a published port is there before */
export function checkListeners(state: State, container: Container): void {
  if (sandboxOwner(state, container) !== "host") return;
  for (const { port, proto, at } of container.serves) {
    const holder = state.containers.find((c) => c.bindings.some((b) => collides(b, ANY_IPV4, port, proto)));
    if (!holder) continue;
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
  own: readonly PortBinding[],
): PortBinding[] {
  const network = bridgeById(state, endpoint.network);
  const hostIp = request.hostIp ?? network.hostBinding;
  // an IPv6 host address reaches an IPv4 container through the proxy only
  if (!isIpv4(hostIp) && !state.engine.userlandProxy) return [];
  // an unspecified address means both families, with one port number
  const addresses =
    request.hostIp === undefined && hostIp === ANY_IPV4 && state.engine.userlandProxy ? [hostIp, ANY_IPV6] : [hostIp];
  const taken = [...heldPorts(state, container), ...own];
  const candidates = candidatePorts(state, hostIp, request);
  const free = candidates.find((port) =>
    addresses.every((ip) => !taken.some((t) => collides(t, ip, port, request.proto))),
  );
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

/** What other containers hold, and what processes of host-mode containers listen on. */
function heldPorts(state: State, except: Container): Held[] {
  return state.containers
    .filter((c) => c.status === "running" && c !== except && c.name !== except.name)
    .flatMap((c) => [
      ...c.bindings,
      ...(sandboxOwner(state, c) === "host"
        ? c.serves.map((s) => ({ hostIp: ANY_IPV4 as Ipv4 | Ipv6, hostPort: s.port, proto: s.proto }))
        : []),
    ]);
}

/** The unspecified address collides with every address of its family, and the reverse. */
function collides(held: Held, hostIp: Ipv4 | Ipv6, port: Port, proto: Proto): boolean {
  if (held.hostPort !== port || held.proto !== proto || isIpv4(held.hostIp) !== isIpv4(hostIp)) return false;
  const unspecified = (ip: Ipv4 | Ipv6): boolean => ip === ANY_IPV4 || ip === ANY_IPV6;
  return held.hostIp === hostIp || unspecified(held.hostIp) || unspecified(hostIp);
}

/** Of a range the next after the last one given on that address, wrapping; each range has a memory of its own (portallocator). */
function candidatePorts(state: State, hostIp: Ipv4 | Ipv6, { published, proto }: PortRequest): readonly Port[] {
  const range = published ?? EPHEMERAL;
  const last = state.lastPorts[rangeKey(hostIp, proto, published)] ?? range.last;
  const all = portsOf(range);
  const next = last >= range.last ? 0 : last + 1 - range.first;
  return [...all.slice(next), ...all.slice(0, next)];
}

function portConflict(
  state: State,
  container: Container,
  endpoint: Endpoint,
  request: PortRequest,
  hostIp: Ipv4 | Ipv6,
  own: readonly PortBinding[],
): DocknetError {
  const prefix = refusalOf(container, endpoint);
  const at = originOf(request);
  if (!request.published || isRange(request)) {
    return refusal(500, `${prefix}all ports are allocated`, { ...at, remedy: "Publish a wider range of host ports" });
  }
  const port = request.published.first;
  const clash = (b: Held): boolean => collides(b, hostIp, port, request.proto);
  const mine = own.find(clash);
  // one container port asked for twice is bound in one go, and only the second socket finds it out
  if (mine && mine.target === request.target && request.proto === "tcp") {
    return refusal(500, `${prefix}failed to listen on TCP socket: address already in use`, {
      ...at,
      remedy: `Publish another host port: ${port}/tcp belongs to an earlier line of this container`,
    });
  }
  const holder = state.containers.find((c) => c.id !== container.id && c.bindings.some(clash));
  const held = mine ?? holder?.bindings.find(clash);
  if (held) {
    return refusal(500, `${prefix}Bind for ${held.hostIp}:${port} failed: port is already allocated`, {
      ...at,
      remedy: `Publish another host port: ${port}/${request.proto} belongs to ${mine ? "an earlier line of this container" : holder?.name}`,
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
