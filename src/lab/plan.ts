/** `docknet plan`: the steps that building a lab takes, and the script that does the same by hand. Needs no privilege. */
import { readMachine } from "../kernel/machine.ts";
import { layoutOf } from "../plan/layout-of.ts";
import type { Op } from "../plan/op.ts";
import { planLab } from "../plan/plan.ts";
import { renderOp, renderScript } from "../plan/shell.ts";
import type { State } from "../state/state.ts";

export interface Plan {
  readonly ops: readonly { readonly op: Op; readonly commands: readonly string[] }[];
  /** POSIX sh; run as root it builds the same kernel state in named namespaces. */
  readonly script: string;
}

/** @param down the way back: from the built lab to nothing */
export function explainPlan(state: State, down = false): Plan {
  const layout = layoutOf(state, readMachine());
  const ops = down ? planLab(layout, undefined) : planLab(undefined, layout);
  return {
    ops: ops.map((op) => ({ op, commands: renderOp(state.lab, op).filter((line) => line !== "") })),
    script: renderScript(state.lab, ops),
  };
}
