/**
 * One packet socket (packet(7)) on all links of a namespace at once: every frame with its link and its direction, in the kernel's order.
 * A bare socket opens in 30 us, where `cap`'s ring takes 13 ms (capture.ts): for a look that lasts as long as one packet's way.
 * No time stamps: while the kernel turns them on for the first socket that wants them (net/core/dev.c net_enable_timestamp, by a work
 * queue), frames get the time at which they are read, and the order of namespaces would be wrong.
 * Never promiscuous: nothing changes because somebody looks. A frame that goes through a bridge shows on port and bridge.
 */
import { decodeFrame, type Frame } from "../net/frame.ts";
import {
  AF_PACKET,
  bind,
  closeFd,
  closeFdLater,
  getsockopt,
  recvmsg,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SystemError,
  socket,
} from "./libc.ts";
import { ETH_P_ALL, encodeLinkAddress } from "./link-address.ts";
import type { Netns } from "./netns.ts";
import { watchReadiness } from "./readiness.ts";
import { enlargeReceiveBuffer } from "./socket.ts";

export interface Tapped {
  /** The link's number. */
  readonly index: number;
  readonly direction: "in" | "out";
  readonly frame: Frame;
}

export interface Tap {
  /** Reads what waits now. @returns false when frames were lost */
  drain(): boolean;
  /** Settles when the kernel has let go, after an RCU grace period. Idempotent. */
  close(): Promise<void>;
}

/** linux/if_packet.h */
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_OUTGOING = 4;
const EVERY_LINK = 0;
const BUFFER_BYTES = 8 << 20;

/** Open when it returns: the first frame after it is seen. The caller closes it. @throws SystemError */
export function openTap(ns: Netns, onFrame: (tapped: Tapped) => void): Tap {
  // protocol 0 until it is bound: nothing of before gets in
  const fd = ns.enter(() => socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0));
  try {
    enlargeReceiveBuffer(fd, BUFFER_BYTES);
    bind(fd, encodeLinkAddress(ETH_P_ALL, EVERY_LINK));
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const drain = (): boolean => {
    for (let got = receive(fd); got; got = receive(fd)) if (got !== "down") onFrame(got);
    return dropsOf(fd) === 0;
  };
  const watch = watchReadiness(fd, "readable", () => void drain());
  let closing: Promise<void> | undefined;
  return {
    drain,
    close() {
      if (!closing) watch.close();
      closing ??= closeFdLater(fd);
      return closing;
    },
  };
}

/** A link that goes down leaves ENETDOWN on the socket, and the next read goes on. */
function receive(fd: number): Tapped | "down" | undefined {
  try {
    const got = recvmsg(fd);
    return (
      got && {
        index: got.from.readInt32LE(4),
        direction: got.from.readUInt8(10) === PACKET_OUTGOING ? "out" : "in",
        frame: decodeFrame(got.data),
      }
    );
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENETDOWN") return "down";
    throw error;
  }
}

/** Since the last call: the kernel starts from zero again at each read. */
const dropsOf = (fd: number): number => getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, 8).readUInt32LE(4);
