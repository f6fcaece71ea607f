/**
 * Who learns whose MAC address by a probe. The kernel keeps those of all namespaces of the machine in one table of 1024 (gc_thresh3 of
 * arp(7); net/core/neighbour.c neigh_alloc), and forgets nobody whom it met less than five seconds ago: where forty services ask each
 * other at once, it is full, and whoever would send to somebody new cannot (ENOBUFS, or silence). So only some meet at once, and forget
 * each other before the next ones do.
 */
import type { NodeName } from "../net/name.ts";
import type { Prediction } from "../plan/predict/prediction.ts";
import type { Instruments } from "./instruments.ts";
import type { CheckResult } from "./report.ts";

/** Each is an entry on both sides: a quarter of the table. Others use it too, and another lab may be verified beside this one. */
const MOST_MEETINGS = 128;

/**
 * What was silent, or not seen on its way, while the table had no room proves nothing: the kernel throws away what goes to somebody new.
 * @param full was it full, at any time since the checks began?
 */
export function excuseSilence(results: readonly CheckResult[], full: boolean): readonly CheckResult[] {
  if (!full) return results;
  return results.map((result) =>
    result.verdict === "FAIL" && result.observed.outcome === "drop"
      ? { ...result, verdict: "INCONCLUSIVE", reasons: [...result.reasons, TABLE_FULL] }
      : result,
  );
}

const TABLE_FULL =
  "this machine's table of neighbours was full meanwhile (sysctl net.ipv4.neigh.default.gc_thresh3; other programs use it too)";

interface Meeting {
  readonly key: string;
  readonly nodes: readonly NodeName[];
}

export interface Batch<C> {
  readonly checks: readonly C[];
  /** There are more: when the next one is asked for, those who met in this one forget each other. */
  readonly more: boolean;
}

export class NeighbourTable {
  private readonly instruments: Pick<Instruments, "forgetNeighbours">;
  private readonly met = new Set<string>();
  private readonly nodes = new Set<NodeName>();

  constructor(instruments: Pick<Instruments, "forgetNeighbours">) {
    this.instruments = instruments;
  }

  /** All checks in their order. When the next ones are asked for, nothing of the ones before may be under way. */
  *batches<C extends { readonly predicted: Prediction }>(checks: readonly C[]): Generator<Batch<C>> {
    let batch: C[] = [];
    for (const check of checks) {
      const meetings = meetingsOf(check.predicted);
      const fresh = meetings.filter(({ key }) => !this.met.has(key));
      if (this.met.size > 0 && this.met.size + fresh.length > MOST_MEETINGS) {
        if (batch.length > 0) yield { checks: batch, more: true };
        batch = [];
        this.forget();
      }
      for (const { key, nodes } of meetings) {
        this.met.add(key);
        for (const node of nodes) this.nodes.add(node);
      }
      batch.push(check);
    }
    if (batch.length > 0) yield { checks: batch, more: false };
  }

  private forget(): void {
    this.instruments.forgetNeighbours([...this.nodes]);
    this.met.clear();
    this.nodes.clear();
  }
}

/** Where a packet leaves one node and comes into another, both learn. Where nobody is predicted to get it, the sender asks all the same. */
function meetingsOf({ legs }: Prediction): Meeting[] {
  return legs.flatMap((leg, i): Meeting[] => {
    if (leg.direction !== "out") return [];
    const next = legs[i + 1];
    const here = `${leg.node}/${leg.link}`;
    if (next?.direction !== "in" || next.node === leg.node) return [{ key: `${here} ${leg.dst}`, nodes: [leg.node] }];
    return [{ key: [here, `${next.node}/${next.link}`].sort().join(" "), nodes: [leg.node, next.node] }];
  });
}
