/**
 * Live capture of one interface with `cap`, opened inside the interface's namespace; the packet socket stays there.
 *
 * What cap (0.2.1, src/binding.cc) does, and what is done about it here:
 * - It copies every packet to the start of one caller's buffer and emits synchronously: one buffer serves all captures, and
 *   `decodeFrame` makes plain data of it before the callback returns.
 * - It writes a warning to stderr for an interface without IPv4 address (pcap_lookupnet): silenced while opening.
 * - It asserts that its poll has no error, so an interface that goes down or away would abort the whole process: see capture-poll.ts.
 * - It never closes its uv_poll_t, whose memory dies with the object while the loop still links to it; and an object whose open
 *   failed crashes when collected: all objects are kept, and what can fail is tried before.
 * - Closing releases the packet socket on the main thread, and the kernel then waits an RCU grace period, twice (net/packet/
 *   af_packet.c packet_release: synchronize_net), 25 ms on our machine: a duplicate of the descriptor is closed on another thread.
 * - It has no drop counter: PACKET_STATISTICS of its descriptor.
 * - Its snapshot length is fixed at 64 KiB, which makes big slots: see offload.ts. A frame may come cut behind its headers.
 *
 * The ring is emptied once in a turn of the event loop: who sends from this process many packets in one turn must leave turns
 * between (a TCP probe is about 10 frames on each link), or `stats().dropped` says so. Opening takes 13 ms and no less: making
 * the ring waits an RCU grace period as well (packet_set_ring).
 */
