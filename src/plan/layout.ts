/**
 * What the kernel must look like: namespaces, links, addresses, routes, sysctls, rules and listeners as plain data. A Layout
 * follows from a State alone; the plan is the difference of two Layouts, drift the difference of a Layout and the kernel.
 */
import type { IfAddr, Ipv4, Ipv6, Subnet } from "../net/address.ts";
import type { Mac } from "../net/mac.ts";
import { HOST, type IfName, type LabName, type NodeName, ROUTER } from "../net/name.ts";
import type { Port, Proto } from "../net/port.ts";
import { EMPTY_RULESET, type Owner, type Ruleset } from "./firewall/rule.ts";

export interface Layout {
  readonly lab: LabName;
  /** In order of creation. */
  readonly nodes: readonly Node[];
}

/** One namespace. */
export interface Node {
  readonly name: NodeName;
  /** Set right after creation, before any link but lo exists. */
  readonly sysctls: readonly Sysctl[];
  /** In order of creation; a veth pair stands where its first end is, `peer` in the other node. */
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly rules: Ruleset;
  readonly proxies: readonly ProxyListener[];
}

export interface Sysctl {
  readonly key: string;
  readonly value: string;
}

interface LinkBase {
  readonly name: IfName;
  readonly mac?: Mac;
  readonly mtuBytes?: number;
  readonly addresses: readonly IfAddr[];
  /** Set after the link exists and before it is up. */
  readonly sysctls: readonly Sysctl[];
  /** The bridge that it is a port of. */
  readonly master?: IfName;
  /** Frames may leave by the port they came in by. */
  readonly hairpin?: boolean;
  readonly owner: Owner;
}

export interface BridgeLink extends LinkBase {
  readonly kind: "bridge";
}

/** The end from which the pair is made. */
export interface VethLink extends LinkBase {
  readonly kind: "veth";
  readonly peer: { readonly node: NodeName; readonly name: IfName };
}

/** The other end: created with the pair, configured in its own namespace. */
export interface PeerLink extends LinkBase {
  readonly kind: "peer";
}

/** A virtual macvlan on a link of another node: frames of both share that link, and neither hands any to the other. */
export interface MacvlanLink extends LinkBase {
  readonly kind: "macvlan";
  readonly parent: { readonly node: NodeName; readonly name: IfName };
  readonly mode: "bridge" | "private" | "vepa" | "passthru";
}

/** 802.1Q: what leaves by it goes out of `parent`, of the same node, with this tag. */
export interface VlanLink extends LinkBase {
  readonly kind: "vlan";
  readonly parent: IfName;
  readonly vlanId: number;
}

/** Leads nowhere. */
export interface DummyLink extends LinkBase {
  readonly kind: "dummy";
}

export type Link = BridgeLink | VethLink | PeerLink | MacvlanLink | VlanLink | DummyLink;

export interface Route {
  readonly to: Subnet;
  readonly via: Ipv4;
  /** Absent: the kernel finds the link by the gateway's address. */
  readonly link?: IfName;
}

/** A listener of the userland proxy, where docker-proxy would stand. */
export interface ProxyListener {
  readonly proto: Proto;
  readonly hostIp: Ipv4 | Ipv6;
  readonly hostPort: Port;
  readonly containerIp: Ipv4;
  readonly containerPort: Port;
  readonly owner: Owner;
}

export function nodeOf(layout: Layout, name: NodeName): Node | undefined {
  return indexOf(layout).nodes.get(name);
}

/** Empty where the node has none, or is none. */
export const rulesIn = (layout: Layout, name: NodeName): Ruleset => nodeOf(layout, name)?.rules ?? EMPTY_RULESET;

/** What predictions name rules of. */
export const firewallsOf = (layout: Layout): { readonly host: Ruleset; readonly router: Ruleset } => ({
  host: rulesIn(layout, HOST),
  router: rulesIn(layout, ROUTER),
});

/** @param name of the link in that node */
export function linkOf(layout: Layout, node: NodeName, name: IfName): Link | undefined {
  return indexOf(layout).links.get(`${node} ${name}`);
}

/** The pair that a link of kind "peer" belongs to. */
export function pairOf(layout: Layout, node: NodeName, name: IfName): { node: NodeName; link: VethLink } | undefined {
  return indexOf(layout).pairs.get(`${node} ${name}`);
}

interface Index {
  readonly nodes: ReadonlyMap<NodeName, Node>;
  readonly links: ReadonlyMap<string, Link>;
  readonly pairs: ReadonlyMap<string, { node: NodeName; link: VethLink }>;
}

/** Made once per layout, which never changes: a lab of hundreds of containers is looked through for each of their links. */
const indexes = new WeakMap<Layout, Index>();

function indexOf(layout: Layout): Index {
  const known = indexes.get(layout);
  if (known) return known;
  const ends = layout.nodes.flatMap((node) => node.links.map((link) => ({ node: node.name, link })));
  const index: Index = {
    nodes: new Map(layout.nodes.map((n) => [n.name, n])),
    links: new Map(ends.map(({ node, link }) => [`${node} ${link.name}`, link])),
    pairs: new Map(
      ends.flatMap(({ node, link }) =>
        link.kind === "veth" ? [[`${link.peer.node} ${link.peer.name}`, { node, link }] as const] : [],
      ),
    ),
  };
  indexes.set(layout, index);
  return index;
}
