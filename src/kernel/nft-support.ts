/** Which iptables this machine has: only rules of the one that is a face of nf_tables can be written past it. */
import { execa } from "execa";

const TIMEOUT_MS = 5000;

let asked: Promise<boolean> | undefined;

/** Asked once per process. False also when there is none: who needs it says so. */
export function iptablesIsNft(): Promise<boolean> {
  asked ??= execa("iptables-restore", ["--version"], {
    reject: false,
    timeout: TIMEOUT_MS,
    env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
  }).then((r) => readsNativePorts(r.stdout));
  return asked;
}

/**
 * Since 1.8.8 iptables-nft writes "--dport 53" as an expression of nf_tables of its own and reads it back; before it would show such a
 * rule as damaged (netfilter.org, changes-iptables-1.8.8.txt). @param text "iptables-restore v1.8.9 (nf_tables)"
 */
export function readsNativePorts(text: string): boolean {
  const found = /^\S+ v(\d+)\.(\d+)\.(\d+) \(nf_tables\)$/m.exec(text);
  if (!found) return false;
  const [major = 0, minor = 0, patch = 0] = found.slice(1).map(Number);
  return major * 1e6 + minor * 1e3 + patch >= 1_008_008;
}
