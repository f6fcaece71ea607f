/** Random labs as compose text: networks with every option that bears on reachability, containers in every mode, bindings. */
import fc from "fast-check";
import type { FirewallProfile } from "../../src/plan/firewall/profile.ts";

interface RandomNetwork {
  readonly internal: boolean;
  readonly icc: boolean;
  readonly masquerade: boolean;
  readonly mode: "nat" | "nat-unprotected" | "routed" | "isolated";
  /** Where the lab has macvlans. */
  readonly macvlan: RandomMacvlan | undefined;
}

interface RandomMacvlan {
  readonly mode: "bridge" | "private" | "vepa";
  /** lan: the LAN's own subnet and gateway. part: a part of it, whose gateway nobody is. own: one of the engine's choice. */
  readonly place: "lan" | "part" | "own";
}

interface RandomContainer {
  readonly mode: "networks" | "bridge" | "none" | "host" | "service";
  readonly networks: readonly number[];
  readonly serves: readonly ("tcp" | "udp")[];
  readonly publish: readonly ("any" | "loopback" | "lan")[];
}

export interface RandomTopology {
  readonly engine: {
    readonly proxy: boolean;
    readonly ipForward: boolean;
    readonly direct: boolean;
    readonly icc: boolean;
  };
  readonly networks: readonly RandomNetwork[];
  /** Some labs only: to learn that ARP is not answered takes three seconds. */
  readonly macvlans: boolean;
  readonly containers: readonly RandomContainer[];
  readonly forwards: number;
  /** Machines with a public address of their own; "nobody" is an address of the LAN that none has. */
  readonly static: readonly StaticTarget[];
}

type StaticTarget = "host" | "neighbour" | "nobody";

const often = (weight: number) => fc.nat(99).map((n) => n < weight);

const macvlan: fc.Arbitrary<RandomMacvlan> = fc.record({
  mode: fc.oneof(
    { weight: 3, arbitrary: fc.constant("bridge" as const) },
    fc.constant("private" as const),
    fc.constant("vepa" as const),
  ),
  place: fc.constantFrom("lan" as const, "part" as const, "own" as const),
});

const network: fc.Arbitrary<RandomNetwork> = fc.record({
  internal: often(20),
  icc: often(75),
  masquerade: often(90),
  mode: fc.oneof(
    { weight: 6, arbitrary: fc.constant("nat" as const) },
    fc.constant("nat-unprotected" as const),
    fc.constant("routed" as const),
    fc.constant("isolated" as const),
  ),
  macvlan: fc.option(macvlan, { nil: undefined, freq: 2 }),
});

const container: fc.Arbitrary<RandomContainer> = fc.record({
  mode: fc.oneof(
    { weight: 12, arbitrary: fc.constant("networks" as const) },
    { weight: 3, arbitrary: fc.constant("bridge" as const) },
    fc.constant("none" as const),
    fc.constant("host" as const),
    fc.constant("service" as const),
  ),
  networks: fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 3 }),
  serves: fc.uniqueArray(fc.constantFrom("tcp" as const, "udp" as const), { minLength: 1, maxLength: 2 }),
  publish: fc.array(fc.constantFrom("any" as const, "loopback" as const, "lan" as const), { maxLength: 2 }),
});

export const topology: fc.Arbitrary<RandomTopology> = fc.record({
  engine: fc.record({ proxy: often(70), ipForward: often(30), direct: often(10), icc: often(85) }),
  networks: fc.array(network, { minLength: 1, maxLength: 6 }),
  macvlans: often(12),
  containers: fc.array(container, { maxLength: 12 }),
  forwards: fc.nat(3),
  static: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    fc.uniqueArray(fc.constantFrom<StaticTarget>("host", "neighbour", "nobody"), { minLength: 1, maxLength: 3 }),
  ),
});

/**
 * Compose text that Docker would take: choices that it refuses are mapped to the nearest that it accepts.
 * @param ftp containers with a network of their own serve 21/tcp, the first in host mode too
 */
