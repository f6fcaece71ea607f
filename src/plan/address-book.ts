/** Which address a sender would write down for what it wants to reach, and who listens there. Pure. */
import { type Ipv4, LOCALHOST } from "../net/address.ts";
import type { NodeName } from "../net/name.ts";
import type { Port, Proto, ProtoPort } from "../net/port.ts";
import { type Container, gatewayEndpoint, type State, sandboxOwner } from "../state/state.ts";

/**
 * The address by which `from` would know `to`: on a network that both share, else its own first one; the host's for host mode.
 * @returns undefined when it has none
 */
export function knownAddress(state: State, from: Container, to: Container): Ipv4 | undefined {
  const [sender, target] = [sandboxOwner(state, from), sandboxOwner(state, to)];
  if (sender === target && sender !== "gone") return LOCALHOST;
  if (sender === "host" || sender === "gone" || target === "host" || target === "gone") return ownAddress(state, to);
  const shared = target.endpoints.find((e) => sender.endpoints.some((s) => s.network === e.network));
  return shared?.address ?? ownAddress(state, to);
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
export function isServed(state: State, owner: Container, { port, proto }: ProtoPort): boolean {
  return state.containers.some(
    (c) => sandboxOwner(state, c) === owner && c.serves.some((s) => s.port === port && s.proto === proto),
  );
}
