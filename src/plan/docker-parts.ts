/**
 * What the iptables layouts of dockerd's versions have in common: the rules that one binding, one endpoint or one network asks for, and
 * who asked for them. Where they stand, and which of them a version writes, is said in docker-29.ts, docker-28.ts and docker-20.ts.
 * Source: moby daemon/libnetwork/drivers/bridge/internal/iptabler {network,endpoint,port}.go; 20.10: libnetwork
 * drivers/bridge/setup_ip_tables.go, iptables/iptables.go.
 */
import { type Ipv4, isIpv4, isLoopback, type Subnet } from "../net/address.ts";
import type { IfName } from "../net/name.ts";
import {
  type BridgeNetwork,
  bridgeById,
  type Container,
  type Endpoint,
  isBridge,
  networkById,
  type PortBinding,
  type State,
} from "../state/state.ts";
import {
  type Chain,
  type Match,
  type Owner,
  type Purpose,
  type Rule,
  renderRule,
  type Table,
  type Target,
} from "./rule.ts";

const LOOPBACK = "127.0.0.0/8" as Subnet;
export const ENGINE: Owner = { kind: "engine", label: "Docker engine" };
export const ACCEPT: Target = { kind: "ACCEPT" };
export const DROP: Target = { kind: "DROP" };
export const RETURN: Target = { kind: "RETURN" };
const MASQUERADE: Target = { kind: "MASQUERADE" };
export const jumpTo = (chain: string): Target => ({ kind: "JUMP", chain });

export function rule(table: Table, chain: string, purpose: Purpose, owner: Owner, match: Match, target: Target): Rule {
  return { table, chain, match, target, purpose, owner };
}

/** A rule of the filter table. */
export function filter(chain: string, purpose: Purpose, owner: Owner, match: Match, target: Target): Rule {
  return rule("filter", chain, purpose, owner, match, target);
}

export const engineJump = (chain: string, to: string): Rule => filter(chain, "jump", ENGINE, {}, jumpTo(to));

/**
 * The built-in chains, and the engine's own. dockerd sets the FORWARD policy to DROP when it is the one who turns forwarding on
 * (setup_ip_forwarding.go).
 */
