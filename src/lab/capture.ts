/**
 * A capture of many links at once, as packets with names and comments, or as the bytes of a pcapng file. lab.ts records in its own
 * process; the daemon opens the sockets and hands them to a process of their own (lab/capture-process.ts), so that a flood or a slow reader is not its
 * trouble. It reads as fast as it is asked: what is not read in time the kernel drops and counts.
 */
import { arch, release } from "node:os";
import type { Packet } from "../kernel/packets/packet-batch.ts";
import { readPackets } from "../kernel/packets/packet-reader.ts";
import { PacketSockets } from "../kernel/packets/packet-sockets.ts";
import { decodeFrame, type Frame, renderFrame } from "../net/frame.ts";
import type { IfName, NodeName } from "../net/name.ts";
import type { AddressName, CaptureLink } from "../observe/capture-plan.ts";
import { TranslationWatch } from "../observe/translation.ts";
import type { PacketLine } from "../report/packet-line.ts";
import {
  type EnhancedPacket,
  encodeEnhancedPackets,
  encodeInterfaceDescription,
  encodeInterfaceStatistics,
  encodeNameResolution,
  encodeSectionHeader,
  type RECEPTION,
  type Time,
} from "../report/pcapng.ts";
import type { CaptureChange, LinkChoice, OpenSockets } from "./capture-links.ts";
import { VERSION } from "./verify.ts";

/** How much is recorded. Plain data. */
export interface CaptureLimits extends LinkChoice {
  /** Ends after so many packets. */
  readonly count?: number;
  /** Ends after so long. */
  readonly durationMs?: number;
}

export interface CapturedPacket {
  readonly time: Time;
  readonly node: NodeName;
  readonly link: IfName;
  readonly direction: "in" | "out";
  /** Bytes on the wire; `data` has less when they were cut. */
  readonly length: number;
  readonly data: Uint8Array;
  readonly frame: Frame;
  /** What NAT did to it since the link before. */
  readonly comment?: string;
}

export interface CapturedLink {
  readonly node: NodeName;
  readonly link: IfName;
  /** Frames that passed the filter, and of those, frames that found no room. */
  readonly received: number;
  readonly dropped: number;
  /** Frames given out. */
  readonly delivered: number;
}

export interface CaptureSummary {
  readonly packets: number;
  readonly dropped: number;
  readonly links: readonly CapturedLink[];
}

/** For people. */
export function toLine({ time, node, link, direction, frame, comment }: CapturedPacket): PacketLine {
  const told = comment === undefined ? {} : { comment };
  return { time, place: `${node}/${link}`, direction, text: renderFrame(frame), ...told };
}

/** To be read once, as packets or as pcapng; closed by its owner. */
export class LabCapture implements AsyncDisposable {
  private readonly limits: CaptureLimits;
  /** All that there ever were, in the order of their sockets. */
  private readonly capturedLinks: CaptureLink[];
  private readonly sockets: PacketSockets;
  private readonly translations: TranslationWatch;
  private readonly delivered: number[] = [];
  private names: readonly AddressName[];
  /** Links and names that the file has already. */
  private described = 0;
  private readonly named = new Set<string>();
  private readonly startedAt = Date.now();
  private readonly ending = new AbortController();

  /** Takes over the sockets. */
  constructor({ plan, sockets }: OpenSockets, limits: CaptureLimits = {}) {
    this.limits = limits;
    this.capturedLinks = [...plan.links];
    this.sockets = new PacketSockets(sockets);
    this.translations = new TranslationWatch(plan.translators);
    this.names = plan.names;
  }

  /** The lab has changed: new links are recorded too, and of those that went what has come in by now. Takes over the sockets. */
  follow({ plan, sockets, gone }: CaptureChange): void {
    if (this.ending.signal.aborted) {
      for (const socket of sockets) void socket.close();
      return;
    }
    for (const position of gone) this.sockets.leave(position);
    for (const socket of sockets) this.sockets.add(socket);
    this.capturedLinks.push(...plan.links);
    this.translations.follow(plan.translators);
    this.names = plan.names;
  }

  get links(): readonly string[] {
    return this.capturedLinks.map(({ node, link }) => `${node}/${link}`);
  }

  /** No packet comes in from now on; those that came are still given out, and then reading ends. Idempotent. */
  stop(): void {
    this.ending.abort();
  }

