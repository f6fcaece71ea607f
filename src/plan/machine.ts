/** Facts of the machine that a plan depends on, read once by `kernel/` and passed in: a pure stage never asks. */
export interface MachineFacts {
  /** Highest group id that this user namespace maps: the end of ping_group_range. */
  readonly maxGid: number;
  /** Is br_netfilter there? Then a new namespace has net.bridge.bridge-nf-call-iptables=1. */
  readonly bridgeNetfilter: boolean;
  /** Does /proc/sys/net/ipv6 exist? */
  readonly ipv6: boolean;
}

/** A Linux machine with root, as `docknet plan` assumes when it runs without privilege. */
export const ORDINARY_MACHINE: MachineFacts = { maxGid: 2147483647, bridgeNetfilter: true, ipv6: true };
