/** From where to where: the two ends of a walk as a person writes them, found in the State. Pure. */
import { DocknetError } from "../../errors.ts";
import { type Ipv4, isIpv4, isIpv6, isMulticast } from "../../net/address.ts";
import { HOST, INTERNET, LAN, NEIGHBOUR, type NodeName, ROUTER } from "../../net/name.ts";
import { isPort, type Port } from "../../net/port.ts";
import { type Container, type State, sandboxOwner } from "../../state/state.ts";
import { addressFrom } from "../address-book.ts";

export interface WalkTarget {
  /** A service, a container, a node of the world, an address, or a name for DNS. */
  readonly name: string;
  /** Absent for icmp. */
  readonly port?: Port;
  readonly proto: "tcp" | "udp" | "icmp";
}

/** "web", "web:80", "@internet:53/udp", "172.17.0.2/icmp". No port: an echo request. @throws DocknetError USAGE */
export function parseWalkTarget(text: string): WalkTarget {
  const found = /^([^\s:/]{1,253})(?::(\d{1,5}))?(?:\/(tcp|udp|icmp))?$/.exec(text);
  const [, name = "", digits, proto] = found ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  const wrong = found ? wrongWords(name, port, proto) : shapeWords(text);
  if (wrong)
    throw new DocknetError("USAGE", `Cannot walk to "${text}": ${wrong}`, {
      remedy: "For example: docknet walk web db:5432, docknet walk @neighbour @host:8080, docknet walk web @internet",
    });
  if (port === undefined) return { name, proto: "icmp" };
  return { name, port: port as Port, proto: (proto ?? "tcp") as "tcp" | "udp" };
}

const WANTED = "wanted DST, DST:PORT or DST:PORT/proto, proto tcp or udp";

const shapeWords = (text: string): string =>
  isIpv6(text.replace(/^\[([^\]]*)\].*$/, "$1")) ? "labs are IPv4, and this is an IPv6 address" : WANTED;

/** undefined: nothing is. */
function wrongWords(name: string, port: number | undefined, proto: string | undefined): string | undefined {
  if (port !== undefined && !(isPort(port) && port > 0)) return `port ${port} is none: wanted 1 to 65535`;
  if (port !== undefined && proto === "icmp") return "icmp has no ports: leave the port out";
  if (port === undefined && proto !== undefined && proto !== "icmp")
    return `${proto} goes to a port: wanted DST:PORT/${proto}`;
  const isOfMany = isIpv4(name) && (isMulticast(name) || name === "255.255.255.255");
  return isOfMany ? "it is the address of many machines, and a walk follows one packet to one" : undefined;
}

const MACHINES: readonly NodeName[] = [HOST, NEIGHBOUR, ROUTER, INTERNET];

/**
 * A running container, by name or as the first of its service; or a machine of the world. @throws DocknetError NOT_FOUND, CONFLICT
 * @param action what cannot be done with one that does not run
 */
export function walkSender(
  state: State,
  text: string,
  action = "walk from",
): { readonly node: NodeName; readonly container?: Container } {
  const machine = MACHINES.find((m) => m === text);
  if (machine) return { node: machine };
  const container = containerNamed(state, text);
  if (!container) throw notFound(state, text);
  if (sandboxOwner(state, container) === "gone")
    throw new DocknetError("CONFLICT", `Cannot ${action} ${text}: it is not running, or what it shared is gone`, {
      remedy: `Start it: docknet start ${container.name}`,
    });
  return { node: container.node, container };
}

/**
 * The address by which the sender would know it: on a network that both have, else its own first one.
 * @returns undefined: a name for DNS. @throws DocknetError when it has no address, or there is no such node
 */
export function walkAddress(state: State, from: NodeName, name: string): Ipv4 | undefined {
  if (isIpv4(name)) return name;
  const { world } = state;
  const machines: Readonly<Record<string, Ipv4>> = {
    [HOST]: world.host,
    [NEIGHBOUR]: world.neighbour,
    [INTERNET]: world.internet.www,
    [ROUTER]: from === INTERNET ? world.router.public : world.router.lan,
  };
  const machine = Object.hasOwn(machines, name) ? machines[name] : undefined;
  if (machine) return machine;
  if (name.startsWith("@")) throw notFound(state, name);
  const target = containerNamed(state, name);
  if (!target) return undefined;
  const address = addressFrom(state, from, target);
  if (address) return address;
  if (target.status !== "running")
    throw new DocknetError("CONFLICT", `Cannot walk to ${name}: it is not running`, {
      remedy: `Start it: docknet start ${target.name}`,
    });
  throw new DocknetError("CONFLICT", `Cannot walk to ${name}: it has no address`, {
    remedy: "It is on no network: docknet inspect shows its networks",
  });
}

function containerNamed(state: State, text: string): Container | undefined {
  const running = state.containers.filter((c) => c.status === "running");
  return (
    running.find((c) => c.name === text || c.node === text) ??
    running.find((c) => c.service === text) ??
    state.containers.find((c) => c.name === text || c.service === text) ??
    containerOfId(state, text)
  );
}

/** By its id, or the part of it that `docknet ps` shows: less might be a name that DNS knows. */
const containerOfId = (state: State, text: string): Container | undefined =>
  text.length < SHORT_ID ? undefined : state.containers.find((c) => c.id.startsWith(text));

const SHORT_ID = 12;

function notFound(state: State, text: string): DocknetError {
  const names = [...new Set(state.containers.map((c) => c.service ?? c.name))];
  return new DocknetError("NOT_FOUND", `No service, container or node "${text}" in lab ${state.lab}`, {
    remedy: `There are ${[...names.slice(0, 12), ...MACHINES].join(", ")}`,
  });
}

export const isWorldNode = (node: NodeName): boolean => MACHINES.includes(node) || node === LAN;
