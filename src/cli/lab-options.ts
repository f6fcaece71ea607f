/** The options by which a command finds its lab: a compose file, several, or one that ships with docknet. */
import type { Command } from "commander";
import { DocknetError } from "../errors.ts";
import type { LoadOptions } from "../index.ts";

export interface LabFlags {
  readonly file?: readonly string[];
  readonly lab?: string;
  readonly projectName?: string;
  readonly profile?: readonly string[];
  readonly envFile?: readonly string[];
}

export function addLabOptions(command: Command): Command {
  const many = (value: string, previous: readonly string[] | undefined): string[] => [...(previous ?? []), value];
  return command
    .option(
      "-f, --file <file>",
      "compose file; several are merged; - is standard input (default: compose.yaml here or above)",
      many,
    )
    .option("--lab <name>", "a lab that ships with docknet instead of a file (see: docknet labs)")
    .option("-p, --project-name <name>", "name of the lab (default: name: of the file, or the folder)")
    .option("--profile <name>", "activate a compose profile; repeatable", many)
    .option("--env-file <file>", "variables for the file in place of .env; repeatable", many);
}

export async function loadOptionsOf(flags: LabFlags): Promise<LoadOptions> {
  if (flags.lab && flags.file)
    throw new DocknetError("USAGE", "--lab and --file name two labs", { remedy: "Give one of them" });
  const name = flags.projectName ?? process.env.DOCKNET_PROJECT;
  return {
    cwd: process.cwd(),
    env: process.env,
    ...(flags.lab
      ? { files: [(await import("../index.ts")).labFile(flags.lab)] }
      : flags.file
        ? { files: flags.file }
        : {}),
    ...(name ? { projectName: name } : {}),
    ...(flags.profile ? { profiles: flags.profile } : {}),
    ...(flags.envFile ? { envFiles: flags.envFile } : {}),
  };
}
