/**
 * `docker run`, `stop`, `rm`, `network connect` and `disconnect` as transitions. A container is made running in one step, as
 * `docker run -d` does; addresses and host ports are taken then, and given back when it stops.
 * Source: moby daemon/container_operations.go, daemon/libnetwork/sandbox.go.
 */
import { DocknetError, type Origin } from "../errors.ts";
import type { Ipv4 } from "../net/address.ts";
import type { Mac } from "../net/mac.ts";
import {
  type ContainerName,
  containerNode,
  type IfName,
  type NodeName,
  parseIfName,
  parseSysctlKey,
} from "../net/name.ts";
import type { ProtoPort } from "../net/port.ts";
import { deriveId, deriveMac, vethName } from "./id.ts";
import { allocateAddress, requestAddress } from "./ipam.ts";
import { bindPorts, checkListeners } from "./port-binding.ts";
import type { Container, Endpoint, Network, PortRequest, SandboxMode, ServedPort, State } from "./state.ts";

export interface EndpointRequest {
  /** Name of the network. */
  readonly network: string;
  readonly address?: Ipv4;
  readonly mac?: Mac;
  readonly ifName?: IfName;
  readonly aliases?: readonly string[];
  readonly linkLocal?: readonly Ipv4[];
  readonly driverOpts?: Readonly<Record<string, string>>;
  readonly gwPriority?: number;
  readonly at?: Origin;
}

export interface ContainerRequest {
  readonly name: ContainerName;
  readonly node?: NodeName;
  readonly service?: string;
  readonly image?: string;
  readonly hostname?: string;
  readonly sandbox: SandboxMode;
  readonly endpoints: readonly EndpointRequest[];
  readonly publish?: readonly PortRequest[];
  readonly exposed?: readonly ProtoPort[];
  readonly serves?: readonly ServedPort[];
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly at?: Origin;
}

/** Creates and starts. @throws DocknetError CONFLICT, NOT_FOUND or LAB_FILE, in Docker's words; the state is then unchanged */
export function runContainer(state: State, request: ContainerRequest): State {
  const rival = state.containers.find((c) => c.name === request.name);
  if (rival) {
    throw new DocknetError(
      "CONFLICT",
      `Conflict. The container name "/${request.name}" is already in use by container "${rival.id}". You have to remove (or rename) that container to be able to reuse that name.`,
    );
  }
  checkSandbox(state, request);
  checkNetworks(state, request);
  const id = deriveId("container", state.lab, request.name);
  const bare: Container = {
    id,
    name: request.name,
    node: freeNode(state, [request.node, containerNode(request.name)], id),
    ...(request.service ? { service: request.service } : {}),
    ...(request.image ? { image: request.image } : {}),
    hostname: request.hostname ?? id.slice(0, 12),
    sandbox: request.sandbox,
    running: true,
    endpoints: [],
    publish: request.publish ?? [],
    bindings: [],
    exposed: request.exposed ?? [],
    serves: request.serves ?? [],
    sysctls: request.sysctls ?? {},
    labels: request.labels ?? {},
    programmedAt: 0,
    ...(request.at ? { at: request.at } : {}),
  };
  let next: State = { ...state, containers: [...state.containers, bare] };
  for (const endpoint of request.endpoints) next = addEndpoint(next, request.name, endpoint);
  next = programPorts(next, request.name);
  checkListeners(next, findContainer(next, request.name));
  return next;
}

