/**
 * The surroundings of the emulated Docker host, as namespaces:
 *
 *   @internet eth0 203.0.113.80 (www), .53 (dns)
 *       |
 *   @router wan0 203.0.113.91 | lan0 192.168.0.1   MASQUERADE out, port forwards in; 1:1 addresses on wan0
 *       |
 *   @lan sw0, a switch: ports router, neighbour, host
 *       |                      |
 *   @neighbour 192.168.0.20    @host eth0 192.168.0.10: the Docker host
 */
import { DEFAULT_ROUTE, type IfAddr, type Ipv4, onLink, prefixLength, type Subnet } from "../net/address.ts";
import { HOST, type IfName, INTERNET, LAN, NEIGHBOUR, type NodeName, ROUTER } from "../net/name.ts";
import { deriveMac, worldMac } from "../state/id.ts";
import { bridgesOf, type State } from "../state/state.ts";
import { EMPTY_RULESET, type Owner, type Rule, type Ruleset, type Target } from "./firewall/rule.ts";
import { staticAddresses, staticIn, staticOut } from "./firewall/static-nat.ts";
import type { Link, Node, PeerLink, Route, Sysctl, VethLink } from "./layout.ts";
import type { MachineFacts } from "./machine.ts";

const WORLD: Owner = { kind: "router", label: "the lab's world" };
const ROUTER_OWNER: Owner = { kind: "router", label: "home router" };
/** RFC 1918 */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] as Subnet[];
/** Of the host, the neighbour and the internet; of the router towards the LAN and towards the internet. */
export const eth0 = "eth0" as IfName;
export const lan0 = "lan0" as IfName;
export const wan0 = "wan0" as IfName;
const sw0 = "sw0" as IfName;

/** Everything but @host, which the engine's part completes. */
export function worldNodes(state: State, facts: MachineFacts): Node[] {
  const { world } = state;
  return [
    worldNode(LAN, facts, {
      links: [switchLink(state), ...[HOST, ROUTER, NEIGHBOUR].map((to) => switchPort(state, to))],
    }),
    worldNode(ROUTER, facts, {
      forward: true,
      links: [peerLink(state, ROUTER, lan0, [onLink(world.router.lan, world.lan)]), wanLink(state)],
      // the provider's side of the line; nobody there forwards anything
      routes: [defaultRoute(world.internet.www)],
      rules: routerRules(state),
    }),
    worldNode(NEIGHBOUR, facts, {
      links: [peerLink(state, NEIGHBOUR, eth0, [onLink(world.neighbour, world.lan)])],
      routes: [defaultRoute(world.router.lan), ...routesToContainers(state)],
    }),
    worldNode(INTERNET, facts, { links: [peerLink(state, INTERNET, eth0, internetAddresses(state))] }),
  ];
}

/** The host's own link and way out, before Docker is there. */
export function hostUplink(state: State): { readonly link: Link; readonly route: Route } {
  const { world } = state;
  return { link: peerLink(state, HOST, eth0, [onLink(world.host, world.lan)]), route: defaultRoute(world.router.lan) };
}

/**
 * Sysctls that every node starts with. A new namespace copies the machine's own values (ip-sysctl: devconf_inherit_init_net),
 * and nothing of the machine may be an input, so what bears on routing is set. ip_forward first: a change of it resets others.
 */
export function baseSysctls(facts: MachineFacts, forward: boolean): Sysctl[] {
  return [
    { key: "net.ipv4.ip_forward", value: forward ? "1" : "0" },
    { key: "net.ipv4.conf.all.rp_filter", value: "0" },
    { key: "net.ipv4.conf.default.rp_filter", value: "0" },
    { key: "net.ipv4.conf.all.route_localnet", value: "0" },
    // a lab asks many closed ports at once: rate limits would turn refusals into silence (icmp(7))
    { key: "net.ipv4.icmp_ratemask", value: "0" },
    { key: "net.ipv4.ip_unprivileged_port_start", value: "0" },
    { key: "net.ipv4.ping_group_range", value: `0 ${facts.maxGid}` },
  ];
}

/** No link of the world has IPv6: each would flood its bridge with multicast at every start. */
export function withoutIpv6(facts: MachineFacts): Sysctl[] {
  return facts.ipv6 ? [{ key: "net.ipv6.conf.default.disable_ipv6", value: "1" }] : [];
}

/** 0 is what a host has that nothing made load br_netfilter. */
export function bridgeNetfilter(facts: MachineFacts, on: boolean): Sysctl[] {
  return on || facts.bridgeNetfilter ? [{ key: "net.bridge.bridge-nf-call-iptables", value: on ? "1" : "0" }] : [];
}

