/**
 * `include`: other compose applications whose services and networks become this one's.
 * Sources: Compose specification 14-include.md; compose-go loader/include.go.
 */
import { dirname } from "node:path";
import type { Origin } from "../errors.ts";
import { checkFileShape } from "./compose-shape.ts";
import { parseDotenv } from "./dotenv.ts";
import type { Lookup } from "./interpolate.ts";
import type { ProblemList } from "./problem-list.ts";
import type { SourceFiles } from "./source.ts";
import { childOf, type Entry, entryOf, equalTrees, isNull, type Mapping, mapping, type Tree } from "./tree.ts";

/** Where a project's relative paths start, what its variables are, and by which includes we came here. */
export interface ProjectScope {
  readonly directory: string;
  readonly lookup: Lookup;
  readonly chain: readonly string[];
}

export interface IncludeReader {
  readonly files: SourceFiles;
  readonly problems: ProblemList;
  /** Loads and merges the files of another application. */
  readonly load: (paths: readonly string[], scope: ProjectScope) => Mapping | undefined;
}

const IMPORTED = ["services", "volumes", "networks", "secrets", "configs", "models"];

/** The tree with the resources of all its includes. */
export function resolveIncludes(tree: Mapping, scope: ProjectScope, reader: IncludeReader): Mapping {
  const include = entryOf(tree, "include");
  if (!include) return tree;
  let result = mapping(new Map([...tree.entries].filter(([key]) => key !== "include")), tree.at);
  if (isNull(include.value)) return result;
  if (include.value.kind !== "sequence") {
    reader.problems.error(include.at, "include must be a array");
    return result;
  }
  for (const [i, item] of include.value.items.entries()) {
    const imported = importOne(item, `include[${i}]`, scope, reader);
    if (imported) result = importResources(result, imported, reader.problems);
  }
  return result;
}

function importOne(item: Tree, path: string, scope: ProjectScope, reader: IncludeReader): Mapping | undefined {
  const { files, problems } = reader;
  const names = readTexts(item.kind === "mapping" ? childOf(item, "path") : item, `${path}.path`, item.at, problems);
  const unknown =
    item.kind === "mapping"
      ? [...item.entries].find(([key]) => !["path", "env_file", "project_directory"].includes(key))
      : undefined;
  if (unknown) problems.warn(unknown[1].at, `${path}: ${unknown[0]} is ignored, as docker compose does`);
  if (!names || names.length === 0) {
    // what it names besides must be there all the same
    readEnvironment(item, path, scope.directory, scope, reader);
    return undefined;
  }
  const remote = names.find((name) => /^[a-z][a-z0-9+.-]*:\/\/|^git@/.test(name));
  if (remote !== undefined) {
    problems.error(item.at, `cannot include ${remote}: only files of this machine can be included`);
    return undefined;
  }
  const paths = names.map((name) => files.resolve(scope.directory, name));
  const [first = ""] = paths;
  const chain = [...scope.chain, first];
  if (scope.chain.includes(first)) {
    problems.error(
      item.at,
      `include cycle detected: ${chain.map((file) => files.displayName(file)).join(" include ")}`,
    );
    return undefined;
  }
  if (paths.some((file) => problems.attempt(item.at, () => files.read(file)) === undefined)) return undefined;
  const own = readTexts(childOf(item, "project_directory"), `${path}.project_directory`, item.at, problems)?.[0];
  const directory = own === undefined ? dirname(first) : files.resolve(scope.directory, own);
  const lookup = readEnvironment(item, path, directory, scope, reader);
  const imported = problems.attempt(item.at, () => reader.load(paths, { directory, lookup, chain }));
  // what is imported is a part of it: the rest is looked at here
  if (imported) checkFileShape(imported, problems);
  return imported;
}

/** `env_file` from the including project's directory, else `.env` of the included one; the outer environment wins. */
function readEnvironment(
  item: Tree,
  path: string,
  directory: string,
  scope: ProjectScope,
  reader: IncludeReader,
): Lookup {
  const { files, problems } = reader;
  const named = readTexts(childOf(item, "env_file"), `${path}.env_file`, item.at, problems);
  const implicit = files.resolve(directory, ".env");
  const envFiles = named
    ? named.filter((name) => name !== "/dev/null").map((name) => files.resolve(scope.directory, name))
    : [implicit].filter((file) => files.exists(file));
  const found = new Map<string, string>();
  const known: Lookup = (name) => scope.lookup(name) ?? found.get(name);
  for (const file of envFiles) {
    const text = problems.attempt(item.at, () => files.read(file));
    if (text === undefined) continue;
    for (const [key, value] of parseDotenv(text, files.displayName(file), scope.lookup, problems))
      found.set(key, value);
  }
  return known;
}

function readTexts(tree: Tree | undefined, path: string, at: Origin, problems: ProblemList): string[] | undefined {
  if (tree === undefined) return undefined;
  const items = tree.kind === "sequence" ? tree.items : [tree];
  return items.flatMap((item) => {
    if (item.kind === "scalar" && typeof item.value === "string" && item.value !== "") return [item.value];
    problems.error(item.at ?? at, `${path} must be a string or a list of strings`);
    return [];
  });
}

function importResources(target: Mapping, source: Mapping, problems: ProblemList): Mapping {
  const merged = new Map(target.entries);
  const extension = source.entries.get("x-docknet");
  if (extension)
    problems.warn(extension.at, "x-docknet of an included file is ignored", "Write it into the file that includes");
  for (const section of IMPORTED) {
    const from = source.entries.get(section);
    if (from?.value.kind !== "mapping") continue;
    const into = merged.get(section);
    const entries = new Map<string, Entry>(into?.value.kind === "mapping" ? into.value.entries : []);
    for (const [name, entry] of from.value.entries) {
      const twin = entries.get(name);
      if (!twin) entries.set(name, entry);
      else if (!equalTrees(twin.value, entry.value))
        problems.error(twin.at, `${section}.${name} conflicts with imported resource`);
    }
    merged.set(section, { at: into?.at ?? from.at, value: mapping(entries, into?.value.at ?? from.value.at) });
  }
  return mapping(merged, target.at);
}
