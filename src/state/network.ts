/** `docker network create`, `rm` and `prune` as transitions. Source: moby daemon/network.go, drivers/bridge/bridge_linux.go. */

import type { DocknetError } from "../errors.ts";
import { ANY_IPV4, addressOf, overlaps, parseIfAddr, subnetOf } from "../net/address.ts";
import type { EngineSpec, WorldSpec } from "../spec/spec.ts";
import { applyConfig, checkConfigRequest, configOf, isConfig, removeConfig } from "./config-network.ts";
import { knownOptions } from "./engine-profile.ts";
import { allNetworks, findNetwork, isUserDefined } from "./find.ts";
import { bridgeName, deriveId } from "./id.ts";
import { allocateGateway, allocateSubnet, requestSubnet, reserveOwn } from "./ipam.ts";
import { parseMacvlanOptions } from "./macvlan.ts";
import { OPTION, parseNetworkOptions } from "./network-options.ts";
import type { NetworkRequest } from "./network-request.ts";
import { checkPools, type Pool, parsePool } from "./pool.ts";
import { originOf, refusal } from "./refusal.ts";
import {
  type BridgeNetwork,
  bridgesOf,
  isMacvlan,
  type MacvlanNetwork,
  NEVER,
  type Network,
  type NetworkBase,
  type State,
  type Timestamp,
} from "./state.ts";

/** What an engine says of an overlay network outside a swarm (moby daemon/cluster/errors.go). */
export const notSwarmManager = (): DocknetError =>
  refusal(
    403,
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );

/** The predefined networks; `default` is what the API calls the engine's own choice of them. */
const RESERVED_NAMES: readonly string[] = ["bridge", "host", "none", "default"];
/** What the emulated host has before Docker is there. */
const HOST_LINKS: readonly string[] = ["lo", "eth0"];
/** dockerd's `--mtu`, bytes. */
const DEFAULT_MTU = 1500;

/** A daemon that has just started: docker0 and nothing else. @throws DocknetError */
export function emptyState(
  lab: State["lab"],
  engine: EngineSpec,
  world: WorldSpec,
  daemon: { readonly id?: string; readonly now?: Timestamp } = {},
): State {
  const base: State = { lab, engine, world, networks: [], containers: [], clock: 0, lastPorts: {} };
  const bip = engine.bip === undefined ? undefined : parseIfAddr(engine.bip);
  return addNetwork(base, {
    ...daemon,
    name: "bridge",
    ...(bip ? { subnet: subnetOf(bip), gateway: addressOf(bip) } : {}),
    options: {
      [`${OPTION}bridge.default_bridge`]: "true",
      [`${OPTION}bridge.enable_icc`]: String(engine.icc),
      [`${OPTION}bridge.enable_ip_masquerade`]: "true",
      [`${OPTION}bridge.host_binding_ipv4`]: ANY_IPV4,
      [`${OPTION}bridge.name`]: "docker0",
      [`${OPTION}driver.mtu`]: String(engine.mtu ?? DEFAULT_MTU),
    },
  });
}

/** Appends a network. Checks come in dockerd's order. @throws DocknetError in Docker's words; the state is then unchanged */
export function createNetwork(state: State, request: NetworkRequest): State {
  if (request.name.trim() === "") throw refusal(400, "invalid name: name is empty");
  if (RESERVED_NAMES.includes(request.name))
    throw refusal(403, `operation is not permitted on predefined ${request.name} network `);
  checkPools([request, ...(request.morePools ?? [])]);
  if (allNetworks(state).some((n) => n.name === request.name))
    throw refusal(409, `network with name ${request.name} already exists`);
  checkConfigRequest(request);
  if (request.configOnly) return addConfig(state, request);
  const driver = request.driver ?? "bridge";
  if (driver === "host" || driver === "null") throw refusal(403, `only one instance of "${driver}" network is allowed`);
  if (driver === "overlay") throw notSwarmManager();
  if (driver !== "bridge" && driver !== "macvlan")
    throw refusal(404, `plugin "${driver}" not found`, {
      remedy: "Use the bridge or the macvlan driver: docknet emulates no other yet",
    });
  return addNetwork(state, applyConfig(state, request));
}

function addConfig(state: State, request: NetworkRequest): State {
  const config = configOf(freshNetworkId(state, request), request);
  return { ...state, configs: [...(state.configs ?? []), config], clock: state.clock + 1 };
}

function freshNetworkId(state: State, request: NetworkRequest): string {
  const id = request.id ?? deriveId("network", state.lab, String(state.clock), request.name);
  if (allNetworks(state).some((n) => n.id === id)) throw new Error(`network id ${id} is in use`);
  return id;
}

function addNetwork(state: State, request: NetworkRequest): State {
  const id = freshNetworkId(state, request);
  const network = request.driver === "macvlan" ? macvlanOf(state, id, request) : bridgeOf(state, id, request);
  return { ...state, networks: [...state.networks, network], clock: state.clock + 1 };
}

function bridgeOf(state: State, id: string, request: NetworkRequest): BridgeNetwork {
  const internal = request.internal ?? false;
  const pool = parsePool(request);
  const { bridge: named, ...options } = parseNetworkOptions(
    knownOptions(state.engine.profile, request.options ?? {}),
    internal,
  );
  const gatewayless = options.gatewayMode === "isolated" || (options.inhibitIpv4 && internal);
  const addressing = takeAddresses(state, pool, gatewayless ? "none" : "always");
  requestMore(state, request);
  const bridge = named ?? bridgeName(id);
  if (isLinkOfHost(state, bridge)) throw refusal(500, `existing interface ${bridge} is not a bridge`);
  checkRivals(state, { id, bridge, subnet: addressing.subnet });
  refuseSeveral(request, "bridge driver doesn't support multiple subnets");
  return { ...commonOf(state, id, request), ...addressing, driver: "bridge", bridge, ...options };
}

