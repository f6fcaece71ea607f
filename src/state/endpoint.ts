/** One more interface of a running container: its address, MAC and names. Source: moby daemon/libnetwork/endpoint.go, sandbox.go. */
import { isUnicastMac } from "../net/mac.ts";
import { type IfName, parseIfName, parseSysctlKey } from "../net/name.ts";
import { indexOf } from "./container-index.ts";
import { knownAttachment } from "./engine-profile.ts";
import { containerById, replaceContainer } from "./find.ts";
import { deriveId, deriveMac, vethName } from "./id.ts";
import { allocateAddress, requestAddress } from "./ipam.ts";
import { macvlanMac } from "./macvlan.ts";
import { originOf, refusal } from "./refusal.ts";
import {
  type Attachment,
  type Container,
  type Endpoint,
  isBridge,
  isMacvlan,
  type Network,
  type State,
} from "./state.ts";

/** `net.ipv4.conf.IFNAME.log_martians=1,...`, and an exact interface name (moby netlabel/labels.go). */
export const ENDPOINT_SYSCTL = "com.docker.network.endpoint.sysctls";
const ENDPOINT_IFNAME = "com.docker.network.endpoint.ifname";
/** The longest name a link can bear, bytes (IFNAMSIZ with its NUL is 16). */
const MAX_IFNAME_BYTES = 15;

/**
 * @param id of a running container
 * @param salt what the endpoint's id and MAC are drawn from; no two starts have the same
 * @throws DocknetError in Docker's words
 */
export function addEndpoint(state: State, id: string, network: Network, asked: Attachment, salt: string): State {
  const attachment = knownAttachment(state.engine.profile, asked);
  const container = containerById(state, id);
  const endpointId = drawId(state, salt, container, network);
  const madeAs = vethName(endpointId);
  const ifName = chooseIfName(container, network, attachment, madeAs);
  checkMac(attachment, madeAs);
  const mac = isMacvlan(network) ? macvlanMac(state, network, attachment) : attachment.mac;
  const endpoint: Endpoint = {
    id: endpointId,
    network: network.id,
    address: attachment.address ? requestAddress(state, network, attachment.address) : allocateAddress(state, network),
    mac: mac ?? deriveMac(endpointId),
    ifName,
    ...(isBridge(network) ? { hostIfName: madeAs } : {}),
    aliases: attachment.aliases,
    linkLocal: attachment.linkLocal,
    sysctls: sysctlsOf(attachment, ifName),
    gwPriority: attachment.gwPriority,
    joinedAt: state.clock,
    ...originOf(attachment),
  };
  return {
    ...replaceContainer(state, { ...container, endpoints: [...container.endpoints, endpoint] }),
    clock: state.clock + 1,
  };
}

/** A veth name has 28 bits: another id is drawn when it is taken (moby netutils/utils_linux.go GenerateIfaceName tries as often). */
function drawId(state: State, salt: string, container: Container, network: Network): string {
  for (const attempt of ["", "second", "third"]) {
    const id = deriveId("endpoint", salt, container.id, network.id, attempt);
    if (!indexOf(state).hasHostIfName(vethName(id))) return id;
  }
  throw new Error(`no free veth name for ${container.name} on network ${network.name}`);
}

/** An exact name uses up no number; otherwise the prefix and the lowest number free in this container at this moment. */
function chooseIfName(container: Container, network: Network, attachment: Attachment, link: IfName): IfName {
  const used = new Set<string>(["lo", ...container.endpoints.map((e) => e.ifName)]);
  const exact = attachment.ifName ?? attachment.driverOpts[ENDPOINT_IFNAME];
  if (exact) {
    const refuse = (why: string): never => {
      throw refusal(
        500,
        `failed to add interface ${link} to sandbox: error renaming interface "${link}" to "${exact}": ${why}`,
        originOf(attachment),
      );
    };
    if (Buffer.byteLength(exact) > MAX_IFNAME_BYTES) return refuse("numerical result out of range");
    if (/^\.{0,2}$|[/:\s]/.test(exact)) return refuse("invalid argument");
    if (used.has(exact)) return refuse("file exists");
    return parseIfName(exact);
  }
  for (let n = 0; n <= used.size; n++) {
    const name = parseIfName(`${network.ifPrefix}${n}`);
    if (!used.has(name)) return name;
  }
  throw new Error(`${container.name} has ${used.size} interfaces, and more names are taken`);
}

/** Docker takes whatever Go reads as a hardware address; the kernel, only the six bytes of one interface. */
function checkMac({ mac, ...attachment }: Attachment, link: IfName): void {
  if (mac === undefined || isUnicastMac(mac)) return;
  const refuse = (why: string): never => {
    throw refusal(500, `failed to add interface ${link} to sandbox: ${why}`, originOf(attachment));
  };
  const [begin, whole] = [mac.slice(0, "00:00:00:00:00:00".length), mac];
  if (!isUnicastMac(begin))
    refuse(`error setting interface "${link}" MAC to "${whole}": cannot assign requested address`);
  refuse(`failed to advertise addresses: MAC address changed, got ${begin}, expected ${whole}`);
}

export interface EndpointSysctl {
  /** As the user wrote it. */
  readonly text: string;
  /** Absent when the text is no sysctl of one interface. */
  readonly key?: string;
  readonly value: string;
}

/** Absent text is an empty list. */
export function splitSysctls(text: string | undefined): readonly EndpointSysctl[] {
  if (!text) return [];
  return text.split(",").map((item) => {
    const equals = item.indexOf("=");
    const key = item.slice(0, Math.max(equals, 0));
    // docker's command line lower-cases all of --network, so the engine takes both
    const known = /^net\.(ipv4|ipv6|mpls)\.\w+\.(IFNAME|ifname)\.\w+$/.test(key);
    return { text: item, ...(known ? { key } : {}), value: item.slice(equals + 1) };
  });
}

/** A dot in an interface name is written "/" in a sysctl key (sysctl(8)). */
function sysctlsOf({ driverOpts }: Attachment, ifName: IfName): Readonly<Record<string, string>> {
  const entries = splitSysctls(driverOpts[ENDPOINT_SYSCTL]).flatMap(({ key, value }) =>
    key ? [[parseSysctlKey(key.replace(/\.ifname\./i, `.${ifName.replaceAll(".", "/")}.`)), value] as const] : [],
  );
  return Object.fromEntries(entries);
}
