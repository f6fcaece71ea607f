/**
 * Which rules a published port gets, and what an endpoint on the host's own address asks for, in all iptables layouts of dockerd's versions.
 * Source: moby daemon/libnetwork/drivers/bridge/internal/iptabler/{port,endpoint}.go
 */
import { type Ipv4, isIpv4, isLoopback, type Subnet } from "../../net/address.ts";
import type { IfName } from "../../net/name.ts";
import {
  type BridgeNetwork,
  bridgeById,
  type Container,
  type Endpoint,
  isBridge,
  networkById,
  type PortBinding,
  type State,
} from "../../state/state.ts";
import { ENGINE, ownerOfBinding, ownerOfEndpoint, ownerOfNetwork } from "./owner.ts";
import type { Match, Rule } from "./rule.ts";
import { ACCEPT, DROP, jumpTo, MASQUERADE, RETURN, rule, unique } from "./rule-parts.ts";

const LOOPBACK = "127.0.0.0/8" as Subnet;

/** Endpoints and loopback bindings append here as they come, so both are merged by the time they were programmed. */
export function rawRules(state: State): Rule[] {
  const entries = [
    ...state.containers.flatMap((c) =>
      c.endpoints.map((e) => ({ at: e.joinedAt, rules: directAccessRules(state, c, e) })),
    ),
    ...state.containers.map((c) => ({ at: c.programmedAt, rules: loopbackRules(state, c) })),
  ];
  return entries.sort((a, b) => a.at - b.at).flatMap((e) => e.rules);
}

function directAccessRules(state: State, container: Container, endpoint: Endpoint): Rule[] {
  const network = networkById(state, endpoint.network);
  if (!isBridge(network) || network.internal || network.gatewayMode !== "nat" || state.engine.allowDirectRouting)
    return [];
  const owner = ownerOfEndpoint(container, network, endpoint);
  const destination = endpoint.address;
  return [
    ...network.trustedInterfaces.map((trusted) =>
      rule("raw", "PREROUTING", "direct-access-trusted", owner, { destination, in: trusted }, ACCEPT),
    ),
    rule("raw", "PREROUTING", "direct-access", owner, { destination, in: { not: network.bridge } }, DROP),
  ];
}

function loopbackRules(state: State, container: Container): Rule[] {
  return natBindings(state, container)
    .filter(({ binding }) => isIpv4(binding.hostIp) && isLoopback(binding.hostIp))
    .map(({ binding, hostPort }) => {
      const match: Match = {
        destination: binding.hostIp as Ipv4,
        in: { not: "lo" as IfName },
        proto: binding.proto,
        dport: hostPort,
      };
      return rule("raw", "PREROUTING", "loopback-access", ownerOfBinding(container, binding), match, DROP);
    });
}

/** What is addressed to the host itself is looked up among the published ports. */
export function natJumps(state: State): Rule[] {
  const local: Match = { dstType: "LOCAL" };
  const notLoopback: Match = state.engine.userlandProxy ? { destination: { not: LOOPBACK } } : {};
  return [
    rule("nat", "PREROUTING", "jump", ENGINE, local, jumpTo("DOCKER")),
    rule("nat", "OUTPUT", "jump", ENGINE, { ...notLoopback, ...local }, jumpTo("DOCKER")),
  ];
}

/** Up to 28: what the network's own containers send to a published port is not translated, so the userland proxy answers it. */
export function skipDnatRules(state: State, network: BridgeNetwork): Rule[] {
  if (network.internal || !network.masquerade || !state.engine.userlandProxy) return [];
  return [rule("nat", "DOCKER", "skip-dnat", ownerOfNetwork(network), { in: network.bridge }, RETURN)];
}

/** A container that calls itself by a published port. */
export function hairpinRules(state: State, container: Container): Rule[] {
  return unique(
    natBindings(state, container)
      .filter(({ binding }) => isIpv4(binding.hostIp))
      .map(({ binding, endpoint }) => {
        const match: Match = {
          source: endpoint.address,
          destination: endpoint.address,
          proto: binding.proto,
          dport: binding.target,
        };
        return rule("nat", "POSTROUTING", "masquerade-hairpin", ownerOfBinding(container, binding), match, MASQUERADE);
      }),
  );
}

export function dnatRules(state: State, container: Container): Rule[] {
  return natBindings(state, container)
    .filter(({ binding }) => isIpv4(binding.hostIp))
    .map(({ binding, endpoint, network, hostPort }) => {
      const hostIp = binding.hostIp as Ipv4;
      const match: Match = {
        ...(hostIp === "0.0.0.0" ? {} : { destination: hostIp }),
        ...(state.engine.userlandProxy ? { in: { not: network.bridge } } : {}),
        proto: binding.proto,
        dport: hostPort,
      };
      return rule("nat", "DOCKER", "dnat", ownerOfBinding(container, binding), match, {
        kind: "DNAT",
        to: endpoint.address,
        port: binding.target,
      });
    });
}

export function openPortRules(state: State, container: Container): Rule[] {
  return container.bindings.flatMap((binding) => {
    const { endpoint, network } = placeOf(state, container, binding);
    if (network.gatewayMode === "nat-unprotected" || !isIpv4(binding.hostIp)) return [];
    const match: Match = {
      destination: endpoint.address,
      in: { not: network.bridge },
      out: network.bridge,
      proto: binding.proto,
      dport: binding.target,
    };
    return [rule("filter", "DOCKER", "open-port", ownerOfBinding(container, binding), match, ACCEPT)];
  });
}

function placeOf(
  state: State,
  container: Container,
  binding: PortBinding,
): { endpoint: Endpoint; network: BridgeNetwork } {
  const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
  if (!endpoint)
    throw new Error(`binding of ${container.name} is carried by endpoint ${binding.endpoint}, which it does not have`);
  return { endpoint, network: bridgeById(state, endpoint.network) };
}

/** Bindings that use a host port: not those of routed networks. */
function natBindings(state: State, container: Container) {
  return container.bindings.flatMap((binding) =>
    binding.hostPort === undefined
      ? []
      : [{ binding, hostPort: binding.hostPort, ...placeOf(state, container, binding) }],
  );
}
