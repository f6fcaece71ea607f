/** Where a lab's networks get in the way of its world. Docker would go on, and the lab would prove nothing. Pure. */
import type { Problem } from "../errors.ts";
import { type Ipv4, overlaps, type Subnet } from "../net/address.ts";
import { HOST, NEIGHBOUR, ROUTER } from "../net/name.ts";
import { isMacvlan, networkById, type State } from "./state.ts";

/** Docker lets a network overlap the host's own routes; here that would cut the lab's own world off. A macvlan belongs into the LAN. */
export function overlapsOfWorld(state: State): Problem[] {
  const places: readonly (readonly [string, Subnet])[] = [
    ["the lab's LAN", state.world.lan],
    ["the lab's internet", state.world.internet.subnet],
  ];
  return state.networks.flatMap((network) =>
    places
      .filter(([, subnet]) => overlaps(subnet, network.subnet) && !(isMacvlan(network) && subnet === state.world.lan))
      .map(([name, subnet]) => ({
        message: `network ${network.name}: subnet ${network.subnet} overlaps ${subnet}, ${name}`,
        remedy: "Choose another subnet, or move the world by x-docknet world",
        ...(network.at ? { at: network.at } : {}),
      })),
  );
}

/** Docker's address management knows nothing of the LAN: it may give a container the address of a machine there. */
export function stolenAddresses(state: State): Problem[] {
  const { host, neighbour, router } = state.world;
  const machines: readonly (readonly [Ipv4, string])[] = [
    [host, HOST],
    [neighbour, NEIGHBOUR],
    [router.lan, ROUTER],
  ];
  return state.containers.flatMap((container) =>
    container.endpoints
      .filter((e) => isMacvlan(networkById(state, e.network)))
      .flatMap((endpoint) => {
        const owner = machines.find(([address]) => address === endpoint.address);
        if (!owner) return [];
        const { name } = networkById(state, endpoint.network);
        const at = endpoint.at ?? container.at;
        return [
          {
            message: `${container.node} gets ${endpoint.address} on network ${name}, the address of ${owner[1]} on the LAN`,
            remedy: `Keep Docker away from it: name it in aux_addresses of network ${name}, or give an ip_range`,
            ...(at ? { at } : {}),
          },
        ];
      }),
  );
}
