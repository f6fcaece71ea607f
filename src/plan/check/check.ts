/**
 * Checks as values: one probe, what is expected of it, and the sentence that it proves. Derived from the state when the lab file
 * names none; every "cannot reach" gets a control that shows the target alive in the same topology.
 */
import type { Origin } from "../../errors.ts";
import type { Ipv4 } from "../../net/address.ts";
import type { NodeName } from "../../net/name.ts";
import type { Port } from "../../net/port.ts";
import type { Ruleset } from "../firewall/rule.ts";
import type { Outcome, Prediction, ProbeSpec } from "../predict/prediction.ts";

/** Sections of the report, in the order in which they are told. */
export type CheckGroup =
  | "explicit"
  | "listen"
  | "service"
  | "isolation"
  | "publish"
  | "transfer"
  | "direct"
  | "outbound"
  | "napt"
  | "static"
  | "name"
  | "control";

export interface Check {
  /** Unique in a report and stable from run to run: "publish/web:80/tcp/@neighbour". */
  readonly id: string;
  readonly group: CheckGroup;
  /** One sentence that the packets prove. */
  readonly claim: string;
  readonly probe: ProbeSpec & { readonly sourcePort?: Port };
  /** The target as people say it: "db:5432/tcp". */
  readonly to: string;
  readonly predicted: Prediction;
  /** What must be seen; where the file says, what it says, else the prediction. */
  readonly expected: {
    readonly outcome: Outcome;
    readonly seenAs?: Ipv4;
    readonly seenPort?: Port;
    /** The node whose answer it must be, where that is not the predicted one: then the check fails. */
    readonly server?: NodeName;
  };
  /** Why it fails whatever is measured: the State alone says so. */
  readonly fault?: string;
  /** Id of the check that shows the target alive; set on every check that expects silence or refusal by a rule. */
  readonly control?: string;
  readonly at?: Origin;
}

/** Only to name the rules that decide. */
export interface Rules {
  readonly host: Ruleset;
  readonly router: Ruleset;
}
