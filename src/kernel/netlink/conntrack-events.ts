/**
 * Changes of a namespace's conntrack table as they happen (NFNLGRP_CONNTRACK_*; what `conntrack -E` reads). With the kernel's default,
 * net.netfilter.nf_conntrack_events = 2, an entry sends events only when a listener existed at its creation (nf_conntrack_ecache.c).
 * Source: include/uapi/linux/netfilter/{nfnetlink,nfnetlink_conntrack}.h.
 */

import type { Netns } from "../netns.ts";
import { type ConntrackEvent, decodeConntrackEvent } from "./conntrack.ts";
import { NETLINK_NETFILTER } from "./netlink.ts";
import { newsIn, openNetlinkListener } from "./netlink-listener.ts";

export interface ConntrackWatch {
  /** Idempotent. */
  close(): void;
}

/** NFNLGRP_CONNTRACK_NEW, _UPDATE, _DESTROY */
const GROUPS = [1, 2, 3];

/**
 * Watches until closed; the first change after it returns is reported. The caller closes it.
 * @param onLost the kernel sent more than its buffer took. @throws SystemError
 */
export function watchConntrack(
  ns: Netns,
  onEvent: (event: ConntrackEvent) => void,
  onLost: () => void = () => {},
): ConntrackWatch {
  let closed = false;
  const tell = (bytes: Buffer): void => {
    for (const event of decodeEvents(bytes)) if (!closed) onEvent(event);
  };
  const listener = openNetlinkListener(ns, { protocol: NETLINK_NETFILTER, groups: GROUPS }, tell, onLost);
  return {
    close() {
      closed = true;
      listener.close();
    },
  };
}

/** What came in one read. Exported for its test. */
export const decodeEvents = (bytes: Buffer): ConntrackEvent[] =>
  [...newsIn(bytes)].flatMap(({ type, flags, body }) => decodeConntrackEvent(type, flags, body));
