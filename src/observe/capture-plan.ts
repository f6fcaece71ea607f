/** What is captured, and what is known beforehand about what will be seen: links, names of addresses, translations. Pure, plain data. */
import { DocknetError } from "../errors.ts";
import { addressOf, type Ipv4 } from "../net/address.ts";
import type { Mac } from "../net/mac.ts";
import type { IfName, NodeName } from "../net/name.ts";
import type { Layout, Link, Node } from "../plan/layout.ts";
import { bridgesOf, type State } from "../state/state.ts";
import type { Translator } from "./translation.ts";

export interface CaptureLink {
  readonly node: NodeName;
  readonly link: IfName;
  readonly mac?: Mac;
  /** For people: "web on network bridge, 172.17.0.4/16". */
  readonly description: string;
}

/** An address and what it is called, without spaces. */
export interface AddressName {
  readonly address: Ipv4;
  readonly name: string;
}

export interface CapturePlan {
  readonly links: readonly CaptureLink[];
  readonly names: readonly AddressName[];
  readonly translators: readonly Translator[];
}

const LO = "lo" as IfName;

type NodesOf = (name: string) => readonly NodeName[];

/**
 * @param wanted "web" is all links of a node, "web/eth0" one, "host" the same as "@host"; none: all links of the lab. lo is captured
 * where it is named only. @param nodesOf where the containers of a name are: a service's, one by its Docker name, one in another's network
 * @throws DocknetError NOT_FOUND
 */
export function planCapture(
  state: State,
  layout: Layout,
  wanted: readonly string[],
  nodesOf: NodesOf = () => [],
): CapturePlan {
  const chosen =
    wanted.length === 0
      ? layout.nodes.flatMap((n) => linksOf(n))
      : wanted.flatMap((w) => find(layout, w, nodesOf)).filter(isFirst);
  if (chosen.length === 0) throw new DocknetError("NOT_FOUND", "Cannot capture: there are no links");
  return { links: chosen, names: namesOf(state), translators: translatorsOf(layout) };
}

/** The same for a lab that has changed since: what is not there now is left out. */
export function replanCapture(...[state, layout, wanted, nodesOf]: Parameters<typeof planCapture>): CapturePlan {
  const present = wanted.filter((w) => {
    try {
      return find(layout, w, nodesOf ?? (() => [])).length > 0;
    } catch (error) {
      if (error instanceof DocknetError && error.code === "NOT_FOUND") return false;
      throw error;
    }
  });
  if (wanted.length > 0 && present.length === 0)
    return { links: [], names: namesOf(state), translators: translatorsOf(layout) };
  return planCapture(state, layout, present, nodesOf);
}

const isFirst = (link: CaptureLink, i: number, all: readonly CaptureLink[]): boolean =>
  all.findIndex((l) => l.node === link.node && l.link === link.link) === i;

function find(layout: Layout, wanted: string, nodesOf: NodesOf): CaptureLink[] {
  const slash = wanted.indexOf("/");
  const name = slash < 0 ? wanted : wanted.slice(0, slash);
  const nodes = nodesNamed(layout, name, nodesOf);
  if (nodes.length === 0) {
    const known = layout.nodes.map((n) => n.name).join(", ");
    throw new DocknetError("NOT_FOUND", `Cannot capture at ${wanted}: there is no node ${name} that runs`, {
      remedy: `Name one of: ${known}`,
    });
  }
  if (slash < 0) return nodes.flatMap(linksOf);
  const ifName = wanted.slice(slash + 1);
  if (ifName === LO) return nodes.map((n) => ({ node: n.name, link: LO, description: `loopback of ${n.name}` }));
  const found = nodes.flatMap(linksOf).filter((l) => l.link === ifName);
  if (found.length > 0) return found;
  const all = nodes.map((n) => n.name).join(", ");
  throw new DocknetError("NOT_FOUND", `Cannot capture at ${wanted}: ${all} has no interface "${ifName}"`, {
    remedy: `Name one of: ${[...nodes.flatMap((n) => n.links.map((l) => l.name)), LO].join(", ")}`,
  });
}

function nodesNamed({ nodes }: Layout, name: string, nodesOf: NodesOf): Node[] {
  const own = nodes.find((n) => n.name === name) ?? nodes.find((n) => n.name === `@${name}`);
  return own ? [own] : nodes.filter((n) => nodesOf(name).includes(n.name));
}

/** Bridges last: a frame comes in at a port before it comes in at the bridge, with the same time stamp. */
function linksOf(node: Node): CaptureLink[] {
  const ports = node.links.filter((l) => l.kind !== "bridge");
  const bridges = node.links.filter((l) => l.kind === "bridge");
  return [...ports, ...bridges].map((l) => ({
    node: node.name,
    link: l.name,
    ...(l.mac ? { mac: l.mac } : {}),
    description: describe(l),
  }));
}

function describe(link: Link): string {
  return [link.owner.label, placeOf(link), ...link.addresses].filter((part) => part !== "").join(", ");
}

function placeOf(link: Link): string {
  if (link.kind === "macvlan") return `macvlan on ${link.parent.node}/${link.parent.name}`;
  if (link.kind === "vlan") return `VLAN ${link.vlanId} on ${link.parent}`;
  return link.kind === "bridge" ? "bridge" : link.master ? `port of ${link.master}` : "";
}

function translatorsOf(layout: Layout): Translator[] {
  return layout.nodes.flatMap((node) => {
    const rules = node.rules.rules.filter((r) => r.table === "nat" && r.target.kind !== "JUMP");
    if (rules.length === 0) return [];
    return [{ node: node.name, rules, addresses: node.links.flatMap((l) => l.addresses.map(addressOf)) }];
  });
}

function namesOf(state: State): AddressName[] {
  const { host, neighbour, router, internet } = state.world;
  const networkName = (id: string): string => state.networks.find((n) => n.id === id)?.name ?? id.slice(0, 12);
  return [
    { address: host, name: "host" },
    { address: neighbour, name: "neighbour" },
    { address: router.lan, name: "router.lan0" },
    { address: router.public, name: "router.wan0" },
    ...router.static.map((s) => ({ address: s.public, name: staticName(state.world, s.to) })),
    { address: internet.www, name: "www.internet" },
    { address: internet.dns, name: "dns.internet" },
    ...bridgesOf(state).flatMap((n) => (n.gateway ? [{ address: n.gateway, name: `host.${n.bridge}` }] : [])),
    ...state.containers.flatMap((c) =>
      c.endpoints.map((e) => ({
        address: e.address,
        name: c.endpoints.length === 1 ? c.node : `${c.node}.${networkName(e.network)}`,
      })),
    ),
  ];
}

/** After the machine that the public address stands for. */
function staticName({ host, neighbour }: State["world"], to: Ipv4): string {
  if (to === host) return "host.public";
  return to === neighbour ? "neighbour.public" : `${to}.public`;
}
