/** `docker network create` and `rm` as transitions. Source: moby daemon/network.go, drivers/bridge/bridge_linux.go. */
import { DocknetError, type Origin } from "../errors.ts";
import { ANY_IPV4, addressOf, type Ipv4, parseIfAddr, parseIpv4, type Subnet, subnetOf } from "../net/address.ts";
import { type IfName, parseIfName } from "../net/name.ts";
import type { EngineSpec, WorldSpec } from "../spec/spec.ts";
import { bridgeName, deriveId } from "./id.ts";
import { allocateGateway, allocateSubnet, requestSubnet, reserveOwn } from "./ipam.ts";
import type { GatewayMode, Network, State } from "./state.ts";

export interface NetworkRequest {
  readonly name: string;
  readonly driver?: string;
  readonly subnet?: Subnet;
  readonly ipRange?: Subnet;
  readonly gateway?: Ipv4;
  readonly auxAddresses?: readonly Ipv4[];
  readonly internal?: boolean;
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly at?: Origin;
}

/** Networks that every daemon has; host and none are modes of a sandbox here (`SandboxMode`). */
export const PREDEFINED: readonly string[] = ["bridge", "host", "none"];
/** What the emulated host has before Docker is there. */
const HOST_LINKS: readonly string[] = ["lo", "eth0"];
const OPTION = "com.docker.network.";

/** A daemon that has just started: docker0 and nothing else. @throws DocknetError */
export function emptyState(lab: State["lab"], engine: EngineSpec, world: WorldSpec): State {
  const base: State = { lab, engine, world, networks: [], containers: [], clock: 0 };
  const bip = engine.bip === undefined ? undefined : parseIfAddr(engine.bip);
  return addNetwork(base, {
    name: "bridge",
    ...(bip ? { subnet: subnetOf(bip), gateway: addressOf(bip) } : {}),
    options: {
      [`${OPTION}bridge.default_bridge`]: "true",
      [`${OPTION}bridge.enable_icc`]: String(engine.icc),
      [`${OPTION}bridge.enable_ip_masquerade`]: "true",
      [`${OPTION}bridge.host_binding_ipv4`]: ANY_IPV4,
      [`${OPTION}bridge.name`]: "docker0",
      ...(engine.mtu ? { [`${OPTION}driver.mtu`]: String(engine.mtu) } : {}),
    },
  });
}

/** @throws DocknetError CONFLICT or LAB_FILE, in Docker's words */
export function createNetwork(state: State, request: NetworkRequest): State {
  if (PREDEFINED.includes(request.name)) {
    throw new DocknetError("CONFLICT", `operation is not permitted on predefined ${request.name} network `);
  }
  if (request.name === "") throw new DocknetError("LAB_FILE", "invalid name: name is empty");
  const driver = request.driver ?? "bridge";
  if (driver === "host" || driver === "null") {
    throw new DocknetError("CONFLICT", `only one instance of "${driver}" network is allowed`);
  }
  if (driver !== "bridge")
    throw new DocknetError("LAB_FILE", `plugin "${driver}" not found`, {
      remedy: "Use the bridge driver: docknet emulates no other yet",
    });
  if (state.networks.some((n) => n.name === request.name)) {
    throw new DocknetError("CONFLICT", `network with name ${request.name} already exists`);
  }
  return addNetwork(state, request);
}

function addNetwork(state: State, request: NetworkRequest): State {
  const id = deriveId("network", state.lab, request.name);
  const options = parseOptions(request.options ?? {});
  const internal = request.internal ?? false;
  if (options.gatewayMode === "isolated" && !internal) {
    throw new DocknetError("LAB_FILE", "gateway mode 'isolated' can only be used for an internal network");
  }
  if (request.subnet) requestSubnet(state, request.subnet);
  const subnet = request.subnet ?? allocateSubnet(state);
  const aux = request.auxAddresses ?? [];
  const gatewayless = options.gatewayMode === "isolated" || (options.inhibitIpv4 && internal);
  const gateway = gatewayless ? undefined : (request.gateway ?? allocateGateway(subnet, request.ipRange));
  reserveOwn(subnet, gateway, aux);
  const bridge = options.bridge ?? bridgeName(id);
  if (HOST_LINKS.includes(bridge)) throw new DocknetError("CONFLICT", `existing interface ${bridge} is not a bridge`);
  const rival = state.networks.find((n) => n.bridge === bridge);
  if (rival) {
    throw new DocknetError(
      "CONFLICT",
      `cannot create network ${id} (${bridge}): conflicts with network ${rival.id} (${rival.bridge}): networks have same bridge name`,
    );
  }
  const { bridge: _, ...rest } = options;
  const network: Network = {
    id,
    name: request.name,
    bridge,
    isDefault: request.name === "bridge",
    subnet,
    ...(gateway ? { gateway } : {}),
    ...(request.ipRange ? { ipRange: request.ipRange } : {}),
    auxAddresses: aux,
    internal,
    ...rest,
    options: request.options ?? {},
    labels: request.labels ?? {},
    createdAt: state.clock,
    ...(request.at ? { at: request.at } : {}),
  };
  return { ...state, networks: [...state.networks, network], clock: state.clock + 1 };
}

