/** One packet followed from socket to socket, as plain data: what `docknet walk` prints and `--format json` gives. */
import type { Origin } from "../../errors.ts";

/**
 * reach: answered. refuse: RST or port unreachable. drop: a rule took it, or its answer. unreachable: routing or ARP has no way.
 * silent: it arrived, and nobody answered in time; or it was lost where nothing tells why.
 */
export type WalkVerdict = "reach" | "refuse" | "drop" | "unreachable" | "silent";

export interface Walk {
  readonly schema: 1;
  readonly docknet: string;
  readonly lab: string;
  readonly from: string;
  /** As it was asked: "web:80/tcp". */
  readonly to: string;
  readonly address: string;
  readonly port?: number;
  readonly proto: "tcp" | "udp" | "icmp";
  readonly verdict: WalkVerdict;
  /** One sentence for people. */
  readonly reason: string;
  /** The rule or policy that ended it, or its answer. */
  readonly rule?: MetRule;
  /** The request first; then the proxy's own connection, the second packet, the answer, as far as asked for and seen. */
  readonly ways: readonly Way[];
  /** Entries that the flow has made, where it was translated or tracked. */
  readonly conntrack: readonly { readonly node: string; readonly entry: string }[];
  /** What makes the walk less certain: frames or traces that were lost. */
  readonly warnings: readonly string[];
}

export interface Way {
  readonly kind: "request" | "proxy" | "second" | "reply";
  /** "tcp SYN", "udp", "icmp echo request" */
  readonly packet: string;
  /** Of the proxy's own connection: who opened it. */
  readonly note?: string;
  readonly hops: readonly WalkHop[];
}

/** What one namespace did with it. */
export interface WalkHop {
  readonly node: string;
  /** "drop": a rule or policy took it. "end": routing, ARP or the wire did. */
  readonly action: "send" | "forward" | "switch" | "receive" | "drop" | "end";
  /** How it came in; absent where it was sent from. */
  readonly in?: OnLink;
  /** How it went out; absent where it ended. */
  readonly out?: OnLink;
  /** In the order in which they happened. */
  readonly steps: readonly WalkStep[];
  /** Of "receive", "drop" and "end": what became of it. */
  readonly because?: string;
}

/** The packet on a link. */
export interface OnLink {
  readonly link: string;
  /** The port of the bridge `link` by which it came or went. */
  readonly port?: string;
  /** Of a macvlan the link by whose wire it came or went: "eth0 of @host". */
  readonly parent?: string;
  readonly src: string;
  readonly sport?: number;
  readonly dst: string;
  readonly dport?: number;
  readonly ttl: number;
}

export type WalkStep =
  | {
      readonly kind: "chain";
      readonly table: string;
      /** The built-in chain. */
      readonly chain: string;
      readonly verdict: string;
      /** The policy decided, no rule did. */
      readonly policy: boolean;
      /** Those that matched, also in the chains that it was led through. */
      readonly rules: readonly MetRule[];
    }
  | {
      readonly kind: "translation";
      /** "172.17.0.2:40000 -> 203.0.113.80:80" */
      readonly before: string;
      readonly after: string;
      /** "nat POSTROUTING MASQUERADE"; "conntrack" where the flow's entry did it without the nat table. */
      readonly by: string;
    }
  /** "172.17.0.2 dev docker0 src 172.17.0.1", "local", "none (ENETUNREACH)" */
  | { readonly kind: "route"; readonly route: string };

export interface MetRule {
  readonly node: string;
  /** "filter"; of nftables' own "mine", "inet mine". */
  readonly table: string;
  readonly chain: string;
  /** As iptables takes it: "-A DOCKER ! -i docker0 ..."; "policy DROP"; of nftables' own "handle 3". */
  readonly rule: string;
  /** "ACCEPT", "DROP", "to DOCKER", "on" */
  readonly verdict: string;
  readonly owner?: string;
  readonly words?: string;
  readonly at?: Origin;
  /** What shows it where iptables does not: "nft -a list chain inet mine forward". */
  readonly see?: string;
}