export function chainsOf(state: State, own: readonly string[]): Chain[] {
  const builtIn = (table: Table, names: readonly string[]): Chain[] =>
    names.map((name) => ({ table, name, policy: "ACCEPT" }));
  return [
    ...builtIn("raw", ["PREROUTING", "OUTPUT"]),
    ...builtIn("nat", ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    { table: "nat", name: "DOCKER" },
    ...builtIn("filter", ["INPUT"]),
    { table: "filter", name: "FORWARD", policy: state.engine.ipForward ? "ACCEPT" : "DROP" },
    ...builtIn("filter", ["OUTPUT"]),
    ...own.map((name): Chain => ({ table: "filter", name })),
  ];
}

// --- raw -------------------------------------------------------------------------------------------------------------

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

// --- nat -------------------------------------------------------------------------------------------------------------

/** What is addressed to the host itself is looked up among the published ports. */
export function natJumps(state: State): Rule[] {
  const local: Match = { dstType: "LOCAL" };
  const notLoopback: Match = state.engine.userlandProxy ? { destination: { not: LOOPBACK } } : {};
  return [
    rule("nat", "PREROUTING", "jump", ENGINE, local, jumpTo("DOCKER")),
    rule("nat", "OUTPUT", "jump", ENGINE, { ...notLoopback, ...local }, jumpTo("DOCKER")),
  ];
}

/** Both are inserted at the head, the one for local traffic last. */
export function masqueradeRules(state: State, network: BridgeNetwork): Rule[] {
  if (network.internal) return [];
  const target: Target = network.snatTo ? { kind: "SNAT", to: network.snatTo } : MASQUERADE;
  const owner = ownerOfNetwork(network);
  return [
    ...(state.engine.userlandProxy
      ? []
      : [rule("nat", "POSTROUTING", "masquerade-local", owner, { out: network.bridge, srcType: "LOCAL" }, target)]),
    ...(network.masquerade && network.gatewayMode !== "routed"
      ? [
          rule(
            "nat",
            "POSTROUTING",
            "masquerade",
            owner,
            { source: network.subnet, out: { not: network.bridge } },
            target,
          ),
        ]
      : []),
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

// --- filter ----------------------------------------------------------------------------------------------------------

/** DOCKER, per network since 28: ping in routed mode, then what is not accepted above is dropped (unprotected: accepted). */
export function defaultRules(network: BridgeNetwork): Rule[] {
  const owner = ownerOfNetwork(network);
  const unprotected = network.gatewayMode === "nat-unprotected";
  const match: Match = { in: { not: network.bridge }, out: network.bridge };
  return [
    ...(network.gatewayMode === "routed"
      ? [rule("filter", "DOCKER", "routed-icmp", owner, { out: network.bridge, proto: "icmp" }, ACCEPT)]
      : []),
    rule(
      "filter",
      "DOCKER",
      unprotected ? "default-accept" : "default-drop",
      owner,
      match,
      unprotected ? ACCEPT : DROP,
    ),
  ];
}

/** DOCKER-FORWARD, per network since 28: within the bridge, and out. */
export function forwardRules(network: BridgeNetwork): Rule[] {
  const owner = ownerOfNetwork(network);
  const within: Match = { in: network.bridge, out: network.bridge };
  const forward = (purpose: Purpose, match: Match, target: Target): Rule =>
    filter("DOCKER-FORWARD", purpose, owner, match, target);
  if (network.internal)
    return [network.icc ? forward("icc-accept", within, ACCEPT) : forward("icc-drop", within, DROP)];
  if (network.icc) return [forward("outgoing", { in: network.bridge }, ACCEPT)];
  return [
    forward("icc-drop", within, DROP),
    forward("outgoing", { in: network.bridge, out: { not: network.bridge } }, ACCEPT),
  ];
}

/** Since 28: into the network by the open ports, and its replies. */
export function bridgeRule(network: BridgeNetwork): Rule {
  return filter("DOCKER-BRIDGE", "jump", ownerOfNetwork(network), { out: network.bridge }, jumpTo("DOCKER"));
}

export function repliesRule(network: BridgeNetwork, chain: string): Rule {
  const match: Match = { out: network.bridge, ctstate: ["RELATED", "ESTABLISHED"] };
  return filter(chain, "replies", ownerOfNetwork(network), match, ACCEPT);
}

/** What stands between an internal network and the rest: inserted at the head, what goes out first. */
export function internalRules(chain: string, network: BridgeNetwork): Rule[] {
  const owner = ownerOfNetwork(network);
  const { subnet, bridge } = network;
  return [
    filter(chain, "internal-in", owner, { source: { not: subnet }, out: bridge }, DROP),
    filter(chain, "internal-out", owner, { destination: { not: subnet }, in: bridge }, DROP),
  ];
}

/** Up to 28: from one bridge to another in two steps, out of the one (stage 1) and into the other (stage 2). */
export function leavingRule(network: BridgeNetwork): Rule {
  const { bridge } = network;
  const match: Match = { in: bridge, out: { not: bridge } };
  return filter(
    "DOCKER-ISOLATION-STAGE-1",
    "isolation",
    ownerOfNetwork(network),
    match,
    jumpTo("DOCKER-ISOLATION-STAGE-2"),
  );
}

export function enteringRule(network: BridgeNetwork): Rule {
  return filter("DOCKER-ISOLATION-STAGE-2", "isolation-drop", ownerOfNetwork(network), { out: network.bridge }, DROP);
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

// --- shared ----------------------------------------------------------------------------------------------------------

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

export function byProgramming(state: State): Container[] {
  return [...state.containers].sort((a, b) => a.programmedAt - b.programmedAt);
}

export const newestFirst = <T>(list: readonly T[]): T[] => [...list].reverse();

/** dockerd asks iptables whether a rule exists before it adds it: two bindings of one container port make one rule. */
export function unique(rules: readonly Rule[]): Rule[] {
  const seen = new Map<string, Rule>();
  for (const rule of rules) {
    const text = renderRule(rule);
    if (!seen.has(text)) seen.set(text, rule);
  }
  return [...seen.values()];
}

const placed = (at: Owner["at"]): Pick<Owner, "at"> => (at ? { at } : {});

export function ownerOfNetwork(network: BridgeNetwork): Owner {
  return { kind: "network", label: `network ${network.name}`, ...placed(network.at) };
}

function ownerOfEndpoint(container: Container, network: BridgeNetwork, endpoint: Endpoint): Owner {
  return {
    kind: "endpoint",
    label: `${container.node} on network ${network.name}`,
    ...placed(endpoint.at ?? container.at),
  };
}

function ownerOfBinding(container: Container, binding: PortBinding): Owner {
  const shown =
    binding.hostPort === undefined
      ? `${binding.target}/${binding.proto}`
      : `${binding.hostPort}:${binding.target}/${binding.proto}`;
  return { kind: "port", label: `port ${shown} of ${container.node}`, ...placed(binding.at) };
}
