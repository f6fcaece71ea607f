/** The links of a lab that a capture is of, with a packet socket for each; and when the lab has changed, what came and what went. */
import { SystemError } from "../kernel/libc.ts";
import { indexOf } from "../kernel/netlink/link-address.ts";
import type { Netns } from "../kernel/netns.ts";
import { openPacketSocket, type PacketSocket } from "../kernel/packets/packet-socket.ts";
import type { NodeName } from "../net/name.ts";
import { type CaptureLink, type CapturePlan, planCapture, replanCapture } from "../observe/capture-plan.ts";
import type { Site } from "./site.ts";

/** Which frames of a link are kept, and how much of them. */
export interface LinkChoice {
  /** pcap-filter(7) */
  readonly filter?: string;
  /** Bytes kept of a frame; all of it unless said. */
  readonly snapBytes?: number;
}

/** What is captured, and a socket for each of its links, in their order. */
export interface OpenSockets {
  readonly plan: CapturePlan;
  readonly sockets: readonly PacketSocket[];
}

/** `plan.links` are those that came. */
export interface CaptureChange extends OpenSockets {
  /** Positions of those that went, counted from the first link that there ever was. */
  readonly gone: readonly number[];
}

/** One link, told from another that has got its name since. */
interface Known {
  readonly node: NodeName;
  readonly link: string;
  readonly ns: Netns;
  readonly index: number;
}

export class CaptureLinks {
  private readonly site: Site;
  private readonly wanted: readonly string[];
  private readonly options: LinkChoice;
  /** By position; undefined: it went. */
  private readonly known: (Known | undefined)[] = [];

  /** @param wanted "web", "web/eth0", "@host"; none: all links */
  constructor(site: Site, wanted: readonly string[], options: LinkChoice) {
    this.site = site;
    this.wanted = wanted;
    this.options = options;
  }

  /** From its return on every frame is seen. The caller owns the sockets. @throws DocknetError NOT_FOUND, USAGE; then no socket is open */
  open(): OpenSockets {
    const plan = planCapture(this.site.state, this.site.layout, this.wanted, (name) => this.nodesOf(name));
    return this.openSockets(plan);
  }

  /** The same when the lab has changed since. */
  follow(): CaptureChange {
    const plan = replanCapture(this.site.state, this.site.layout, this.wanted, (name) => this.nodesOf(name));
    const there = plan.links.flatMap((link) => {
      const found = this.identify(link);
      return found ? [{ link, found }] : [];
    });
    const gone = [...this.known.entries()].flatMap(([position, old]) =>
      old && !there.some(({ found }) => isSame(found, old)) ? [position] : [],
    );
    const came = there.filter(({ found }) => !this.known.some((old) => old && isSame(found, old)));
    for (const position of gone) this.known[position] = undefined;
    return { ...this.openSockets({ ...plan, links: came.map(({ link }) => link) }), gone };
  }

  private openSockets(plan: CapturePlan): OpenSockets {
    const sockets: PacketSocket[] = [];
    try {
      for (const { node, link } of plan.links)
        sockets.push(openPacketSocket(this.site.netns(node), link, this.options));
    } catch (error) {
      for (const socket of sockets) void socket.close();
      throw error;
    }
    this.known.push(...plan.links.map((link) => this.identify(link)));
    return { plan, sockets };
  }

  /** undefined: somebody has deleted it by hand. */
  private identify({ node, link }: CaptureLink): Known | undefined {
    const ns = this.site.netns(node);
    try {
      return { node, link, ns, index: ns.enter(() => indexOf(link)) };
    } catch (error) {
      if (error instanceof SystemError && error.code === "ENODEV") return undefined;
      throw error;
    }
  }

  private nodesOf(name: string): NodeName[] {
    const containers = this.site.state.containers.filter((c) => [c.node, c.name, c.service].includes(name));
    return containers.flatMap((c) => this.site.sandboxOf(c) ?? []);
  }
}

const isSame = (a: Known, b: Known): boolean =>
  a.ns === b.ns && a.index === b.index && a.node === b.node && a.link === b.link;
