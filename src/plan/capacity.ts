/**
 * What a lab needs of the process that owns it and of the kernel, against what there is: asked before anything is made, so that no lab
 * is left half made when descriptors, memory or the ports of a bridge run out.
 */
import type { Origin, Problem } from "../errors.ts";
import type { IfName } from "../net/name.ts";
import type { Container, State } from "../state/state.ts";
import { hasResolverPorts } from "./firewall/embedded-dns.ts";
import type { Layout } from "./layout.ts";

/** What this process may have, read by `kernel/`. */
export interface Capacity {
  /** The limit of open descriptors (RLIMIT_NOFILE), those that are open now included. */
  readonly descriptors: number;
  /** What the kernel can still give without swapping (MemAvailable of proc_meminfo(5)). */
  readonly memoryBytes: number;
}

export interface Listeners {
  /** Sockets of responders and name servers that the lab will have. */
  readonly wanted: number;
  /** Sockets of all kinds that it has already. */
  readonly open: number;
}

/** net/bridge/br_private.h BR_MAX_PORTS, less the port number 0 that it never gives. */
export const BRIDGE_PORTS = 1023;
/** Namespace and netlink socket of a node. */
const PER_NODE = 2;
/** A capture on each end of a link, while it is verified. */
const PER_LINK = 1;
/** Connections of clients, files of the lab, Node itself. */
const SPARE = 256;
/** A socket in the kernel with what this process remembers of it, and the port's rules: 12 KiB seen, of UDP and of TCP. */
const LISTENER_BYTES = 16 * 1024;

/** Everything that does not fit, each with its number and a remedy. */
export function capacityProblems(state: State, layout: Layout, listeners: Listeners, has: Capacity): Problem[] {
  return [
    ...crowdedBridges(state, layout),
    ...tooManyDescriptors(state, layout, listeners, has),
    ...tooLittleMemory(state, layout, listeners, has),
    ...withoutResolver(state),
  ];
}

function crowdedBridges(state: State, layout: Layout): Problem[] {
  const ports = new Map<IfName, number>();
  for (const { links } of layout.nodes)
    for (const { master } of links) if (master) ports.set(master, (ports.get(master) ?? 0) + 1);
  return [...ports].flatMap(([bridge, count]): Problem[] => {
    if (count <= BRIDGE_PORTS) return [];
    const network = state.networks.find((n) => n.driver === "bridge" && n.bridge === bridge);
    return [
      {
        message: `network ${network?.name ?? bridge} would have ${count} running containers: a Linux bridge has at most ${BRIDGE_PORTS} ports`,
        remedy: "Spread the containers over several networks",
        ...(network?.at ? { at: network.at } : {}),
      },
    ];
  });
}

export const countProxies = ({ nodes }: Layout): number => nodes.reduce((sum, node) => sum + node.proxies.length, 0);

function tooManyDescriptors(state: State, layout: Layout, { wanted }: Listeners, has: Capacity): Problem[] {
  const proxies = countProxies(layout);
  const links = layout.nodes.reduce((sum, node) => sum + node.links.length, 0);
  const rest = layout.nodes.length * PER_NODE + links * PER_LINK + SPARE;
  const needed = proxies + wanted + rest;
  if (needed <= has.descriptors) return [];
  const smaller = "publish fewer ports, or raise the limit before the lab starts: ulimit -n";
  return [
    {
      message: `lab ${state.lab} needs ${needed} open descriptors, and this process may have ${has.descriptors}: ${proxies} for the userland proxy, ${wanted} for what listens in containers, ${rest} for the rest`,
      remedy:
        needed - proxies <= has.descriptors
          ? `Set x-docknet: { engine: { userland-proxy: false } }, ${smaller} ${needed}`
          : `${smaller.replace("publish", "Publish")} ${needed}`,
      ...placeOfMost(state),
    },
  ];
}

function tooLittleMemory(state: State, layout: Layout, { wanted, open }: Listeners, has: Capacity): Problem[] {
  const more = Math.max(0, countProxies(layout) + wanted - open);
  const needed = more * LISTENER_BYTES;
  if (needed <= has.memoryBytes) return [];
  const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);
  return [
    {
      message: `lab ${state.lab} needs some ${mib(needed)} MiB for ${more} more listeners, and this machine has ${mib(has.memoryBytes)} MiB left`,
      remedy: "Publish fewer ports, or end what else uses memory",
      ...placeOfMost(state),
    },
  ];
}

/** Its embedded DNS server comes first, as Docker's does, and the process would find one of its ports taken. */
function withoutResolver(state: State): Problem[] {
  return state.containers
    .filter((c) => c.status === "running" && !hasResolverPorts(c))
    .map((c) => ({
      message: `${c.node} serves so many ports that none is left for its DNS server at 127.0.0.11`,
      remedy: "Publish or expose fewer ports",
      ...at(c),
    }));
}

/** The lines of the container with the most ports. */
function placeOfMost({ containers }: State): { at?: Origin } {
  const ports = ({ bindings, serves }: Container): number => bindings.length + serves.length;
  const most = containers.reduce<Container | undefined>((a, b) => (a && ports(a) >= ports(b) ? a : b), undefined);
  return most ? at(most) : {};
}

function at(container: Container): { at?: Origin } {
  const place = container.bindings[0]?.at ?? container.serves[0]?.at ?? container.at;
  return place ? { at: place } : {};
}
