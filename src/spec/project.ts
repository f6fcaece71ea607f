/**
 * Which files make a project, in which directory, with which variables and under which name.
 * Sources: compose-go cli/options.go; https://docs.docker.com/compose/how-tos/environment-variables/envvars/.
 */
import { basename, dirname, join, resolve } from "node:path";
import { DocknetError } from "../errors.ts";
import { type LabName, parseLabName } from "../net/name.ts";
import { parseDotenv } from "./dotenv.ts";
import type { Lookup } from "./interpolate.ts";
import type { ProblemList } from "./problem-list.ts";
import { type SourceFiles, STDIN } from "./source.ts";

const FILE_NAMES = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDE_NAMES = FILE_NAMES.map((name) => name.replace(/\.(ya?ml)$/, ".override.$1"));

export interface ProjectOptions {
  readonly files?: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly envFiles?: readonly string[];
}

export interface Project {
  /** Absolute paths, or "-", in the order of merging. */
  readonly files: readonly string[];
  readonly directory: string;
  readonly lookup: Lookup;
}

/** @throws DocknetError LAB_FILE when there is no compose file at all */
export function findProject(options: ProjectOptions, sources: SourceFiles, problems: ProblemList): Project {
  const fromProcess: Lookup = (name) => (Object.hasOwn(options.env, name) ? options.env[name] : undefined);
  const named = options.files ?? [];
  const here = resolve(options.cwd);
  // COMPOSE_FILE may itself stand in the .env file of the directory where we are
  const early = readEnvFiles(
    listEnvFiles(options, fromProcess, directoryOf(named, here), sources),
    fromProcess,
    sources,
    problems,
  );
  const files = named.length > 0 ? named : (splitFileVariable(early) ?? discoverFiles(here, sources));
  if (files.length === 0) {
    throw new DocknetError("LAB_FILE", "no configuration file provided: not found", {
      remedy: "Name a file with -f, or go to a directory with a compose.yaml",
    });
  }
  const absolute = files.map((file) => sources.resolve(here, file));
  const directory = directoryOf(absolute, here);
  const lookup =
    directory === directoryOf(named, here)
      ? early
      : readEnvFiles(listEnvFiles(options, fromProcess, directory, sources), fromProcess, sources, problems);
  return { files: absolute, directory, lookup };
}

function directoryOf(files: readonly string[], cwd: string): string {
  const first = files.find((file) => file !== STDIN);
  return first === undefined ? cwd : dirname(resolve(cwd, first));
}

function splitFileVariable(lookup: Lookup): string[] | undefined {
  const text = lookup("COMPOSE_FILE");
  if (text === undefined || text === "") return undefined;
  return text.split(lookup("COMPOSE_PATH_SEPARATOR") || ":").filter((file) => file !== "");
}

function discoverFiles(cwd: string, sources: SourceFiles): string[] {
  for (let directory = cwd; ; directory = dirname(directory)) {
    const main = FILE_NAMES.map((name) => join(directory, name)).find((file) => sources.exists(file));
    if (main) {
      const override = OVERRIDE_NAMES.map((name) => join(directory, name)).find((file) => sources.exists(file));
      return override ? [main, override] : [main];
    }
    if (dirname(directory) === directory) return [];
  }
}

function listEnvFiles(options: ProjectOptions, env: Lookup, directory: string, sources: SourceFiles): string[] {
  const named = options.envFiles?.length
    ? options.envFiles
    : (env("COMPOSE_ENV_FILES") ?? "").split(",").filter((file) => file !== "");
  if (named.length > 0) return named.map((file) => sources.resolve(options.cwd, file));
  if (/^(1|t|true)$/i.test(env("COMPOSE_DISABLE_ENV_FILE") ?? "")) return [];
  return [join(directory, ".env")].filter((file) => sources.exists(file));
}

/** Later files win over earlier ones; the process's own environment wins over all. */
function readEnvFiles(files: readonly string[], outer: Lookup, sources: SourceFiles, problems: ProblemList): Lookup {
  const found = new Map<string, string>();
  const lookup: Lookup = (name) => outer(name) ?? found.get(name);
  for (const file of files) {
    const text = problems.attempt(undefined, () => sources.read(file));
    if (text === undefined) continue;
    for (const [key, value] of parseDotenv(text, sources.displayName(file), outer, problems)) found.set(key, value);
  }
  return lookup;
}

/** `-p`, else COMPOSE_PROJECT_NAME, else `name:` of the file, else the directory's name made fit. @throws DocknetError LAB_FILE */
export function chooseProjectName(named: string | undefined, project: Project, fromFile: string | undefined): LabName {
  const name =
    named ||
    project.lookup("COMPOSE_PROJECT_NAME") ||
    normalizeName(fromFile ?? "") ||
    normalizeName(basename(project.directory));
  if (name === "") {
    throw new DocknetError("LAB_FILE", "project name must not be empty", { remedy: "Choose one with -p" });
  }
  return parseLabName(name);
}

/** compose-go loader.NormalizeProjectName */
function normalizeName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "");
}
