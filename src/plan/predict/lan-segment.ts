/**
 * Who hears whom on the Ethernet of a host's link: the machines of the LAN, and the macvlans that stand beside the host on it. Pure.
 * Source: drivers/net/macvlan.c macvlan_queue_xmit (what a child sends), macvlan_handle_frame (what comes in); docker-reference 10.1.
 */
import { contains, type Ipv4 } from "../../net/address.ts";
import { HOST, type IfName, NEIGHBOUR, type NodeName, ROUTER } from "../../net/name.ts";
import { UPLINK } from "../../state/macvlan.ts";
import { isMacvlan, type MacvlanNetwork, networkById, type State } from "../../state/state.ts";
import { hasStatic } from "../firewall/static-nat.ts";
import type { Place } from "./state-index.ts";

/** A macvlan interface of a running container. */
export interface MacvlanEndpoint extends Place {
  readonly network: MacvlanNetwork;
}

/** Who answers ARP: a machine of the LAN, or a macvlan. Else why nobody does. */
export type Heard =
  | { readonly machine: NodeName }
  | { readonly macvlan: MacvlanEndpoint }
  | { readonly because: string };

/** @param from a machine of the LAN, or the network of the macvlan that asks */
export function hear(state: State, from: NodeName | MacvlanNetwork, address: Ipv4): Heard {
  const machine = typeof from === "string";
  const parent = machine ? UPLINK : from.parent;
  const asked = parent === UPLINK ? machineAt(state, address) : undefined;
  if (asked) return hearMachine(state, from, asked, address);
  const macvlan = macvlansOn(state, parent).find((s) => s.endpoint.address === address);
  if (!macvlan) return nobody(address);
  if (from === HOST) return { because: `${OWN_CHILD}, and ${macvlan.container.node} is one of @host's ${parent}` };
  if (machine || (from.mode === "bridge" && macvlan.network.mode === "bridge")) return { macvlan };
  const mode = from.mode === "bridge" ? macvlan.network.mode : from.mode;
  return { because: `${MODE_WORDS[mode]}: ARP for ${address} is not answered` };
}

const OWN_CHILD = "frames from the parent are not handed to its own children";
const MODE_WORDS: Readonly<Record<MacvlanNetwork["mode"], string>> = {
  bridge: "macvlans of one parent are bridged",
  private: "macvlans in mode private do not reach each other",
  vepa: "a macvlan in mode vepa sends to others by way of the switch, which sends nothing back where it came from",
  passthru: "a macvlan in mode passthru has its parent to itself",
};

const nobody = (address: Ipv4): Heard => ({ because: `nobody has the address ${address}: ARP is not answered` });

function hearMachine(state: State, from: NodeName | MacvlanNetwork, asked: NodeName, address: Ipv4): Heard {
  if (typeof from !== "string" && asked === HOST)
    return {
      because: `frames of a macvlan are not handed to its own parent: @host does not hear who asks for ${address}`,
    };
  const passthru = passthruMacvlan(state);
  if (from === HOST && passthru)
    return {
      because: `${passthru.container.node} in mode passthru has ${UPLINK} to itself: answers to @host go to it`,
    };
  return { machine: asked };
}

function machineAt({ world }: State, address: Ipv4): NodeName | undefined {
  const { host, neighbour, router } = world;
  if (address === host) return HOST;
  if (address === neighbour) return NEIGHBOUR;
  return address === router.lan || address === router.public || hasStatic(router, address) ? ROUTER : undefined;
}

/**
 * Who gets every frame for one machine that comes in at the host's uplink; the host still hears broadcasts. So it knows the MAC of who
 * asked for its own, and what it sends there is lost on the way back, where else it has no way at all.
 */
export function passthruMacvlan(state: State): MacvlanEndpoint | undefined {
  return macvlansOn(state, UPLINK).find((s) => s.network.mode === "passthru");
}

/**
 * Links of the same container at which the frame may come in as well: a Linux host answers ARP for any of its addresses on any of its
 * links (ip-sysctl, arp_ignore), and the first answer wins. @param from as for `hear`
 */
export function rivalsOf(
  state: State,
  from: NodeName | MacvlanNetwork,
  { container, endpoint, network }: MacvlanEndpoint,
): MacvlanEndpoint[] {
  return macvlansOn(state, network.parent).filter(
    (s) =>
      s.container === container && s.endpoint !== endpoint && (typeof from === "string" || s.network.mode === "bridge"),
  );
}

/** Is it an address that the host knows on its uplink and cannot reach? */
export function isOwnChild(state: State, address: Ipv4): boolean {
  return contains(state.world.lan, address) && macvlansOn(state, UPLINK).some((s) => s.endpoint.address === address);
}

/** Made once per state, which never changes: predictions ask by the thousand. */
const known = new WeakMap<State, readonly MacvlanEndpoint[]>();

function macvlansOn(state: State, parent: IfName): readonly MacvlanEndpoint[] {
  const macvlans = known.get(state) ?? allMacvlans(state);
  known.set(state, macvlans);
  return macvlans.filter((s) => s.network.parent === parent);
}

function allMacvlans(state: State): MacvlanEndpoint[] {
  return state.containers.flatMap((container) =>
    container.endpoints.flatMap((endpoint) => {
      const network = networkById(state, endpoint.network);
      return isMacvlan(network) ? [{ container, endpoint, network }] : [];
    }),
  );
}
