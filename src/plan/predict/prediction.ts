/** What the model says will happen to one packet: the outcome, the addresses on every link, and the rule that decides. */
import type { Ipv4 } from "../../net/address.ts";
import type { Transfer } from "../../net/ftp.ts";
import type { IfName, NodeName } from "../../net/name.ts";
import type { Port, Proto } from "../../net/port.ts";
import type { Rule } from "../firewall/rule.ts";

/** reach: answered. refuse: RST or port unreachable. drop: silence. unreachable: the stack or a router says there is no way. */
export type Outcome = "reach" | "refuse" | "drop" | "unreachable";
export type ProbeProto = Proto | "icmp";

/** One stimulus: prediction and measurement take the same value. */
export interface ProbeSpec {
  readonly from: NodeName;
  readonly address: Ipv4;
  /** Absent for icmp, and where `listener` stands for it. */
  readonly port?: Port;
  readonly proto: ProbeProto;
  /** A file is fetched by FTP: once the control connection stands, the data connection's fate is the outcome. */
  readonly transfer?: Transfer;
  /** Bound by the sender; the sender's routing chooses it when left out. */
  readonly source?: Ipv4;
  /**
   * In place of a port: one that the kernel of this node chose for a program there. Nobody can have published or forwarded it, but for a
   * binding that happens to have its number: then this is wrong.
   */
  readonly listener?: NodeName;
}

/** The packet on one link, in the direction of the request. */
export interface Leg {
  readonly node: NodeName;
  readonly link: IfName;
  readonly direction: "in" | "out";
  readonly src: Ipv4;
  readonly dst: Ipv4;
  readonly dport?: Port;
  /** The userland proxy opens a connection of its own: this leg is another flow. */
  readonly newFlow?: boolean;
}

/** Where addresses change, and by what. */
export interface Translation {
  readonly node: NodeName;
  readonly kind: "DNAT" | "MASQUERADE" | "SNAT" | "proxy";
  readonly rule?: Rule;
}

/** Where and why a packet ends before its destination answers. */
export interface Stop {
  readonly node: NodeName;
  /** The rule that drops it; absent where routing or a missing listener ends it. */
  readonly rule?: Rule;
  /** Chain policy that drops it. */
  readonly policy?: { readonly table: "filter"; readonly chain: "FORWARD" };
  /** The request arrives; the answer is what is lost. */
  readonly onReply?: boolean;
}

export interface Prediction {
  readonly outcome: Outcome;
  /** The source address that the server sees. */
  readonly seenAs?: Ipv4;
  /** The node that answers. */
  readonly server?: NodeName;
  readonly legs: readonly Leg[];
  readonly translations: readonly Translation[];
  readonly stop?: Stop;
  /** Links on which the packet may or may not show, depending on what the kernel has cached. */
  readonly unsure?: readonly { readonly node: NodeName; readonly link: IfName }[];
  /** One sentence for people. */
  readonly because: string;
  /**
   * Set when the control connection of a transfer reaches: then `outcome`, the way and the stop are those of the data connection, while
   * `seenAs` and `server` are about the control connection.
   */
  readonly transfer?: TransferPrediction;
}

export interface TransferPrediction {
  readonly control: Prediction;
  /** The data connection: from whoever opens it, to the address that the other side announces. */
  readonly data: ProbeSpec;
  /** The source that the other side sees it come from. */
  readonly dataSeenAs?: Ipv4;
}
