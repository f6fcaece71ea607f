/**
 * A link that is up, and whose other end is, cannot send yet: what it is given is dropped (the queue "noop"), and a bridge's port does not
 * forward, until the kernel has looked after it. It does so for all links of the machine in one place, a hundred at a time and then a second
 * later the next (net/core/link_watch.c): where many namespaces come and go at once that has taken more than the three seconds after
 * which ARP gives up. Elsewhere it is done before anybody can ask.
 */
import type { NetlinkSocket } from "./netlink.ts";
import { decodeLinkReadiness, dumpLinks } from "./rtnetlink-read.ts";

/** Then the lab is used as it is: an error shows where something is sent. */
const DEADLINE_MS = 20_000;
const LOOK_AGAIN_MS = 5;

/** Resolves when no link of these namespaces waits to be looked after. */
export async function linksReady(routes: readonly NetlinkSocket[]): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  let waiting = routes;
  for (;;) {
    waiting = waiting.filter((route) => !route.query(dumpLinks).every(decodeLinkReadiness));
    if (waiting.length === 0 || performance.now() > deadline) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
