/** State -> Layout: one function that says what namespaces, links, addresses, routes, rules and listeners a state wants. */
import { DEFAULT_ROUTE, onLink } from "../net/address.ts";
import { HOST } from "../net/name.ts";
import { deriveMac } from "../state/id.ts";
import { parentMacOf, UPLINK, vlanId } from "../state/macvlan.ts";
import { needsBridgeNetfilter } from "../state/network.ts";
import {
  type BridgeNetwork,
  bridgesOf,
  type Container,
  type Endpoint,
  gatewayEndpoint,
  isBridge,
  isMacvlan,
  type Network,
  networkById,
  type State,
} from "../state/state.ts";
import { resolverRules } from "./firewall/embedded-dns.ts";
import { rulesetOf } from "./firewall/profile.ts";
import type { Owner } from "./firewall/rule.ts";
import type { BridgeLink, Layout, Link, Node, ProxyListener, Sysctl, VethLink } from "./layout.ts";
import type { MachineFacts } from "./machine.ts";
import { baseSysctls, bridgeNetfilter, hostUplink, withoutIpv6, worldNodes } from "./world.ts";

export function layoutOf(state: State, facts: MachineFacts): Layout {
  const containers = state.containers.filter(
    (c) => c.status === "running" && (c.sandbox.kind === "own" || c.sandbox.kind === "none"),
  );
  return {
    lab: state.lab,
    nodes: [
      ...worldNodes(state, facts),
      hostNode(state, facts),
      ...containers.map((c) => containerNode(state, c, facts)),
    ],
  };
}

function hostNode(state: State, facts: MachineFacts): Node {
  const uplink = hostUplink(state);
  return {
    name: HOST,
    sysctls: [
      ...baseSysctls(facts, true),
      ...withoutIpv6(facts),
      ...bridgeNetfilter(facts, needsBridgeNetfilter(state)),
    ],
    links: [
      uplink.link,
      ...madeParents(state),
      ...bridgesOf(state).map((n) => bridgeLink(state, n, facts)),
      ...state.containers.flatMap((c) => c.endpoints.flatMap((e) => bridgePort(state, c, e))),
    ],
    routes: [uplink.route],
    rules: rulesetOf(state),
    proxies: proxiesOf(state, facts),
  };
}

/** Source: moby drivers/bridge/bridge_linux.go createNetwork, docker-reference 1.3. */
function bridgeLink(state: State, network: BridgeNetwork, facts: MachineFacts): BridgeLink {
  const bears = network.gateway !== undefined && !network.inhibitIpv4;
  const sysctls: Sysctl[] = [
    ...(network.isDefault && facts.ipv6
      ? [{ key: `net.ipv6.conf.${sysctlName(network.bridge)}.accept_ra`, value: "0" }]
      : []),
    ...(state.engine.userlandProxy
      ? []
      : [{ key: `net.ipv4.conf.${sysctlName(network.bridge)}.route_localnet`, value: "1" }]),
  ];
  return {
    kind: "bridge",
    name: network.bridge,
    mac: deriveMac(network.id),
    ...mtuOf(network),
    addresses: bears && network.gateway ? [onLink(network.gateway, network.subnet)] : [],
    sysctls,
    owner: networkOwner(network),
  };
}

/** Parents of macvlans that the engine makes: each once, however many networks share it. */
function madeParents(state: State): Link[] {
  const first = new Map(
    state.networks.filter(isMacvlan).flatMap((n) => (n.parentMade ? [[n.parent, n] as const] : [])),
  );
  return [...first.values()].map((network): Link => {
    const base = {
      name: network.parent,
      mac: parentMacOf(state, network),
      addresses: [],
      sysctls: [],
      owner: networkOwner(network),
    };
    return network.parentMade === "vlan"
      ? { ...base, kind: "vlan", parent: UPLINK, vlanId: vlanId(network.parent) }
      : { ...base, kind: "dummy" };
  });
}

/** Made once per endpoint, like the nodes below. */
const bridgePorts = new WeakMap<
  Endpoint,
  { readonly container: Container; readonly networks: State["networks"]; readonly links: readonly VethLink[] }
>();

/** None where nothing of the endpoint is on the host. */
function bridgePort(state: State, container: Container, endpoint: Endpoint): readonly VethLink[] {
  const known = bridgePorts.get(endpoint);
  if (known?.container === container && known.networks === state.networks) return known.links;
  const links = bridgePortOf(state, container, endpoint);
  bridgePorts.set(endpoint, { container, networks: state.networks, links });
  return links;
}

