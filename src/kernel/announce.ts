/**
 * Gratuitous ARP: an endpoint tells its bridge which MAC its address has now, so that neighbours who knew another one do not wait for
 * theirs to expire. Form and times as moby daemon/libnetwork/osl/interface_linux.go advertiseAddrs, internal/l2disco/unsol_arp_linux.go.
 */
import type { Ipv4 } from "../net/address.ts";
import { ETHERTYPE_ARP, encodeFrame } from "../net/frame.ts";
import type { Mac } from "../net/mac.ts";
import type { IfName } from "../net/name.ts";
import { closeFdLater, send } from "./libc.ts";
import { indexOf } from "./netlink/link-address.ts";
import type { Netns } from "./netns.ts";
import { bindPacketSocket } from "./packets/packet-socket.ts";

export interface Announcement {
  readonly link: IfName;
  readonly address: Ipv4;
  readonly mac: Mac;
}

const TIMES = 3;
const SPACING_MS = 1000;
const BROADCAST_MAC = "ff:ff:ff:ff:ff:ff" as Mac;
const NO_MAC = "00:00:00:00:00:00" as Mac;

/** Sends the first at once and two more, a second apart; stops by itself when the link goes. Does not keep the process alive. */
export function announce(ns: Netns, announcement: Announcement): void {
  let left = TIMES;
  const step = (): void => {
    left -= 1;
    if (sendArp(ns, announcement) && left > 0) setTimeout(step, SPACING_MS).unref();
  };
  step();
}

/** @returns false when there is nobody to tell it any more: the namespace was closed, the link is gone or down */
function sendArp(ns: Netns, { link, address, mac }: Announcement): boolean {
  let fd: number | undefined;
  try {
    // protocol 0: it sends and receives nothing
    fd = ns.enter(() => bindPacketSocket(indexOf(link), 0));
    send(fd, gratuitousArp(mac, address));
    return true;
  } catch {
    return false;
  } finally {
    // closing a packet socket waits for an RCU grace period: not on this thread; should it fail, there is nothing left to do
    if (fd !== undefined) closeFdLater(fd).catch(() => {});
  }
}

/** A request, as broadcast, whose sender and target address are the endpoint's own (RFC 826; RFC 5227 announcement). */
function gratuitousArp(mac: Mac, address: Ipv4): Uint8Array {
  const arp = { operation: 1, senderMac: mac, senderIp: address, targetMac: NO_MAC, targetIp: address };
  return encodeFrame({ srcMac: mac, dstMac: BROADCAST_MAC, etherType: ETHERTYPE_ARP, length: 42, arp });
}
