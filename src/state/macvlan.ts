/**
 * The macvlan driver: its `-o` keys, which link of the host may be a parent, and who may share one. Texts as dockerd 28.5.2 answers,
 * which gives all of them status 500. Source: moby daemon/libnetwork/drivers/macvlan/macvlan_network.go, macvlan_setup.go.
 */
import type { Mac } from "../net/mac.ts";
import { HOST, type IfName, parseIfName } from "../net/name.ts";
import { dummyName, worldMac } from "./id.ts";
import { refusal } from "./refusal.ts";
import {
  type Attachment,
  bridgesOf,
  isMacvlan,
  type MacvlanMode,
  type MacvlanNetwork,
  networkById,
  type State,
} from "./state.ts";

/** The host's link to the LAN. */
export const UPLINK = "eth0" as IfName;
const MODES: readonly MacvlanMode[] = ["bridge", "private", "vepa", "passthru"];
const MAX_VLAN = 4094;

export type MacvlanOptions = Pick<MacvlanNetwork, "parent" | "mode" | "parentMade">;

/** Keys that the driver does not know are ignored. @param id of the network. @throws DocknetError in Docker's words */
export function parseMacvlanOptions(
  state: State,
  id: string,
  options: Readonly<Record<string, string>>,
): MacvlanOptions {
  const mode = readMode(options.macvlan_mode || "bridge");
  const parent = resolveParent(state, id, options.parent ?? "");
  checkSharing(state, parent.parent, mode);
  return { mode, ...parent };
}

function readMode(text: string): MacvlanMode {
  const mode = MODES.find((m) => m === text);
  if (mode) return mode;
  throw refusal(500, `requested macvlan mode '${text}' is not valid, 'bridge' mode is the macvlan driver default`, {
    remedy: `Choose one of: ${MODES.join(", ")}`,
  });
}

function resolveParent(state: State, id: string, text: string): Pick<MacvlanNetwork, "parent" | "parentMade"> {
  if (text === "lo") throw refusal(500, "loopback interface is not a valid macvlan parent link");
  if (text === "") return { parent: dummyName(id), parentMade: "dummy" };
  if (text === UPLINK) return { parent: UPLINK };
  const made = state.networks.filter(isMacvlan).find((n) => n.parent === text);
  if (made?.parentMade) return { parent: made.parent, parentMade: made.parentMade };
  checkEmulated(state, text);
  return { parent: readVlan(state, text), parentMade: "vlan" };
}

/** Frames of a child of a bridge would go to the bridge's ports: Docker allows it, nobody means it. */
function checkEmulated(state: State, name: string): void {
  const isOurs = bridgesOf(state).some((n) => n.bridge === name);
  const isPort = state.containers.some((c) => c.endpoints.some((e) => e.hostIfName === name));
  if (isOurs || isPort)
    throw refusal(
      500,
      `docknet does not emulate macvlan on ${name}, which is ${isOurs ? "a bridge" : "a bridge port"}`,
      {
        remedy: `Choose parent ${UPLINK}, or a VLAN of it such as ${UPLINK}.10`,
      },
    );
}

/** `eth0.10`: an 802.1Q sub-interface that the engine makes. */
function readVlan(state: State, name: string): IfName {
  const [master = "", vlan = "", ...rest] = name.split(".");
  if (!name.includes("."))
    throw refusal(500, `invalid subinterface vlan name ${name}, example formatting is eth0.10`, {
      remedy: `The emulated host has ${UPLINK}: choose parent ${UPLINK}, or a VLAN of it such as ${UPLINK}.10`,
    });
  if (rest.length > 0)
    throw refusal(
      500,
      `required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${name}`,
    );
  if (!/^[+-]?\d{1,18}$/.test(vlan))
    throw refusal(500, `unable to parse a valid vlan id from: ${vlan} (ex. eth0.10 for vlan 10)`);
  if (master !== UPLINK && master !== "lo" && !bridgesOf(state).some((n) => n.bridge === master))
    throw refusal(500, `-o parent interface was not found on the host: ${master}`, {
      remedy: `The emulated host has ${UPLINK}`,
    });
  const id = Number(vlan);
  if (id < 1 || id > MAX_VLAN) throw refusal(500, `vlan id must be between 1-4094, received: ${id}`);
  if (master === "lo") throw refusal(500, `failed to create ${name} vlan link: operation not supported`);
  checkEmulated(state, master);
  const parent = parseIfName(name);
  const rival = state.networks.filter(isMacvlan).some((n) => n.parentMade === "vlan" && vlanId(n.parent) === id);
  if (rival) throw refusal(500, `failed to create ${name} vlan link: file exists`);
  return parent;
}

/** @param parent made by `readVlan` */
export function vlanId(parent: IfName): number {
  return Number(parent.split(".")[1]);
}

/** Several networks may share a parent, but not with one that has it to itself. 20.10 lets none share. */
function checkSharing(state: State, parent: IfName, mode: MacvlanMode): void {
  for (const other of state.networks.filter(isMacvlan)) {
    if (other.parent !== parent) continue;
    if (state.engine.profile === "docker-20.10")
      throw refusal(500, `network ${dummyName(other.id)} is already using parent interface ${parent}`, {
        remedy: "Under docker-20.10 a parent has one macvlan network: later profiles let several share it",
      });
    if (mode === "passthru")
      throw refusal(
        500,
        `cannot use mode passthru, macvlan network ${other.id} is already using parent interface ${parent}`,
      );
    if (other.mode === "passthru")
      throw refusal(500, `macvlan network ${other.id} is already using parent interface ${parent} in mode passthru`);
  }
}

/**
 * The MAC of a new endpoint, where the network or another child leaves no choice; undefined: a random one. In mode passthru child and
 * parent have one MAC: Docker draws it for both, docknet leaves the parent its own. @throws DocknetError in the kernel's words
 */
export function macvlanMac(state: State, network: MacvlanNetwork, { mac }: Attachment): Mac | undefined {
  const children = state.containers
    .flatMap((c) => c.endpoints)
    .filter((e) => isChildOf(state, e.network, network.parent));
  const parentMac = parentMacOf(state, network);
  if (network.mode === "passthru") {
    if (children.length > 0) throw refusal(500, "failed to create the macvlan port: invalid argument");
    if (mac && mac !== parentMac)
      throw refusal(500, "docknet does not emulate a MAC address of one's own in macvlan mode passthru", {
        remedy: `Leave it out: the container gets that of ${network.parent}`,
      });
    return parentMac;
  }
  if (mac && (mac === parentMac || children.some((e) => e.mac === mac)))
    throw refusal(500, "failed to set link up: address already in use", {
      remedy: `Choose another MAC address: ${mac} is in use on ${network.parent}`,
    });
  return mac;
}

function isChildOf(state: State, networkId: string, parent: IfName): boolean {
  const network = networkById(state, networkId);
  return isMacvlan(network) && network.parent === parent;
}

/** A VLAN bears the address of its link. */
export function parentMacOf({ lab }: State, { parent, parentMade }: MacvlanNetwork): Mac {
  return worldMac(lab, HOST, parentMade === "dummy" ? parent : UPLINK);
}
