/**
 * `docker network create --config-only` and `--config-from`: settings under a name, and networks that are made with them.
 * Source: moby daemon/libnetwork/network.go validateConfiguration, applyConfigurationTo; texts and their order seen on 28.5.2.
 */
import type { NetworkRequest } from "./network-request.ts";
import { refusal } from "./refusal.ts";
import { type AnyNetwork, type ConfigNetwork, NEVER, type State } from "./state.ts";

export const isConfig = (network: AnyNetwork): network is ConfigNetwork => "configOnly" in network;

/** What does not belong together in one request. @throws DocknetError in Docker's words */
export function checkConfigRequest(request: NetworkRequest): void {
  const isOperators = request.ingress || request.internal || request.attachable || request.scope;
  if (request.configOnly && isOperators)
    throw refusal(
      403,
      "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
    );
  if (request.configFrom === undefined) return;
  if (request.configOnly) throw refusal(403, "a configuration network cannot depend on another configuration network");
  const { subnet, ipRange, gateway, auxAddresses = {}, morePools = [], labels = {}, ipamOptions = {} } = request;
  const hasPools = subnet || ipRange || gateway || [auxAddresses, morePools].some((all) => Object.keys(all).length > 0);
  if (hasPools || [labels, ipamOptions].some((all) => Object.keys(all).length > 0))
    throw refusal(
      403,
      "user specified configurations are not supported if the network depends on a configuration network",
    );
  if (Object.keys(request.options ?? {}).length > 0)
    throw refusal(403, "network driver options are not supported if the network depends on a configuration network");
}

export function configOf(id: string, request: NetworkRequest): ConfigNetwork {
  const { subnet, ipRange, gateway, auxAddresses, morePools = [] } = request;
  const first = {
    ...(subnet ? { subnet } : {}),
    ...(ipRange ? { ipRange } : {}),
    ...(gateway ? { gateway } : {}),
    ...(auxAddresses ? { auxAddresses } : {}),
  };
  return {
    id,
    name: request.name,
    driver: "null",
    configOnly: true,
    created: request.now ?? NEVER,
    pools: Object.keys(first).length > 0 ? [first, ...morePools] : morePools,
    options: request.options ?? {},
    labels: request.labels ?? {},
    ipamOptions: request.ipamOptions ?? {},
  };
}

/** The request with the settings of the configuration that it names. @throws DocknetError NOT_FOUND, in Docker's words */
export function applyConfig(state: State, request: NetworkRequest): NetworkRequest {
  const { configFrom } = request;
  if (configFrom === undefined) return request;
  const config = (state.configs ?? []).find((c) => c.name === configFrom || c.id === configFrom);
  if (!config) throw refusal(404, `configuration network ${JSON.stringify(configFrom)} does not exist`);
  const [pool = {}, ...morePools] = config.pools;
  const { options, labels, ipamOptions } = config;
  return { ...request, ...pool, morePools, options, labels, ipamOptions, configFrom: config.name };
}

/** The state without it. @throws DocknetError in Docker's words while networks are made of it */
export function removeConfig(state: State, config: ConfigNetwork): State {
  if (state.networks.some((n) => n.configFrom === config.name))
    throw refusal(403, `error while removing network: configuration network ${JSON.stringify(config.name)} is in use`);
  return { ...state, configs: (state.configs ?? []).filter((c) => c !== config), clock: state.clock + 1 };
}

/** Whoever is asked to join it, when it does. */
export const withoutEndpoints = (): Error => refusal(403, "cannot create endpoint on configuration-only network");