interface Parts {
  readonly links: readonly Link[];
  readonly routes?: readonly Route[];
  readonly rules?: Ruleset;
  readonly forward?: boolean;
}

function worldNode(name: NodeName, facts: MachineFacts, parts: Parts): Node {
  return {
    name,
    sysctls: [
      ...baseSysctls(facts, parts.forward ?? false),
      ...withoutIpv6(facts),
      ...(name === LAN ? bridgeNetfilter(facts, false) : []),
    ],
    links: parts.links,
    routes: parts.routes ?? [],
    rules: parts.rules ?? EMPTY_RULESET,
    proxies: [],
  };
}

function switchLink(state: State): Link {
  return {
    kind: "bridge",
    name: sw0,
    mac: deriveMac(`${state.lab}/lan/sw0`),
    addresses: [],
    sysctls: [],
    owner: WORLD,
  };
}

/** A port of the switch is named after the machine at its other end. */
function switchPort(state: State, to: NodeName): VethLink {
  const name = to.slice(1) as IfName;
  return {
    kind: "veth",
    name,
    mac: deriveMac(`${state.lab}/lan/${name}`),
    addresses: [],
    sysctls: [],
    master: sw0,
    peer: { node: to, name: to === ROUTER ? lan0 : eth0 },
    owner: WORLD,
  };
}

function wanLink(state: State): VethLink {
  const { world } = state;
  return {
    kind: "veth",
    name: wan0,
    mac: deriveMac(`${state.lab}/router/wan0`),
    addresses: [onLink(world.router.public, world.internet.subnet), ...staticAddresses(world.router)],
    sysctls: [],
    peer: { node: INTERNET, name: eth0 },
    owner: WORLD,
  };
}

function peerLink(state: State, node: NodeName, name: IfName, addresses: readonly IfAddr[]): PeerLink {
  return { kind: "peer", name, mac: worldMac(state.lab, node, name), addresses, sysctls: [], owner: WORLD };
}

function internetAddresses(state: State): IfAddr[] {
  const { subnet, www, dns } = state.world.internet;
  return [onLink(www, subnet), onLink(dns, subnet)];
}

const defaultRoute = (via: Ipv4): Route => ({ to: DEFAULT_ROUTE, via });

/** The neighbour is the attacker who routes to container addresses through the Docker host. */
function routesToContainers(state: State): Route[] {
  const subnets = bridgesOf(state)
    .filter((n) => prefixLength(n.subnet) <= 31)
    .map((n): Subnet => n.subnet);
  return subnets.map((to) => ({ to, via: state.world.host }));
}

/** What a home router does: N:1 NAT out, its own port forwards in, 1:1 NAT both ways, nothing else in. */
function routerRules(state: State): Ruleset {
  const { router } = state.world;
  const forwards = router.forwards.map(
    (f): Rule => ({
      table: "nat",
      chain: "PREROUTING",
      match: { destination: router.public, in: wan0, proto: f.proto, dport: f.publicPort },
      target: { kind: "DNAT", to: f.to, port: f.toPort },
      purpose: "router-dnat",
      owner: { kind: "router", label: `router forward ${f.publicPort}/${f.proto} to ${f.to}:${f.toPort}`, at: f.at },
    }),
  );
  const forward = (purpose: Rule["purpose"], match: Rule["match"], target: Target = { kind: "ACCEPT" }): Rule => ({
    table: "filter",
    chain: "FORWARD",
    match,
    target,
    purpose,
    owner: ROUTER_OWNER,
  });
  return {
    chains: [
      ...["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map(
        (name) => ({ table: "nat", name, policy: "ACCEPT" }) as const,
      ),
      { table: "filter", name: "INPUT", policy: "ACCEPT" },
      { table: "filter", name: "FORWARD", policy: "DROP" },
      { table: "filter", name: "OUTPUT", policy: "ACCEPT" },
    ],
    rules: [
      ...forwards,
      ...staticIn(router, wan0),
      // before the MASQUERADE that would take them too
      ...staticOut(router, wan0),
      {
        table: "nat",
        chain: "POSTROUTING",
        match: { out: wan0 },
        target: { kind: "MASQUERADE" },
        purpose: "router-masquerade",
        owner: ROUTER_OWNER,
      },
      forward("router-replies", { ctstate: ["RELATED", "ESTABLISHED"] }),
      forward("router-forward", { in: wan0, ctstate: ["DNAT"] }),
      // by rule and not by a missing route: the kernel answers for lack of a route only once a second (net/ipv4/route.c ip_error)
      ...PRIVATE.map((destination) =>
        forward("router-private", { destination, out: wan0 }, { kind: "REJECT", with: "icmp-net-unreachable" }),
      ),
      forward("router-out", { in: lan0 }),
    ],
  };
}
