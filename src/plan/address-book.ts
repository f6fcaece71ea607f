/** Which address a sender would write down for what it wants to reach, and who listens there. Pure. */
import { contains, type Ipv4, LOCALHOST } from "../net/address.ts";
import { HOST, type NodeName } from "../net/name.ts";
import type { Port, Proto, ProtoPort } from "../net/port.ts";
import { listenerAt } from "../state/listening.ts";
import {
  type Container,
  type Endpoint,
  gatewayEndpoint,
  isBridge,
  networkById,
  type State,
  sandboxOwner,
} from "../state/state.ts";

/** The address by which a container, or a machine of the world, would know `to`. @returns undefined when it has none */
export function addressFrom(state: State, from: NodeName, to: Container): Ipv4 | undefined {
  const sender = state.containers.find((c) => c.node === from);
  return sender ? knownAddress(state, sender, to) : (nearAddress(state, from, to) ?? ownAddress(state, to));
}

/**
 * The address by which `from` would know `to`: on a network that both share, else its own first one; the host's for host mode.
 * @returns undefined when it has none
 */
export function knownAddress(state: State, from: Container, to: Container): Ipv4 | undefined {
  const [sender, target] = [sandboxOwner(state, from), sandboxOwner(state, to)];
  if (sender === target && sender !== "gone") return LOCALHOST;
  if (sender === "host") return addressFrom(state, HOST, to);
  if (sender === "gone" || target === "host" || target === "gone") return ownAddress(state, to);
  const shared = target.endpoints.find((e) => sender.endpoints.some((s) => s.network === e.network));
  return shared?.address ?? ownAddress(state, to);
}

/** Of a container on bridges and macvlans: the host knows it by a bridge, the machines of the LAN by its address there. */
function nearAddress(state: State, from: NodeName, to: Container): Ipv4 | undefined {
  const owner = sandboxOwner(state, to);
  if (owner === "host" || owner === "gone") return undefined;
  const onBridge = (e: Endpoint): boolean => isBridge(networkById(state, e.network));
  const own = gatewayEndpoint(state, owner.endpoints);
  if (from === HOST) return own && onBridge(own) ? own.address : owner.endpoints.find(onBridge)?.address;
  return owner.endpoints.find((e) => !onBridge(e) && contains(state.world.lan, e.address))?.address;
}

/** By which everybody else knows it: of the endpoint with its default route, else its first; the host's for host mode. */
export function ownAddress(state: State, container: Container): Ipv4 | undefined {
  const owner = sandboxOwner(state, container);
  if (owner === "host") return state.world.host;
  if (owner === "gone") return undefined;
  return (gatewayEndpoint(state, owner.endpoints) ?? owner.endpoints[0])?.address;
}

/** The port at the router's public address that is meant by a port of the host: the one that leads there, else the same. */
export function publicPort({ host, router }: State["world"], port: Port, proto: Proto): Port {
  return router.forwards.find((f) => f.to === host && f.toPort === port && f.proto === proto)?.publicPort ?? port;
}

/** All ports of the router's public address that lead to a port of the host; where none does, the same port, which leads nowhere. */
export function publicPorts({ host, router }: State["world"], port: Port, proto: Proto): readonly Port[] {
  const leading = router.forwards.filter((f) => f.to === host && f.toPort === port && f.proto === proto);
  return leading.length > 0 ? leading.map((f) => f.publicPort) : [port];
}

/** Where the internet would look for a port of the host: the forward that leads there, else the host's own public address, else the router's. */
export function publicEnd(
  world: State["world"],
  port: Port,
  proto: Proto,
): { readonly address: Ipv4; readonly port: Port } {
  const { host, router } = world;
  const outer = publicPort(world, port, proto);
  const own = router.static.find((s) => s.to === host);
  const isForwarded = router.forwards.some((f) => f.to === host && f.publicPort === outer && f.proto === proto);
  return own && !isForwarded ? { address: own.public, port } : { address: router.public, port: outer };
}

/** Do both run in one network stack? */
export function sharesSandbox(state: State, node: NodeName | undefined, container: Container): boolean {
  const other = state.containers.find((c) => c.node === node);
  const owner = sandboxOwner(state, container);
  return other !== undefined && owner !== "gone" && sandboxOwner(state, other) === owner;
}

/** By the container or one that shares its sandbox. */
export function isServed(state: State, owner: Container, port: ProtoPort): boolean {
  return listenerAt(state, owner, port) !== undefined;
}
