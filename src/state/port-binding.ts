/**
 * Which host ports a container gets, and who already has them. Source: moby daemon/libnetwork/portallocator,
 * portmapperapi PortBindingReq.Compare (order), drivers/bridge/port_mapping_linux.go (the implicit [::] twin).
 */
import { DocknetError } from "../errors.ts";
import { ANY_IPV4, type Ipv4, type Ipv6, isIpv4 } from "../net/address.ts";
import { type Port, type PortRange, type Proto, portsOf } from "../net/port.ts";
import {
  type Container,
  type Endpoint,
  gatewayEndpoint,
  networkById,
  type PortBinding,
  type PortRequest,
  type State,
} from "./state.ts";

/** net.ipv4.ip_local_port_range of a Linux host (ip-sysctl). */
const EPHEMERAL: PortRange = { first: 32768 as Port, last: 60999 as Port };
const ANY_IPV6 = "::" as Ipv6;

/**
 * The bindings that a starting container gets: those of its gateway endpoint, and one without host port for each
 * routed endpoint. None when it has no gateway.
 * @throws DocknetError CONFLICT, in Docker's words, with the place of the port
 */
export function bindPorts(state: State, container: Container): readonly PortBinding[] {
  const gateway = gatewayEndpoint(state, container.endpoints);
  const routed = container.endpoints.filter((e) => isRouted(state, e));
  const requests = [...container.publish].sort(compareRequests);
  const bound: PortBinding[] = [];
  for (const endpoint of container.endpoints) {
    const network = networkById(state, endpoint.network);
    if (routed.includes(endpoint)) {
      bound.push(...requests.map((r) => bindingOf(r, endpoint, network.hostBinding, undefined)));
    }
    if (endpoint !== gateway || isRouted(state, endpoint)) continue;
    for (const request of requests) bound.push(...bindRequest(state, container, endpoint, request, bound));
  }
  return bound;
}

function isRouted(state: State, endpoint: Endpoint): boolean {
  const network = networkById(state, endpoint.network);
  return network.gatewayMode === "routed" && !network.internal;
}

/** Exact host ports before ranges, then container port, protocol, host port, host address. */
function compareRequests(a: PortRequest, b: PortRequest): number {
  const order: readonly Proto[] = ["tcp", "udp", "sctp"];
  return (
    Number(isRange(a)) - Number(isRange(b)) ||
    a.target - b.target ||
    order.indexOf(a.proto) - order.indexOf(b.proto) ||
    (a.published?.first ?? 0) - (b.published?.first ?? 0) ||
    (a.hostIp ?? "").localeCompare(b.hostIp ?? "")
  );
}

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
  // an unspecified address means both families, with one port number; IPv6 reaches an IPv4 container through the proxy only
  const addresses =
    request.hostIp === undefined && hostIp === ANY_IPV4 && state.engine.userlandProxy ? [hostIp, ANY_IPV6] : [hostIp];
  const taken = [...heldPorts(state, container), ...own];
  const candidates = request.published ? portsOf(request.published) : ephemeralCandidates(taken, request.proto);
  const free = candidates.find((port) =>
    addresses.every((ip) => !taken.some((t) => collides(t, ip, port, request.proto))),
  );
  if (free === undefined) throw portConflict(state, container, endpoint, request, addresses[0] ?? hostIp, own);
  return addresses.map((ip) => bindingOf(request, endpoint, ip, free));
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
      ...(c.sandbox.kind === "host"
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

/** Next after the last one given, wrapping (portallocator). */
function ephemeralCandidates(taken: readonly Held[], proto: Proto): Port[] {
  const inRange = taken.filter(
    (t) =>
      t.proto === proto && t.hostPort !== undefined && t.hostPort >= EPHEMERAL.first && t.hostPort <= EPHEMERAL.last,
  );
  const last = Math.max(EPHEMERAL.first - 1, ...inRange.map((t) => t.hostPort ?? 0));
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
  const prefix = `failed to set up container networking: driver failed programming external connectivity on endpoint ${container.name} (${endpoint.id}): `;
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
