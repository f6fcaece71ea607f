/** Which lab a command is about: one that lives, or one that is built for it from a file. */
import { labsHere } from "../daemon/place.ts";
import { DocknetError } from "../errors.ts";
import type { Spec } from "../index.ts";
import type { EngineClient } from "./docker/client.ts";
import { DEFAULT_LAB, findClient, isAlive, namedLab, revivedClient } from "./lab-client.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";

/** -p, or the file's name when its lab runs, or the default. */
export async function labOf(flags: LabFlags): Promise<string> {
  const named = namedLab(flags);
  if (named !== undefined) return named;
  // a file would only name one that does not run
  if (!flags.file && !flags.lab && labsHere().every((lab) => lab === DEFAULT_LAB)) return DEFAULT_LAB;
  const fromFile = await labOfFile(flags);
  if (fromFile !== undefined && (flags.file || flags.lab || (await findClient(fromFile)))) return fromFile;
  return DEFAULT_LAB;
}

/** The name of the lab that the file here describes; undefined without a file, or with one that is wrong when nobody named it. */
async function labOfFile(flags: LabFlags): Promise<string | undefined> {
  // not from the index: it would load all that builds labs
  const { loadSpec } = await import("../spec/load.ts");
  try {
    return loadSpec(await loadOptionsOf(flags)).name;
  } catch (error) {
    if (error instanceof DocknetError && !flags.file && !flags.lab) return undefined;
    throw error;
  }
}

/** The lab that lives; undefined when a file is named, or none lives. */
export async function livingLab(flags: LabFlags): Promise<{ lab: string; client: EngineClient } | undefined> {
  // where nothing lives the file need not be read to know its name
  if (flags.file || flags.lab || labsHere().length === 0) return undefined;
  const lab = await labOf(flags);
  return isAlive(lab) ? { lab, client: await revivedClient(lab) } : undefined;
}

/** What the file wants, in a process that may build it: where it may not, it becomes one that may, and this does not return. */
export async function specToBuild(flags: LabFlags): Promise<Spec> {
  const docknet = await import("../index.ts");
  // standard input can be read once only: by the process that builds
  if (flags.file?.includes("-") && !docknet.canCreateNamespaces()) docknet.enterUserNamespace();
  const spec = docknet.loadSpec(await loadOptionsOf(flags));
  // what Docker would refuse is reported before privilege is asked for
  docknet.resolveState(spec);
  if (!docknet.canCreateNamespaces()) docknet.enterUserNamespace();
  docknet.prepareUserNamespace();
  return spec;
}
