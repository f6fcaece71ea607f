/** Which iptables this machine has: only rules of the one that is a face of nf_tables can be written past it. */
import { execa } from "execa";

const TIMEOUT_MS = 5000;

let asked: Promise<string> | undefined;

/** False also when there is none: who needs it says so. */
export async function iptablesIsNft(): Promise<boolean> {
  return readsNativePorts(await versionText());
}

/** In which order this machine's iptables writes what a rule asks of a packet. */
export async function ruleOrder(): Promise<RuleOrder> {
  return (nftVersion(await versionText()) ?? 0) >= 1_008_011 ? "address first" : "protocol first";
}

/** 1.8.9 asks nf_tables' meta data for the protocol, and then for the addresses; 1.8.11 for the addresses, and then the IP header for the protocol (both seen on the kernel, Debian 12 and 13). */
export type RuleOrder = "protocol first" | "address first";

/** Asked once per process. */
function versionText(): Promise<string> {
  asked ??= execa("iptables-restore", ["--version"], {
    reject: false,
    timeout: TIMEOUT_MS,
    env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
  }).then((r) => r.stdout ?? "");
  return asked;
}

/**
 * Since 1.8.8 iptables-nft writes "--dport 53" as an expression of nf_tables of its own and reads it back; before it would show such a
 * rule as damaged (netfilter.org, changes-iptables-1.8.8.txt). @param text "iptables-restore v1.8.9 (nf_tables)"
 */
export function readsNativePorts(text: string): boolean {
  return (nftVersion(text) ?? 0) >= 1_008_008;
}

/** 1_008_009 for 1.8.9; undefined for one that is no face of nf_tables. */
function nftVersion(text: string): number | undefined {
  const found = /^\S+ v(\d+)\.(\d+)\.(\d+) \(nf_tables\)$/m.exec(text);
  if (!found) return undefined;
  const [major = 0, minor = 0, patch = 0] = found.slice(1).map(Number);
  return major * 1e6 + minor * 1e3 + patch;
}
