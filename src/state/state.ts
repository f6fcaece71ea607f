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
import type { PoolRequest } from "./pool.ts";

export interface State {
  readonly lab: LabName;
  readonly engine: EngineSpec;
  readonly world: WorldSpec;
  /** In order of creation: docker0 first. */
  readonly networks: readonly Network[];
  /** Made by `network create --config-only`, in order of creation; absent: none. */
  readonly configs?: readonly ConfigNetwork[];
  /** In order of creation. */
  readonly containers: readonly Container[];
  /** Counts every step that programs the kernel, so that the order of rules is a function of the state. */
  readonly clock: number;
  /** The last host port given of an ephemeral range or a range, by `${hostIp}/${proto}` or `${hostIp}/${proto}/${first}-${last}`; it outlives the container. */
  readonly lastPorts: Readonly<Record<string, number>>;
}

/** RFC 3339 with nanoseconds, as Docker prints: "2026-11-22T03:18:44.641888692Z". */
export type Timestamp = string;
/** Go's zero time: never, or not known. */
export const NEVER: Timestamp = "0001-01-01T00:00:00Z";

/** nat: masquerade, DNAT, no direct access. nat-unprotected: all ports open. routed: no NAT. isolated: no gateway at all. */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

/** What every network with addresses has, whatever its driver. */
export interface NetworkBase {
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly name: string;
  readonly created: Timestamp;
  /** The network of docker0. */
  readonly isDefault: boolean;
  readonly subnet: Subnet;
  /** Named by the user; else taken from the pools. */
  readonly subnetGiven: boolean;
  /** Bridge: absent in mode isolated, and with inhibit_ipv4 on an internal network. Macvlan: absent when internal, unless the user named one. */
  readonly gateway?: Ipv4;
  /** Named by the user: `inspect` of 28.5.2 shows no other one beside a subnet that the user named. */
  readonly gatewayGiven: boolean;
  readonly ipRange?: Subnet;
  readonly auxAddresses: Readonly<Record<string, Ipv4>>;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** Prefix of interface names in containers: "eth". */
  readonly ifPrefix: string;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `--ipam-opt`: kept and shown; absent: none. */
  readonly ipamOptions?: Readonly<Record<string, string>>;
  /** Name of the configuration network that it was made of. */
  readonly configFrom?: string;
  readonly createdAt: number;
  readonly at?: Origin;
}

export interface BridgeNetwork extends NetworkBase {
  readonly driver: "bridge";
  /** The device: docker0, `br-` + first 12 of the id, or the user's `com.docker.network.bridge.name`. */
  readonly bridge: IfName;
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
}

/**
 * bridge: children of one parent reach each other. private: they do not. vepa: they would by a switch that sends frames back where they
 * came from. passthru: one child has the parent to itself.
 */
export type MacvlanMode = "bridge" | "private" | "vepa" | "passthru";

/** Containers stand in the LAN of the host's link, beside the host: no bridge, no NAT, no published ports. */
export interface MacvlanNetwork extends NetworkBase {
  readonly driver: "macvlan";
  /** The host's link that carries its frames: eth0, a VLAN of it (eth0.10), or a dummy of its own. */
  readonly parent: IfName;
  readonly mode: MacvlanMode;
  /** What the engine made to be the parent, and removes with the last network on it; absent: the link was there before. */
  readonly parentMade?: "vlan" | "dummy";
}

export type Network = BridgeNetwork | MacvlanNetwork;

/** `host` and `none`: no bridge, no addresses; every daemon has one of each. */
export interface PredefinedNetwork {
  readonly id: string;
  readonly name: "host" | "none";
  readonly driver: "host" | "null";
  readonly created: Timestamp;
}

/** Settings under a name, of which networks are made; nothing of it is on the kernel. */
export interface ConfigNetwork {
  readonly id: string;
  readonly name: string;
  /** Whatever driver was asked for. */
  readonly driver: "null";
  readonly configOnly: true;
  readonly created: Timestamp;
  /** As they were given. */
  readonly pools: readonly PoolRequest[];
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ipamOptions: Readonly<Record<string, string>>;
}

export type AnyNetwork = Network | PredefinedNetwork | ConfigNetwork;

