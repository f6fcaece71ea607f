/** docknet reconcile: what somebody changed by hand in a lab that lives is named and put back. docknet drift only names it. */
import type { Reconciled } from "../daemon/lab.ts";
import type { Drift } from "../index.ts";
import { labOf } from "./chosen-lab.ts";
import { EXIT } from "./exit.ts";
import { call, revivedClient } from "./lab-client.ts";
import type { LabFlags } from "./lab-options.ts";
import { print } from "./terminal.ts";

export interface ReconcileFlags extends LabFlags {
  readonly format: "text" | "json";
  readonly dryRun?: boolean;
}

export async function reconcile(flags: ReconcileFlags): Promise<number> {
  const { renderDrift } = await import("../index.ts");
  const lab = await labOf(flags);
  const client = await revivedClient(lab);
  if (flags.dryRun) {
    const drift = await call<readonly Drift[]>(client, "get", "drift");
    if (flags.format === "json") print(JSON.stringify(drift, null, 2));
    else print(drift.length > 0 ? drift.map(renderDrift).join("\n") : `Lab ${lab} is as it should be`);
    return drift.length > 0 ? EXIT.failed : EXIT.ok;
  }
  const done = await call<Reconciled>(client, "post", "reconcile");
  if (flags.format === "json") print(JSON.stringify(done, null, 2));
  else if (done.drift.length === 0) print(`Lab ${lab} is as it should be`);
  else print(["Found:", ...done.drift.map((d) => `  ${renderDrift(d)}`), "Done:", ...done.commands].join("\n"));
  return EXIT.ok;
}
