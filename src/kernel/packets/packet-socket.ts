/**
 * A packet socket (packet(7)) on one interface, for recording: time stamps of the kernel in nanoseconds, direction, what VLAN offload
 * took off, and a count of what did not fit. Reading is in packet-reader.ts.
 *
 * `cap` (capture.ts) is not for this: it gives neither time stamps nor direction nor drops, and opening takes 13 ms, since making a
 * ring waits for an RCU grace period (net/packet/af_packet.c packet_set_ring). A bare socket takes 30 us, and recvmmsg(2) reads it
 * about as fast.
 *
 * Never promiscuous: it sees what the interface's own namespace gets, and neither traffic nor counters change because somebody looks.
 * A port of a bridge gets everything in any case.
 */
import koffi from "koffi";
import { DocknetError } from "../../errors.ts";
import type { IfName } from "../../net/name.ts";
import {
  AF_PACKET,
  bind,
  closeFd,
  closeFdLater,
  getsockopt,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SystemError,
  setsockopt,
  socket,
} from "../libc.ts";
import { ETH_P_ALL, encodeLinkAddress, indexOf } from "../netlink/link-address.ts";
import type { Netns } from "../netns.ts";
import { enlargeReceiveBuffer } from "../socket/socket.ts";
import {
  PACKET_AUXDATA,
  PACKET_STATISTICS,
  SO_ATTACH_FILTER,
  SO_TIMESTAMPNS,
  SOL_PACKET,
  SOL_SOCKET,
} from "../uapi/socket.ts";
import { compileFilter, keep, type Program } from "./bpf.ts";

export interface PacketSocketOptions {
  /** pcap-filter(7); "" is everything. */
  readonly filter?: string;
  /** Kept of a frame; all of it unless said. */
  readonly snapBytes?: number;
  /** What may wait unread, in bytes of kernel memory: a small frame takes about 800. */
  readonly bufferBytes?: number;
}

/** Since the socket was opened. Counted after the filter. */
export interface PacketStatistics {
  /** Those that were dropped included. */
  readonly received: number;
  /** Found no room: the reader was too slow. */
  readonly dropped: number;
}

/** The biggest frame that a link has: 64 KiB of IP by segmentation offload, with an Ethernet header and a VLAN tag; a multiple of 64. */
export const MAX_SNAP_BYTES = 65_600;

/** 40,000 small frames: two seconds of a flood of 20,000 a second. Memory is taken when frames wait, not before. */
const BUFFER_BYTES = 32 * 1024 * 1024;

export class PacketSocket {
  readonly fd: number;
  private readonly total = { received: 0, dropped: 0 };
  private closed = false;

  /** Takes over a descriptor that `openPacketSocket` of another process made. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** The kernel starts from zero at each read (packet(7)), so only one process may ask. */
  statistics(): PacketStatistics {
    if (!this.closed) {
      const { received, dropped } = readStatistics(this.fd);
      this.total.received += received;
      this.total.dropped += dropped;
    }
    return { ...this.total };
  }

  /** No frame comes in from now on; those that wait may still be read. */
  stop(): void {
    attachFilter(this.fd, keep(0));
  }

  /** Closes this process's descriptor when another has got one; the counts are the other's. */
  handOver(): void {
    if (!this.closed) closeFd(this.fd);
    this.closed = true;
  }

  /** Idempotent. Settles when the kernel has let go. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.statistics();
    this.closed = true;
    await closeFdLater(this.fd);
  }
}

/**
 * From its return on every frame is seen. The caller closes it.
 * @throws DocknetError USAGE for the filter, PRIVILEGE without CAP_NET_RAW, KERNEL_REFUSED for an unknown interface
 */
export function openPacketSocket(ns: Netns, ifName: IfName, options: PacketSocketOptions = {}): PacketSocket {
  const program = compileFilter(options.filter ?? "", Math.min(options.snapBytes ?? MAX_SNAP_BYTES, MAX_SNAP_BYTES));
  try {
    const fd = ns.enter(() => openHere(ifName, program, options.bufferBytes ?? BUFFER_BYTES));
    return new PacketSocket(fd);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const what = `Cannot capture on ${ifName} in ${ns.label}`;
    if (error.code === "EPERM")
      throw new DocknetError("PRIVILEGE", `${what}: CAP_NET_RAW is needed`, { cause: error, remedy: "Run as root" });
    const why = error.code === "ENODEV" ? "there is no such interface" : error.message;
    throw new DocknetError("KERNEL_REFUSED", `${what}: ${why}`, { cause: error });
  }
}

function openHere(ifName: IfName, program: Buffer, bufferBytes: number): number {
  return bindPacketSocket(indexOf(ifName), ETH_P_ALL, (fd) => {
    enlargeReceiveBuffer(fd, bufferBytes);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, 1);
    attachFilter(fd, program);
  });
}

/**
 * A packet socket of this thread's namespace. Protocol 0 and then bind: before it is prepared and bound nothing comes in.
 * @param index of a link; 0 is every link. @param protocol ETH_P_ALL, or an EtherType. @throws SystemError, and then nothing is open
 */
export function bindPacketSocket(index: number, protocol: number, prepare: (fd: number) => void = () => {}): number {
  const fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  try {
    prepare(fd);
    bind(fd, encodeLinkAddress(protocol, index));
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Since the last call: the kernel starts from zero again at each (packet(7)). */
export function readStatistics(fd: number): PacketStatistics {
  const bytes = getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, 8);
  return { received: bytes.readUInt32LE(0), dropped: bytes.readUInt32LE(4) };
}

/** BPF_MAXINSNS instructions (linux/bpf_common.h), in memory that never moves: the kernel follows a pointer to them. */
const INSTRUCTION_BYTES = 8;
const PROGRAM_BYTES = 4096 * INSTRUCTION_BYTES;
const programAddress: bigint = koffi.alloc("uint8_t", PROGRAM_BYTES);
const programBytes = Buffer.from(koffi.view(programAddress, PROGRAM_BYTES));

/** Replaces the one before. struct sock_fprog: count, padding, pointer; the kernel copies (net/core/filter.c). */
function attachFilter(fd: number, program: Program): void {
  programBytes.set(program);
  const described = Buffer.alloc(16);
  described.writeUInt16LE(program.length / INSTRUCTION_BYTES, 0);
  described.writeBigUInt64LE(programAddress, 8);
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, described);
}
