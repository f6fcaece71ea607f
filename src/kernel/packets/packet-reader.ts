/**
 * Packets of many sockets as one stream in the order of their time stamps. The sockets are read in turns: what has come in for some
 * milliseconds is read at once, so a flood costs one call for many packets, and silence costs nothing.
 *
 * Who does not ask for more is not read to: packets then wait in the kernel, and what finds no room there is counted by it
 * (`PacketSocket.statistics`). Nothing here grows with the traffic.
 */
import { BATCH, type Packet, readBatch } from "./packet-batch.ts";
import type { PacketSockets } from "./packet-sockets.ts";

/** Between two looks while packets come; a packet is handed on after two of them at most. */
const TURN_MS = 4;
/** From a packet's time stamp to its being readable, on a busy machine, and what Date.now() rounds off. */
const SETTLE_MS = 3;
/** Read in one turn. */
const MAX_BATCHES = 64;
/** When the clock is set back packets bear times of the future: they are not waited for. */
const MAX_PENDING = 8 * MAX_BATCHES * BATCH;

/**
 * Reads until `signal` aborts; then come those that were there already, and no more. The sockets stay the caller's, who may add some
 * and let some leave meanwhile. @returns batches, never empty; of one time stamp the packets are in the order of `sockets`
 */
export async function* readPackets(
  sockets: PacketSockets,
  signal: AbortSignal,
): AsyncGenerator<readonly Packet[], void, void> {
  let pending: Packet[] = [];
  let stopped = false;
  for (;;) {
    if (signal.aborted && !stopped) {
      sockets.stop();
      stopped = true;
    }
    if (!stopped) {
      if (pending.length === 0 && !sockets.isLeaving) await sockets.ready.wait(signal);
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    }
    const settledMs = Date.now() - SETTLE_MS;
    const readable = sockets.ready.readable();
    const { isEmpty, completeMs } = readTurn(sockets, readable, pending);
    sockets.dismiss(readable);
    pending.sort(byTime);
    const isOver = stopped && isEmpty;
    const due = isOver || pending.length > MAX_PENDING ? pending.length : countUntil(pending, settledMs, completeMs);
    const batch = pending.slice(0, due);
    pending = pending.slice(due);
    if (batch.length > 0) yield batch;
    if (isOver) return;
  }
}

/** A batch of each, again and again, until they are empty or enough is read. @returns up to when nothing is missing */
function readTurn(
  sockets: PacketSockets,
  readable: readonly number[],
  packets: Packet[],
): { isEmpty: boolean; completeMs: number } {
  let left = readable;
  let completeMs = Number.POSITIVE_INFINITY;
  for (let batches = 0; left.length > 0; ) {
    const full: number[] = [];
    completeMs = Number.POSITIVE_INFINITY;
    for (const position of left) {
      const socket = sockets.at(position);
      if (!socket || readBatch(socket.fd, position, packets) < BATCH) continue;
      full.push(position);
      const last = packets.at(-1);
      if (last) completeMs = Math.min(completeMs, millisOf(last));
    }
    batches += left.length;
    left = full;
    if (batches >= MAX_BATCHES) break;
  }
  return { isEmpty: left.length === 0, completeMs };
}

const millisOf = (p: Packet): number => p.seconds * 1000 + p.nanos / 1e6;

const byTime = (a: Packet, b: Packet): number => a.seconds - b.seconds || a.nanos - b.nanos || a.position - b.position;

function countUntil(packets: readonly Packet[], settledMs: number, completeMs: number): number {
  const endMs = Math.min(settledMs, completeMs);
  let count = packets.length;
  for (let last = packets[count - 1]; last && millisOf(last) > endMs; last = packets[count - 1]) count -= 1;
  return count;
}
