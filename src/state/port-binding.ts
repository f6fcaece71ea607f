/**
 * Which host ports a container gets, and who already has them. Source: moby daemon/libnetwork/portallocator,
 * portmapperapi PortBindingReq.Compare (order), drivers/bridge/port_mapping_linux.go (the implicit [::] twin).
 */
import { DocknetError } from "../errors.ts";
import { ANY_IPV4, type Ipv4, type Ipv6, isIpv4, LOCALHOST, toNumber } from "../net/address.ts";
import { type Port, type PortRange, type Proto, portsOf } from "../net/port.ts";
import {
  type Container,
  type Endpoint,
  gatewayEndpoint,
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
export function bindPorts(state: State, container: Container): readonly PortBinding[] {
  const gateway = gatewayEndpoint(state, container.endpoints);
  const requests = [...container.publish].sort(compareRequests);
  const bound: PortBinding[] = [];
  for (const endpoint of container.endpoints) {
    const held = container.bindings.filter((b) => b.endpoint === endpoint.id);
    if (isRouted(state, endpoint)) bound.push(...(held.length > 0 ? held : routedBindings(state, endpoint, requests)));
    else if (endpoint === gateway && held.length > 0) bound.push(...held);
    else if (endpoint === gateway)
      for (const request of requests) bound.push(...bindRequest(state, container, endpoint, request, bound));
  }
  return bound;
}

/** Processes of a host-mode container listen on the host itself. @throws DocknetError CONFLICT when a published port is there before */
export function checkListeners(state: State, container: Container): void {
  if (sandboxOwner(state, container) !== undefined) return;
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
  return network.gatewayMode === "routed" && !network.internal;
}

/** Host port and host address do not matter, but an IPv6 host address asks for nothing of an IPv4 network. */
function routedBindings(state: State, endpoint: Endpoint, requests: readonly PortRequest[]): PortBinding[] {
  const { hostBinding } = networkById(state, endpoint.network);
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
  const network = networkById(state, endpoint.network);
  const hostIp = request.hostIp ?? network.hostBinding;
  // an IPv6 host address reaches an IPv4 container through the proxy only
  if (!isIpv4(hostIp) && !state.engine.userlandProxy) return [];
  // an unspecified address means both families, with one port number
  const addresses =
    request.hostIp === undefined && hostIp === ANY_IPV4 && state.engine.userlandProxy ? [hostIp, ANY_IPV6] : [hostIp];
  const taken = [...heldPorts(state, container), ...own];
  const candidates = request.published
    ? portsOf(request.published)
    : ephemeralCandidates(state, container, own, hostIp, request.proto);
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
    .filter((c) => c.running && c !== except && c.name !== except.name)
    .flatMap((c) => [
      ...c.bindings,
      ...(sandboxOwner(state, c) === undefined
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

/** Next after the last one given on that address, wrapping (portallocator); exact host ports and ranges do not count as given. */
function ephemeralCandidates(
  state: State,
  container: Container,
  own: readonly PortBinding[],
  hostIp: Ipv4 | Ipv6,
  proto: Proto,
): Port[] {
  const holders = [
    ...state.containers.filter((c) => c.running && c.name !== container.name),
    { publish: container.publish, bindings: own },
  ];
  const given = holders.flatMap(({ publish, bindings }) =>
    bindings.filter(
      (b) =>
        b.hostIp === hostIp &&
        b.proto === proto &&
        publish.some((r) => r.published === undefined && r.target === b.target && r.proto === proto),
    ),
  );
  const last = Math.max(EPHEMERAL.first - 1, ...given.map((b) => b.hostPort ?? 0));
  const all = portsOf(EPHEMERAL);
  const next = last >= EPHEMERAL.last ? 0 : last + 1 - EPHEMERAL.first;
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
  const at = request.at ? { at: request.at } : {};
  if (!request.published || isRange(request)) {
    return new DocknetError("CONFLICT", `${prefix}all ports are allocated`, {
      ...at,
      remedy: "Publish a wider range of host ports",
    });
  }
  const port = request.published.first;
  const holder = state.containers.find(
    (c) => c.running && c.name !== container.name && c.bindings.some((b) => collides(b, hostIp, port, request.proto)),
  );
  if (holder || own.some((b) => collides(b, hostIp, port, request.proto))) {
    return new DocknetError("CONFLICT", `${prefix}Bind for ${hostIp}:${port} failed: port is already allocated`, {
      ...at,
      remedy: `Publish another host port: ${port}/${request.proto} belongs to ${holder?.name ?? "an earlier line of this container"}`,
    });
  }
  return new DocknetError(
    "CONFLICT",
    `${prefix}failed to bind host port ${hostIp}:${port}/${request.proto}: address already in use`,
    {
      ...at,
      remedy: `Publish another host port: a container in host network mode listens on ${port}/${request.proto}`,
    },
  );
}

function notAssignable(
  state: State,
  container: Container,
  endpoint: Endpoint,
  request: PortRequest,
  hostIp: Ipv4 | Ipv6,
  port: Port,
): DocknetError {
  return new DocknetError(
    "CONFLICT",
    `${refusalOf(container, endpoint)}failed to bind host port ${hostIp}:${port}/${request.proto}: cannot assign requested address`,
    {
      ...(request.at ? { at: request.at } : {}),
      remedy: `Publish on an address that the host has: ${ANY_IPV4}, ${LOCALHOST} or ${state.world.host}`,
    },
  );
}

const refusalOf = (container: Container, endpoint: Endpoint): string =>
  `failed to set up container networking: driver failed programming external connectivity on endpoint ${container.name} (${endpoint.id}): `;
