/** N:1 NAT seen from the server: senders behind one address are told apart by the port, and by nothing else. Pure. */
import type { Check } from "../plan/check/check.ts";
import type { CheckResult } from "./report.ts";

/**
 * Fails those that were sent from one source port to one server and were seen there as one sender.
 * @param checks those of the results, in their order
 */
export function compareNapt(results: readonly CheckResult[], checks: readonly Check[]): CheckResult[] {
  const seen = new Map<string, number[]>();
  for (const [i, { observed }] of results.entries()) {
    const probe = checks[i]?.probe;
    if (!probe?.sourcePort || observed.seenAs === undefined) continue;
    const { sourcePort, proto, address, port } = probe;
    const key = `${sourcePort} ${proto} ${address}:${port} ${observed.seenAs}`;
    seen.set(key, [...(seen.get(key) ?? []), i]);
  }
  const same = new Map([...seen.values()].flatMap((group) => group.map((i) => [i, group] as const)));
  return results.map((result, i): CheckResult => {
    const other = same.get(i)?.find((k) => results[k]?.from !== result.from);
    if (other === undefined) return result;
    const pair = `${result.from} and ${results[other]?.from}`;
    const reason = `both ${pair} were seen as ${result.observed.seenAs}: the port was not rewritten`;
    return { ...result, verdict: "FAIL", reasons: [...result.reasons, reason] };
  });
}
