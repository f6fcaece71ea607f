/**
 * Reading many packets by one call: recvmmsg(2) on a packet socket, decoded straight from the memory that the kernel wrote. One FFI
 * call for each packet would cost more than all the rest.
 */
import koffi from "koffi";
import { SystemError } from "../libc.ts";
import {
  CMSG_HEADER,
  MSG_DONTWAIT,
  PACKET_AUXDATA,
  PACKET_OUTGOING,
  SCM_TIMESTAMPNS,
  SOL_PACKET,
  SOL_SOCKET,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
} from "../uapi/socket.ts";
import { MAX_SNAP_BYTES } from "./packet-socket.ts";

/** One frame on one interface. Owned by the receiver. */
export interface Packet {
  /** Which of the sockets that are read. */
  readonly position: number;
  /** Of the kernel's clock (CLOCK_REALTIME), when the frame passed. */
  readonly seconds: number;
  readonly nanos: number;
  readonly direction: "in" | "out";
  /** Whom a frame that came in was for; "other": another station, as a port of a bridge sees them. */
  readonly to: "host" | "broadcast" | "multicast" | "other" | "unknown";
  /** On the wire; `data` may have less. */
  readonly length: number;
  readonly data: Buffer;
}

const libc = koffi.load("libc.so.6");
const recvmmsg = libc.func("int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)");

export const BATCH = 64;
/** The interface went down or away; the socket works again when it comes up (packet(7)). */
const ENETDOWN = 100;
const EAGAIN = 11;
const EINTR = 4;

// struct mmsghdr is a msghdr (56 bytes), the length (4) and padding, on 64-bit Linux (recvmmsg(2))
const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
const NAME_BYTES = 32;
/** Two cmsg records: a timespec, and struct tpacket_auxdata. */
const CONTROL_BYTES = 96;
const NAME_LENGTH_AT = 8;
const CONTROL_LENGTH_AT = 40;
const LENGTH_AT = 56;

const iovecsAt = BATCH * HEADER_BYTES;
const namesAt = iovecsAt + BATCH * IOVEC_BYTES;
const controlsAt = namesAt + BATCH * NAME_BYTES;
const dataAt = controlsAt + BATCH * CONTROL_BYTES;
const total = dataAt + BATCH * MAX_SNAP_BYTES;

interface Area {
  readonly address: bigint;
  readonly bytes: Buffer;
  /** The same memory as 32-bit words: the fast way at the headers. */
  readonly words: Uint32Array;
}

let made: Area | undefined;

/** 4 MiB of addresses, of which only what packets touch becomes memory; one for all sockets, since reading is synchronous. */
function area(): Area {
  if (made) return made;
  const address: bigint = koffi.alloc("uint8_t", total);
  const memory = koffi.view(address, total);
  const bytes = Buffer.from(memory);
  for (let i = 0; i < BATCH; i++) {
    const header = i * HEADER_BYTES;
    const iovec = iovecsAt + i * IOVEC_BYTES;
    bytes.fill(0, header, header + HEADER_BYTES);
    bytes.writeBigUInt64LE(address + BigInt(namesAt + i * NAME_BYTES), header);
    bytes.writeBigUInt64LE(address + BigInt(iovec), header + 16);
    bytes.writeBigUInt64LE(1n, header + 24);
    bytes.writeBigUInt64LE(address + BigInt(controlsAt + i * CONTROL_BYTES), header + 32);
    bytes.writeBigUInt64LE(address + BigInt(dataAt + i * MAX_SNAP_BYTES), iovec);
    bytes.writeBigUInt64LE(BigInt(MAX_SNAP_BYTES), iovec + 8);
  }
  made = { address, bytes, words: new Uint32Array(memory) };
  return made;
}

/** Appends what waits, at most `BATCH`, to `packets`. @returns how many; fewer than `BATCH`: none are left. @throws SystemError */
export function readBatch(fd: number, position: number, packets: Packet[]): number {
  const { address, words } = area();
  for (let i = 0; i < BATCH; i++) {
    const header = (i * HEADER_BYTES) >>> 2;
    words[header + (NAME_LENGTH_AT >>> 2)] = NAME_BYTES;
    words[header + (CONTROL_LENGTH_AT >>> 2)] = CONTROL_BYTES;
  }
  const count: number = recvmmsg(fd, address, BATCH, MSG_DONTWAIT, null);
  if (count < 0) {
    const errno = koffi.errno();
    if (errno === EAGAIN) return 0;
    // comes once; packets may wait behind it
    if (errno === ENETDOWN || errno === EINTR) return readBatch(fd, position, packets);
    throw new SystemError("recvmmsg", errno);
  }
  for (let i = 0; i < count; i++) packets.push(decode(i, position));
  return count;
}

const ETHERTYPE_VLAN = 0x8100;
const MAC_BYTES = 12;
/** By struct sockaddr_ll sll_pkttype. */
const RECEPTION = ["host", "broadcast", "multicast", "other"] as const;

function decode(i: number, position: number): Packet {
  const { bytes, words } = area();
  const captured = words[(i * HEADER_BYTES + LENGTH_AT) >>> 2] ?? 0;
  const start = dataAt + i * MAX_SNAP_BYTES;
  let data: Buffer = Buffer.allocUnsafe(captured);
  bytes.copy(data, 0, start, start + captured);
  let [seconds, nanos, length] = [0, 0, captured];
  let at = controlsAt + i * CONTROL_BYTES;
  const end = at + Math.min(words[(i * HEADER_BYTES + CONTROL_LENGTH_AT) >>> 2] ?? 0, CONTROL_BYTES);
  while (at + CMSG_HEADER <= end) {
    const size = words[at >>> 2] ?? 0;
    if (size < CMSG_HEADER) break;
    const [level, type] = [words[(at >>> 2) + 2], words[(at >>> 2) + 3]];
    const body = at + CMSG_HEADER;
    if (level === SOL_SOCKET && type === SCM_TIMESTAMPNS) {
      seconds = (words[body >>> 2] ?? 0) + (words[(body >>> 2) + 1] ?? 0) * 2 ** 32;
      nanos = words[(body >>> 2) + 2] ?? 0;
    } else if (level === SOL_PACKET && type === PACKET_AUXDATA) {
      // struct tpacket_auxdata: status, len, snaplen (4 each), mac, net, vlan_tci, vlan_tpid (2 each)
      const status = words[body >>> 2] ?? 0;
      length = words[(body >>> 2) + 1] ?? captured;
      if (status & TP_STATUS_VLAN_VALID) {
        const tpid = status & TP_STATUS_VLAN_TPID_VALID ? bytes.readUInt16LE(body + 18) : ETHERTYPE_VLAN;
        data = withTag(data, tpid, bytes.readUInt16LE(body + 16));
        length += 4;
      }
    }
    at += (size + 7) & ~7;
  }
  const type = bytes[namesAt + i * NAME_BYTES + 10] ?? 0;
  const direction = type === PACKET_OUTGOING ? "out" : "in";
  return { position, seconds, nanos, direction, to: RECEPTION[type] ?? "unknown", length, data };
}

/** Puts the 802.1Q tag back that the kernel took off and keeps beside the packet. */
function withTag(data: Buffer, tpid: number, tci: number): Buffer {
  if (data.length < MAC_BYTES) return data;
  const tag = Buffer.alloc(4);
  tag.writeUInt16BE(tpid, 0);
  tag.writeUInt16BE(tci, 2);
  return Buffer.concat([data.subarray(0, MAC_BYTES), tag, data.subarray(MAC_BYTES)]);
}
