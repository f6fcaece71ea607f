/** States for tests: a daemon that has just started in the default world, and `docker` commands on it in few words. */
import { DocknetError, type ErrorCode } from "../../src/errors.ts";
import type { Ipv4, Subnet } from "../../src/net/address.ts";
import type { ContainerName, LabName } from "../../src/net/name.ts";
import type { Port, Proto, ProtoPort } from "../../src/net/port.ts";
import { expandPort, parsePortText } from "../../src/spec/port.ts";
import type { EngineSpec, WorldSpec } from "../../src/spec/spec.ts";
import {
  type ContainerRequest,
  type EndpointRequest,
  runContainer,
  type SandboxRequest,
} from "../../src/state/container.ts";
import { findContainer } from "../../src/state/find.ts";
import { createNetwork, emptyState } from "../../src/state/network.ts";
import type { NetworkRequest } from "../../src/state/network-request.ts";
import {
  type BridgeNetwork,
  type Container,
  isBridge,
  type Network,
  type PortRequest,
  type State,
} from "../../src/state/state.ts";

/** dockerd's defaults, on a host where forwarding was off. */
export const ENGINE: EngineSpec = {
  profile: "docker-29",
  userlandProxy: true,
  ipForward: false,
  allowDirectRouting: false,
  icc: true,
  addressPools: [],
};

/** The default world of a lab (design section 3). */
export const WORLD: WorldSpec = {
  lan: "192.168.0.0/24" as Subnet,
  host: "192.168.0.10" as Ipv4,
  neighbour: "192.168.0.20" as Ipv4,
  router: { lan: "192.168.0.1" as Ipv4, public: "203.0.113.91" as Ipv4, forwards: [], static: [] },
  internet: { subnet: "203.0.113.0/24" as Subnet, www: "203.0.113.80" as Ipv4, dns: "203.0.113.53" as Ipv4 },
};

export function newDaemon(engine: Partial<EngineSpec> = {}, world: Partial<WorldSpec> = {}): State {
  return emptyState("lab" as LabName, { ...ENGINE, ...engine }, { ...WORLD, ...world });
}

/** Keys of the bridge driver without their prefix: `{ "bridge.enable_icc": "false" }`. */
export function driverOptions(options: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [`com.docker.network.${key}`, value]));
}

export interface NetworkText {
  readonly subnet?: string;
  readonly ipRange?: string;
  readonly gateway?: string;
  /** Named a, b, c ... */
  readonly aux?: readonly string[];
  readonly internal?: boolean;
  /** Without the prefix com.docker.network. */
  readonly options?: Readonly<Record<string, string>>;
  /** Driver macvlan, with these options as they are: `{ parent: "eth0" }`. */
  readonly macvlan?: Readonly<Record<string, string>>;
}

export function networkRequest(name: string, text: NetworkText = {}): NetworkRequest {
  return {
    name,
    ...(text.subnet ? { subnet: text.subnet } : {}),
    ...(text.ipRange ? { ipRange: text.ipRange } : {}),
    ...(text.gateway ? { gateway: text.gateway } : {}),
    auxAddresses: Object.fromEntries((text.aux ?? []).map((address, i) => [String.fromCharCode(97 + i), address])),
    internal: text.internal ?? false,
    options: text.macvlan ?? driverOptions(text.options ?? {}),
    ...(text.macvlan ? { driver: "macvlan" } : {}),
  };
}

export function withNetwork(state: State, name: string, text: NetworkText = {}): State {
  return createNetwork(state, networkRequest(name, text));
}

export interface ContainerText {
  /** Names of networks, or requests; absent: the default bridge. */
  readonly networks?: readonly (string | EndpointRequest)[];
  readonly mode?: "none" | "host" | `container:${string}`;
  /** As after `-p`. */
  readonly publish?: readonly string[];
  /** Ports on which something listens besides the published ones: "80", "53/udp". */
  readonly serves?: readonly string[];
  readonly hostname?: string;
  readonly sysctls?: Readonly<Record<string, string>>;
}

export function containerRequest(name: string, text: ContainerText = {}): ContainerRequest {
  const publish = (text.publish ?? []).flatMap(portRequests);
  const listening = [
    ...publish.map(({ target, proto }) => ({ port: target, proto })),
    ...(text.serves ?? []).map(protoPort),
  ];
  return {
    name: name as ContainerName,
    sandbox: sandboxOf(text.mode),
    endpoints: text.mode ? [] : (text.networks ?? ["bridge"]).map((n) => (typeof n === "string" ? { network: n } : n)),
    publish,
    serves: listening.filter((p, i) => listening.findIndex((q) => q.port === p.port && q.proto === p.proto) === i),
    ...(text.hostname ? { hostname: text.hostname } : {}),
    ...(text.sysctls ? { sysctls: text.sysctls } : {}),
  };
}

function sandboxOf(mode: ContainerText["mode"]): SandboxRequest {
  if (mode === undefined) return { kind: "own" };
  if (mode === "none" || mode === "host") return { kind: mode };
  return { kind: "container", name: mode.slice("container:".length) };
}

export function withContainer(state: State, name: string, text: ContainerText = {}): State {
  return runContainer(state, containerRequest(name, text));
}

export function containerOf(state: State, name: string): Container {
  return findContainer(state, name);
}

export function networkOf(state: State, name: string): Network {
  const network = state.networks.find((n) => n.name === name);
  if (!network) throw new Error(`no network ${name}`);
  return network;
}

/** A network that must be a bridge. */
export function bridgeOf(state: State, name: string): BridgeNetwork {
  const network = networkOf(state, name);
  if (isBridge(network)) return network;
  throw new Error(`network ${name} is no bridge`);
}

/** The container's address on a network; on its first one when none is named. */
export function addressOn(state: State, container: string, network?: string): Ipv4 {
  const { endpoints } = containerOf(state, container);
  const endpoint = network ? endpoints.find((e) => e.network === networkOf(state, network).id) : endpoints[0];
  if (!endpoint) throw new Error(`${container} is not on network ${network}`);
  return endpoint.address;
}

/** Host sides as `docker port` shows them: "80/tcp -> 0.0.0.0:8080"; "-" where nothing is bound. */
export function bindingsOf(state: State, name: string): string[] {
  return containerOf(state, name).bindings.map((b) => {
    const host = b.hostIp.includes(":") ? `[${b.hostIp}]` : b.hostIp;
    return `${b.target}/${b.proto} -> ${host}:${b.hostPort ?? "-"}`;
  });
}

/** One `-p`, ranges of equal length taken apart. */
export function portRequests(text: string): PortRequest[] {
  return expandPort(parsePortText(text), { file: "docker run -p", line: 1, column: 1 });
}

export function protoPort(text: string): ProtoPort {
  const [port, proto = "tcp"] = text.split("/");
  return { port: Number(port) as Port, proto: proto as Proto };
}

/** Frozen to the bottom: a transition that writes into its input throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}

/** Code and message with which `run` fails; undefined when it does not. Anything but a DocknetError is our own mistake. */
export function errorOf(run: () => unknown): { readonly code: ErrorCode; readonly message: string } | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof DocknetError) return { code: error.code, message: error.message };
    throw error;
  }
}

/** The message with which `run` is refused; undefined when it is not. */
export function refusalOf(run: () => unknown): string | undefined {
  return errorOf(run)?.message;
}
