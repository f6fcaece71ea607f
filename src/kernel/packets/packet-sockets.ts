/** The packet sockets of one recording. Links come and go while it runs: each has a position of its own, for good. */

import { ReadySet } from "../ready-set.ts";
import type { PacketSocket } from "./packet-socket.ts";

export class PacketSockets {
  readonly ready = new ReadySet();
  private readonly all: PacketSocket[] = [];
  private readonly open = new Set<number>();
  private readonly leaving = new Set<number>();

  /** Takes them over. */
  constructor(sockets: readonly PacketSocket[] = []) {
    for (const socket of sockets) this.add(socket);
  }

  /** Takes it over. @returns its position */
  add(socket: PacketSocket): number {
    const position = this.all.length;
    this.ready.add(socket.fd, position);
    this.all.push(socket);
    this.open.add(position);
    return position;
  }

  /** Also of one that has been closed: it knows its counts. */
  at(position: number): PacketSocket | undefined {
    return this.all[position];
  }

  /** No packet comes in there from now on; it is closed when those that wait have been read. */
  leave(position: number): void {
    if (!this.open.has(position)) return;
    this.at(position)?.stop();
    this.leaving.add(position);
    this.ready.nudge();
  }

  /** Is there one that waits to be closed? */
  get isLeaving(): boolean {
    return this.leaving.size > 0;
  }

  /** Closes those that leave and have nothing more. @param readable positions of those that had something when it was looked last */
  dismiss(readable: readonly number[]): void {
    for (const position of this.leaving) if (!readable.includes(position)) void this.end(position);
  }

  /** No packet comes in any more, anywhere. */
  stop(): void {
    for (const position of this.open) this.at(position)?.stop();
  }

  /** Idempotent. Settles when the kernel has let go. */
  async close(): Promise<void> {
    const ends = [...this.open].map((position) => this.end(position));
    this.ready[Symbol.dispose]();
    await Promise.all(ends);
  }

  private async end(position: number): Promise<void> {
    const socket = this.at(position);
    this.leaving.delete(position);
    if (!socket || !this.open.delete(position)) return;
    this.ready.remove(socket.fd);
    await socket.close();
  }
}
