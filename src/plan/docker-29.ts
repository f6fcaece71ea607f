/**
 * Firewall profile docker-29: what dockerd of that line leaves in iptables, rule for rule and in order.
 *
 *   raw    PREROUTING   direct access to container addresses, remote access to ports published on loopback
 *   nat    PREROUTING, OUTPUT  --dst-type LOCAL -> DOCKER: DNAT per port binding
 *          POSTROUTING  masquerade per network
 *   filter FORWARD -> DOCKER-USER, DOCKER-FORWARD -> DOCKER-CT (replies), DOCKER-INTERNAL, DOCKER-BRIDGE -> DOCKER
 *                   (open ports, then default drop per network), then outgoing per network
 *
 * dockerd works by appending and inserting over time; the resulting order is a function of the order of creation, so it is
 * computed here from the state: networks oldest first where docker appends and newest first where it inserts.
 * Source: moby daemon/libnetwork/drivers/bridge/internal/iptabler {iptabler,network,endpoint,port}.go.
 */
import { type Ipv4, isIpv4, isLoopback, type Subnet } from "../net/address.ts";
import type { IfName } from "../net/name.ts";
import {
  type Container,
  type Endpoint,
  type Network,
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
  type Ruleset,
  renderRule,
  type Table,
  type Target,
} from "./rule.ts";

const LOOPBACK = "127.0.0.0/8" as Subnet;
const ENGINE: Owner = { kind: "engine", label: "Docker engine" };
const ACCEPT: Target = { kind: "ACCEPT" };
const DROP: Target = { kind: "DROP" };
const MASQUERADE: Target = { kind: "MASQUERADE" };
const jumpTo = (chain: string): Target => ({ kind: "JUMP", chain });

export function docker29Ruleset(state: State): Ruleset {
  return { chains: chainsOf(state), rules: [...rawRules(state), ...natRules(state), ...filterRules(state)] };
}

