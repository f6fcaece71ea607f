/** docknet plan: the commands that build the lab, as a script that builds the same when it is run. Needs no privilege. */
import { EXIT } from "./exit.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";
import { print, say } from "./terminal.ts";

export async function plan(
  flags: LabFlags & { readonly format: "sh" | "json"; readonly down?: boolean },
): Promise<number> {
  const { explainPlan, loadSpec, renderProblem, resolveState } = await import("../index.ts");
  const { state, warnings } = resolveState(loadSpec(await loadOptionsOf(flags)));
  for (const warning of warnings) say(`warning: ${renderProblem(warning)}`);
  const { ops, script } = explainPlan(state, flags.down ?? false);
  print(flags.format === "json" ? JSON.stringify({ schema: 1, lab: state.lab, ops }, null, 2) : script);
  return EXIT.ok;
}