/** The driver's own checks, when the address space has let it pass: so it does for any subnet with an ip-range of its own. */
function checkRivals(state: State, { id, bridge, subnet }: Pick<BridgeNetwork, "id" | "bridge" | "subnet">): void {
  for (const rival of bridgesOf(state)) {
    const conflict = `cannot create network ${id} (${bridge}): conflicts with network ${rival.id} (${rival.bridge}): networks have`;
    if (rival.bridge === bridge) throw refusal(403, `${conflict} same bridge name`);
    if (overlaps(rival.subnet, subnet)) throw refusal(403, `${conflict} overlapping IPv4`);
  }
}

/** Addresses of all pools are taken before the driver is asked. */
function requestMore(state: State, { morePools = [] }: NetworkRequest): void {
  for (const pool of morePools.map(parsePool)) if (pool.subnet) requestSubnet(state, pool.subnet, pool.ipRange);
}

/** What the driver says last of all. */
function refuseSeveral({ morePools = [] }: NetworkRequest, text: string): void {
  if (morePools.length > 0) throw refusal(403, text);
}

/** The addresses are taken before the driver is asked; it gets no gateway for an internal network that names none (seen on 28.5.2). */
function macvlanOf(state: State, id: string, request: NetworkRequest): MacvlanNetwork {
  const addressing = takeAddresses(state, parsePool(request), request.internal ? "given" : "always");
  requestMore(state, request);
  const options = parseMacvlanOptions(state, id, request.options ?? {});
  refuseSeveral(request, "docknet does not emulate several subnets of one macvlan network");
  // the driver has no option for it
  return { ...commonOf(state, id, request), ...addressing, driver: "macvlan", ifPrefix: "eth", ...options };
}

const isLinkOfHost = (state: State, name: string): boolean =>
  HOST_LINKS.includes(name) || state.networks.some((n) => isMacvlan(n) && n.parent === name);

type Addressing = Pick<NetworkBase, "subnet" | "subnetGiven" | "gateway" | "gatewayGiven" | "ipRange" | "auxAddresses">;

/** @param gateway given: only where the user named it */
function takeAddresses(state: State, pool: Pool, gateway: "always" | "given" | "none"): Addressing {
  if (pool.subnet) requestSubnet(state, pool.subnet, pool.ipRange);
  const subnet = pool.subnet ?? allocateSubnet(state);
  const given = gateway === "none" ? undefined : pool.gateway;
  const chosen = given ?? (gateway === "always" ? allocateGateway(state, subnet, pool.ipRange) : undefined);
  reserveOwn(state, subnet, chosen, pool.auxAddresses);
  return {
    subnet,
    subnetGiven: pool.subnet !== undefined,
    ...(chosen ? { gateway: chosen } : {}),
    gatewayGiven: pool.gateway !== undefined,
    ...(pool.ipRange ? { ipRange: pool.ipRange } : {}),
    auxAddresses: pool.auxAddresses,
  };
}

function commonOf(state: State, id: string, request: NetworkRequest): Omit<NetworkBase, keyof Addressing | "ifPrefix"> {
  return {
    id,
    name: request.name,
    created: request.now ?? NEVER,
    isDefault: request.name === "bridge",
    internal: request.internal ?? false,
    attachable: request.attachable ?? false,
    options: request.options ?? {},
    labels: request.labels ?? {},
    ...(request.ipamOptions ? { ipamOptions: request.ipamOptions } : {}),
    ...(request.configFrom ? { configFrom: request.configFrom } : {}),
    createdAt: state.clock,
    ...originOf(request),
  };
}

/** @throws DocknetError in Docker's words while endpoints are left, or when it is predefined or not there */
export function removeNetwork(state: State, ref: string): State {
  const network = findNetwork(state, ref);
  if (isConfig(network)) return removeConfig(state, network);
  if (!isUserDefined(network)) throw refusal(403, `${network.name} is a pre-defined network and cannot be removed`);
  const active = state.containers.flatMap((c) =>
    c.endpoints.filter((e) => e.network === network.id).map((e) => `name:"${c.name}" id:"${e.id.slice(0, 12)}"`),
  );
  if (active.length > 0) {
    throw refusal(
      403,
      `error while removing network: network ${network.name} has active endpoints (${active.join(", ")})`,
    );
  }
  return { ...state, networks: state.networks.filter((n) => n !== network), clock: state.clock + 1 };
}

export interface Pruned {
  readonly state: State;
  readonly removed: readonly Network[];
}

/** Removes every user's network that no running container uses and that the filter lets through. */
export function pruneNetworks(state: State, filter: (network: Network) => boolean = () => true): Pruned {
  const used = new Set(state.containers.flatMap((c) => c.endpoints.map((e) => e.network)));
  const removed = state.networks.filter((n) => !n.isDefault && !used.has(n.id) && filter(n));
  return { state: removed.reduce((s, n) => removeNetwork(s, n.id), state), removed };
}

/**
 * Do frames of one bridge pass iptables? Newer engines ask for it only where they need it (docker-reference 1.3 step 11); 20.10 always
 * loads br_netfilter, which then is on (libnetwork drivers/bridge/bridge.go configure).
 */
export function needsBridgeNetfilter(state: State): boolean {
  if (state.engine.profile === "docker-20.10") return true;
  return !state.engine.userlandProxy || bridgesOf(state).some((n) => !n.icc);
}
