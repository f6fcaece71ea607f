/**
 * `env_file` and `label_file` of services: they must be there and be well-formed; docknet gives containers no environment from a lab
 * file. Sources: compose-go types/project.go WithServicesEnvironmentResolved, WithServicesLabelsResolved.
 */
import { DocknetError, type Origin } from "../errors.ts";
import { parseDotenv } from "./dotenv.ts";
import type { Lookup } from "./interpolate.ts";
import type { ProblemList } from "./problem-list.ts";
import type { SourceFiles } from "./source.ts";
import { childOf, type Entry, isNull, type Mapping, mapping, scalar, type Tree } from "./tree.ts";

const KEYS = ["env_file", "label_file"] as const;

/** Relative paths become absolute ones: a service that is extended or included names files beside its own. */
export function anchorFiles(tree: Mapping, directory: string, files: SourceFiles): Mapping {
  const services = tree.entries.get("services");
  if (services?.value.kind !== "mapping") return tree;
  const anchor = (value: Tree): Tree => {
    if (value.kind === "scalar")
      return typeof value.value === "string" && value.value !== ""
        ? { ...value, value: files.resolve(directory, value.value) }
        : value;
    if (value.kind === "sequence") return { ...value, items: value.items.map(anchor) };
    const path = value.entries.get("path");
    return path
      ? { ...value, entries: new Map(value.entries).set("path", { at: path.at, value: anchor(path.value) }) }
      : value;
  };
  const anchored = new Map<string, Entry>();
  for (const [name, entry] of services.value.entries) {
    const own = entry.value.kind === "mapping" ? entry.value : undefined;
    const named = KEYS.filter((key) => own?.entries.has(key));
    if (!own || named.length === 0) anchored.set(name, entry);
    else {
      const entries = new Map(own.entries);
      for (const key of named) {
        const file = entries.get(key);
        if (file) entries.set(key, { at: file.at, value: anchor(file.value) });
      }
      anchored.set(name, { at: entry.at, value: { ...own, entries } });
    }
  }
  const value = { ...services.value, entries: anchored };
  return mapping(new Map(tree.entries).set("services", { at: services.at, value }), tree.at);
}

interface NamedFile {
  readonly path: string;
  readonly required: boolean;
  /** "" is Compose's own; of "raw" the lines are taken as they are. */
  readonly format: string;
  readonly at: Origin;
}

/** Reads the files that a service names, and reports what is wrong with them. */
export function checkNamedFiles(service: Mapping, lookup: Lookup, files: SourceFiles, problems: ProblemList): void {
  for (const key of KEYS) {
    const what = key === "env_file" ? "env file" : "label file";
    for (const { path, required, format, at } of listFiles(childOf(service, key))) {
      if (!files.exists(path)) {
        const reason = `${what} ${path} not found: stat ${path}: no such file or directory`;
        if (required)
          problems.error(
            at,
            reason,
            key === "env_file" ? "Make the file, or write { path: ..., required: false }" : undefined,
          );
        continue;
      }
      const text = problems.attempt(at, () => readNamed(files, path));
      if (text === undefined) continue;
      if (format === "raw") checkRaw(text, path, at, problems);
      else if (format !== "") problems.error(at, `unsupported env_file format "${format}"`);
      else parseDotenv(text, files.displayName(path), lookup, problems);
    }
  }
}

/** docker/cli pkg/kvfile: NAME or NAME=VALUE, and nothing is replaced. */
function checkRaw(text: string, path: string, at: Origin, problems: ProblemList): void {
  for (const line of text.split("\n").map((raw) => raw.trimStart())) {
    const name = line.split("=")[0] ?? "";
    if (line.startsWith("#") || line === "") continue;
    if (/[ \t]/.test(name))
      problems.error(at, `failed to parse env_file ${path}: variable '${name}' contains whitespaces`);
  }
}

function readNamed(files: SourceFiles, path: string): string {
  try {
    return files.read(path);
  } catch (error) {
    if (!(error instanceof DocknetError)) throw error;
    throw new DocknetError("LAB_FILE", `failed to read ${path}: ${error.message}`, { cause: error });
  }
}

function listFiles(tree: Tree | undefined): NamedFile[] {
  if (tree === undefined || isNull(tree)) return [];
  const items = tree.kind === "sequence" ? tree.items : [tree];
  const named = new Map<string, NamedFile>();
  for (const item of items) {
    const path = item.kind === "mapping" ? childOf(item, "path") : item;
    if (path?.kind !== "scalar" || typeof path.value !== "string") continue;
    const required = childOf(item, "required") ?? scalar(true, item.at);
    const format = childOf(item, "format");
    named.set(path.value, {
      path: path.value,
      required: required.kind !== "scalar" || !/^(false|n|no|off)$/i.test(String(required.value)),
      format: format?.kind === "scalar" ? String(format.value ?? "") : "",
      at: item.at,
    });
  }
  return [...named.values()];
}