function bridgePortOf(state: State, container: Container, endpoint: Endpoint): VethLink[] {
  const network = networkById(state, endpoint.network);
  if (!isBridge(network) || endpoint.hostIfName === undefined) return [];
  return [
    {
      kind: "veth",
      name: endpoint.hostIfName,
      mac: deriveMac(`port/${endpoint.id}`),
      ...mtuOf(network),
      addresses: [],
      sysctls: [],
      master: network.bridge,
      hairpin: !state.engine.userlandProxy,
      peer: { node: container.node, name: endpoint.ifName },
      owner: endpointOwner(container, network, endpoint),
    },
  ];
}

/** A container's node follows from it, the networks and the machine: while those stay, it is the very same, and no diff looks into it. */
const nodes = new WeakMap<
  Container,
  { readonly networks: State["networks"]; readonly facts: MachineFacts; readonly node: Node }
>();

function containerNode(state: State, container: Container, facts: MachineFacts): Node {
  const known = nodes.get(container);
  if (known?.networks === state.networks && known.facts === facts) return known.node;
  const node = containerNodeOf(state, container, facts);
  nodes.set(container, { networks: state.networks, facts, node });
  return node;
}

/** Source: moby osl/interface_linux.go configureInterface; daemon/oci_linux.go for the container's sysctls. */
function containerNodeOf(state: State, container: Container, facts: MachineFacts): Node {
  const gateway = gatewayEndpoint(state, container.endpoints);
  const via = gateway && networkById(state, gateway.network).gateway;
  return {
    name: container.node,
    // a container's namespace starts with the forwarding of a host that forwards
    sysctls: [
      ...baseSysctls(facts, true),
      ...Object.entries(container.sysctls).map(([key, value]) => ({ key, value })),
    ],
    links: container.endpoints.map((e): Link => endpointLink(state, container, e, facts)),
    routes: gateway && via ? [{ to: DEFAULT_ROUTE, via, link: gateway.ifName }] : [],
    rules: resolverRules(container),
    proxies: [],
  };
}

function endpointLink(state: State, container: Container, endpoint: Endpoint, facts: MachineFacts): Link {
  const network = networkById(state, endpoint.network);
  const base = {
    name: endpoint.ifName,
    mac: endpoint.mac,
    addresses: [
      onLink(endpoint.address, network.subnet),
      ...endpoint.linkLocal.map((a) => `${a}/16` as Link["addresses"][number]),
    ],
    sysctls: [
      ...(facts.ipv6 ? [{ key: `net.ipv6.conf.${sysctlName(endpoint.ifName)}.disable_ipv6`, value: "1" }] : []),
      ...Object.entries(endpoint.sysctls).map(([key, value]) => ({ key, value })),
    ],
    owner: endpointOwner(container, network, endpoint),
  };
  if (isBridge(network)) return { ...base, kind: "peer", ...mtuOf(network) };
  return { ...base, kind: "macvlan", parent: { node: HOST, name: network.parent }, mode: network.mode };
}

/**
 * One listener per binding, where docker-proxy would stand. Nothing listens for routed networks, whose host port is unused, nor for
 * sctp, which Node has no sockets for: such a port is reached by its DNAT rule alone.
 */
function proxiesOf(state: State, facts: MachineFacts): ProxyListener[] {
  if (!state.engine.userlandProxy) return [];
  return state.containers.flatMap((container) =>
    container.bindings.flatMap((binding) => {
      const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
      if (!endpoint || binding.hostPort === undefined || binding.proto === "sctp") return [];
      if (binding.hostIp.includes(":") && !facts.ipv6) return [];
      const owner: Owner = {
        kind: "port",
        label: `port ${binding.hostPort}:${binding.target}/${binding.proto} of ${container.node}`,
        ...(binding.at ? { at: binding.at } : {}),
      };
      return [
        {
          proto: binding.proto,
          hostIp: binding.hostIp,
          hostPort: binding.hostPort,
          containerIp: endpoint.address,
          containerPort: binding.target,
          owner,
        },
      ];
    }),
  );
}

/** A dot in an interface name is written "/" in a sysctl key (sysctl(8)). */
const sysctlName = (name: string): string => name.replaceAll(".", "/");

const mtuOf = (network: BridgeNetwork): { mtuBytes?: number } =>
  network.mtuBytes === undefined ? {} : { mtuBytes: network.mtuBytes };

function networkOwner(network: Network): Owner {
  return { kind: "network", label: `network ${network.name}`, ...(network.at ? { at: network.at } : {}) };
}

function endpointOwner(container: Container, network: Network, endpoint: Endpoint): Owner {
  const at = endpoint.at ?? container.at;
  return { kind: "endpoint", label: `${container.node} on network ${network.name}`, ...(at ? { at } : {}) };
}
