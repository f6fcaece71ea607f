/**
 * Questions to a namespace's own routing: which way it would send a packet (`ip route get`), and whether it routes on what comes in.
 * Source: rtnetlink(7); include/uapi/linux/{rtnetlink,netconf}.h; net/ipv4/route.c inet_rtm_getroute.
 */
import { fromNumber, type Ipv4, toBytes } from "../../net/address.ts";
import { AF_INET } from "../libc.ts";
import {
  RTA_DST,
  RTA_GATEWAY,
  RTA_IIF,
  RTA_MARK,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_SRC,
  RTM_GETNETCONF,
  RTM_GETROUTE,
} from "../uapi/rtnetlink.ts";
import { attribute, decodeAttributes, type Message, NetlinkError, type NetlinkSocket, uint32 } from "./netlink.ts";

/** struct rtmsg's type */
const TYPES: Readonly<Record<number, RouteAnswer["type"]>> = {
  1: "unicast",
  2: "local",
  3: "broadcast",
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
};

export interface RouteQuestion {
  readonly destination: Ipv4;
  readonly source?: Ipv4;
  /** Number of the link that it came in by; absent: it is sent from here. */
  readonly iif?: number;
  /** fwmark */
  readonly mark?: number;
}

export interface RouteAnswer {
  /** "none": the kernel refuses, with `errno`. */
  readonly type: "unicast" | "local" | "broadcast" | "blackhole" | "unreachable" | "prohibit" | "none";
  readonly via?: Ipv4;
  /** Number of the link that it goes out by. */
  readonly oif?: number;
  /** The address that a packet sent from here would bear. */
  readonly prefsrc?: Ipv4;
  readonly errno?: string;
}

/** @param socket rtnetlink, in the namespace. @throws NetlinkError for what routing cannot have caused */
export function askRoute(socket: NetlinkSocket, question: RouteQuestion): RouteAnswer {
  try {
    const [answer] = socket.query(routeRequest(question));
    return answer ? decodeRoute(answer) : { type: "none" };
  } catch (error) {
    // EINVAL, on older kernels EXDEV: the kernel takes no packet with such addresses from that link (martian source, rp_filter)
    const ofRouting = ["ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL", "EXDEV"];
    if (!(error instanceof NetlinkError) || !ofRouting.includes(error.code)) throw error;
    return { type: "none", errno: error.code };
  }
}

function routeRequest({ destination, source, iif, mark }: RouteQuestion) {
  const header = Buffer.alloc(12);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(32, 1);
  header.writeUInt8(source ? 32 : 0, 2);
  const body = Buffer.concat([
    header,
    attribute(RTA_DST, toBytes(destination)),
    ...(source ? [attribute(RTA_SRC, toBytes(source))] : []),
    ...(iif === undefined ? [] : [attribute(RTA_IIF, uint32(iif))]),
    ...(mark === undefined ? [] : [attribute(RTA_MARK, uint32(mark))]),
  ]);
  return { what: `ask for the route to ${destination}`, type: RTM_GETROUTE, flags: 0, body };
}

/** struct rtmsg */
function decodeRoute({ body }: Message): RouteAnswer {
  const attributes = decodeAttributes(body.subarray(12));
  const address = (type: number): Ipv4 | undefined => {
    const bytes = attributes.get(type);
    return bytes && fromNumber(bytes.readUInt32BE(0));
  };
  const [via, prefsrc, oif] = [address(RTA_GATEWAY), address(RTA_PREFSRC), attributes.get(RTA_OIF)?.readUInt32LE(0)];
  return {
    type: TYPES[body.readUInt8(7)] ?? "none",
    ...(via ? { via } : {}),
    ...(oif ? { oif } : {}),
    ...(prefsrc ? { prefsrc } : {}),
  };
}

const NETCONFA_IFINDEX = 1;
const NETCONFA_FORWARDING = 2;

/** net.ipv4.conf.LINK.forwarding, which net.ipv4.ip_forward sets for all. @param socket rtnetlink, in the namespace. @throws NetlinkError */
export function askForwarding(socket: NetlinkSocket, index: number): boolean {
  const body = Buffer.concat([Buffer.from([AF_INET, 0, 0, 0]), attribute(NETCONFA_IFINDEX, uint32(index))]);
  const [answer] = socket.query({ what: `ask whether link ${index} forwards`, type: RTM_GETNETCONF, flags: 0, body });
  const values = decodeAttributes(answer?.body.subarray(4) ?? Buffer.alloc(0));
  return values.get(NETCONFA_FORWARDING)?.readInt32LE(0) !== 0;
}
