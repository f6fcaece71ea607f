/** `x-docknet: world:` the LAN, the router and the internet around the Docker host (design.md section 3). */
import { DocknetError, type Origin } from "../errors.ts";
import {
  addressOf,
  broadcastOf,
  contains,
  type Ipv4,
  overlaps,
  parseIpv4,
  parseSubnet,
  prefixLength,
  type Subnet,
} from "../net/address.ts";
import { parsePort, parseProto } from "../net/port.ts";
import type { ProblemList } from "./problem-list.ts";
import type { ForwardSpec, WorldSpec } from "./spec.ts";
import { readStaticNat } from "./static-nat.ts";
import { type Entry, originAt } from "./tree.ts";
import type { ForwardInput, WorldInput } from "./x-docknet.ts";

/** TEST-NET-1 (RFC 5737) is in use on some machines that run docknet. */
const TAKEN = "192.0.2.0/24" as Subnet;

/** @param fallback a place for messages about values that are not written */
export function readWorld(
  input: WorldInput | undefined,
  entry: Entry | undefined,
  fallback: Origin,
  problems: ProblemList,
): WorldSpec {
  const given = input ?? {};
  const at = (...path: PropertyKey[]): Origin => (entry ? originAt(entry.value, path) : fallback);
  const subnet = (text: string | undefined, standard: string, ...path: string[]): Subnet =>
    problems.attempt(at(...path), () => parseSubnet(text ?? standard)) ?? parseSubnet(standard);
  const address = (text: string | undefined, standard: string, ...path: string[]): Ipv4 =>
    problems.attempt(at(...path), () => parseIpv4(text ?? standard)) ?? parseIpv4(standard);
  const host = address(given.host, "192.168.0.10", "host");
  const neighbour = address(given.neighbour, "192.168.0.20", "neighbour");
  const world: WorldSpec = {
    lan: subnet(given.lan, "192.168.0.0/24", "lan"),
    host,
    neighbour,
    router: {
      lan: address(given.router?.lan, "192.168.0.1", "router", "lan"),
      public: address(given.router?.public, "203.0.113.91", "router", "public"),
      forwards: readForwards(given.router?.forwards ?? [], host, (i) => at("router", "forwards", i), problems),
      static: readStaticNat(
        given.router?.static ?? [],
        { host, neighbour },
        (i) => at("router", "static", i),
        problems,
      ),
    },
    internet: {
      subnet: subnet(given.internet?.subnet, "203.0.113.0/24", "internet", "subnet"),
      www: address(given.internet?.www, "203.0.113.80", "internet", "www"),
      dns: address(given.internet?.dns, "203.0.113.53", "internet", "dns"),
    },
    ...(entry ? { at: entry.at } : {}),
  };
  checkAddresses(world, at, problems);
  for (const { to, at: place } of world.router.forwards) {
    const fault = machineFault(world, to);
    if (fault) problems.error(place, `forward to ${to}: ${fault}`);
  }
  for (const { to, at: place } of world.router.static) {
    const fault = machineFault(world, to);
    if (fault) problems.error(place, `static NAT to ${to}: ${fault}`);
  }
  return world;
}

/** Why the machine that a forward or a 1:1 mapping leads to cannot be one; undefined where it can. */
function machineFault({ lan, router }: WorldSpec, to: Ipv4): string | undefined {
  if (!contains(lan, to)) return `the LAN ${lan} doesn't contain this address`;
  if (isEdge(lan, to)) return `it is the network or broadcast address of the LAN ${lan}`;
  return to === router.lan ? "it is the router itself" : undefined;
}

