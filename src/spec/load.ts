/**
 * Lab files to a Spec: the only entry of this folder.
 *
 *   files -> document.ts (YAML) -> interpolate.ts -> extends.ts -> include.ts -> merge.ts -> one tree with origins
 *         -> network.ts, service.ts (compose), engine.ts, world.ts, check.ts (x-docknet) -> consistency.ts -> Spec
 */
import { DocknetError, type Origin, ProblemsError } from "../errors.ts";
import type { LabName } from "../net/name.ts";
import { readChecks } from "./check.ts";
import { checkFileShape } from "./compose-shape.ts";
import { ComposeTreeLoader } from "./compose-tree.ts";
import { checkConsistency } from "./consistency.ts";
import type { DeclaredService } from "./declared-service.ts";
import { readEngine } from "./engine.ts";
import { checkNamedFiles } from "./env-file.ts";
import { interpolateText, type Lookup } from "./interpolate.ts";
import { DEFAULT_NETWORK, implicitNetwork, readNetworks } from "./network.ts";
import { ProblemList } from "./problem-list.ts";
import { checkDependencies, selectActive } from "./profile.ts";
import { chooseProjectName, findProject, type Project } from "./project.ts";
import { readString } from "./reader.ts";
import { checkReferences } from "./reference.ts";
import { readServices } from "./service.ts";
import { SourceFiles } from "./source.ts";
import type { NetworkSpec, ServiceSpec, Spec } from "./spec.ts";
import { entryOf, type Mapping } from "./tree.ts";
import { readWorld } from "./world.ts";
import { readTopExtension } from "./x-docknet.ts";

export interface LoadOptions {
  /** Empty or absent: COMPOSE_FILE, else compose.yaml and its kin of this or a parent directory. "-" is standard input. */
  readonly files?: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly projectName?: string;
  /** Absent: COMPOSE_PROFILES. */
  readonly profiles?: readonly string[];
  /** Absent: COMPOSE_ENV_FILES, else `.env` of the project directory. */
  readonly envFiles?: readonly string[];
  /** Gets absolute paths, and "-"; throws as node:fs does. */
  readonly readFile?: (path: string) => string;
}

/**
 * Reads and checks a lab. Pure but for `readFile`.
 * @throws ProblemsError LAB_FILE with everything that is wrong, each with its place
 */
export function loadSpec(options: LoadOptions): Spec {
  const problems = new ProblemList();
  const sources = new SourceFiles(options.cwd, options.readFile);
  try {
    const project = findProject(options, sources, problems);
    const spec = readSpec(options, project, sources, problems);
    problems.throwIfAny();
    if (spec) return spec;
  } catch (error) {
    if (error instanceof ProblemsError) throw error;
    if (!(error instanceof DocknetError)) throw error;
    throw new ProblemsError("LAB_FILE", [...problems.errors, error.toProblem()]);
  }
  throw new ProblemsError("INTERNAL", [{ message: "the lab could not be read, and no reason was given" }]);
}

function readSpec(
  options: LoadOptions,
  project: Project,
  sources: SourceFiles,
  problems: ProblemList,
): Spec | undefined {
  const loader = new ComposeTreeLoader(sources, problems);
  const named = readName(loader, project);
  const name = chooseLabName(options, project, named, problems);
  // compose-go makes the chosen name a variable of the file
  const lookup = (variable: string): string | undefined =>
    variable === "COMPOSE_PROJECT_NAME" ? name : project.lookup(variable);
  const tree = loader.load(project.files, { directory: project.directory, lookup, chain: [] });
  if (!tree || !name) return undefined;
  if (tree.entries.size === 0 && problems.errors.length === 0) problems.error(tree.at, "empty compose file");
  checkFileShape(tree, problems);
  const profiles = options.profiles?.length
    ? options.profiles
    : (project.lookup("COMPOSE_PROFILES") ?? "").split(",").map((text) => text.trim());
  return assemble(tree, name, profiles, { sources, lookup }, problems);
}

function assemble(
  tree: Mapping,
  name: LabName,
  profiles: readonly string[],
  { sources, lookup }: { readonly sources: SourceFiles; readonly lookup: Lookup },
  problems: ProblemList,
): Spec {
  const declared = readServices(tree, problems);
  const active = selectActive(declared, profiles);
  const services = checkDependencies(active, declared, problems);
  const networks = addDefault(readNetworks(tree, name, problems), services, name);
  checkConsistency(active, networks, problems);
  checkReferences(tree, active, problems);
  for (const { body } of active) checkNamedFiles(body, lookup, sources, problems);
  const entry = entryOf(tree, "x-docknet");
  const input = readTopExtension(entry, problems);
  const inside = (key: string) => entryOf(entry?.value, key);
  const fallback: Origin = entry?.at ?? tree.at;
  return {
    name,
    files: [...sources.composeFiles],
    networks,
    services,
    engine: readEngine(input?.engine, inside("engine"), problems),
    world: readWorld(input?.world, inside("world"), fallback, problems),
    checks: readChecks(input?.checks, inside("checks"), listSubjects(active, declared, networks), problems),
    warnings: problems.warnings,
  };
}

function listSubjects(
  active: readonly DeclaredService[],
  declared: readonly DeclaredService[],
  networks: readonly NetworkSpec[],
) {
  const keys = new Set(active.map(({ spec }) => spec.key));
  const inactive = declared.map(({ spec }) => spec.key).filter((key) => !keys.has(key));
  return { active: keys, inactive: new Set(inactive), networks: new Set(networks.map(({ key }) => key)) };
}

function addDefault(networks: NetworkSpec[], services: readonly ServiceSpec[], name: LabName): NetworkSpec[] {
  if (networks.some(({ key }) => key === DEFAULT_NETWORK)) return networks;
  const first = services.find(({ attachments }) => attachments.some(({ network }) => network === DEFAULT_NETWORK));
  return first ? [...networks, implicitNetwork(name, first.at)] : networks;
}

/** `name:` of the last file that has one; it may use variables, but not the name itself. */
function readName(loader: ComposeTreeLoader, project: Project): { text: string; at: Origin } | undefined {
  let found: { text: string; at: Origin } | undefined;
  for (const file of project.files) {
    for (const document of loader.parse(file) ?? []) {
      const entry = entryOf(document, "name");
      // a fault in it is reported when the whole tree is looked at
      const text = readString(entry, "name", new ProblemList());
      if (!entry || !text) continue;
      const value = new ProblemList().attempt(undefined, () => interpolateText(text, project.lookup));
      if (value) found = { text: value, at: entry.value.at };
    }
  }
  return found;
}

function chooseLabName(
  options: LoadOptions,
  project: Project,
  named: { text: string; at: Origin } | undefined,
  problems: ProblemList,
): LabName | undefined {
  const isFromFile = !options.projectName && !project.lookup("COMPOSE_PROJECT_NAME") && named !== undefined;
  return problems.attempt(isFromFile ? named.at : undefined, () =>
    chooseProjectName(options.projectName, project, named?.text),
  );
}
