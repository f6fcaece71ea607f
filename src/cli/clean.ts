/** docknet clean: removes what labs left that crashed, and nothing that docknet did not make. */
import type { Cleaned } from "../index.ts";
import { EXIT } from "./exit.ts";
import { findClient } from "./lab-client.ts";
import { print, say } from "./terminal.ts";

export interface CleanFlags {
  readonly all?: boolean;
  readonly format: "text" | "json";
}

/** @param labs named ones; none: all whose daemon does not answer */
export async function clean(labs: readonly string[], flags: CleanFlags): Promise<number> {
  const chosen: string[] = [];
  for (const lab of labs.length > 0 ? labs : await labsToClean()) {
    const runs = labs.length === 0 && (await findClient(lab)) !== undefined;
    if (runs && !flags.all) say(`docknet: lab ${lab} runs and is left alone (docknet -p ${lab} down, or clean --all)`);
    else chosen.push(lab);
  }
  const results: Cleaned[] = [];
  for (const lab of chosen) results.push(await cleanLab(lab));
  if (flags.format === "json") print(JSON.stringify(results, null, 2));
  else {
    const lines = results.flatMap(({ removed, left }) => [
      ...removed.map((r) => `removed ${r.what}${r.note ? ` (${r.note})` : ""}`),
      ...left.map((l) => `left ${l.what}: ${l.why}`),
    ]);
    print(lines.length > 0 ? lines.join("\n") : "Nothing to clean");
  }
  return results.some((r) => r.left.some((l) => l.ours)) ? EXIT.failed : EXIT.ok;
}

/** Those with a directory, and those of which something is there without one. */
async function labsToClean(): Promise<readonly string[]> {
  const { labsHere, labsRoot } = await import("../daemon/place.ts");
  const { labsWithRemains } = await import("../index.ts");
  return [...new Set([...labsHere(), ...labsWithRemains(labsRoot())])].sort();
}

/** One that cannot be cleaned keeps none of the others. */
async function cleanLab(lab: string): Promise<Cleaned> {
  const { clean, DocknetError, parseLabName } = await import("../index.ts");
  const { labDirectory } = await import("../daemon/place.ts");
  try {
    return await clean(labDirectory(parseLabName(lab)));
  } catch (error) {
    if (!(error instanceof DocknetError)) throw error;
    return { lab: lab as Cleaned["lab"], removed: [], left: [{ what: `lab ${lab}`, why: error.message, ours: true }] };
  }
}