/** Joins a running container to one more network, and moves its ports if its gateway changed. @throws DocknetError */
export function connectContainer(state: State, name: ContainerName, request: EndpointRequest): State {
  const container = findContainer(state, name);
  if (request.network === "host") {
    throw new DocknetError(
      "CONFLICT",
      "cannot connect container to host network - container must be created in host network mode",
    );
  }
  if (container.sandbox.kind === "none" || request.network === "none") {
    throw new DocknetError(
      "CONFLICT",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (container.sandbox.kind !== "own") {
    throw new DocknetError(
      "CONFLICT",
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  }
  return programPorts(addEndpoint(state, name, request), name);
}

/** @throws DocknetError NOT_FOUND */
export function disconnectContainer(state: State, name: ContainerName, networkName: string): State {
  const container = findContainer(state, name);
  if (networkName === "host" && container.sandbox.kind === "host") {
    throw new DocknetError(
      "CONFLICT",
      "cannot disconnect container from host network - container was created in host network mode",
    );
  }
  const network = findNetwork(state, networkName);
  if (!container.endpoints.some((e) => e.network === network.id)) {
    throw new DocknetError("NOT_FOUND", `container ${container.id} is not connected to network ${networkName}`);
  }
  const endpoints = container.endpoints.filter((e) => e.network !== network.id);
  return programPorts(replace(state, { ...container, endpoints }), name);
}

/** Stops and removes. @throws DocknetError NOT_FOUND; CONFLICT while others use its sandbox, which has no life of its own here */
export function removeContainer(state: State, name: ContainerName): State {
  const container = findContainer(state, name);
  const sharers = state.containers.filter((c) => c.sandbox.kind === "container" && c.sandbox.name === name);
  if (sharers.length > 0) {
    const names = sharers.map((c) => c.name).join(", ");
    throw new DocknetError("CONFLICT", `cannot remove container "/${name}": ${names} shares its network namespace`, {
      remedy: `Remove ${names} first`,
    });
  }
  return { ...state, containers: state.containers.filter((c) => c !== container), clock: state.clock + 1 };
}

export function findContainer(state: State, name: ContainerName): Container {
  const container = state.containers.find((c) => c.name === name);
  if (!container) throw new DocknetError("NOT_FOUND", `No such container: ${name}`);
  return container;
}

export function findNetwork(state: State, name: string): Network {
  const network = state.networks.find((n) => n.name === name);
  if (!network) throw new DocknetError("NOT_FOUND", `network ${name} not found`);
  return network;
}

/** The first name that no other node of the lab has. */
function freeNode(state: State, wanted: readonly (NodeName | undefined)[], id: string): NodeName {
  const free = wanted.find((node) => node !== undefined && !state.containers.some((c) => c.node === node));
  return free ?? (id.slice(0, 12) as NodeName);
}

function replace(state: State, container: Container): State {
  return { ...state, containers: state.containers.map((c) => (c.name === container.name ? container : c)) };
}

function checkSandbox(state: State, request: ContainerRequest): void {
  const { sandbox } = request;
  if (sandbox.kind === "container") {
    if (!state.containers.some((c) => c.name === sandbox.name)) {
      throw new DocknetError("NOT_FOUND", `joining network namespace of container: No such container: ${sandbox.name}`);
    }
    if (request.hostname !== undefined)
      throw new DocknetError("LAB_FILE", "conflicting options: hostname and the network mode");
    if (request.publish?.length)
      throw new DocknetError("LAB_FILE", "conflicting options: port publishing and the container type network mode");
    if (request.exposed?.length)
      throw new DocknetError("LAB_FILE", "conflicting options: port exposing and the container type network mode");
  }
  if (sandbox.kind === "host") {
    const key = Object.keys(request.sysctls ?? {}).find((k) => k.startsWith("net."));
    if (key) throw new DocknetError("LAB_FILE", `sysctl "${key}" not allowed in host network namespace`);
  }
  for (const key of Object.keys(request.sysctls ?? {})) parseSysctlKey(key);
  const perInterface = Object.entries(request.sysctls ?? {}).find(([k]) =>
    /^net\.(ipv4|ipv6|mpls)\.(conf|neigh)\.(?!all\.|default\.)/.test(k),
  );
  if (perInterface) {
    throw new DocknetError(
      "LAB_FILE",
      `interface specific sysctl setting "${perInterface.join("=")}" must be supplied using driver option 'com.docker.network.endpoint.sysctls'`,
    );
  }
}

/** What `docker run` refuses of a list of networks before it starts anything. */
function checkNetworks(state: State, request: ContainerRequest): void {
  if (request.sandbox.kind !== "own" && request.endpoints.length > 0) {
    throw new DocknetError(
      "LAB_FILE",
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  }
  const names = request.endpoints.map((e) => e.network);
  for (const [i, { network, at }] of request.endpoints.entries()) {
    const place = at ? { at } : {};
    if (names.indexOf(network) !== i)
      throw new DocknetError("LAB_FILE", `network "${network}" is specified multiple times`, place);
    if (!state.networks.some((n) => n.name === network))
      throw new DocknetError("NOT_FOUND", `failed to set up container networking: network ${network} not found`, place);
  }
}

function addEndpoint(state: State, name: ContainerName, request: EndpointRequest): State {
  const container = findContainer(state, name);
  const network = findNetwork(state, request.network);
  if (container.endpoints.some((e) => e.network === network.id)) {
    throw new DocknetError("CONFLICT", `endpoint with name ${name} already exists in network ${network.name}`);
  }
  if (network.isDefault && request.address) {
    throw new DocknetError(
      "CONFLICT",
      "user-specified IP address is supported on user-defined networks only",
      request.at ? { at: request.at } : {},
    );
  }
  if (network.isDefault && request.aliases?.length) {
    throw new DocknetError(
      "CONFLICT",
      "network-scoped aliases are only supported for user-defined networks",
      request.at ? { at: request.at } : {},
    );
  }
  const id = deriveId("endpoint", state.lab, name, network.name);
  const ifName = chooseIfName(container, network, request);
  const endpoint: Endpoint = {
    id,
    network: network.id,
    address: request.address ? requestAddress(state, network, request.address) : allocateAddress(state, network),
    mac: request.mac ?? deriveMac(id),
    ifName,
    hostIfName: vethName(id),
    aliases: request.aliases ?? [],
    linkLocal: request.linkLocal ?? [],
    sysctls: parseEndpointSysctls(request.driverOpts?.["com.docker.network.endpoint.sysctls"], ifName),
    gwPriority: request.gwPriority ?? 0,
    joinedAt: state.clock,
    ...(request.at ? { at: request.at } : {}),
  };
  return { ...replace(state, { ...container, endpoints: [...container.endpoints, endpoint] }), clock: state.clock + 1 };
}

/** An exact name uses up no number; otherwise the prefix and the lowest number free in this container at this moment. */
function chooseIfName(container: Container, network: Network, request: EndpointRequest): IfName {
  const used = new Set(container.endpoints.map((e) => e.ifName));
  const exact = request.ifName ?? request.driverOpts?.["com.docker.network.endpoint.ifname"];
  if (exact !== undefined) {
    const name = parseIfName(exact);
    if (used.has(name) || name === "lo") {
      throw new DocknetError(
        "CONFLICT",
        `failed to set up container networking: interface ${name} already exists in the container`,
        request.at ? { at: request.at } : {},
      );
    }
    return name;
  }
  for (let n = 0; ; n++) {
    const name = parseIfName(`${network.ifPrefix}${n}`);
    if (!used.has(name)) return name;
  }
}

/** `net.ipv4.conf.IFNAME.log_martians=1,...` (moby netlabel/labels.go EndpointSysctls). @throws DocknetError LAB_FILE */
function parseEndpointSysctls(text: string | undefined, ifName: IfName): Readonly<Record<string, string>> {
  if (!text) return {};
  const entries = text.split(",").map((item) => {
    const equals = item.indexOf("=");
    const key = item.slice(0, Math.max(equals, 0));
    if (equals <= 0 || !/^net\.(ipv4|ipv6|mpls)\.\w+\.IFNAME\.\w+$/.test(key)) {
      throw new DocknetError(
        "LAB_FILE",
        `invalid endpoint sysctl "${item}": wanted net.X.Y.IFNAME.Z=V with X of ipv4, ipv6, mpls`,
      );
    }
    // a dot in an interface name is written "/" in a sysctl key (sysctl(8))
    return [parseSysctlKey(key.replace("IFNAME", ifName.replaceAll(".", "/"))), item.slice(equals + 1)] as const;
  });
  return Object.fromEntries(entries);
}

/** Takes the host ports where they are not held yet; when any of them moves, the container's rules are programmed as one block. */
function programPorts(state: State, name: ContainerName): State {
  const container = findContainer(state, name);
  const bindings = container.running ? bindPorts(state, container) : [];
  const held = container.bindings;
  const moved = bindings.length !== held.length || bindings.some((b, i) => b !== held[i]);
  const programmedAt = moved ? state.clock : container.programmedAt;
  return { ...replace(state, { ...container, bindings, programmedAt }), clock: state.clock + 1 };
}
