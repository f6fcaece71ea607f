/** The labs that ship with docknet: compose files beside this code, each with a first comment line that says what it shows. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { DocknetError } from "../errors.ts";

export interface LabInfo {
  readonly name: string;
  readonly file: string;
  /** First line of its head comment. */
  readonly about: string;
}

/** One up from this file in the sources and in dist/, and from the bundle in dist/bin/. */
function labsFolder(): string {
  const folder = fileURLToPath(new URL("../labs/", import.meta.url));
  if (!existsSync(folder))
    throw new DocknetError("NOT_FOUND", `Cannot find the labs that ship with docknet in ${folder}`, {
      remedy: "Build again: npm run build",
    });
  return folder;
}

export function listLabs(): LabInfo[] {
  const folder = labsFolder();
  return readdirSync(folder)
    .filter((f) => f.endsWith(".yaml"))
    .sort()
    .map((f) => {
      const file = `${folder}${f}`;
      const about = /^#\s*(.*)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? "";
      return { name: basename(f, ".yaml"), file, about };
    });
}

/** @throws DocknetError NOT_FOUND naming what there is */
export function labFile(name: string): string {
  const labs = listLabs();
  const lab = labs.find((l) => l.name === name);
  if (!lab)
    throw new DocknetError("NOT_FOUND", `No lab ${JSON.stringify(name)} ships with docknet`, {
      remedy: `Choose one of: ${labs.map((l) => l.name).join(", ")}`,
    });
  return lab.file;
}
