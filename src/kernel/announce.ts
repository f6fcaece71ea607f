/**
 * Gratuitous ARP: an endpoint tells its bridge which MAC its address has now, so that neighbours who knew another one do not wait for
 * theirs to expire. Form and times as moby daemon/libnetwork/osl/interface_linux.go advertiseAddrs, internal/l2disco/unsol_arp_linux.go.
 */
import type { Ipv4 } from "../net/address.ts";
import { ETHERTYPE_ARP, encodeFrame } from "../net/frame.ts";
import type { Mac } from "../net/mac.ts";
import type { IfName } from "../net/name.ts";
import { AF_INET, AF_PACKET, bind, closeFd, ioctl, SOCK_DGRAM, SOCK_RAW, send, socket } from "./libc.ts";
import type { Netns } from "./netns.ts";

export interface Announcement {
  readonly link: IfName;
  readonly address: Ipv4;
  readonly mac: Mac;
}

const TIMES = 3;
const SPACING_MS = 1000;
const BROADCAST_MAC = "ff:ff:ff:ff:ff:ff" as Mac;
const NO_MAC = "00:00:00:00:00:00" as Mac;
/** netdevice(7) */
const SIOCGIFINDEX = 0x8933;
const IFNAMSIZ = 16;

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
    fd = ns.enter(() => {
      const packet = socket(AF_PACKET, SOCK_RAW, 0);
      bind(packet, linkAddress(indexOf(link)));
      return packet;
    });
    send(fd, gratuitousArp(mac, address));
    return true;
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeFd(fd);
  }
}

/** struct sockaddr_ll (packet(7)) */
function linkAddress(index: number): Uint8Array {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16LE(AF_PACKET, 0);
  bytes.writeUInt16BE(ETHERTYPE_ARP, 2);
  bytes.writeInt32LE(index, 4);
  return bytes;
}

/** In the namespace that this thread is in. @throws SystemError ENODEV */
export function indexOf(link: IfName): number {
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  try {
    const request = Buffer.alloc(40);
    request.write(link, 0, IFNAMSIZ - 1, "latin1");
    ioctl(fd, SIOCGIFINDEX, request);
    return request.readInt32LE(IFNAMSIZ);
  } finally {
    closeFd(fd);
  }
}

/** A request, as broadcast, whose sender and target address are the endpoint's own (RFC 826; RFC 5227 announcement). */
function gratuitousArp(mac: Mac, address: Ipv4): Uint8Array {
  const arp = { operation: 1, senderMac: mac, senderIp: address, targetMac: NO_MAC, targetIp: address };
  return encodeFrame({ srcMac: mac, dstMac: BROADCAST_MAC, etherType: ETHERTYPE_ARP, length: 42, arp });
}
