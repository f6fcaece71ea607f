/**
 * What the emulated engine knows: Docker's networks, containers, endpoints and port bindings, as one immutable value. Every
 * command is a pure function `State -> State`; what the kernel must look like follows from a State alone (`plan/layout.ts`).
 * Terms are libnetwork's: a network is backed by a bridge, an endpoint joins one sandbox to one network, a sandbox is a netns.
 */
import type { Origin } from "../errors.ts";
import { type Ipv4, type Ipv6, isLoopback, type Subnet } from "../net/address.ts";
import type { Mac } from "../net/mac.ts";
import type { ContainerName, IfName, LabName, NodeName } from "../net/name.ts";
import type { Port, PortRange, Proto, ProtoPort } from "../net/port.ts";
import type { EngineSpec, WorldSpec } from "../spec/spec.ts";

export interface State {
  readonly lab: LabName;
  readonly engine: EngineSpec;
  readonly world: WorldSpec;
  /** In order of creation: docker0 first. */
  readonly networks: readonly Network[];
  /** In order of creation. */
  readonly containers: readonly Container[];
  /** Counts every step that programs the kernel, so that the order of rules is a function of the state. */
  readonly clock: number;
}

/** nat: masquerade, DNAT, no direct access. nat-unprotected: all ports open. routed: no NAT. isolated: no gateway at all. */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

export interface Network {
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly name: string;
  /** The device: docker0, `br-` + first 12 of the id, or the user's `com.docker.network.bridge.name`. */
  readonly bridge: IfName;
  readonly isDefault: boolean;
  readonly subnet: Subnet;
  /** Absent in mode isolated, and with inhibit_ipv4 on an internal network. */
  readonly gateway?: Ipv4;
  readonly ipRange?: Subnet;
  readonly auxAddresses: readonly Ipv4[];
  readonly internal: boolean;
  /** Inter-container communication on this bridge. */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** SNAT to this address in place of MASQUERADE (com.docker.network.host_ipv4). */
  readonly snatTo?: Ipv4;
  readonly gatewayMode: GatewayMode;
  /** Host address of `-p` without an address. */
  readonly hostBinding: Ipv4;
  readonly mtuBytes?: number;
  /** The bridge bears no address (com.docker.network.bridge.inhibit_ipv4). */
  readonly inhibitIpv4: boolean;
  readonly trustedInterfaces: readonly IfName[];
  /** Prefix of interface names in containers: "eth". */
  readonly ifPrefix: string;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly at?: Origin;
}

/** Where a container's network stack lives. */
export type SandboxMode =
  | { readonly kind: "own" }
  | { readonly kind: "none" }
  | { readonly kind: "host" }
  | { readonly kind: "container"; readonly name: ContainerName };

export interface Container {
  readonly id: string;
  readonly name: ContainerName;
  /** Name of its node in the lab, short for people: "web". */
  readonly node: NodeName;
  /** The compose service it belongs to. */
  readonly service?: string;
  readonly image?: string;
  readonly hostname: string;
  readonly sandbox: SandboxMode;
  readonly running: boolean;
  /** In order of joining; eth0 first. */
  readonly endpoints: readonly Endpoint[];
  /** What was asked for with -p. */
  readonly publish: readonly PortRequest[];
  /** What is held while it runs; empty when no endpoint has a gateway. */
  readonly bindings: readonly PortBinding[];
  readonly exposed: readonly ProtoPort[];
  /** Every port that the built-in responders serve. */
  readonly serves: readonly ServedPort[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** When its bindings were programmed. */
  readonly programmedAt: number;
  readonly at?: Origin;
}

export interface ServedPort extends ProtoPort {
  readonly at?: Origin;
}

export interface Endpoint {
  readonly id: string;
  /** Id of the network. */
  readonly network: string;
  readonly address: Ipv4;
  readonly mac: Mac;
  /** Inside: eth0. */
  readonly ifName: IfName;
  /** The bridge port on the host: veth + 7 hex digits. */
  readonly hostIfName: IfName;
  readonly aliases: readonly string[];
  readonly linkLocal: readonly Ipv4[];
  /** `net.ipv4.conf.IFNAME.x=y` of the endpoint option, IFNAME replaced. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly gwPriority: number;
  readonly joinedAt: number;
  readonly at?: Origin;
}

export interface PortRequest {
  readonly target: Port;
  readonly proto: Proto;
  readonly published?: PortRange;
  readonly hostIp?: Ipv4 | Ipv6;
  readonly at?: Origin;
}

/** A host address and port that lead to a container's port. */
export interface PortBinding {
  readonly hostIp: Ipv4 | Ipv6;
  /** Absent in routed mode: nothing is bound on the host. */
  readonly hostPort?: Port;
  readonly target: Port;
  readonly proto: Proto;
  /** Id of the endpoint that carries it. */
  readonly endpoint: string;
  readonly at?: Origin;
}

export function networkById(state: State, id: string): Network {
  const network = state.networks.find((n) => n.id === id);
  if (!network) throw new Error(`state holds an endpoint of network ${id} but not the network`);
  return network;
}

/** The container that owns the sandbox of `container`: itself, or the one it joins; undefined in host mode. */
export function sandboxOwner(state: State, container: Container): Container | undefined {
  let owner: Container = container;
  for (let hops = 0; owner.sandbox.kind === "container" && hops <= state.containers.length; hops++) {
    const { name } = owner.sandbox;
    const next = state.containers.find((c) => c.name === name);
    if (!next) throw new Error(`container ${owner.name} joins ${name}, which the state does not hold`);
    owner = next;
  }
  return owner.sandbox.kind === "host" ? undefined : owner;
}

/**
 * The endpoint that gets the default route and carries the port bindings of nat networks.
 * Source: moby daemon/libnetwork/sandbox.go Endpoint.Less: gw-priority, then network name in byte order;
 * internal networks, which come last there, have no gateway here at all.
 */
export function gatewayEndpoint(state: State, endpoints: readonly Endpoint[]): Endpoint | undefined {
  return [...endpoints]
    .filter((e) => hasDefaultGateway(networkById(state, e.network)))
    .sort((a, b) => {
      const [x, y] = [networkById(state, a.network), networkById(state, b.network)];
      return b.gwPriority - a.gwPriority || (x.name < y.name ? -1 : 1);
    })[0];
}

/** Internal and isolated networks give their containers no way out. */
export function hasDefaultGateway(network: Network): boolean {
  return network.gateway !== undefined && !network.internal && network.gatewayMode !== "isolated";
}

/** Does the bridge have an address, and so the host a connected route? */
export function bearsAddress(network: Network): boolean {
  return network.gateway !== undefined && !network.inhibitIpv4;
}

/** An address of the emulated host: loopback, its own on the LAN, those of its bridges. */
export function isHostAddress(state: State, address: Ipv4): boolean {
  return (
    isLoopback(address) ||
    address === state.world.host ||
    state.networks.some((n) => bearsAddress(n) && n.gateway === address)
  );
}

export type { CheckRef, CheckSpec, Expectation } from "../spec/spec.ts";
