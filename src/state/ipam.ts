/**
 * Address management with Docker's default pools and its order: the first free pool, the lowest free address. Pure: what is
 * taken is read off the state, so nothing can be forgotten or given twice.
 * Source: moby daemon/libnetwork/ipamutils/utils.go, ipams/defaultipam/address_space.go, allocator.go newPoolData.
 */
import {
  contains,
  fromNumber,
  type Ipv4,
  overlaps,
  prefixLength,
  rangeOf,
  type Subnet,
  toNumber,
} from "../net/address.ts";
import { indexOf } from "./container-index.ts";
import { refusal } from "./refusal.ts";
import type { Network, State } from "./state.ts";

export interface AddressPool {
  readonly base: Subnet;
  /** Prefix length of the subnets cut from it. */
  readonly size: number;
}

/** Local scope: 31 subnets in this order. */
export const DEFAULT_POOLS: readonly AddressPool[] = [
  ...["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16"].map((base) => ({ base: base as Subnet, size: 16 })),
  ...["172.20.0.0/14", "172.24.0.0/14", "172.28.0.0/14"].map((base) => ({ base: base as Subnet, size: 16 })),
  { base: "192.168.0.0/16" as Subnet, size: 20 },
];

/** The first subnet, in pool order, that overlaps no network's and nothing the host has on link. @throws DocknetError CONFLICT */
export function allocateSubnet(state: State): Subnet {
  const pools = state.engine.addressPools.length > 0 ? state.engine.addressPools : DEFAULT_POOLS;
  const taken = [...state.networks.map((n) => n.subnet), ...reservedSubnets(state)];
  for (const { base, size } of pools) {
    const { first, last } = rangeOf(base);
    const step = 2 ** (32 - size);
    for (let at = first; at <= last; at += step) {
      const candidate = `${fromNumber(at)}/${size}` as Subnet;
      if (!taken.some((t) => overlaps(t, candidate))) return candidate;
    }
  }
  throw refusal(400, "all predefined address pools have been fully subnetted", {
    remedy: "Give the network a subnet of its own, or set x-docknet engine default-address-pools",
  });
}

/** The emulated host's on-link routes and name server (moby netutils/utils_linux.go InferReservedNetworks). */
function reservedSubnets(state: State): readonly Subnet[] {
  return [state.world.lan, `${state.world.internet.dns}/32` as Subnet];
}

/**
 * Refuses a subnet that another network has. With an ip-range nothing but the very same pair is refused: networks of one subnet then
 * share one pool (moby daemon/libnetwork/ipams/defaultipam/address_space.go allocateSubnet). @throws DocknetError CONFLICT, in Docker's words
 */
export function requestSubnet(state: State, subnet: Subnet, ipRange?: Subnet): void {
  const isTaken = (n: Network): boolean =>
    ipRange === undefined ? overlaps(n.subnet, subnet) : n.subnet === subnet && n.ipRange === ipRange;
  if (state.networks.some(isTaken)) {
    throw refusal(403, "invalid pool request: Pool overlaps with other one on this address space", {
      remedy: `Choose a subnet other than ${subnet}; in use: ${state.networks.map((n) => `${n.subnet} (${n.name})`).join(", ")}`,
    });
  }
}

/** Reserved by the pool itself: network and broadcast address of /30 and bigger; none of /31 and /32. */
function edgesOf(subnet: Subnet): readonly number[] {
  const { first, last } = rangeOf(subnet);
  return prefixLength(subnet) <= 30 ? [first, last] : [];
}

/** The gateway that Docker picks when none is given: the lowest address of the range, else of the subnet. */
export function allocateGateway(state: State, subnet: Subnet, ipRange: Subnet | undefined): Ipv4 {
  const gateway = lowestFree(state, subnet, ipRange);
  if (gateway !== undefined) return gateway;
  throw refusal(500, `no available IPv4 addresses on this network's address pools: ${subnet}`);
}

/**
 * Reserves what a new network wants for itself: its gateway first, then its auxiliary addresses (moby daemon/libnetwork/network.go
 * ipamAllocateVersion). @throws DocknetError CONFLICT, in Docker's words
 */
export function reserveOwn(
  state: State,
  subnet: Subnet,
  gateway: Ipv4 | undefined,
  aux: Network["auxAddresses"],
): void {
  const mine = new Set<number>();
  const reserve = (address: Ipv4, what: string): void => {
    if (mine.has(toNumber(address)) || isTaken(state, subnet, toNumber(address)))
      throw refusal(500, `failed to allocate ${what}${address}): Address already in use`);
    mine.add(toNumber(address));
  };
  if (gateway) reserve(gateway, "gateway (");
  for (const [name, address] of Object.entries(aux)) reserve(address, `secondary ip address (${name}:`);
}

/** The lowest free address of the network at this moment. @throws DocknetError CONFLICT when the pool is full */
export function allocateAddress(state: State, network: Network): Ipv4 {
  const address = lowestFree(state, network.subnet, network.ipRange, network);
  if (address !== undefined) return address;
  throw refusal(409, `no available IPv4 addresses on this network's address pools: ${network.name} (${network.id})`, {
    remedy: `Give network ${network.name} a bigger subnet than ${network.ipRange ?? network.subnet}`,
  });
}

/** A fixed address: inside the subnet (the ip-range does not matter) and free. @throws DocknetError CONFLICT, in Docker's words */
export function requestAddress(state: State, network: Network, address: Ipv4): Ipv4 {
  if (!contains(network.subnet, address)) {
    throw refusal(400, `no configured subnet or ip-range contain the IP address ${address}`, {
      remedy: `Choose an address in ${network.subnet}`,
    });
  }
  if (isTaken(state, network.subnet, toNumber(address))) {
    throw refusal(403, "Address already in use", {
      remedy: `${address} of network ${network.name} is taken; give the containers that start earlier fixed addresses too, or keep dynamic ones away with ip_range`,
    });
  }
  return address;
}

/** Addresses of a pool that no container is given: edges, and of all its networks gateway and auxiliary ones. */
function ownAddresses(subnet: Subnet, networks: readonly Network[]): ReadonlySet<number> {
  return new Set([
    ...edgesOf(subnet),
    ...networks.flatMap((n) => (n.gateway ? [toNumber(n.gateway)] : [])),
    ...networks.flatMap((n) => Object.values(n.auxAddresses).map(toNumber)),
  ]);
}

/** Networks of one subnet share one pool. */
const networksOn = (state: State, subnet: Subnet): readonly Network[] =>
  state.networks.filter((n) => n.subnet === subnet);

function isTaken(state: State, subnet: Subnet, address: number): boolean {
  const networks = networksOn(state, subnet);
  const index = indexOf(state);
  return ownAddresses(subnet, networks).has(address) || networks.some((n) => index.addressesOf(n.id).has(address));
}

/** @param network whose range it is: alone on its subnet, its index knows where to begin */
function lowestFree(state: State, subnet: Subnet, ipRange?: Subnet, network?: Network): Ipv4 | undefined {
  const { first, last } = rangeOf(ipRange ?? subnet);
  const networks = networksOn(state, subnet);
  const own = ownAddresses(subnet, networks);
  const used = networks.map((n) => indexOf(state).addressesOf(n.id));
  if (network && used.length === 1) {
    const address = used[0]?.lowestFree(first, last, own);
    return address === undefined ? undefined : fromNumber(address);
  }
  for (let at = first; at <= last; at++) if (!own.has(at) && !used.some((u) => u.has(at))) return fromNumber(at);
  return undefined;
}