function checkAddresses(world: WorldSpec, at: (...path: string[]) => Origin, problems: ProblemList): void {
  const { lan, router, internet } = world;
  const place = (address: Ipv4, subnet: Subnet, ...path: string[]): Place => ({
    name: path.join("."),
    address,
    subnet,
    at: at(...path),
  });
  const places: readonly Place[] = [
    place(world.host, lan, "host"),
    place(world.neighbour, lan, "neighbour"),
    place(router.lan, lan, "router", "lan"),
    place(router.public, internet.subnet, "router", "public"),
    place(internet.www, internet.subnet, "internet", "www"),
    place(internet.dns, internet.subnet, "internet", "dns"),
    ...router.static.map((s) => ({
      name: "router.static",
      address: s.public,
      subnet: internet.subnet,
      at: s.at,
    })),
  ];
  for (const [path, subnet] of [
    [["lan"], lan],
    [["internet", "subnet"], internet.subnet],
  ] as const) {
    if (overlaps(subnet, TAKEN)) {
      problems.error(
        at(...path),
        `x-docknet.world.${path.join(".")}: ${subnet} overlaps ${TAKEN}, which is in use on some machines`,
        "Choose another subnet",
      );
    }
  }
  if (overlaps(lan, internet.subnet)) {
    problems.error(at("lan"), `x-docknet.world: lan ${lan} overlaps internet ${internet.subnet}`);
    return;
  }
  const owners = new Map<Ipv4, string>();
  for (const { name, address, subnet, at: origin } of places) {
    const owner = owners.get(address);
    if (!contains(subnet, address)) {
      problems.error(origin, `x-docknet.world.${name}: subnet ${subnet} doesn't contain ${address}`);
    } else if (isEdge(subnet, address)) {
      problems.error(origin, `x-docknet.world.${name}: ${address} is the network or broadcast address of ${subnet}`);
    } else if (owner) {
      problems.error(origin, `x-docknet.world.${name}: ${address} is already the address of ${owner}`);
    }
    owners.set(address, owner ?? name);
  }
}

/** An address that something of the world has. */
interface Place {
  /** Its path below x-docknet.world. */
  readonly name: string;
  readonly address: Ipv4;
  readonly subnet: Subnet;
  readonly at: Origin;
}

function isEdge(subnet: Subnet, address: Ipv4): boolean {
  return prefixLength(subnet) < 31 && (address === addressOf(subnet) || address === broadcastOf(subnet));
}

function readForwards(
  inputs: readonly ForwardInput[],
  host: Ipv4,
  at: (index: number) => Origin,
  problems: ProblemList,
): ForwardSpec[] {
  const owners = new Map<string, ForwardSpec>();
  for (const [i, input] of inputs.entries()) {
    const forward = problems.attempt(at(i), () => ({ ...parseForward(input, host), at: at(i) }));
    if (!forward) continue;
    const key = `${forward.publicPort}/${forward.proto}`;
    const twin = owners.get(key);
    if (twin)
      problems.error(forward.at, `duplicate forward: public port ${key} already goes to ${twin.to}:${twin.toPort}`);
    else owners.set(key, forward);
  }
  return [...owners.values()];
}

/** "P", "P:H", "P:H/proto" or the long form. @throws DocknetError LAB_FILE */
function parseForward(input: ForwardInput, host: Ipv4): Omit<ForwardSpec, "at"> {
  if (typeof input === "object") {
    const colon = input.to.lastIndexOf(":");
    if (colon < 0) throw new DocknetError("LAB_FILE", `invalid forward: "${input.to}" must be ADDRESS:PORT`);
    return {
      publicPort: parsePort(String(input.public), "public port"),
      proto: parseProto(input.protocol ?? "tcp"),
      to: parseIpv4(input.to.slice(0, colon)),
      toPort: parsePort(input.to.slice(colon + 1), "port"),
    };
  }
  const [, outer = "", inner = outer, proto = "tcp"] = /^(\d+)(?::(\d+))?(?:\/(\w+))?$/.exec(String(input)) ?? [];
  if (outer === "")
    throw new DocknetError("LAB_FILE", `invalid forward: "${input}" must be PORT, PUBLIC:PORT or PUBLIC:PORT/proto`);
  return {
    publicPort: parsePort(outer, "public port"),
    proto: parseProto(proto),
    to: host,
    toPort: parsePort(inner, "port"),
  };
}
