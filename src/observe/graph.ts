/**
 * A lab as a picture wants it: its namespaces, their links with both ends of each veth pair and the parents of macvlans, its networks,
 * and where ports and NAT lead from one to the other. Plain data, the same for every format: `report/graph/` draws it, `--format json` prints it.
 */
import type { Origin } from "../errors.ts";

export interface Graph {
  readonly schema: 1;
  readonly docknet: string;
  readonly lab: string;
  readonly profile: string;
  /** Were the links read from the kernel? Otherwise they are those that the lab wants, and have no indexes. */
  readonly measured: boolean;
  /** The internet first, then what hangs on it; containers in the order of their creation, those that do not run included. */
  readonly nodes: readonly GraphNode[];
  /** Docker's networks on bridges and on parents; `host` and `none` are neither. */
  readonly networks: readonly GraphNetwork[];
  readonly pairs: readonly GraphPair[];
  readonly ports: readonly GraphBridgePort[];
  readonly published: readonly GraphPublished[];
  readonly forwards: readonly GraphForward[];
  readonly statics: readonly GraphStaticNat[];
  readonly nat: readonly GraphNat[];
}

/** A namespace, or a container that has none of its own. */
export interface GraphNode {
  readonly name: string;
  readonly kind: "internet" | "router" | "switch" | "neighbour" | "host" | "container";
  readonly service?: string;
  readonly image?: string;
  /** Of a container: "running", "created" or "exited". */
  readonly status?: "created" | "running" | "exited";
  /** Of a container: whose network it has. "shared": that of `sharedWith`, or of nobody any more. */
  readonly sandbox?: "own" | "none" | "host" | "shared";
  readonly sharedWith?: string;
  /** Without lo, which every namespace has. */
  readonly links: readonly GraphLink[];
  readonly gateway?: GraphGateway;
  /** "80/tcp": what its responders or its programs listen on. */
  readonly serves: readonly string[];
  /** Where it is in the lab file. */
  readonly at?: Origin;
}

/** The default route. */
export interface GraphGateway {
  readonly via: string;
  readonly link: string;
}

export interface GraphLink {
  readonly name: string;
  /** What `ip link` shows before the name. */
  readonly index?: number;
  /** "bridge", "veth", "macvlan" or "vlan"; other words for links that others made. */
  readonly kind: string;
  readonly mac: string;
  readonly mtuBytes: number;
  /** IPv4, "172.17.0.2/16". */
  readonly addresses: readonly string[];
  readonly up: boolean;
  /** The bridge that it is a port of. */
  readonly master?: string;
  /** Docker's network that it belongs to. */
  readonly network?: string;
  /** The other end of a veth pair; its index is what `ip link` shows behind "@if". */
  readonly peer?: GraphEnd;
  /** Of a macvlan or VLAN: the link on which it stands. */
  readonly parent?: GraphEnd;
  /** "missing": wanted, and not on the kernel. "foreign": on the kernel, and not the lab's. */
  readonly drift?: "missing" | "foreign";
}

/** One end of a veth pair, or a parent. */
export interface GraphEnd {
  readonly node: string;
  readonly link: string;
  readonly index?: number;
}

export type GraphNetwork = GraphBridgeNetwork | GraphMacvlanNetwork;

interface GraphNetworkBase {
  readonly name: string;
  readonly subnet: string;
  readonly gateway?: string;
  readonly internal: boolean;
  readonly at?: Origin;
}

export interface GraphBridgeNetwork extends GraphNetworkBase {
  readonly driver: "bridge";
  /** The device on @host. */
  readonly bridge: string;
  /** Do containers of this network reach each other? */
  readonly icc: boolean;
  /** "nat", "nat-unprotected", "routed", "isolated" */
  readonly mode: string;
}

export interface GraphMacvlanNetwork extends GraphNetworkBase {
  readonly driver: "macvlan";
  /** The link of @host on which its containers stand. */
  readonly parent: string;
  readonly mode: "bridge" | "private" | "vepa" | "passthru";
}

export interface GraphPair {
  readonly ends: readonly [GraphEnd, GraphEnd];
  readonly network?: string;
}

export interface GraphBridgePort {
  readonly node: string;
  readonly bridge: string;
  readonly link: string;
}

/** A port binding: an address and port of @host that lead to a container. */
export interface GraphPublished {
  readonly hostIp: string;
  /** Absent in gateway mode routed: nothing is bound on the host. */
  readonly hostPort?: number;
  readonly proto: string;
  readonly container: string;
  readonly address: string;
  readonly port: number;
  readonly at?: Origin;
}

/** A port forward of the home router. */
export interface GraphForward {
  readonly address: string;
  readonly port: number;
  readonly proto: string;
  readonly to: string;
  readonly toPort: number;
  readonly at?: Origin;
}

/** 1:1 NAT of the home router: the public address is the machine's, both ways, on all ports. */
export interface GraphStaticNat {
  readonly address: string;
  readonly to: string;
  readonly at?: Origin;
}

/** Where a source address is rewritten on the way out, by the rules that the lab wants: tables are not read. */
export interface GraphNat {
  readonly node: string;
  readonly kind: "MASQUERADE" | "SNAT";
  /** Docker's network whose packets it is about. */
  readonly network?: string;
  /** "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE" */
  readonly rule: string;
}
