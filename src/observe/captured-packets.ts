/** All captures of a verification as one list of packets: which packet was seen on which link of which node, in which direction. */
import { DocknetError } from "../errors.ts";
import { type Frame, type Ipv4Packet, PROTO_TCP } from "../net/frame.ts";
import { HOST, type IfName, type NodeName, ROUTER } from "../net/name.ts";
import type { Layout } from "../plan/layout.ts";
import type { CapturedLink, CaptureHandle, Instruments } from "./instruments.ts";

export interface CapturedPacket {
  /** Order of arrival at this process; per link it is the order on the wire. */
  readonly order: number;
  readonly node: NodeName;
  readonly link: IfName;
  readonly direction: "in" | "out";
  readonly ip: Ipv4Packet;
  readonly frame: Frame;
}

/** The links that tell a story: both ends of every way, each interface of host and router, not the ports in between. */
export function linksToCapture(layout: Layout): CapturedLink[] {
  const shared = sharedLinks(layout);
  return layout.nodes.flatMap((node) =>
    node.links
      .filter(
        (l) =>
          l.kind === "peer" ||
          l.kind === "macvlan" ||
          l.kind === "vlan" ||
          l.kind === "dummy" ||
          (l.kind === "bridge" && node.name === HOST) ||
          (l.kind === "veth" && node.name === ROUTER),
      )
      .map(
        (l): CapturedLink => ({
          node: node.name,
          link: l.name,
          bridge: l.kind === "bridge",
          ...(l.mac ? { mac: l.mac } : {}),
          ...(shared.has(`${node.name} ${l.name}`) ? { shared: true } : {}),
        }),
      ),
  );
}

/** "node link" of macvlans and their parents. */
function sharedLinks({ nodes }: Layout): ReadonlySet<string> {
  return new Set(
    nodes.flatMap((node) =>
      node.links.flatMap((l) =>
        l.kind === "macvlan" ? [`${node.name} ${l.name}`, `${l.parent.node} ${l.parent.name}`] : [],
      ),
    ),
  );
}

/** Of the event loop, that a drain gets in any case: a machine that stood still has not read either. */
const LEAST_TURNS = 100;

/** Broadcast and multicast: the lowest bit of the first byte (IEEE 802.3 3.2.3). */
const isGroup = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;

export interface UncapturedLink {
  readonly node: NodeName;
  readonly link: IfName;
  readonly why: "down" | "missing";
}

function linkFault(error: unknown): UncapturedLink["why"] | undefined {
  const why = error instanceof DocknetError ? error.details.link : undefined;
  return why === "down" || why === "missing" ? why : undefined;
}

export class CapturedPackets {
  readonly packets: CapturedPacket[] = [];
  private readonly captures: CaptureHandle[] = [];
  private readonly byFlow = new Map<string, CapturedPacket[]>();
  private readonly byLink = new Map<string, CapturedPacket[]>();
  private readonly requestsBySource = new Map<number | undefined, CapturedPacket[]>();
  private readonly byTargetPort = new Map<number | undefined, CapturedPacket[]>();
  private delivered = 0;
  private readonly capturedLinks = new Set<string>();
  /** Links that nothing can be capturedLinks on: a finding, and no obstacle to what other links show. */
  readonly uncaptured: UncapturedLink[] = [];

  constructor(instruments: Instruments, links: readonly CapturedLink[]) {
    for (const link of links) {
      try {
        this.captures.push(instruments.capture(link, (frame, direction) => this.see(link, frame, direction)));
        this.capturedLinks.add(`${link.node} ${link.link}`);
      } catch (error) {
        const why = linkFault(error);
        if (why === undefined) {
          for (const capture of this.captures.splice(0)) void capture.close();
          throw error;
        }
        this.uncaptured.push({ node: link.node, link: link.link, why });
      }
    }
  }

  get links(): number {
    return this.captures.length;
  }

