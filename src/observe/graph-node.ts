/** The namespaces of a graph and their links: what the kernel has, joined with what the lab wants there. Pure. */
import type { WiredLink, Wiring } from "../kernel/wiring.ts";
import { contains, DEFAULT_ROUTE, subnetOf } from "../net/address.ts";
import { HOST, INTERNET, LAN, NEIGHBOUR, type NodeName, ROUTER } from "../net/name.ts";
import { renderProtoPort } from "../net/port.ts";
import { type Layout, type Link, linkOf, type Node, nodeOf, pairOf } from "../plan/layout.ts";
import { INTERNET_PORTS } from "../plan/predict/internet.ts";
import { bridgesOf, type Container, networkById, type State, sandboxOwner } from "../state/state.ts";
import type { GraphEnd, GraphGateway, GraphLink, GraphNode } from "./graph.ts";

/** Of a link without a setting of its own (net/ethernet: ETH_DATA_LEN). */
const DEFAULT_MTU_BYTES = 1500;

const WORLD: readonly (readonly [NodeName, GraphNode["kind"]])[] = [
  [INTERNET, "internet"],
  [ROUTER, "router"],
  [LAN, "switch"],
  [NEIGHBOUR, "neighbour"],
  [HOST, "host"],
];

/** @param wiring what the kernel has; absent: what the layout wants */
export function graphNodes(
  state: State,
  layout: Layout,
  wiring: ReadonlyMap<NodeName, Wiring> | undefined,
): GraphNode[] {
  const context: Context = { layout, wiring, networkOf: networksByLink(state) };
  const internetPorts = [...INTERNET_PORTS, { port: 53, proto: "udp" }, { port: 53, proto: "tcp" }];
  return [
    ...WORLD.map(
      ([name, kind]): GraphNode => ({
        name,
        kind,
        ...linksAndGateway(context, name),
        serves: kind === "internet" ? internetPorts.map(({ port, proto }) => `${port}/${proto}`) : [],
      }),
    ),
    ...state.containers.map((container) => containerNode(context, state, container)),
  ];
}

interface Context {
  readonly layout: Layout;
  readonly wiring: ReadonlyMap<NodeName, Wiring> | undefined;
  /** Docker's network of a link, by node and name. */
  readonly networkOf: ReadonlyMap<string, string>;
}

const placeOf = (node: string, link: string): string => `${node} ${link}`;

function networksByLink(state: State): Map<string, string> {
  return new Map([
    ...bridgesOf(state).map((n) => [placeOf(HOST, n.bridge), n.name] as const),
    ...state.containers.flatMap((c) =>
      c.endpoints.flatMap((e) => {
        const { name } = networkById(state, e.network);
        const ends = [placeOf(c.node, e.ifName), ...(e.hostIfName ? [placeOf(HOST, e.hostIfName)] : [])];
        return ends.map((end) => [end, name] as const);
      }),
    ),
  ]);
}

function containerNode(context: Context, state: State, container: Container): GraphNode {
  const { node, service, image, status, serves, at } = container;
  const own = linksAndGateway(context, node);
  return {
    name: node,
    kind: "container",
    ...(service ? { service } : {}),
    ...(image ? { image } : {}),
    status,
    ...sandboxOf(state, container),
    ...own,
    serves: serves.map(renderProtoPort),
    ...(at ? { at } : {}),
  };
}

function sandboxOf(state: State, container: Container): Pick<GraphNode, "sandbox" | "sharedWith"> {
  const { kind } = container.sandbox;
  if (kind !== "container") return { sandbox: kind };
  const owner = sandboxOwner(state, container);
  if (owner === "host") return { sandbox: "host" };
  return owner === "gone" ? { sandbox: "shared" } : { sandbox: "shared", sharedWith: owner.node };
}

// --- links -----------------------------------------------------------------------------------------------------------

function linksAndGateway(context: Context, name: NodeName): Pick<GraphNode, "links" | "gateway"> {
  const node = nodeOf(context.layout, name);
  if (!node) return { links: [] };
  const wired = context.wiring?.get(name);
  const wanted = node.links.map((link) =>
    context.wiring
      ? measuredLink(
          context,
          name,
          link,
          wired?.links.find((w) => w.name === link.name),
        )
      : plannedLink(context, name, link),
  );
  const others = (wired?.links ?? []).filter((w) => w.name !== "lo" && !node.links.some((l) => l.name === w.name));
  const gateway = context.wiring ? wired?.gateway : plannedGateway(context.layout, node);
  return {
    links: [...wanted, ...others.map((w) => ({ ...asFound(context, name, w), drift: "foreign" as const }))],
    ...(gateway ? { gateway } : {}),
  };
}

function measuredLink(context: Context, node: NodeName, link: Link, found: WiredLink | undefined): GraphLink {
  if (found) return asFound(context, node, found);
  const { peer: _gone, parent: _none, ...wanted } = plannedLink(context, node, link);
  return { ...wanted, up: false, drift: "missing" };
}

function asFound(context: Context, node: NodeName, found: WiredLink): GraphLink {
  const { index, name, kind, mac, mtuBytes, addresses, up, master, peer } = found;
  const far = peer && context.wiring?.get(peer.node)?.links.find((l) => l.name === peer.name);
  const end = peer && { node: peer.node, link: peer.name, ...(far ? { index: far.index } : {}) };
  return {
    name,
    index,
    kind: kind || "other",
    mac,
    mtuBytes,
    addresses,
    up,
    ...(master ? { master } : {}),
    ...networkOf(context, node, name, master),
    ...(end ? (kind === "veth" ? { peer: end } : { parent: end }) : {}),
  };
}

function plannedLink(context: Context, node: NodeName, link: Link): GraphLink {
  const { name, mac = "", mtuBytes = DEFAULT_MTU_BYTES, addresses, master } = link;
  const peer = peerOf(context.layout, node, link);
  const parent = parentOf(node, link);
  return {
    name,
    kind: link.kind === "peer" ? "veth" : link.kind,
    mac,
    mtuBytes,
    addresses,
    up: true,
    ...(master ? { master } : {}),
    ...networkOf(context, node, name, master),
    ...(peer ? { peer } : {}),
    ...(parent ? { parent } : {}),
  };
}

function peerOf(layout: Layout, node: NodeName, link: Link): GraphEnd | undefined {
  if (link.kind === "veth") return { node: link.peer.node, link: link.peer.name };
  const pair = link.kind === "peer" ? pairOf(layout, node, link.name) : undefined;
  return pair && { node: pair.node, link: pair.link.name };
}

function parentOf(node: NodeName, link: Link): GraphEnd | undefined {
  if (link.kind === "macvlan") return { node: link.parent.node, link: link.parent.name };
  return link.kind === "vlan" ? { node, link: link.parent } : undefined;
}

/** A link that others made belongs to the network whose bridge it is a port of. */
function networkOf({ networkOf }: Context, node: NodeName, name: string, master?: string): { network?: string } {
  const network = networkOf.get(placeOf(node, name)) ?? (master && networkOf.get(placeOf(node, master)));
  return network ? { network } : {};
}

/** Where the route names no link, the kernel takes the one whose subnet holds the gateway. */
function plannedGateway(layout: Layout, node: Node): GraphGateway | undefined {
  const route = node.routes.find((r) => r.to === DEFAULT_ROUTE);
  if (!route) return undefined;
  const named = route.link && linkOf(layout, node.name, route.link);
  const link = named ?? node.links.find((l) => l.addresses.some((a) => contains(subnetOf(a), route.via)));
  return link && { via: route.via, link: link.name };
}
