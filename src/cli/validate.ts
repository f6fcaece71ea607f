/** docknet validate: is the lab file right, and would Docker take it? Needs no privilege and creates nothing. */
import { EXIT } from "./exit.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";
import { print, say } from "./terminal.ts";

export async function validate(
  flags: LabFlags & { readonly format: "text" | "json"; readonly quiet?: boolean },
): Promise<number> {
  const { loadSpec, renderProblem, resolveState } = await import("../index.ts");
  const spec = loadSpec(await loadOptionsOf(flags));
  const { state, warnings } = resolveState(spec);
  if (flags.format === "json") {
    print(
      JSON.stringify(
        {
          schema: 1,
          lab: spec.name,
          files: spec.files,
          networks: state.networks,
          containers: state.containers,
          warnings,
        },
        null,
        2,
      ),
    );
    return EXIT.ok;
  }
  for (const warning of warnings) say(`warning: ${renderProblem(warning)}`);
  if (flags.quiet) return EXIT.ok;
  const bindings = state.containers.reduce(
    (n, c) => n + new Set(c.bindings.map((b) => `${b.hostPort}/${b.proto}`)).size,
    0,
  );
  const found = [
    `lab ${spec.name}`,
    count(state.networks.length, "network"),
    count(state.containers.length, "container"),
    count(bindings, "published port"),
    spec.checks.length > 0 ? `${count(spec.checks.length, "check")} of its own` : "checks derived from it",
  ];
  print(`${spec.files.join(", ")}: valid: ${found.join(", ")}`);
  return EXIT.ok;
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;
