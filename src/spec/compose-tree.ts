/** The files of a project as one tree: parsed, interpolated, extended, included, merged. */
import { dirname } from "node:path";
import type { Origin } from "../errors.ts";
import { fileFaults } from "./compose-shape.ts";
import { parseDocuments } from "./document.ts";
import { anchorFiles } from "./env-file.ts";
import { type ExtendsScope, resolveExtends, scopeOf } from "./extends.ts";
import { type ProjectScope, resolveIncludes } from "./include.ts";
import { interpolateTree } from "./interpolate.ts";
import { mergeTrees, stripTags } from "./merge.ts";
import { readPorts } from "./port.ts";
import type { ProblemList } from "./problem-list.ts";
import type { SourceFiles } from "./source.ts";
import { childOf, entryOf, type Mapping, mapping } from "./tree.ts";
import { readMounts } from "./volume.ts";

/** A loop of includes is found by its chain; a tree of them that grows without end is not. */
const MAX_FILES = 200;

export class ComposeTreeLoader {
  private readonly files: SourceFiles;
  private readonly problems: ProblemList;
  private readonly warned = new Set<string>();
  private readonly parsed = new Map<string, readonly Mapping[] | undefined>();
  private opened = 0;

  constructor(files: SourceFiles, problems: ProblemList) {
    this.files = files;
    this.problems = problems;
  }

  /** The merged tree, or undefined when a file could not be understood; problems are in the list. */
  load(paths: readonly string[], scope: ProjectScope): Mapping | undefined {
    let merged: Mapping | undefined;
    let isComplete = true;
    for (const path of paths) {
      const documents = this.openInterpolated(path, scope);
      if (!documents) isComplete = false;
      for (const own of documents ?? []) {
        const whole = this.resolve(path, own, scope);
        merged = merged ? mergeTrees(merged, whole, this.problems) : stripTags(whole);
      }
    }
    return isComplete ? (merged ?? mapping(new Map(), this.startOf(paths[0] ?? ""))) : undefined;
  }

  private startOf(path: string): Origin {
    return { file: this.files.displayName(path), line: 1, column: 1 };
  }

  /** One document with its `extends` and `include` carried out. */
  private resolve(path: string, own: Mapping, scope: ProjectScope): Mapping {
    const services = entryOf(own, "services");
    // an override that says `services:` and nothing more takes nothing away, and Compose refuses it
    if (services && services.value.kind !== "mapping")
      this.problems.shapeError(services.at, "services must be a mapping");
    const name = this.files.displayName(path);
    const extended = resolveExtends(
      { file: path, name, directory: scope.directory, tree: own },
      this.extendsReader(scope),
    );
    const chain = scope.chain.includes(path) ? scope.chain : [...scope.chain, path];
    const reader = {
      files: this.files,
      problems: this.problems,
      load: (p: readonly string[], s: ProjectScope) => this.load(p, s),
    };
    return resolveIncludes(extended, { ...scope, chain }, reader);
  }

  /** The file's documents as written, for what must be known before variables are replaced. */
  parse(path: string): readonly Mapping[] | undefined {
    if (this.parsed.has(path)) return this.parsed.get(path);
    const text = this.problems.attempt(undefined, () => this.files.read(path));
    const name = this.files.displayName(path);
    if (text !== undefined) this.files.composeFiles.push(name);
    const tree = text === undefined ? undefined : parseDocuments(text, name, this.problems);
    this.parsed.set(path, tree);
    return tree;
  }

  /** @param scope the variables, and the directory of relative paths */
  private openInterpolated(
    path: string,
    { lookup, directory }: Pick<ProjectScope, "lookup" | "directory">,
    from?: Origin,
  ): Mapping[] | undefined {
    if (++this.opened > MAX_FILES) {
      if (this.opened === MAX_FILES + 1)
        this.problems.error(from, `more than ${MAX_FILES} files are included or extended`);
      return undefined;
    }
    return this.parse(path)?.map((tree) =>
      anchorFiles(interpolateTree(tree, lookup, this.problems, this.warned), directory, this.files),
    );
  }

  private extendsReader(scope: ProjectScope) {
    const scopes = new Map<string, ExtendsScope | undefined>();
    const open = (path: string, directory: string, at: Origin): ExtendsScope | undefined => {
      const file = this.files.resolve(directory, path);
      if (scopes.has(file)) return scopes.get(file);
      if (!this.files.exists(file))
        this.problems.error(at, `cannot extend from ${path}: open ${file}: no such file or directory`);
      const documents = this.files.exists(file)
        ? this.openInterpolated(file, { lookup: scope.lookup, directory: dirname(file) }, at)
        : undefined;
      const tree = documents?.reduce<Mapping | undefined>(
        (merged, next) => (merged ? mergeTrees(merged, next, this.problems) : next),
        undefined,
      );
      if (tree) this.checkExtended(tree);
      else if (documents) this.problems.error(at, `cannot extend from ${path}: no services section`);
      const opened = tree && scopeOf(file, this.files.displayName(file), tree);
      scopes.set(file, opened);
      return opened;
    };
    return { problems: this.problems, open };
  }

  /** Compose looks at the rest of an extended file less closely than at others: not at its keys, but at its ports and volumes. */
  private checkExtended(tree: Mapping): void {
    for (const { at, message } of fileFaults(tree))
      this.problems.warn(at, `${message}; docker compose does not look at this, since the file is only extended`);
    const services = childOf(tree, "services");
    for (const [key, { value }] of services?.kind === "mapping" ? services.entries : []) {
      const ports = entryOf(value, "ports");
      if (ports?.value.kind === "sequence") readPorts(ports, `services.${key}.ports`, this.problems);
      readMounts(childOf(value, "volumes"), `services.${key}.volumes`, this.problems);
    }
  }
}
