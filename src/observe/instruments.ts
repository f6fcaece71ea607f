/**
 * What observing needs of the kernel, as an interface: probes, captures, and readings. `lab.ts` puts the real ones behind it; a
 * test may put others. Nothing here decides anything.
 */

import type { KernelRule } from "../kernel/firewall/rules.ts";
import type { ConntrackEntry } from "../kernel/netlink/conntrack.ts";
import type { NodeReading } from "../kernel/reading.ts";
import type { Probe } from "../kernel/speech/probe.ts";
import type { Ipv4 } from "../net/address.ts";
import type { Frame } from "../net/frame.ts";
import type { Transfer } from "../net/ftp.ts";
import type { Mac } from "../net/mac.ts";
import type { IfName, NodeName } from "../net/name.ts";
import type { Port } from "../net/port.ts";
import type { ProbeProto } from "../plan/predict/prediction.ts";

export interface Instruments {
  probe(request: {
    node: NodeName;
    proto: ProbeProto;
    address: Ipv4;
    port?: Port;
    sourcePort?: Port;
    transfer?: Transfer;
    deadlineMs: number;
  }): Probe;
  /** Opened before it returns: the first packet after it is seen. */
  capture(link: CapturedLink, onFrame: (frame: Frame, direction: "in" | "out") => void): CaptureHandle;
  /** One question for an A record to 127.0.0.11 of a node. */
  resolve(request: { node: NodeName; name: string; deadlineMs: number }): Promise<NameReply>;
  /** Who hears what 127.0.0.11 of a node forwards: the container whose name server says so, undefined when none does. */
  identify(request: { node: NodeName; deadlineMs: number }): Promise<string | undefined>;
  /** These namespaces forget the MAC addresses that they have learned: they ask again with the next packet. */
  forgetNeighbours(nodes: readonly NodeName[]): void;
  /** How often the machine's one table of MAC addresses had no room, since it started; undefined where that cannot be read. */
  timesNeighboursFull(): number | undefined;
  readRules(node: NodeName): Promise<readonly KernelRule[]>;
  readConntrack(node: NodeName): readonly ConntrackEntry[];
  /** Links, addresses, routes and the given sysctls, by tools other than those that made them. */
  readNode(node: NodeName, sysctls: readonly string[]): Promise<NodeReading>;
}

export interface CapturedLink {
  readonly node: NodeName;
  readonly link: IfName;
  readonly mac?: Mac;
  /** Several stations send by it, a macvlan or its parent: only the kernel knows of a frame whether it came or went. */
  readonly shared?: true;
  /** The link is a bridge device, not a port or an end. */
  readonly bridge: boolean;
}

export interface CaptureHandle {
  /** Frames that the kernel accepted for this capture, and those it had to throw away. */
  stats(): { readonly received: number; readonly dropped: number };
  close(): void | Promise<void>;
}

export type NameReply =
  | {
      readonly outcome: "answer";
      readonly rcode: string;
      readonly addresses: readonly Ipv4[];
      readonly afterMs: number;
    }
  | { readonly outcome: "refused"; readonly errno: string; readonly afterMs: number }
  | { readonly outcome: "silent"; readonly afterMs: number; readonly failure?: string };
