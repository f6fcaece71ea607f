/**
 * Networks and containers by what the user calls them: full id, then full name, then an id prefix that only one has.
 * Source: moby daemon/network.go FindNetwork, daemon/container.go GetContainer; texts seen on 28.5.2.
 */
import { changeContainers, indexOf } from "./container-index.ts";
import { deriveId } from "./id.ts";
import { refusal } from "./refusal.ts";
import {
  type AnyNetwork,
  type Container,
  hasAddresses,
  NEVER,
  type Network,
  type PredefinedNetwork,
  type State,
} from "./state.ts";

export interface PredefinedNetworks {
  readonly host: PredefinedNetwork;
  readonly none: PredefinedNetwork;
}

/** What every daemon has beside its bridges; as old as docker0. */
export function predefinedNetworks(state: State): PredefinedNetworks {
  const docker0 = state.networks.find((n) => n.isDefault);
  const id = (name: string): string => deriveId("network", state.lab, docker0?.id ?? "", name);
  const created = docker0?.created ?? NEVER;
  return {
    host: { id: id("host"), name: "host", driver: "host", created },
    none: { id: id("none"), name: "none", driver: "null", created },
  };
}

export function allNetworks(state: State): readonly AnyNetwork[] {
  const { host, none } = predefinedNetworks(state);
  return [...state.networks, ...(state.configs ?? []), host, none];
}

/** @param ref full id, name, or the beginning of an id. @throws DocknetError NOT_FOUND, or LAB_FILE when several ids begin so */
export function findNetwork(state: State, ref: string): AnyNetwork {
  const [first, ...more] = networksCalled(state, ref);
  if (!first) throw refusal(404, `network ${ref} not found`);
  if (more.length > 0)
    throw refusal(400, `network ${ref} is ambiguous (${more.length + 1} matches found based on ID prefix)`);
  return first;
}

/** The same; undefined when no network, or more than one, is called so. */
export function lookupNetwork(state: State, ref: string): AnyNetwork | undefined {
  const [first, ...more] = networksCalled(state, ref);
  return more.length === 0 ? first : undefined;
}

function networksCalled(state: State, ref: string): readonly AnyNetwork[] {
  if (ref === "") return [];
  const all = allNetworks(state);
  const exact = all.find((n) => n.id === ref) ?? all.find((n) => n.name === ref);
  return exact ? [exact] : all.filter((n) => n.id.startsWith(ref));
}

/** @param ref full id, name (with or without "/"), or the beginning of an id. @throws DocknetError NOT_FOUND, or LAB_FILE when several ids begin so */
export function findContainer(state: State, ref: string): Container {
  const name = ref.replace(/^\//, "");
  if (name === "") throw refusal(400, `invalid name or ID supplied: "${ref}"`);
  const index = indexOf(state);
  const exact = index.byId(ref) ?? index.byName(name);
  if (exact) return exact;
  const [first, ...more] = state.containers.filter((c) => c.id.startsWith(ref));
  if (!first) throw refusal(404, `No such container: ${ref}`);
  if (more.length > 0) throw refusal(400, `multiple IDs found with provided prefix: ${ref}`);
  return first;
}

/** The names in the DNS of networks and links by name need a network that has them. */
export function isUserDefined(network: AnyNetwork): network is Network {
  return hasAddresses(network) && !network.isDefault;
}

/** For ids that the state itself holds. */
export function containerById(state: State, id: string): Container {
  const container = indexOf(state).byId(id);
  if (!container) throw new Error(`state holds no container ${id}`);
  return container;
}

/** The state with `container` in the place of the one of its id. */
export function replaceContainer(state: State, container: Container): State {
  return { ...state, containers: changeContainers(state, containerById(state, container.id), container) };
}

/** The networks that a container is attached to, in the order of its attachments. */
export function networksOf(state: State, container: Container): AnyNetwork[] {
  return container.attachments.flatMap((a) => {
    const ref = a.networkId ?? a.network;
    return [findNetwork(state, ref)];
  });
}