/** dockerd sets the FORWARD policy to DROP when it is the one who turns forwarding on (setup_ip_forwarding.go). */
function chainsOf(state: State): Chain[] {
  const builtIn = (table: Table, names: readonly string[]): Chain[] =>
    names.map((name) => ({ table, name, policy: "ACCEPT" }));
  return [
    ...builtIn("raw", ["PREROUTING", "OUTPUT"]),
    ...builtIn("nat", ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    { table: "nat", name: "DOCKER" },
    ...builtIn("filter", ["INPUT"]),
    { table: "filter", name: "FORWARD", policy: state.engine.ipForward ? "ACCEPT" : "DROP" },
    ...builtIn("filter", ["OUTPUT"]),
    ...["DOCKER", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-FORWARD", "DOCKER-INTERNAL", "DOCKER-USER"].map(
      (name): Chain => ({ table: "filter", name }),
    ),
  ];
}

function rule(table: Table, chain: string, purpose: Purpose, owner: Owner, match: Match, target: Target): Rule {
  return { table, chain, match, target, purpose, owner };
}

// --- raw -------------------------------------------------------------------------------------------------------------

/** Endpoints and loopback bindings append here as they come, so both are merged by the time they were programmed. */
function rawRules(state: State): Rule[] {
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
  if (network.internal || network.gatewayMode !== "nat" || state.engine.allowDirectRouting) return [];
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

function natRules(state: State): Rule[] {
  const local: Match = { dstType: "LOCAL" };
  const notLoopback: Match = state.engine.userlandProxy ? { destination: { not: LOOPBACK } } : {};
  return [
    rule("nat", "PREROUTING", "jump", ENGINE, local, jumpTo("DOCKER")),
    rule("nat", "OUTPUT", "jump", ENGINE, { ...notLoopback, ...local }, jumpTo("DOCKER")),
    ...newestFirst(state.networks).flatMap((n) => masqueradeRules(state, n)),
    ...byProgramming(state).flatMap((c) => hairpinRules(state, c)),
    ...byProgramming(state).flatMap((c) => dnatRules(state, c)),
  ];
}

/** Both are inserted at the head, the one for local traffic last. */
function masqueradeRules(state: State, network: Network): Rule[] {
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

function hairpinRules(state: State, container: Container): Rule[] {
  if (state.engine.userlandProxy) return [];
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

function dnatRules(state: State, container: Container): Rule[] {
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

function filterRules(state: State): Rule[] {
  const outside = state.networks.filter((n) => !n.internal);
  const filter = (chain: string, purpose: Purpose, owner: Owner, match: Match, target: Target): Rule =>
    rule("filter", chain, purpose, owner, match, target);
  const engineJump = (chain: string, to: string): Rule => filter(chain, "jump", ENGINE, {}, jumpTo(to));
  return [
    engineJump("FORWARD", "DOCKER-USER"),
    engineJump("FORWARD", "DOCKER-FORWARD"),
    // ports are inserted at the head, networks appended: the newest port stands first, the oldest network's default last but in order
    ...newestFirst(unique(byProgramming(state).flatMap((c) => openPortRules(state, c)))),
    ...outside.flatMap(defaultRules),
    ...outside.map((n) => filter("DOCKER-BRIDGE", "jump", ownerOfNetwork(n), { out: n.bridge }, jumpTo("DOCKER"))),
    ...outside.map((n) =>
      filter("DOCKER-CT", "replies", ownerOfNetwork(n), { out: n.bridge, ctstate: ["RELATED", "ESTABLISHED"] }, ACCEPT),
    ),
    engineJump("DOCKER-FORWARD", "DOCKER-CT"),
    engineJump("DOCKER-FORWARD", "DOCKER-INTERNAL"),
    engineJump("DOCKER-FORWARD", "DOCKER-BRIDGE"),
    ...state.networks.flatMap(forwardRules),
    ...newestFirst(state.networks.filter((n) => n.internal)).flatMap((n) => [
      filter("DOCKER-INTERNAL", "internal-in", ownerOfNetwork(n), { source: { not: n.subnet }, out: n.bridge }, DROP),
      filter(
        "DOCKER-INTERNAL",
        "internal-out",
        ownerOfNetwork(n),
        { destination: { not: n.subnet }, in: n.bridge },
        DROP,
      ),
    ]),
  ];
}

/** DOCKER, per network: ping in routed mode, then what is not accepted above is dropped (unprotected: accepted). */
function defaultRules(network: Network): Rule[] {
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

/** DOCKER-FORWARD, per network: within the bridge, and out. */
function forwardRules(network: Network): Rule[] {
  const owner = ownerOfNetwork(network);
  const within: Match = { in: network.bridge, out: network.bridge };
  const forward = (purpose: Purpose, match: Match, target: Target): Rule =>
    rule("filter", "DOCKER-FORWARD", purpose, owner, match, target);
  if (network.internal)
    return [network.icc ? forward("icc-accept", within, ACCEPT) : forward("icc-drop", within, DROP)];
  if (network.icc) return [forward("outgoing", { in: network.bridge }, ACCEPT)];
  return [
    forward("icc-drop", within, DROP),
    forward("outgoing", { in: network.bridge, out: { not: network.bridge } }, ACCEPT),
  ];
}

function openPortRules(state: State, container: Container): Rule[] {
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

function placeOf(state: State, container: Container, binding: PortBinding): { endpoint: Endpoint; network: Network } {
  const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
  if (!endpoint)
    throw new Error(`binding of ${container.name} is carried by endpoint ${binding.endpoint}, which it does not have`);
  return { endpoint, network: networkById(state, endpoint.network) };
}

/** Bindings that use a host port: not those of routed networks. */
function natBindings(state: State, container: Container) {
  return container.bindings.flatMap((binding) =>
    binding.hostPort === undefined
      ? []
      : [{ binding, hostPort: binding.hostPort, ...placeOf(state, container, binding) }],
  );
}

function byProgramming(state: State): Container[] {
  return [...state.containers].sort((a, b) => a.programmedAt - b.programmedAt);
}

const newestFirst = <T>(list: readonly T[]): T[] => [...list].reverse();

/** dockerd asks iptables whether a rule exists before it adds it: two bindings of one container port make one rule. */
function unique(rules: readonly Rule[]): Rule[] {
  const seen = new Map<string, Rule>();
  for (const rule of rules) {
    const text = renderRule(rule);
    if (!seen.has(text)) seen.set(text, rule);
  }
  return [...seen.values()];
}

const placed = (at: Owner["at"]): Pick<Owner, "at"> => (at ? { at } : {});

function ownerOfNetwork(network: Network): Owner {
  return { kind: "network", label: `network ${network.name}`, ...placed(network.at) };
}

function ownerOfEndpoint(container: Container, network: Network, endpoint: Endpoint): Owner {
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
