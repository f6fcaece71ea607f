/** How packet sockets name a link: by its number, in a struct sockaddr_ll (packet(7)). */
import type { IfName } from "../../net/name.ts";
import { AF_INET, AF_PACKET, closeFd, ioctl, SOCK_DGRAM, socket } from "../libc.ts";

/** linux/if_ether.h */
export const ETH_P_ALL = 3;
/** netdevice(7) */
const SIOCGIFINDEX = 0x8933;
const IFNAMSIZ = 16;
const SOCKADDR_LL_BYTES = 20;

/** @param protocol an EtherType, or ETH_P_ALL. @param index 0: every link */
export function encodeLinkAddress(protocol: number, index: number): Buffer {
  const bytes = Buffer.alloc(SOCKADDR_LL_BYTES);
  bytes.writeUInt16LE(AF_PACKET, 0);
  bytes.writeUInt16BE(protocol, 2);
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
