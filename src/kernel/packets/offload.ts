/**
 * Segmentation offloads, switched off for a moment. libpcap sizes each slot of its ring for 64 KiB when an interface may carry
 * frames bigger than its MTU (pcap-linux.c iface_get_offload, create_ring), and veth pairs may: 256 KiB then hold 4 frames,
 * and one TCP handshake overflows them. With offloads off while the ring is made they hold 164. Afterwards a frame that is
 * bigger than the MTU is cut in the capture, behind its headers; traffic itself is not changed.
 */
import koffi from "koffi";
import type { IfName } from "../../net/name.ts";
import { AF_INET, closeFd, ioctl, SOCK_DGRAM, SystemError, socket } from "../libc.ts";

/** linux/sockios.h; struct ifreq is 16 bytes of name and a union, here a pointer */
const SIOCETHTOOL = 0x8946;
const IFREQ_BYTES = 40;
const POINTER_AT = 16;
/** linux/ethtool.h: ETHTOOL_GTSO and STSO, GGSO and SGSO, GGRO and SGRO */
const OFFLOADS = [
  { get: 0x1e, set: 0x1f },
  { get: 0x23, set: 0x24 },
  { get: 0x2b, set: 0x2c },
] as const;

/** struct ethtool_value: command, data; the kernel follows the pointer to it, so it must not move. */
const valueAddress: bigint = koffi.alloc("uint8_t", 8);
const value = Buffer.from(koffi.view(valueAddress, 8));

/** Runs `work` with what can be switched off switched off, and restores it. Inside the interface's namespace. */
export function withoutOffloads<T>(ifName: IfName, work: () => T): T {
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  const switchedOff: number[] = [];
  try {
    for (const { get, set } of OFFLOADS) {
      if (ask(fd, ifName, get, 0) === 1 && ask(fd, ifName, set, 0) !== undefined) switchedOff.push(set);
    }
    return work();
  } finally {
    for (const set of switchedOff.reverse()) ask(fd, ifName, set, 1);
    closeFd(fd);
  }
}

/** @returns the value after the call; undefined when the interface does not have that, or will not change it */
function ask(fd: number, ifName: IfName, command: number, data: number): number | undefined {
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(ifName, 0, POINTER_AT - 1);
  request.writeBigUInt64LE(valueAddress, POINTER_AT);
  value.writeUInt32LE(command, 0);
  value.writeUInt32LE(data, 4);
  try {
    ioctl(fd, SIOCETHTOOL, request);
    return value.readUInt32LE(4);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