import { closeSync, openSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { DocknetError, messageOf } from "../../errors.ts";
import { decodeFrame, decodeIpv4, ETHERTYPE_IPV4, type Frame } from "../../net/frame.ts";
import type { Mac } from "../../net/mac.ts";
import type { IfName } from "../../net/name.ts";
import {
  AF_INET,
  AF_PACKET,
  closeFd,
  closeFdLater,
  dup,
  dup2,
  getsockopt,
  ioctl,
  SOCK_DGRAM,
  SystemError,
  socket,
} from "../libc.ts";
import type { Netns } from "../netns.ts";
import { PACKET_STATISTICS, SO_DOMAIN, SOL_PACKET, SOL_SOCKET } from "../uapi/socket.ts";
import { compileFilter } from "./bpf.ts";
import { guardPoll } from "./capture-poll.ts";
import { withoutOffloads } from "./offload.ts";

export interface CaptureOptions {
  /** The interface's own address, asked of the kernel when left out: frames from it are "out". */
  readonly mac?: Mac;
  /**
   * For a bridge port, whose own address no frame bears: the address of the station behind the link. Frames from it are "in",
   * all others "out".
   */
  readonly peerMac?: Mac;
  /** pcap-filter(7) */
  readonly filter?: string;
  /** Of the kernel's ring; 512 KiB unless said: 328 frames at an MTU of 1500, and 8 on lo, whose MTU is 64 KiB. */
  readonly bufferBytes?: number;
  readonly onFrame: (captured: CapturedFrame) => void;
}

/** One frame on one interface. Owned by the receiver; no view on capture memory. */
export interface CapturedFrame {
  /** Position among all frames of all captures of this process, in order of arrival here, which is not the order on the wire. */
  readonly seq: number;
  readonly frame: Frame;
  /** As the interface's namespace sees it. On lo every frame is seen once, as "out". */
  readonly direction: "in" | "out";
}

export interface CaptureStats {
  /** Frames that passed the filter, dropped ones included (packet(7) tp_packets). */
  readonly received: number;
  /** Of those, frames that found the ring full. */
  readonly dropped: number;
  /** Frames given to `onFrame`; less than received - dropped while some wait in the ring. */
  readonly delivered: number;
  /** Times that the interface went down or away while capturing. */
  readonly downs: number;
}

export interface Capture {
  readonly ifName: IfName;
  stats(): CaptureStats;
  /** No `onFrame` from now on; settles when the kernel has let go. Idempotent. */
  close(): Promise<void>;
}

/** cap's class, as far as it is used. */
interface Cap {
  open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string;
  on(event: "packet", listener: (length: number, truncated: boolean) => void): void;
  close(): boolean;
}

const BUFFER_BYTES = 512 * 1024;
const MOST_TRIES = 3;
/** linux/sockios.h */
const SIOCGIFHWADDR = 0x8927;
/** sizeof(struct ifreq): 16 bytes of name, 24 of union */
const IFREQ_BYTES = 40;

const { Cap: NativeCap } = createRequire(import.meta.url)("cap") as { Cap: new () => Cap };
const shared = Buffer.alloc(65536);
/** See the head: never collected. 200 bytes each. */
const kept: Cap[] = [];
let arrivals = 0;

/**
 * Captures in promiscuous mode until closed. The caller closes it, best before the interface goes.
 * @throws DocknetError PRIVILEGE without CAP_NET_RAW, USAGE for a filter that does not compile, KERNEL_REFUSED for an unknown interface
 */
export function openCapture(ns: Netns, ifName: IfName, options: CaptureOptions): Capture {
  checkFilter(options);
  const { cap, fd, linkType, mac } = ns.enter(() => {
    const mac = readMac(ns, ifName);
    return { ...openFound(ns, ifName, options), mac: options.mac ?? mac };
  });
  const toFrame = frameDecoder(linkType);
  if (fd === undefined || toFrame === undefined) {
    cap.close();
    throw new DocknetError(
      "KERNEL_FEATURE",
      `Cannot capture on ${ifName} in ${ns.label}: link type ${linkType} is not known`,
    );
  }
  const last = dup(fd);
  const guard = guardPoll(fd, last);
  const isOut = (frame: Frame): boolean =>
    options.peerMac === undefined
      ? // a frame that its bridge turned around comes back from our own address to our own address: it comes in
        frame.srcMac === mac && frame.dstMac !== mac
      : frame.srcMac !== options.peerMac;
  const total = { received: 0, dropped: 0, delivered: 0 };
  let closing: Promise<void> | undefined;
  cap.on("packet", (length) => {
    if (closing) return;
    total.delivered += 1;
    const frame = toFrame(shared.subarray(0, length));
    options.onFrame({ seq: arrivals++, frame, direction: isOut(frame) ? "out" : "in" });
  });
  const count = (): void => {
    const bytes = getsockopt(last, SOL_PACKET, PACKET_STATISTICS, 8);
    // The kernel starts from zero again at each read.
    total.received += bytes.readUInt32LE(0);
    total.dropped += bytes.readUInt32LE(4);
  };
  return {
    ifName,
    stats() {
      if (!closing) count();
      return { ...total, downs: guard.downs };
    },
    close() {
      closing ??= closeCapture();
      return closing;
    },
  };
  /** cap closes its descriptor at once; the duplicate is the last, and its closing waits elsewhere. */
  function closeCapture(): Promise<void> {
    count();
    guard.close();
    cap.close();
    return closeFdLater(last);
  }
}

/** With its descriptor. Where another thread closes one meanwhile, its number is given again and is not new: then once more. */
function openFound(
  ns: Netns,
  ifName: IfName,
  options: CaptureOptions,
): { readonly cap: Cap; readonly linkType: string; readonly fd: number | undefined } {
  for (let tries = 1; ; tries++) {
    const cap = new NativeCap();
    kept.push(cap);
    const before = new Set(openFds());
    const linkType = openQuietly(cap, ns, ifName, options);
    const fd = openFds().find((n) => !before.has(n) && domainOf(n) === AF_PACKET);
    if (fd !== undefined || tries === MOST_TRIES) return { cap, linkType, fd };
    cap.close();
  }
}

function openQuietly(cap: Cap, ns: Netns, ifName: IfName, options: CaptureOptions): string {
  const restore = silenceStderr();
  try {
    return withoutOffloads(ifName, () =>
      cap.open(ifName, options.filter ?? "", options.bufferBytes ?? BUFFER_BYTES, shared),
    );
  } catch (error) {
    throw openError(ns, ifName, error);
  } finally {
    restore();
  }
}

/** libpcap's messages are its only answer: there is no errno to switch on. */
function openError(ns: Netns, ifName: IfName, error: unknown): DocknetError {
  const message = messageOf(error);
  const what = `Cannot capture on ${ifName} in ${ns.label}: ${message || "libpcap gave no reason"}`;
  // PCAP_ERROR_IFACE_NOT_UP
  if (/not up$/i.test(message))
    return new DocknetError("KERNEL_REFUSED", what, { cause: error, details: { link: "down" } });
  if (!/permi/i.test(message)) return new DocknetError("KERNEL_REFUSED", what, { cause: error });
  return new DocknetError("PRIVILEGE", what, { cause: error, remedy: "Run as root, or in a user namespace" });
}

/** Before cap sees it: after a filter error cap can neither be used nor closed (close stops a poll that was never begun). */
function checkFilter({ filter = "" }: CaptureOptions): void {
  compileFilter(filter, shared.length);
}

/** Points descriptor 2 at /dev/null, for code that writes to C's stderr. @returns what points it back */
function silenceStderr(): () => void {
  const saved = dup(2);
  const sink = openSync("/dev/null", "w");
  dup2(sink, 2);
  closeSync(sink);
  return () => {
    dup2(saved, 2);
    closeFd(saved);
  };
}

function openFds(): number[] {
  return readdirSync("/proc/self/fd").map(Number);
}

function domainOf(fd: number): number | undefined {
  try {
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, 4).readInt32LE();
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** Runs inside the bracket. sysfs would show the links of the namespace it was mounted in, so the kernel is asked (netdevice(7)). */
function readMac(ns: Netns, ifName: IfName): Mac {
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(ifName, 0, 15);
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  try {
    ioctl(fd, SIOCGIFHWADDR, request);
  } catch (error) {
    throw new DocknetError("KERNEL_REFUSED", `Cannot capture on ${ifName} in ${ns.label}: ${describe(error)}`, {
      cause: error,
      ...(error instanceof SystemError && error.code === "ENODEV" ? { details: { link: "missing" } } : {}),
    });
  } finally {
    closeFd(fd);
  }
  return [...request.subarray(18, 24)].map((b) => b.toString(16).padStart(2, "0")).join(":") as Mac;
}

function describe(error: unknown): string {
  if (error instanceof SystemError && error.code === "ENODEV") return "there is no such interface";
  return messageOf(error);
}

const NO_MAC = "00:00:00:00:00:00" as Mac;

/** Links without Ethernet header (tun) have no addresses: their frames have none, and count as "in". */
function frameDecoder(linkType: string): ((bytes: Uint8Array) => Frame) | undefined {
  if (linkType === "ETHERNET") return decodeFrame;
  if (linkType !== "RAW") return undefined;
  return (bytes) => ({
    srcMac: NO_MAC,
    dstMac: NO_MAC,
    etherType: ETHERTYPE_IPV4,
    length: bytes.length,
    ip: decodeIpv4(bytes),
  });
}
