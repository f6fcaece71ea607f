/** `docker network connect` and `disconnect` as transitions. Source: moby daemon/container_operations.go; texts seen on 28.5.2. */
import { DocknetError, type Origin } from "../errors.ts";
import { contains, type Ipv4 } from "../net/address.ts";
import type { Mac } from "../net/mac.ts";
import type { IfName } from "../net/name.ts";
import { addEndpoint, ENDPOINT_SYSCTL, splitSysctls } from "./endpoint.ts";
import { findContainer, findNetwork, isUserDefined, lookupNetwork, replaceContainer } from "./find.ts";
import { programPorts, startResolver } from "./lifecycle.ts";
import { joinFaults, originOf, refusal } from "./refusal.ts";
import {
  type AnyNetwork,
  type Attachment,
  type Container,
  type EndpointPart,
  hasAddresses,
  type State,
} from "./state.ts";

export interface EndpointRequest {
  /** Name, id or id prefix of the network. */
  readonly network: string;
  readonly address?: Ipv4;
  readonly mac?: Mac;
  readonly ifName?: IfName;
  readonly aliases?: readonly string[];
  readonly linkLocal?: readonly Ipv4[];
  readonly driverOpts?: Readonly<Record<string, string>>;
  readonly gwPriority?: number;
  readonly links?: Attachment["links"];
  readonly given?: readonly EndpointPart[];
  readonly at?: Origin;
}

export interface ConnectOptions {
  /** What the endpoint's id and MAC are drawn from; absent: the clock of the state. */
  readonly endpointSalt?: string;
}

/**
 * A running container joins at once, and its ports move if its gateway changed; another one joins when it starts, and the network
 * need not be there before. @throws DocknetError in Docker's words; the state is then unchanged
 */
export function connectContainer(
  state: State,
  ref: string,
  request: EndpointRequest,
  options: ConnectOptions = {},
): State {
  const container = findContainer(state, ref);
  if (container.status !== "running") return connectLater(state, container, request);
  const network = findNetwork(state, request.network);
  checkConnect(state, container, network);
  const fault = endpointFault(network, request);
  if (fault) throw fault;
  // host and none were refused
  if (!hasAddresses(network)) return state;
  const attachment: Attachment = { ...attachmentOf(request, network.name), networkId: network.id };
  const attachments = [...container.attachments, attachment];
  const next = replaceContainer(state, { ...container, attachments });
  const salt = options.endpointSalt ?? String(state.clock);
  const joined = addEndpoint(next, container.id, network, attachment, salt);
  return startResolver(programPorts(joined, container.id), container.id);
}

export interface DisconnectOptions {
  /** A container that is not there is then an endpoint that is not there. */
  readonly force?: boolean;
}

/** @throws DocknetError in Docker's words; the state is then unchanged */
export function disconnectContainer(
  state: State,
  ref: string,
  networkRef: string,
  options: DisconnectOptions = {},
): State {
  const container = findLeaving(state, ref, networkRef, options);
  if (container.status !== "running") return disconnectStopped(state, container, networkRef);
  const network = findNetwork(state, networkRef);
  if (network.driver === "host" && container.sandbox.kind === "host") {
    throw refusal(400, "cannot disconnect container from host network - container was created in host network mode");
  }
  const attachments = container.attachments.filter((a) => a.networkId !== network.id);
  if (attachments.length === container.attachments.length)
    throw refusal(500, `container ${container.id} is not connected to network ${network.name}`);
  const endpoints = container.endpoints.filter((e) => e.network !== network.id);
  return programPorts(replaceContainer(state, { ...container, attachments, endpoints }), container.id);
}

/** What the user asked for, with Docker's defaults. */
export function attachmentOf(request: EndpointRequest, network: string): Attachment {
  return {
    network,
    ...(request.address ? { address: request.address } : {}),
    ...(request.mac ? { mac: request.mac } : {}),
    ...(request.ifName ? { ifName: request.ifName } : {}),
    aliases: request.aliases ?? [],
    linkLocal: request.linkLocal ?? [],
    driverOpts: request.driverOpts ?? {},
    gwPriority: request.gwPriority ?? 0,
    links: request.links ?? [],
    ...(request.given?.length ? { given: request.given } : {}),
    ...originOf(request),
  };
}

