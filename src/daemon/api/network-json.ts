/** Networks as the API shows them. Field order and nulls as dockerd 28.5.2. Source: moby api/types/network/network.go. */
import { prefixLength } from "../../net/address.ts";
import { isConfig } from "../../state/config-network.ts";
import { deriveId } from "../../state/id.ts";
import type { PoolRequest } from "../../state/pool.ts";
import { type AnyNetwork, type Container, hasAddresses, type Network, type State } from "../../state/state.ts";
import { sortedMap } from "./json.ts";

/** As `network ls` gets it: without the containers. */
export function networkSummary(network: AnyNetwork): object {
  return renderNetwork(network, {});
}

/** As `network inspect` gets it: with the running containers that are on it. */
export function networkDetails(state: State, network: AnyNetwork): object {
  const entries = state.containers.flatMap((c) => {
    const endpoint = hasAddresses(network) ? onKernel(network, c) : onPredefined(network, c);
    return endpoint ? [[c.id, endpoint] as const] : [];
  });
  return renderNetwork(network, sortedMap(Object.fromEntries(entries)));
}

function renderNetwork(network: AnyNetwork, containers: object): object {
  const real = hasAddresses(network) ? network : undefined;
  const config = isConfig(network) ? network : undefined;
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: "default",
      Options: config || (real && !real.isDefault) ? sortedMap((real ?? config)?.ipamOptions ?? {}) : null,
      Config: real ? [ipamConfig(real)] : config && config.pools.length > 0 ? config.pools.map(poolConfig) : null,
    },
    Internal: real?.internal ?? false,
    Attachable: real?.attachable ?? false,
    Ingress: false,
    ConfigFrom: { Network: real?.configFrom ?? "" },
    ConfigOnly: config !== undefined,
    Containers: containers,
    Options: sortedMap((real ?? config)?.options ?? {}),
    Labels: sortedMap((real ?? config)?.labels ?? {}),
  };
}

/** 28.5.2 shows no gateway beside a subnet that the user named without one. */
function ipamConfig(network: Network): object {
  const { subnet, ipRange, gateway, auxAddresses } = network;
  const showsGateway = gateway !== undefined && (network.gatewayGiven || !network.subnetGiven);
  return {
    Subnet: subnet,
    ...(ipRange ? { IPRange: ipRange } : {}),
    ...(showsGateway ? { Gateway: gateway } : {}),
    ...(Object.keys(auxAddresses).length > 0 ? { AuxiliaryAddresses: sortedMap(auxAddresses) } : {}),
  };
}

/** As it was given. */
function poolConfig({ subnet, ipRange, gateway, auxAddresses = {} }: PoolRequest): object {
  return {
    ...(subnet ? { Subnet: subnet } : {}),
    ...(ipRange ? { IPRange: ipRange } : {}),
    ...(gateway ? { Gateway: gateway } : {}),
    ...(Object.keys(auxAddresses).length > 0 ? { AuxiliaryAddresses: sortedMap(auxAddresses) } : {}),
  };
}

function onKernel(network: Network, container: Container): object | undefined {
  const endpoint = container.endpoints.find((e) => e.network === network.id);
  if (!endpoint) return undefined;
  return {
    Name: container.name,
    EndpointID: endpoint.id,
    MacAddress: endpoint.mac,
    IPv4Address: `${endpoint.address}/${prefixLength(network.subnet)}`,
    IPv6Address: "",
  };
}

function onPredefined(network: AnyNetwork, container: Container): object | undefined {
  const joined = container.status === "running" && container.attachments.some((a) => a.network === network.name);
  if (!joined) return undefined;
  const EndpointID = predefinedEndpointId(container, network.id);
  return { Name: container.name, EndpointID, MacAddress: "", IPv4Address: "", IPv6Address: "" };
}

/** `host` and `none` have endpoints in Docker's eyes, and nothing on the kernel: an id of this start. */
export function predefinedEndpointId(container: Container, networkId: string): string {
  return deriveId("endpoint", container.sandboxId, container.id, networkId);
}
