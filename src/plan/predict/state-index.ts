/** Questions about a State that thousands of predictions ask, answered from indexes made once per state. Pure: a State never changes. */
import { type Ipv4, isIpv4 } from "../../net/address.ts";
import type { NodeName } from "../../net/name.ts";
import type { Port } from "../../net/port.ts";
import {
  type BridgeNetwork,
  bridgeById,
  type Container,
  type Endpoint,
  type Network,
  type PortBinding,
  type State,
} from "../../state/state.ts";

export interface Place {
  readonly container: Container;
  readonly endpoint: Endpoint;
}

/** A binding with what it leads to. */
export interface BindingHit extends Place {
  readonly network: BridgeNetwork;
  readonly binding: PortBinding;
}

export interface StateIndex {
  containerOf(node: NodeName): Container | undefined;
  /** Who has this address on this network. */
  endpointAt(network: Network, address: Ipv4): Place | undefined;
  /** IPv4 bindings of a host port, in the order in which their rules stand. */
  bindingsOf(port: Port, proto: string): readonly BindingHit[];
}

const indexes = new WeakMap<State, StateIndex>();

export function indexState(state: State): StateIndex {
  const known = indexes.get(state);
  if (known) return known;
  const byNode = new Map(state.containers.map((c) => [c.node, c]));
  const byAddress = new Map<string, Place>();
  const byPort = new Map<string, BindingHit[]>();
  for (const container of [...state.containers].sort((a, b) => a.programmedAt - b.programmedAt)) {
    for (const endpoint of container.endpoints)
      byAddress.set(`${endpoint.network} ${endpoint.address}`, { container, endpoint });
    for (const binding of container.bindings) {
      const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
      if (!endpoint || binding.hostPort === undefined || !isIpv4(binding.hostIp)) continue;
      const key = `${binding.hostPort}/${binding.proto}`;
      byPort.set(key, [
        ...(byPort.get(key) ?? []),
        { container, endpoint, network: bridgeById(state, endpoint.network), binding },
      ]);
    }
  }
  const index: StateIndex = {
    containerOf: (node) => byNode.get(node),
    endpointAt: (network, address) => byAddress.get(`${network.id} ${address}`),
    bindingsOf: (port, proto) => byPort.get(`${port}/${proto}`) ?? [],
  };
  indexes.set(state, index);
  return index;
}
