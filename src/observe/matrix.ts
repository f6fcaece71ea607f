/** Who reaches what, predicted and measured, as plain data: what `docknet matrix` shows and `--format json` gives. */
import type { Origin, Problem } from "../errors.ts";
import type { Outcome, ProbeProto } from "../plan/predict/prediction.ts";
import type { Drift, Observed, RuleSeen, Verdict } from "./report.ts";
import type { Walk } from "./walk/walk.ts";

export interface Matrix {
  readonly schema: 1;
  readonly docknet: string;
  readonly lab: string;
  readonly files: readonly string[];
  readonly profile: string;
  readonly kernel: string;
  /** FAIL: a cell differs. INCONCLUSIVE: none does, but not all could be told. Absent where nothing was sent. */
  readonly verdict?: Verdict;
  readonly counts: MatrixCounts;
  readonly rows: readonly MatrixSender[];
  readonly columns: readonly MatrixTarget[];
  /** Row by row, each in the order of the columns. */
  readonly cells: readonly MatrixCell[];
  /** Of cells that differ, the widest cause first. */
  readonly walks: readonly MatrixWalk[];
  /** Cells that differ and that no walk stands for. */
  readonly notWalked: number;
  /** What the kernel has otherwise than the lab wants; looked for when a cell differs. */
  readonly drift: readonly Drift[];
  readonly warnings: readonly Problem[];
  readonly durations: { readonly buildMs: number; readonly probeMs: number; readonly walkMs: number };
}

export interface MatrixCounts {
  readonly cells: number;
  readonly pass: number;
  readonly fail: number;
  readonly inconclusive: number;
  /** Nothing was sent for it: only predicted, no address, sctp. */
  readonly notSent: number;
}

export interface MatrixSender {
  readonly name: string;
  readonly kind: "container" | "world";
  readonly at?: Origin;
}

export interface MatrixTarget {
  readonly kind: "service" | "published";
  /** As a person writes it: "db:5432", "@host:8080". */
  readonly name: string;
  /** In full: "db:5432/tcp", "0.0.0.0:8080->80/tcp of web". */
  readonly label: string;
  readonly container: string;
  /** Of the container. */
  readonly port: number;
  readonly proto: ProbeProto;
  /** Did the listener answer in its own namespace? Absent where it was not asked, or the lab has none. */
  readonly control?: Verdict;
  readonly at?: Origin;
}

export interface MatrixCell {
  /** Name of the row. */
  readonly from: string;
  /** Label of the column. */
  readonly to: string;
  /** Where the packet is sent; absent where there is nothing to send to. */
  readonly address?: string;
  readonly port?: number;
  readonly proto: ProbeProto;
  readonly predicted?: PredictedCell;
  readonly observed?: Observed;
  /** Absent where nothing was sent. */
  readonly verdict?: Verdict;
  /** Why it is not PASS, or why nothing was sent; empty on PASS. */
  readonly reasons: readonly string[];
}

export interface PredictedCell {
  readonly outcome: Outcome;
  readonly seenAs?: string;
  /** Who answers. */
  readonly server?: string;
  readonly because: string;
  /** The rule that drops it. */
  readonly rule?: RuleSeen;
}

/** One packet of a cell that differs, followed. */
export interface MatrixWalk {
  readonly from: string;
  /** Label of the column. */
  readonly to: string;
  /** Cells that differ in the same way, in its row or column, or by the same rule. It stands for them all. */
  readonly cells: number;
  /** The walk's packet had the same outcome as the cell's: what is wrong lasts. */
  readonly repeated: boolean;
  readonly walk: Walk;
}
