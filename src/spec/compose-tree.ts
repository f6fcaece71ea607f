/** The files of a project as one tree: parsed, interpolated, extended, included, merged. */
import type { Origin } from "../errors.ts";
import { parseDocument } from "./document.ts";
import { type ExtendsScope, resolveExtends, scopeOf } from "./extends.ts";
import { type ProjectScope, resolveIncludes } from "./include.ts";
import { interpolateTree, type Lookup } from "./interpolate.ts";
import { mergeTrees, stripTags } from "./merge.ts";
import type { ProblemList } from "./problem-list.ts";
import type { SourceFiles } from "./source.ts";
import type { Mapping } from "./tree.ts";

/** A loop of includes is found by its chain; a tree of them that grows without end is not. */
const MAX_FILES = 200;

export class ComposeTreeLoader {
  private readonly files: SourceFiles;
  private readonly problems: ProblemList;
  private readonly warned = new Set<string>();
  private readonly parsed = new Map<string, Mapping | undefined>();
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
      const own = this.openInterpolated(path, scope.lookup);
      if (!own) {
        isComplete = false;
        continue;
      }
      const name = this.files.displayName(path);
      const extended = resolveExtends(
        { file: path, name, directory: scope.directory, tree: own },
        this.extendsReader(scope),
      );
      const chain = scope.chain.includes(path) ? scope.chain : [...scope.chain, path];
      const whole = resolveIncludes(
        extended,
        { ...scope, chain },
        { files: this.files, problems: this.problems, load: (p, s) => this.load(p, s) },
      );
      merged = merged ? mergeTrees(merged, whole, this.problems) : stripTags(whole);
    }
    return isComplete ? merged : undefined;
  }

  /** The file as written, for what must be known before variables are replaced. */
  parse(path: string): Mapping | undefined {
    if (this.parsed.has(path)) return this.parsed.get(path);
    const text = this.problems.attempt(undefined, () => this.files.read(path));
    const name = this.files.displayName(path);
    if (text !== undefined) this.files.composeFiles.push(name);
    const tree = text === undefined ? undefined : parseDocument(text, name, this.problems);
    this.parsed.set(path, tree);
    return tree;
  }

  private openInterpolated(path: string, lookup: Lookup, from?: Origin): Mapping | undefined {
    if (++this.opened > MAX_FILES) {
      if (this.opened === MAX_FILES + 1)
        this.problems.error(from, `more than ${MAX_FILES} files are included or extended`);
      return undefined;
    }
    const tree = this.parse(path);
    return tree && interpolateTree(tree, lookup, this.problems, this.warned);
  }

  private extendsReader(scope: ProjectScope) {
    const scopes = new Map<string, ExtendsScope | undefined>();
    const open = (path: string, directory: string, at: Origin): ExtendsScope | undefined => {
      const file = this.files.resolve(directory, path);
      if (scopes.has(file)) return scopes.get(file);
      if (!this.files.exists(file))
        this.problems.error(at, `cannot extend from ${path}: open ${file}: no such file or directory`);
      const tree = this.files.exists(file) ? this.openInterpolated(file, scope.lookup, at) : undefined;
      const opened = tree && scopeOf(file, this.files.displayName(file), tree);
      scopes.set(file, opened);
      return opened;
    };
    return { problems: this.problems, open };
  }
}
