/**
 * Live capture of one interface by a plain packet socket, which says of each frame whether it came or went. For a macvlan and for the
 * parent of some: there frames bear the addresses of several stations, so capture.ts cannot tell the direction by them; and a
 * macvlan's offloads cannot be switched off (drivers/net/macvlan.c ALWAYS_ON_OFFLOADS), with which its ring has 8 slots (offload.ts).
 */
import { decodeFrame } from "../../net/frame.ts";
import type { IfName } from "../../net/name.ts";
import type { Netns } from "../netns.ts";
import { watchReadiness } from "../readiness.ts";
import type { CaptureOptions } from "./capture.ts";
import { BATCH, type Packet, readBatch } from "./packet-batch.ts";
import { openPacketSocket, type PacketStatistics } from "./packet-socket.ts";

export interface LinkFrames {
  stats(): PacketStatistics;
  /** No `onFrame` from now on; settles when the kernel has let go. Idempotent. */
  close(): Promise<void>;
}

let arrivals = 0;

/** The first frame after it returns is seen. The caller closes it. @throws DocknetError as `openPacketSocket` */
export function openLinkFrames(
  ns: Netns,
  ifName: IfName,
  { filter = "", onFrame }: Pick<CaptureOptions, "filter" | "onFrame">,
): LinkFrames {
  const socket = openPacketSocket(ns, ifName, { filter });
  const read = (): void => {
    for (let more = true; more; ) {
      const packets: Packet[] = [];
      more = readBatch(socket.fd, 0, packets) === BATCH;
      for (const { data, direction } of packets) onFrame({ seq: arrivals++, frame: decodeFrame(data), direction });
    }
  };
  const watch = watchReadiness(socket.fd, "readable", read);
  let closing: Promise<void> | undefined;
  return {
    stats: () => socket.statistics(),
    close() {
      if (!closing) watch.close();
      closing ??= socket.close();
      return closing;
    },
  };
}