  /** The `order` of the newest packet. */
  get last(): number {
    return this.delivered;
  }

  isCaptured(node: NodeName, link: IfName): boolean {
    return this.capturedLinks.has(`${node} ${link}`);
  }

  /** Waits until every frame that the kernel accepted has been read; false when the deadline came first. */
  async drain(deadlineMs: number): Promise<boolean> {
    const end = performance.now() + deadlineMs;
    for (let turn = 0; this.delivered < this.totals().received; turn++) {
      if (turn >= LEAST_TURNS && performance.now() > end) return false;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return true;
  }

  totals(): { received: number; dropped: number } {
    const all = this.captures.map((c) => c.stats());
    return {
      received: all.reduce((n, s) => n + s.received - s.dropped, 0),
      dropped: all.reduce((n, s) => n + s.dropped, 0),
    };
  }

  /** The same packet on other links: its transport identity outlives translation. */
  sameFlow(packet: CapturedPacket): readonly CapturedPacket[] {
    return this.byFlow.get(flowKey(packet.ip)) ?? [];
  }

  /** Requests of one source port (for icmp: echo id), in order of arrival. */
  requestsFrom(port: number): readonly CapturedPacket[] {
    return this.requestsBySource.get(port) ?? [];
  }

  /** Packets to this port (for icmp: with this echo id), whatever they are. */
  answersTo(port: number): readonly CapturedPacket[] {
    return this.byTargetPort.get(port) ?? [];
  }

  on(node: NodeName, link: IfName): readonly CapturedPacket[] {
    return this.byLink.get(`${node} ${link}`) ?? [];
  }

  async close(): Promise<void> {
    await Promise.all(this.captures.splice(0).map((c) => c.close()));
  }

  private see(link: CapturedLink, frame: Frame, direction: "in" | "out"): void {
    this.delivered++;
    // a capture makes its link promiscuous: frames for others, which a bridge switches or floods, show up too, but the node never gets them
    const isForOthers =
      !link.shared &&
      link.mac !== undefined &&
      direction === "in" &&
      frame.dstMac !== link.mac &&
      !isGroup(frame.dstMac);
    if (!frame.ip || isForOthers) return;
    const packet: CapturedPacket = {
      order: this.delivered,
      node: link.node,
      link: link.link,
      direction,
      ip: frame.ip,
      frame,
    };
    this.packets.push(packet);
    if (isRequest(frame.ip)) push(this.requestsBySource, sourcePortOf(frame.ip), packet);
    push(this.byTargetPort, targetPortOf(frame.ip) ?? frame.ip.icmp?.id, packet);
    push(this.byFlow, flowKey(frame.ip), packet);
    push(this.byLink, `${link.node} ${link.link}`, packet);
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/**
 * What stays the same of one packet on its whole way, NAT or not: the sequence number of TCP (32 random bits of the SYN); else the IP
 * identification with the length, which the probes vary so that two of them hardly agree in both.
 */
function flowKey(ip: Ipv4Packet): string {
  if (ip.proto === PROTO_TCP && ip.tcp) {
    return `tcp ${ip.tcp.seq} ${ip.tcp.flags.syn} ${ip.tcp.flags.ack} ${ip.tcp.flags.rst}`;
  }
  return `${ip.proto} ${ip.id} ${ip.length} ${ip.icmp?.type ?? ""}`;
}

export const sourcePortOf = (ip: Ipv4Packet): number | undefined => ip.tcp?.srcPort ?? ip.udp?.srcPort ?? ip.icmp?.id;
export const targetPortOf = (ip: Ipv4Packet): number | undefined => ip.tcp?.dstPort ?? ip.udp?.dstPort;

/** A request, not its answer. */
export function isRequest(ip: Ipv4Packet): boolean {
  if (ip.tcp) return ip.tcp.flags.syn && !ip.tcp.flags.ack;
  if (ip.icmp) return ip.icmp.type === 8;
  return true;
}
