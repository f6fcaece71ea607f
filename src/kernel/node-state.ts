/** What the executor holds of one node: its namespace, a socket in it, and the numbers of its links. */
import { DocknetError } from "../errors.ts";
import type { IfName } from "../net/name.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "./netlink/netlink.ts";
import * as rt from "./netlink/rtnetlink.ts";
import { decodeNsid, nsidOf } from "./netlink/rtnetlink-read.ts";
import type { Netns } from "./netns.ts";

export class NodeState {
  readonly ns: Netns;
  readonly route: NetlinkSocket;
  /** Sysctls of the namespace itself that a plan has set. */
  readonly touched = new Set<string>();
  /** Made by this process, so that nobody else has set a sysctl in it before the plan did. */
  readonly isNew: boolean;
  private indexes = new Map<string, number>();
  private nextIndex = 2;
  private readIn = 0;

  /** @param round of the executor's work in which its links are read: they may have changed by the next */
  constructor(ns: Netns, isNew: boolean, round: number) {
    this.ns = ns;
    this.isNew = isNew;
    this.route = new NetlinkSocket(ns, NETLINK_ROUTE);
    this.readLinks(round);
  }

  /** Reads the numbers of its links, once a round: between rounds anybody may have made or removed some by hand. */
  readLinks(round: number): this {
    if (this.readIn === round) return this;
    this.readIn = round;
    // modules like sit or ipip put devices of their own into each new namespace
    const links = this.route.query(rt.dumpLinks).map(rt.decodeLink);
    this.indexes = new Map(links.map((l) => [l.name, l.index]));
    this.nextIndex = Math.max(this.nextIndex, ...links.map((l) => l.index + 1));
    return this;
  }

  /** A number for a link that is about to be made. */
  claimIndex(name: IfName): number {
    const index = this.nextIndex++;
    this.indexes.set(name, index);
    return index;
  }

  forgetIndex(name: IfName): number {
    const index = this.indexOf(name);
    this.indexes.delete(name);
    return index;
  }

  /** @throws DocknetError INTERNAL */
  indexOf(name: IfName): number {
    const index = this.indexes.get(name);
    if (index === undefined) throw new DocknetError("INTERNAL", `No link ${name} in ${this.ns.label}`);
    return index;
  }

  /** By what number this namespace calls another; it gets one when it has none. */
  numberOf(other: Netns): number {
    const ask = (): number => this.route.query(nsidOf(other.fd)).map(decodeNsid)[0] ?? -1;
    const known = ask();
    if (known >= 0) return known;
    this.route.request([rt.numberNetns(other.fd)]);
    return ask();
  }

  /** Removes the namespace, unless a process lives in it. */
  close(): void {
    this.route.close();
    this.ns.close();
  }

  /** Lets go of it. */
  detach(): void {
    this.route.close();
    this.ns.detach();
  }
}