  /** Counted by the kernel until now. */
  summary(): CaptureSummary {
    const links = this.capturedLinks.map(({ node, link }, i): CapturedLink => {
      const { received, dropped } = this.sockets.at(i)?.statistics() ?? { received: 0, dropped: 0 };
      return { node, link, received, dropped, delivered: this.delivered[i] ?? 0 };
    });
    const sum = (of: (link: CapturedLink) => number): number => links.reduce((n, l) => n + of(l), 0);
    return { packets: sum((l) => l.delivered), dropped: sum((l) => l.dropped), links };
  }

  /** In order of time, all links together. Ends by `stop`, count or duration. */
  async *[Symbol.asyncIterator](): AsyncGenerator<CapturedPacket, void, void> {
    for await (const batch of this.batches())
      for (const { packet, comment } of batch) {
        const link = this.capturedLinks[packet.position];
        if (!link) continue;
        const { seconds, nanos, direction, length, data } = packet;
        const told = comment === undefined ? {} : { comment };
        const { node, link: name } = link;
        yield {
          time: { seconds, nanos },
          node,
          link: name,
          direction,
          length,
          data,
          frame: decodeFrame(data),
          ...told,
        };
      }
  }

  /** A whole file, in pieces of whole blocks as packets come: a reader of the pieces so far always has whole packets. */
  async *pcapng(): AsyncGenerator<Buffer, void, void> {
    yield this.head();
    for await (const batch of this.batches())
      yield Buffer.concat([...this.news(), encodeEnhancedPackets(batch.map(toBlock))]);
    yield this.tail();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.stop();
    await this.sockets.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async *batches(): AsyncGenerator<readonly Commented[], void, void> {
    const { count = Number.POSITIVE_INFINITY, durationMs } = this.limits;
    const timer = durationMs === undefined ? undefined : setTimeout(() => this.stop(), durationMs);
    let left = count;
    try {
      for await (const packets of readPackets(this.sockets, this.ending.signal)) {
        const batch = packets.slice(0, left).map((packet) => this.take(packet));
        left -= batch.length;
        yield batch;
        if (left === 0) return;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  private take(packet: Packet): Commented {
    this.delivered[packet.position] = (this.delivered[packet.position] ?? 0) + 1;
    const place = this.capturedLinks[packet.position];
    const comment = place && this.translations.see(packet.data, place, packet.seconds * 1000 + packet.nanos / 1e6);
    return comment === undefined ? { packet } : { packet, comment };
  }

  private head(): Buffer {
    return Buffer.concat([
      encodeSectionHeader({ hardware: arch(), os: `Linux ${release()}`, application: `docknet ${VERSION}` }),
      ...this.news(),
    ]);
  }

  /** Blocks for the links and names that the file does not know yet: they may stand anywhere before they are used (pcapng, 3.3). */
  private news(): Buffer[] {
    const { snapBytes = 0, filter } = this.limits;
    const links = this.capturedLinks.slice(this.described);
    const names = this.names.filter(({ address, name }) => !this.named.has(`${address} ${name}`));
    this.described = this.capturedLinks.length;
    for (const { address, name } of names) this.named.add(`${address} ${name}`);
    return [
      ...links.map(({ node, link, mac, description }) =>
        encodeInterfaceDescription({
          name: `${node}/${link}`,
          description,
          snapBytes,
          ...(mac ? { mac } : {}),
          ...(filter ? { filter } : {}),
        }),
      ),
      ...(names.length > 0 ? [encodeNameResolution(names)] : []),
    ];
  }

  private tail(): Buffer {
    const [start, end] = [timeOf(this.startedAt), timeOf(Date.now())];
    return Buffer.concat([
      ...this.news(),
      ...this.summary().links.map(({ received, dropped, delivered }, interfaceId) =>
        encodeInterfaceStatistics({ interfaceId, at: end, start, end, received, dropped, delivered }),
      ),
    ]);
  }
}

interface Commented {
  readonly packet: Packet;
  readonly comment?: string;
}

const timeOf = (ms: number): Time => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 });

const RECEPTION_OF: Readonly<Record<Packet["to"], keyof typeof RECEPTION>> = {
  host: "unicast",
  broadcast: "broadcast",
  multicast: "multicast",
  other: "promiscuous",
  unknown: "unspecified",
};

function toBlock({ packet, comment }: Commented): EnhancedPacket {
  const { position: interfaceId, seconds, nanos, direction, to, length, data } = packet;
  const reception = direction === "out" ? "unspecified" : RECEPTION_OF[to];
  return comment === undefined
    ? { interfaceId, seconds, nanos, length, data, direction, reception }
    : { interfaceId, seconds, nanos, length, data, direction, reception, comment };
}
