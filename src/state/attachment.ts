/** `docker network connect` and `disconnect` as transitions. Source: moby daemon/container_operations.go; texts seen on 28.5.2. */
import { DocknetError } from "../errors.ts";
import { isConfig, withoutEndpoints } from "./config-network.ts";
import { addEndpoint } from "./endpoint.ts";
import { attachmentOf, type EndpointRequest, endpointFault } from "./endpoint-settings.ts";
import { findContainer, findNetwork, lookupNetwork, replaceContainer } from "./find.ts";
import { programPorts, startResolver } from "./lifecycle.ts";
import { refusal, sharesNetwork } from "./refusal.ts";
import { type AnyNetwork, type Attachment, type Container, hasAddresses, type State } from "./state.ts";

export type { EndpointRequest } from "./endpoint-settings.ts";

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
  if (container.sandbox.kind === "container") throw sharesNetwork();
  const network = findNetwork(state, request.network);
  const fault = endpointFault(network.name, network, request);
  if (fault) throw fault;
  checkConnect(state, container, network);
  if (isConfig(network)) throw withoutEndpoints();
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

/** Nothing is checked against a network that is not there, and a second connect to one that is known changes nothing. */
function connectLater(state: State, container: Container, request: EndpointRequest): State {
  const network = lookupNetwork(state, request.network);
  const name = network?.name ?? request.network;
  const known = container.attachments.find((a) => a.network === name);
  if (network) {
    const fault = endpointFault(network.name, network, request);
    if (fault) throw fault;
    if (known && (known.networkId === undefined || known.networkId === network.id)) return state;
    checkConnect(state, container, network);
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
  if (container.attachments.some((a) => lookupNetwork(state, a.networkId ?? a.network)?.id === network.id))
    throw refusal(403, `endpoint with name ${container.name} already exists in network ${network.name}`);
  if (container.sandbox.kind === "host") throw sharesNetwork();
  if (network.driver === "host") {
    throw refusal(400, "cannot connect container to host network - container must be created in host network mode");
  }
  if ((network.driver === "null" && !isConfig(network)) || container.attachments.some((a) => a.network === "none")) {
    throw refusal(
      400,
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
}
