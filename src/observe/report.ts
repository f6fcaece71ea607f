/** The result of a verification as plain data: what `report/` renders and `--format json` prints. */
import type { Origin, Problem } from "../errors.ts";
import type { Transfer } from "../net/ftp.ts";
import type { CheckGroup } from "../plan/check/check.ts";
import type { Outcome } from "../plan/predict/prediction.ts";

/** PASS: seen as expected. FAIL: seen otherwise. INCONCLUSIVE: not measured well enough to say (a control failed, a capture lost frames). */
export type Verdict = "PASS" | "FAIL" | "INCONCLUSIVE";

export interface Report {
  readonly schema: 1;
  readonly docknet: string;
  readonly lab: string;
  readonly files: readonly string[];
  readonly profile: string;
  readonly kernel: string;
  readonly verdict: Verdict;
  readonly counts: {
    readonly pass: number;
    readonly fail: number;
    readonly inconclusive: number;
    readonly controls: number;
  };
  readonly topology: Topology;
  readonly checks: readonly CheckResult[];
  /** What the kernel has otherwise than the lab wants; looked for when a check fails. */
  readonly drift: readonly Drift[];
  readonly warnings: readonly Problem[];
  readonly captures: { readonly links: number; readonly frames: number; readonly dropped: number };
  readonly durations: { readonly buildMs: number; readonly verifyMs: number };
}

export interface Topology {
  readonly networks: readonly {
    readonly name: string;
    readonly driver: "bridge" | "macvlan";
    /** The bridge's device. */
    readonly bridge?: string;
    /** The host's link that a macvlan is on. */
    readonly parent?: string;
    readonly subnet: string;
    readonly gateway?: string;
    readonly internal: boolean;
    /** Of a bridge the gateway mode ("nat"), of a macvlan its own ("bridge"). */
    readonly mode: string;
  }[];
  readonly nodes: readonly {
    readonly name: string;
    /** "container", "host", "router", "neighbour", "internet" */
    readonly kind: string;
    /** "172.17.0.2 on bridge (eth0)" and the like; "host network", "no network". */
    readonly attachments: readonly string[];
    /** "0.0.0.0:8080->80/tcp"; of the router its forwards, and "203.0.113.92<->192.168.0.10" for 1:1 NAT. */
    readonly published: readonly string[];
    /** "80/tcp" */
    readonly serves: readonly string[];
    readonly at?: Origin;
  }[];
}

export interface CheckResult {
  readonly id: string;
  readonly group: CheckGroup;
  readonly claim: string;
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly port?: number;
  readonly proto: string;
  /** A file was fetched by FTP: outcomes are the data connection's, where it came to one. */
  readonly transfer?: Transfer;
  readonly verdict: Verdict;
  readonly expected: {
    readonly outcome: Outcome;
    readonly seenAs?: string;
    readonly seenPort?: number;
    /** Who must answer, where that is another than the prediction's. */
    readonly server?: string;
  };
  readonly predicted: { readonly outcome: Outcome; readonly seenAs?: string; readonly because: string };
  readonly observed: Observed;
  /** Why it is not PASS, most telling first; empty on PASS. */
  readonly reasons: readonly string[];
  readonly evidence: Evidence;
  /** The data connection of a transfer; `evidence` is then the control connection's. */
  readonly data?: DataSeen;
  /** Id of the positive control beside a negative. */
  readonly control?: string;
  /** The line of the lab file that it is about. */
  readonly at?: Origin;
}

export interface Observed {
  readonly outcome: Outcome;
  /** The source address and port that the server saw: "203.0.113.91:40000". */
  readonly seenAs?: string;
  /** The service that answered. */
  readonly server?: string;
  readonly afterMs: number;
  /** ECONNREFUSED and the like. */
  readonly errno?: string;
}

export interface DataSeen {
  /** The node that opened it. */
  readonly openedBy: string;
  /** "172.18.0.2:20", as its socket had it; absent when it had no route to send by. */
  readonly from?: string;
  /** "192.168.0.20:43121", as the other side announced it. */
  readonly to: string;
  /** `from`, as the other side saw it; absent when it never came. */
  readonly seenAs?: string;
  readonly evidence: Evidence;
}

export interface Evidence {
  /** The request on each link where it was seen, in order of its way. */
  readonly hops: readonly Hop[];
  /** Where addresses changed, in order. */
  readonly translations: readonly TranslationSeen[];
  /** "tcp ESTABLISHED 172.17.0.2:40000 -> 203.0.113.80:80, replies 203.0.113.80:80 -> 192.168.0.10:40000" with the node that holds it */
  readonly conntrack: readonly { readonly node: string; readonly entry: string }[];
  /** For what did not arrive: where it was seen last, and the rule whose counter moved. */
  readonly lost?: Lost;
}

export interface Hop {
  readonly node: string;
  readonly link: string;
  readonly direction: "in" | "out";
  /** "172.17.0.2:40000 > 203.0.113.80:80 tcp SYN ttl 64" */
  readonly frame: string;
  readonly src: string;
  readonly dst: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly ttl: number;
}

export interface TranslationSeen {
  readonly node: string;
  readonly kind: "DNAT" | "MASQUERADE" | "SNAT" | "proxy";
  /** "172.17.0.2:40000 -> 203.0.113.80:80" */
  readonly before: string;
  readonly after: string;
  /** The rule that did it. */
  readonly rule?: RuleSeen;
}

export interface RuleSeen {
  readonly node: string;
  readonly table: string;
  readonly chain: string;
  /** "-A DOCKER ! -i docker0 -p tcp ..." or "policy DROP" */
  readonly rule: string;
  /** "port 8080:80/tcp of web" */
  readonly owner?: string;
  /** In words: "the published port is open". */
  readonly words?: string;
  readonly at?: Origin;
  /** Packets counted by it while the check ran. */
  readonly packets?: number;
}

export interface Lost {
  readonly lastSeen?: { readonly node: string; readonly link: string; readonly frame: string };
  readonly rule?: RuleSeen;
  readonly reason: string;
}

/** One difference between the kernel and the lab. */
export interface Drift {
  readonly node: string;
  readonly kind: "rule" | "policy" | "link" | "address" | "route" | "sysctl" | "namespace" | "conntrack entry";
  readonly problem: "missing" | "unexpected" | "changed" | "moved";
  /** "nat DOCKER: -A DOCKER ! -i docker0 ..." */
  readonly what: string;
  readonly wanted?: string;
  readonly found?: string;
  readonly owner?: string;
  readonly at?: Origin;
}
