/**
 * What the kernel has in the namespaces of a lab, as plain facts: `observe/repair.ts` compares them with a Layout. Texts are as
 * the kernel or its tools print them: nothing here was parsed by us, and nothing need be ours.
 */
import type { NodeName } from "../net/name.ts";
import type { ProxyListener } from "./layout.ts";

export interface Observed {
  readonly nodes: readonly ObservedNode[];
}

export interface ObservedNode {
  readonly name: NodeName;
  /** Its name leads nowhere or to another namespace. */
  readonly nameLost: boolean;
  /** lo included. */
  readonly links: readonly ObservedLink[];
  /** IPv4, of all tables; those that the kernel made for addresses included, but for its table "local". */
  readonly routes: readonly ObservedRoute[];
  /** Value of each key that was asked for; undefined: it does not exist. */
  readonly sysctls: ReadonlyMap<string, string | undefined>;
  /** Those with a policy, and those that were made: all of iptables' tables. */
  readonly chains: readonly ObservedChain[];
  /** In order. */
  readonly rules: readonly ObservedRule[];
  /** Policy routing rules (ip-rule(8)) beyond the kernel's three, and tables of nftables that are none of iptables'. */
  readonly others: readonly ForeignObject[];
  /** Listeners of this process. */
  readonly proxies: readonly ProxyListener[];
}

/** Something that docknet never makes, or not like this: shown by `what`, and removed by the very message that the kernel showed it in. */
export interface ForeignObject {
  readonly object: "link" | "address" | "route" | "policy" | "table";
  /** "10.0.0.1/8 on eth0", "default via 10.0.0.1 dev eth0 metric 5", "rule 100", "table inet mine" */
  readonly what: string;
  /** Body of the netlink message that deletes it, in hex. */
  readonly message: string;
}

export interface ObservedLink {
  readonly name: string;
  /** "bridge", "veth", "macvlan"; "" for lo and what has none. */
  readonly kind: string;
  readonly mac: string;
  readonly mtuBytes: number;
  readonly up: boolean;
  readonly master?: string;
  readonly hairpin: boolean;
  /** Other end of a veth, or parent of a macvlan or VLAN, in a node of the lab. */
  readonly peer?: { readonly node: NodeName; readonly name: string };
  /** Of a macvlan: "bridge". */
  readonly mode?: string;
  readonly vlanId?: number;
  readonly addresses: readonly ObservedAddress[];
  readonly foreign: ForeignObject;
}

export interface ObservedAddress {
  /** "172.17.0.2/16" */
  readonly address: string;
  /** Has the broadcast, scope and lifetime that docknet gives. */
  readonly plain: boolean;
  /** It goes when the first address of its subnet goes. */
  readonly secondary: boolean;
  readonly foreign: ForeignObject;
}

export interface ObservedRoute {
  /** "0.0.0.0/0" */
  readonly to: string;
  readonly via?: string;
  readonly link?: string;
  /** Unicast by a gateway in the main table, without metric, source or options: as docknet makes them. */
  readonly plain: boolean;
  /** Made by the kernel for an address. */
  readonly ofKernel: boolean;
  readonly foreign: ForeignObject;
}

export interface ObservedChain {
  readonly table: string;
  readonly name: string;
  /** Built-in chains have one. */
  readonly policy?: string;
}

export interface ObservedRule {
  readonly table: string;
  readonly chain: string;
  /** What iptables-save prints after `-A CHAIN`. */
  readonly spec: string;
  readonly packets: number;
  readonly bytes: number;
}
