/**
 * Whether an answer comes back to who asked, where it leaves by a macvlan, or where what came in by one is answered by way of the host.
 * Pure.
 */
import { contains, type Ipv4, isPrivate } from "../../net/address.ts";
import { ROUTER } from "../../net/name.ts";
import { type Container, type Endpoint, isBridge, networkById, type State } from "../../state/state.ts";
import { hear, isOwnChild } from "./lan-segment.ts";

export interface WayBack {
  readonly container: Container;
  /** Where the request came in. */
  readonly to: Endpoint;
  /** Where the answer leaves. */
  readonly back: Endpoint;
  /** Straight to who asked; else by the gateway of its network. */
  readonly onLink: boolean;
  /** The host translated the request's destination. */
  readonly dnat: boolean | undefined;
  /** The request came by the router, which then knows the flow. */
  readonly byRouter: boolean;
}

/** @param asker the source address of the request. @returns why the answer does not come back, as a sentence; undefined: it does */
export function lanReplyFault(state: State, asker: Ipv4, way: WayBack): string | undefined {
  const { container, back, onLink } = way;
  const network = networkById(state, back.network);
  if (way.dnat)
    return `${container.node} answers ${asker} over network ${network.name}, past the NAT that changed the address`;
  const lost = `the answer of ${container.node} to ${asker} is lost`;
  if (isBridge(network))
    return isOwnChild(state, asker) ? `${lost}: the host does not reach the macvlans on its own link` : undefined;
  const nextHop = onLink ? asker : network.gateway;
  const heard = nextHop === undefined ? { because: "there is no gateway" } : hear(state, network, nextHop);
  if ("because" in heard) return `${lost}: ${heard.because}`;
  if (nextHop === asker) return undefined;
  if (!("machine" in heard) || heard.machine !== ROUTER) return `${lost}: its gateway ${nextHop} forwards nothing`;
  return isKnownToRouter(state, asker, way) ? undefined : `${lost}: its gateway ${nextHop} does not know the way`;
}

/** It takes an answer to the LAN by itself, and to the internet when it knows the flow by the address that answers. */
function isKnownToRouter(state: State, asker: Ipv4, { to, byRouter }: WayBack): boolean {
  const { lan, host, router } = state.world;
  if (asker === router.public) return true;
  if (contains(lan, asker)) return asker !== host;
  return byRouter && !isPrivate(asker) && !isBridge(networkById(state, to.network));
}