/** Where a container's network stack lives. */
export type SandboxMode =
  | { readonly kind: "own" }
  | { readonly kind: "none" }
  | { readonly kind: "host" }
  /** The id of the container that was meant when this one was made, gone by now perhaps; what the user wrote when there was none. */
  | { readonly kind: "container"; readonly id: string };

export type ContainerStatus = "created" | "running" | "exited";

export interface Container {
  readonly id: string;
  readonly name: ContainerName;
  /** Name of its node in the lab, short for people: "web". */
  readonly node: NodeName;
  /** The compose service it belongs to. */
  readonly service?: string;
  readonly image?: string;
  readonly status: ContainerStatus;
  readonly created: Timestamp;
  readonly startedAt: Timestamp;
  readonly finishedAt: Timestamp;
  readonly exitCode: number;
  /** What the last start failed with; else "". */
  readonly error: string;
  readonly hostname: string;
  /** Chosen by the user: then it is also a name in the networks' DNS. */
  readonly hostnameSet: boolean;
  readonly domainname: string;
  readonly extraHosts: readonly ExtraHost[];
  readonly dns: DnsSettings;
  /** `--link` on the default bridge. */
  readonly links: readonly LegacyLink[];
  readonly sandbox: SandboxMode;
  /** Of the sandbox that it runs in, which is new at each start; the owner's for one that shares it; "" unless running. */
  readonly sandboxId: string;
  /** Its embedded DNS server has been started: with the first user-defined network, and then for as long as the sandbox lives. */
  readonly resolver: boolean;
  /** What it was asked to be attached to, running or not, in order of asking; `host` and `none` are named here too. */
  readonly attachments: readonly Attachment[];
  /** What is on the kernel now, in order of joining, eth0 first; empty unless running. */
  readonly endpoints: readonly Endpoint[];
  /** What was asked for with -p. */
  readonly publish: readonly PortRequest[];
  /** -P: every exposed port gets an ephemeral host port at start. */
  readonly publishAll: boolean;
  /** What is held while it runs; empty when no endpoint has a gateway. */
  readonly bindings: readonly PortBinding[];
  /** By `--expose` and by the image. */
  readonly exposed: readonly ProtoPort[];
  /** Every port that the built-in responders serve. */
  readonly serves: readonly ServedPort[];
  /** What its program could not bind when it was started last, and ended with 1 for; absent: nothing. */
  readonly failedBinds?: readonly FailedBind[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** When its bindings were programmed. */
  readonly programmedAt: number;
  readonly at?: Origin;
}

/** `--add-host`; host-gateway is docker0's address when the container starts. */
export interface ExtraHost {
  readonly name: string;
  readonly address: Ipv4 | Ipv6 | "host-gateway";
}

/** `--dns`, `--dns-search`, `--dns-option`; empty: the host's. */
export interface DnsSettings {
  readonly servers: readonly (Ipv4 | Ipv6)[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export interface LegacyLink {
  /** Id of a container. */
  readonly target: string;
  readonly alias: string;
}

export interface Attachment {
  /** Name of the network. */
  readonly network: string;
  /** Known once the container has run with it; Docker then goes by the id (docker-reference 9.3). */
  readonly networkId?: string;
  readonly address?: Ipv4;
  /** Kept for a network that was not there, and shown; no network of a lab has an IPv6 subnet. */
  readonly address6?: Ipv6;
  readonly mac?: Mac;
  readonly ifName?: IfName;
  readonly aliases: readonly string[];
  readonly linkLocal: readonly Ipv4[];
  readonly driverOpts: Readonly<Record<string, string>>;
  readonly gwPriority: number;
  /** `--link` on a user-defined network: the target as the user wrote it, a name that is looked up when somebody asks. */
  readonly links: readonly { readonly target: string; readonly alias: string }[];
  /** Parts that were given, if only empty: inspect shows those empty, and others as null. */
  readonly given?: readonly EndpointPart[];
  /** It came by `network connect`: its names in the network are known before the container runs with it. */
  readonly connected?: true;
  readonly at?: Origin;
}

/** Parts of the API's EndpointSettings that may be null. */
export type EndpointPart = "IPAMConfig" | "Links" | "Aliases" | "DriverOpts";

export interface ServedPort extends ProtoPort {
  /** Known only from its being published: where a container that shares the sandbox serves the same port, it is that one's. */
  readonly presumed?: true;
  readonly at?: Origin;
}

/** Address and port of a bind(2) that failed with EADDRINUSE. */
export interface FailedBind extends ProtoPort {
  readonly address: Ipv4;
  /** Id of the container that had it; absent where only the kernel knows: a process of the user's, say. */
  readonly holder?: string;
  /** Where the lab file names the port. */
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
  /** The bridge port on the host: veth + 7 hex digits; absent where nothing of it is on the host. */
  readonly hostIfName?: IfName;
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

export const isBridge = (network: AnyNetwork): network is BridgeNetwork => network.driver === "bridge";
export const isMacvlan = (network: AnyNetwork): network is MacvlanNetwork => network.driver === "macvlan";
/** Not `host` or `none`: it has addresses and endpoints on the kernel. */
export const hasAddresses = (network: AnyNetwork): network is Network => "subnet" in network;

/** Found once per list of networks, which never changes: thousands of predictions ask. */
const bridges = new WeakMap<State["networks"], readonly BridgeNetwork[]>();

/** The networks that are bridges on the host, in order of creation: those that Docker writes rules for. */
export function bridgesOf({ networks }: State): readonly BridgeNetwork[] {
  const known = bridges.get(networks) ?? networks.filter(isBridge);
  bridges.set(networks, known);
  return known;
}

/** For ids that the state itself holds where only a bridge can stand: those of port bindings. */
export function bridgeById(state: State, id: string): BridgeNetwork {
  const network = networkById(state, id);
  if (isBridge(network)) return network;
  throw new Error(`state holds a port binding on network ${network.name}, whose driver ${network.driver} has none`);
}

/**
 * The container whose sandbox the processes of `container` run in: itself, or the one whose network it joined; "host" in host mode.
 * "gone" when there is none: it is not running, or the owner of the sandbox that it joined has stopped since. Such a sharer keeps a
 * namespace with nothing but lo until it is started anew, even when the owner runs again: that has a new sandbox.
 */
export function sandboxOwner(state: State, container: Container): Container | "host" | "gone" {
  if (container.status !== "running") return "gone";
  const { kind } = container.sandbox;
  if (kind === "host") return "host";
  if (kind !== "container") return container;
  const owner = state.containers.find((c) => c.sandbox.kind !== "container" && c.sandboxId === container.sandboxId);
  if (!owner) return "gone";
  return owner.sandbox.kind === "host" ? "host" : owner;
}

/**
 * In the order in which a sandbox prefers its endpoints: for the default route, and for names that several networks know.
 * Source: moby daemon/libnetwork/sandbox.go Endpoint.Less: gw-priority, then what is not internal, then network name in byte order.
 */
export function orderEndpoints(state: State, endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...endpoints].sort((a, b) => {
    const [x, y] = [networkById(state, a.network), networkById(state, b.network)];
    return b.gwPriority - a.gwPriority || Number(x.internal) - Number(y.internal) || (x.name < y.name ? -1 : 1);
  });
}

/** The endpoint that gets the default route and carries the port bindings of nat networks. */
export function gatewayEndpoint(state: State, endpoints: readonly Endpoint[]): Endpoint | undefined {
  return orderEndpoints(state, endpoints).find((e) => hasDefaultGateway(networkById(state, e.network)));
}

/** Internal and isolated networks give their containers no way out, nor does a macvlan without a link of the host. */
export function hasDefaultGateway(network: Network): boolean {
  if (network.gateway === undefined || network.internal) return false;
  return isBridge(network) ? network.gatewayMode !== "isolated" : network.parentMade !== "dummy";
}

/** Does the bridge have an address, and so the host a connected route? */
export function bearsAddress(network: BridgeNetwork): boolean {
  return network.gateway !== undefined && !network.inhibitIpv4;
}

/** An address of the emulated host: loopback, its own on the LAN, those of its bridges. */
export function isHostAddress(state: State, address: Ipv4): boolean {
  return (
    isLoopback(address) ||
    address === state.world.host ||
    bridgesOf(state).some((n) => bearsAddress(n) && n.gateway === address)
  );
}

export type { CheckRef, CheckSpec, Expectation } from "../spec/spec.ts";