export function renderTopology(t: RandomTopology, profile: FirewallProfile = "docker-29", ftp = false): string {
  // no two networks overlap: the LAN's subnet is one network's alone
  const onLan = t.networks.findIndex((n) => n.macvlan && n.macvlan.place !== "own");
  // 20.10 has one macvlan network on a parent
  const only = profile === "docker-20.10" ? t.networks.findIndex((n) => n.macvlan) : undefined;
  const networks = t.networks.map((n, i) => {
    if (t.macvlans && n.macvlan && (only ?? i) === i) return renderMacvlan(n.macvlan, i, n.internal, i === onLan);
    const mode = n.mode === "isolated" && !n.internal ? "nat" : n.mode;
    const options = {
      "com.docker.network.bridge.enable_icc": String(n.icc),
      "com.docker.network.bridge.enable_ip_masquerade": String(n.masquerade),
      "com.docker.network.bridge.gateway_mode_ipv4": mode,
    };
    return `  n${i}: { internal: ${n.internal}, driver_opts: ${JSON.stringify(options)} }`;
  });
  const services = t.containers.map((c, i) => renderContainer(t, c, i, ftp));
  const forwards = Array.from({ length: t.forwards }, (_, i) => `"${8000 + i * 10}"`);
  const inside = { host: "host", neighbour: "neighbour", nobody: "192.168.0.99" };
  const statics = t.static.map((to, i) => `"203.0.113.${100 + i}:${inside[to]}"`);
  return [
    services.length > 0 ? "services:" : "services: {}",
    ...services,
    "networks:",
    ...networks,
    "x-docknet:",
    `  engine: { profile: ${profile}, userland-proxy: ${t.engine.proxy}, ip-forward: ${t.engine.ipForward}, allow-direct-routing: ${t.engine.direct}, icc: ${t.engine.icc} }`,
    `  world: { router: { forwards: [${forwards.join(", ")}], static: [${statics.join(", ")}] } }`,
    "",
  ].join("\n");
}

function renderMacvlan({ mode, place }: RandomMacvlan, i: number, internal: boolean, mayBeOnLan: boolean): string {
  const lan = "subnet: 192.168.0.0/24, ip_range: 192.168.0.96/27, gateway: 192.168.0.1";
  const pool = { lan, part: "subnet: 192.168.0.128/25", own: "" }[mayBeOnLan ? place : "own"];
  const ipam = pool === "" ? "" : `, ipam: { config: [{ ${pool} }] }`;
  return `  n${i}: { driver: macvlan, internal: ${internal}, driver_opts: { parent: eth0, macvlan_mode: ${mode} }${ipam} }`;
}

function renderContainer(t: RandomTopology, c: RandomContainer, i: number, ftp: boolean): string {
  const own = t.containers.findIndex((o) => o.mode === "networks" || o.mode === "bridge");
  const joins = c.mode === "service" && own >= 0 && own !== i;
  const mode = c.mode === "service" && !joins ? "none" : c.mode;
  // a port number of its own per container, so that sharers of a sandbox and host services do not collide
  const isFtp =
    ftp && (mode === "networks" || mode === "bridge" || t.containers.findIndex((o) => o.mode === "host") === i);
  const port = isFtp ? 21 : 7000 + i;
  const serves = isFtp ? (["tcp"] as const) : c.serves;
  const serve = `x-docknet: { serve: [${serves.map((p) => `"${port}/${p}"`).join(", ")}] }`;
  if (mode === "service") return `  c${i}: { image: busybox, network_mode: "service:c${own}", ${serve} }`;
  if (mode === "none" || mode === "host") return `  c${i}: { image: busybox, network_mode: ${mode}, ${serve} }`;
  const address = { any: "", loopback: "127.0.0.1:", lan: "192.168.0.10:" };
  const ports = c.publish.map((p, k) => `"${address[p]}${8000 + i * 10 + k}:${port}/${serves[0]}"`);
  const joined = [...new Set(c.networks.map((n) => n % t.networks.length))];
  const attach = mode === "bridge" ? "network_mode: bridge" : `networks: [${joined.map((n) => `n${n}`).join(", ")}]`;
  return `  c${i}: { image: busybox, ${attach}, ports: [${ports.join(", ")}], ${serve} }`;
}
