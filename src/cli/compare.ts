/** docknet compare: who reaches what, and by which rules, under two lines of Docker releases. Builds nothing unless --measure is given. */
import { InvalidArgumentError } from "commander";
import type { Comparison, FirewallProfile } from "../index.ts";
import { EXIT } from "./exit.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";
import { Progress, print, say, useColour, widthOf } from "./terminal.ts";

export interface CompareFlags extends LabFlags {
  readonly profiles: readonly [FirewallProfile, FirewallProfile];
  readonly format: "text" | "json" | "markdown";
  readonly measure?: boolean;
}

export const COMPARE_HELP = `
Profiles: docker-20.10 (the classic layout), docker-28 (28.2 to 28.5, with isolation chains), docker-29.
By prediction alone it needs no privilege; with --measure the lab is built once per profile, and a packet is sent for every cell.

Examples:
  docknet compare --profiles docker-20.10,docker-29 -f compose.yaml
  docknet compare --profiles docker-28,docker-29 --lab dmz --measure
  docknet compare --profiles docker-28,docker-29 --format markdown > changes.md
`;

/** A failed measurement ends with exit code 1: prediction and kernel differ. */
export async function compare(flags: CompareFlags, signal: AbortSignal): Promise<number> {
  const docknet = await import("../index.ts");
  const isPrivileged = () => docknet.canCreateNamespaces();
  // standard input can be read once only: by the process that builds
  if (flags.measure && flags.file?.includes("-") && !isPrivileged()) docknet.enterUserNamespace();
  const compared = docknet.compareLab(docknet.loadSpec(await loadOptionsOf(flags)), flags.profiles);
  if (flags.measure && !isPrivileged()) docknet.enterUserNamespace();
  for (const warning of compared.warnings) say(`warning: ${docknet.renderProblem(warning)}`);
  if (!flags.measure) {
    print(await render(compared.comparison, flags));
    return EXIT.ok;
  }
  docknet.prepareUserNamespace();
  const progress = new Progress();
  try {
    const measured = await docknet.measureComparison(compared, {
      signal,
      onProgress: (profile, done, total) => progress.show(`measuring ${profile}: ${done}/${total} cells`),
    });
    progress.clear();
    print(await render(measured, flags));
    return measured.cells.every((c) => c.sides.every((s) => s.measured?.agrees)) ? EXIT.ok : EXIT.failed;
  } finally {
    progress.clear();
  }
}

async function render(comparison: Comparison, { format }: CompareFlags): Promise<string> {
  const { renderComparisonJson, renderComparisonMarkdown, renderComparisonText } = await import("../index.ts");
  if (format === "json") return renderComparisonJson(comparison);
  if (format === "markdown") return renderComparisonMarkdown(comparison);
  return renderComparisonText(comparison, { colour: useColour(process.stdout), width: widthOf(process.stdout) });
}

/** @throws InvalidArgumentError naming what there is */
export function readProfiles(text: string): readonly [FirewallProfile, FirewallProfile] {
  const known = ["docker-20.10", "docker-28", "docker-29"] as const;
  const [a, b, ...rest] = text.split(",").map((name) => known.find((p) => p === name.trim()));
  if (a && b && rest.length === 0 && a !== b) return [a, b];
  throw new InvalidArgumentError(`wanted two different ones of ${known.join(", ")}, with a comma between`);
}
