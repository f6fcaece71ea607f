/** Who asked for a rule: the engine, a network, an endpoint or a port binding, with its place in the lab file. */

import type { BridgeNetwork, Container, Endpoint, PortBinding } from "../../state/state.ts";
import type { Owner } from "./rule.ts";

export const ENGINE: Owner = { kind: "engine", label: "Docker engine" };

const placed = (at: Owner["at"]): Pick<Owner, "at"> => (at ? { at } : {});

export function ownerOfNetwork(network: BridgeNetwork): Owner {
  return { kind: "network", label: `network ${network.name}`, ...placed(network.at) };
}

export function ownerOfEndpoint(container: Container, network: BridgeNetwork, endpoint: Endpoint): Owner {
  return {
    kind: "endpoint",
    label: `${container.node} on network ${network.name}`,
    ...placed(endpoint.at ?? container.at),
  };
}

export function ownerOfBinding(container: Container, binding: PortBinding): Owner {
  const shown =
    binding.hostPort === undefined
      ? `${binding.target}/${binding.proto}`
      : `${binding.hostPort}:${binding.target}/${binding.proto}`;
  return { kind: "port", label: `port ${shown} of ${container.node}`, ...placed(binding.at) };
}