/** @throws DocknetError CONFLICT when endpoints are left, NOT_FOUND */
export function removeNetwork(state: State, name: string): State {
  if (PREDEFINED.includes(name)) {
    throw new DocknetError("CONFLICT", `${name} is a pre-defined network and cannot be removed`);
  }
  const network = state.networks.find((n) => n.name === name);
  if (!network) throw new DocknetError("NOT_FOUND", `network ${name} not found`);
  const active = state.containers.flatMap((c) =>
    c.endpoints.filter((e) => e.network === network.id).map((e) => `name:"${c.name}" id:"${e.id.slice(0, 12)}"`),
  );
  if (active.length > 0) {
    throw new DocknetError(
      "CONFLICT",
      `error while removing network: network ${name} has active endpoints (${active.join(", ")})`,
    );
  }
  return { ...state, networks: state.networks.filter((n) => n !== network), clock: state.clock + 1 };
}

type ParsedOptions = Pick<
  Network,
  "icc" | "masquerade" | "gatewayMode" | "hostBinding" | "inhibitIpv4" | "trustedInterfaces" | "ifPrefix"
> &
  Partial<Pick<Network, "snatTo" | "mtuBytes">> & { readonly bridge?: IfName };

/** The `-o` keys of the bridge driver (moby drivers/bridge/labels.go, netlabel/labels.go). @throws DocknetError LAB_FILE, in Docker's words */
function parseOptions(options: Readonly<Record<string, string>>): ParsedOptions {
  const get = (key: string): string | undefined => options[`${OPTION}${key}`];
  const bool = (key: string, fallback: boolean): boolean => {
    const text = get(key);
    return text === undefined ? fallback : parseGoBool(text, `${OPTION}${key}`);
  };
  const bridge = get("bridge.name");
  const snatTo = get("host_ipv4");
  const mtu = get("driver.mtu");
  const trusted = get("bridge.trusted_host_interfaces");
  return {
    ...(bridge ? { bridge: parseIfName(bridge) } : {}),
    icc: bool("bridge.enable_icc", true),
    masquerade: bool("bridge.enable_ip_masquerade", true),
    gatewayMode: parseGatewayMode(get("bridge.gateway_mode_ipv4") ?? ""),
    hostBinding: parseIpv4(get("bridge.host_binding_ipv4") ?? ANY_IPV4),
    inhibitIpv4: bool("bridge.inhibit_ipv4", false),
    trustedInterfaces: trusted ? trusted.split(":").map(parseIfName) : [],
    ifPrefix: parseIfPrefix(get("container_iface_prefix") ?? "eth"),
    ...(snatTo ? { snatTo: parseIpv4(snatTo) } : {}),
    ...parseMtu(mtu),
  };
}

function parseMtu(text: string | undefined): { mtuBytes?: number } {
  if (text === undefined || text === "0") return {};
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 68 && value <= 65535)) throw new DocknetError("LAB_FILE", `invalid MTU number: ${text}`);
  return { mtuBytes: value };
}

function parseIfPrefix(text: string): string {
  // two digits of number must still fit
  parseIfName(`${text}00`);
  return text;
}

function parseGatewayMode(text: string): GatewayMode {
  if (text === "") return "nat";
  if (text === "nat" || text === "nat-unprotected" || text === "routed" || text === "isolated") return text;
  throw new DocknetError("LAB_FILE", `unknown gateway mode ${text}`, {
    remedy: "Choose nat, nat-unprotected, routed or isolated",
  });
}

/** Go's strconv.ParseBool. */
function parseGoBool(text: string, label: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw new DocknetError(
    "LAB_FILE",
    `failed to parse ${label} value: ${text} (strconv.ParseBool: parsing "${text}": invalid syntax)`,
  );
}

/** Does anything on this engine need frames of one bridge to pass iptables? (docker-reference 1.3 step 11) */
export function needsBridgeNetfilter(state: State): boolean {
  return !state.engine.userlandProxy || state.networks.some((n) => !n.icc);
}
