/**
 * Changes of a namespace's conntrack table as they happen (NFNLGRP_CONNTRACK_*; what `conntrack -E` reads). With the kernel's default,
 * net.netfilter.nf_conntrack_events = 2, an entry tells of itself only when somebody listened at its birth (nf_conntrack_ecache.c).
 * Source: include/uapi/linux/netfilter/{nfnetlink,nfnetlink_conntrack}.h.
 */
import { type ConntrackEvent, decodeConntrackEvent } from "./conntrack.ts";
import {
  AF_NETLINK,
  bind,
  closeFd,
  recvmsg,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SystemError,
  setsockopt,
  socket,
} from "./libc.ts";
import { NETLINK_NETFILTER } from "./netlink.ts";
import type { Netns } from "./netns.ts";
import { watchReadiness } from "./readiness.ts";
import { enlargeReceiveBuffer } from "./socket.ts";

export interface ConntrackWatch {
  /** Idempotent. */
  close(): void;
}

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** NFNLGRP_CONNTRACK_NEW, _UPDATE, _DESTROY */
const GROUPS = [1, 2, 3];
const HEADER_BYTES = 16;
const BUFFER_BYTES = 4 << 20;

/**
 * Watches until closed; the first change after it returns is told. The caller closes it.
 * @param onLost the kernel had more to tell than its buffer took. @throws SystemError
 */
export function watchConntrack(
  ns: Netns,
  onEvent: (event: ConntrackEvent) => void,
  onLost: () => void = () => {},
): ConntrackWatch {
  const fd = ns.enter(() => socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_NETFILTER));
  try {
    bind(fd, Buffer.from([AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    for (const group of GROUPS) setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
    enlargeReceiveBuffer(fd, BUFFER_BYTES);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  let closed = false;
  const read = (): void => {
    try {
      for (let got = recvmsg(fd); got; got = closed ? undefined : recvmsg(fd))
        for (const event of decodeEvents(got.data)) if (!closed) onEvent(event);
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "ENOBUFS") throw error;
      onLost();
    }
  };
  const watch = watchReadiness(fd, "readable", read);
  return {
    close() {
      if (closed) return;
      closed = true;
      watch.close();
      closeFd(fd);
    },
  };
}

/** What came in one read. A malformed tail is left out. Exported for its test. */
export function decodeEvents(bytes: Buffer): ConntrackEvent[] {
  const events: ConntrackEvent[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const size = bytes.readUInt32LE(at);
    if (size < HEADER_BYTES || at + size > bytes.length) break;
    const body = bytes.subarray(at + HEADER_BYTES, at + size);
    events.push(...decodeConntrackEvent(bytes.readUInt16LE(at + 4), bytes.readUInt16LE(at + 6), body));
    at += (size + 3) & ~3;
  }
  return events;
}