/**
 * What no endpoint of this network can have, as one error; undefined when there is nothing. `prefix` says whose settings they are.
 * Source: moby daemon/container_operations.go validateEndpointSettings.
 */
export function endpointFault(network: AnyNetwork, request: EndpointRequest, prefix = ""): Error | undefined {
  const { address, aliases = [], driverOpts = {} } = request;
  const named = isUserDefined(network);
  const faults = [
    ...(address && !named ? ["user specified IP address is supported on user defined networks only"] : []),
    ...(aliases.length > 0 && !named
      ? ["network-scoped alias is supported only for containers in user defined networks"]
      : []),
    ...(address ? addressFaults(network, address) : []),
    ...splitSysctls(driverOpts[ENDPOINT_SYSCTL]).flatMap(({ text, key }) =>
      key
        ? []
        : [
            `unrecognised network interface sysctl '${text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
          ],
    ),
  ];
  if (faults.length === 0) return undefined;
  return refusal(400, `${prefix}invalid endpoint settings:\n${joinFaults(faults)}`, originOf(request));
}

function addressFaults(network: AnyNetwork, address: Ipv4): string[] {
  if (!hasAddresses(network) || !network.subnetGiven)
    return ["user specified IP address is supported only when connecting to networks with user configured subnets"];
  if (contains(network.subnet, address)) return [];
  return [`no configured subnet or ip-range contain the IP address ${address}`];
}

/** Nothing is checked against a network that is not there, and a second connect to one that is known changes nothing. */
function connectLater(state: State, container: Container, request: EndpointRequest): State {
  const network = lookupNetwork(state, request.network);
  const name = network?.name ?? request.network;
  const known = container.attachments.find((a) => a.network === name);
  if (network) {
    if (known && (known.networkId === undefined || known.networkId === network.id)) return state;
    checkConnect(state, container, network);
    const fault = endpointFault(network, request);
    if (fault) throw fault;
  }
  const attachment: Attachment = { ...attachmentOf(request, name), connected: true };
  const attachments = [...container.attachments.filter((a) => a !== known), attachment];
  return { ...replaceContainer(state, { ...container, attachments }), clock: state.clock + 1 };
}

/** Goes by name, so that a network that was removed and made again can be let go. */
function disconnectStopped(state: State, container: Container, networkRef: string): State {
  const name = lookupNetwork(state, networkRef)?.name ?? networkRef;
  const attachments = container.attachments.filter((a) => a.network !== name);
  if (attachments.length === container.attachments.length)
    throw refusal(500, `container ${container.id} is not connected to the network ${name}`);
  return { ...replaceContainer(state, { ...container, attachments }), clock: state.clock + 1 };
}

function findLeaving(state: State, ref: string, networkRef: string, { force }: DisconnectOptions): Container {
  try {
    return findContainer(state, ref);
  } catch (error) {
    if (!force || !(error instanceof DocknetError)) throw error;
    findNetwork(state, networkRef);
    throw refusal(404, `endpoint ${ref} not found`);
  }
}

function checkConnect(state: State, container: Container, network: AnyNetwork): void {
  const shares =
    "container sharing network namespace with another container or host cannot be connected to any other network";
  if (container.sandbox.kind === "container") throw refusal(400, shares);
  if (container.attachments.some((a) => lookupNetwork(state, a.networkId ?? a.network)?.id === network.id))
    throw refusal(403, `endpoint with name ${container.name} already exists in network ${network.name}`);
  if (container.sandbox.kind === "host") throw refusal(400, shares);
  if (network.driver === "host") {
    throw refusal(400, "cannot connect container to host network - container must be created in host network mode");
  }
  if (network.driver === "null" || container.attachments.some((a) => a.network === "none")) {
    throw refusal(
      400,
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
}
