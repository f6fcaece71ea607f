/**
 * `extends`: a service begins as a copy of another, of this file or of a second one, and its own keys are merged over it.
 * Sources: Compose specification 05-services.md "extends"; compose-go loader/extends.go.
 */
import { dirname } from "node:path";
import { mergeTrees } from "./merge.ts";
import type { ProblemList } from "./problem-list.ts";
import { childOf, type Entry, entryOf, isNull, type Mapping, mapping, type Tree } from "./tree.ts";

const MAX_CHAIN = 50;

/** A file whose services refer to each other, with the directory that its relative paths start from. */
export interface ExtendsScope {
  readonly file: string;
  readonly name: string;
  readonly directory: string;
  readonly tree: Mapping;
}

export interface ExtendsReader {
  readonly problems: ProblemList;
  /** Opens another compose file, interpolated; undefined after reporting why not. */
  readonly open: (path: string, directory: string, at: Tree["at"]) => ExtendsScope | undefined;
}

/** The file's tree with every `extends` carried out. */
export function resolveExtends(scope: ExtendsScope, reader: ExtendsReader): Mapping {
  const services = entryOf(scope.tree, "services");
  if (services?.value.kind !== "mapping") return scope.tree;
  const resolver = new Resolver(reader);
  const resolved = new Map<string, Entry>();
  for (const [name, entry] of services.value.entries) {
    resolved.set(name, { at: entry.at, value: resolver.resolve(scope, name, entry.value, []) });
  }
  const value = { ...services.value, entries: resolved };
  return mapping(new Map(scope.tree.entries).set("services", { at: services.at, value }), scope.tree.at);
}

interface Link {
  readonly file: string;
  readonly service: string;
}

class Resolver {
  private readonly done = new Map<Tree, Tree>();
  private readonly reader: ExtendsReader;

  constructor(reader: ExtendsReader) {
    this.reader = reader;
  }

  resolve(scope: ExtendsScope, name: string, service: Tree, chain: readonly Link[]): Tree {
    const reference = entryOf(service, "extends");
    if (service.kind !== "mapping" || !reference) return service;
    const known = this.done.get(service);
    if (known) return known;
    const resolved = this.extend(scope, name, service, reference, chain);
    this.done.set(service, resolved);
    return resolved;
  }

  private extend(scope: ExtendsScope, name: string, service: Mapping, reference: Entry, chain: readonly Link[]): Tree {
    const own = mapping(new Map([...service.entries].filter(([key]) => key !== "extends")), service.at);
    const target = this.readTarget(name, reference);
    if (!target) return own;
    const links = [...chain, { file: scope.name, service: name }];
    const base = target.file === undefined ? scope : this.reader.open(target.file, scope.directory, reference.at);
    if (!base) return own;
    const from = childOf(childOf(base.tree, "services"), target.service);
    if (!from) {
      const where = base === scope ? "" : ` in ${base.name}`;
      this.reader.problems.error(
        reference.at,
        `cannot extend service "${name}" in ${scope.name}: service "${target.service}" not found${where}`,
      );
      return own;
    }
    if (this.isCircular(links, { file: base.name, service: target.service }, reference)) return own;
    const resolved = isNull(from) ? mapping(new Map(), from.at) : this.resolve(base, target.service, from, links);
    if (resolved.kind !== "mapping") return own;
    return { ...mergeTrees(resolved, own, this.reader.problems, ["services", name]), at: service.at };
  }

  private isCircular(links: readonly Link[], next: Link, reference: Entry): boolean {
    const all = [...links, next];
    const isLoop = links.some((link) => link.file === next.file && link.service === next.service);
    if (!isLoop && links.length < MAX_CHAIN) return false;
    const [first, ...rest] = all.map((link) => `${link.service} in ${link.file}`);
    const text = `${first} extends ${rest.join(" extends ")}`;
    this.reader.problems.error(
      reference.at,
      isLoop ? `Circular reference: ${text}` : `extends: more than ${MAX_CHAIN} services in a row`,
    );
    return true;
  }

  private readTarget(name: string, reference: Entry): { service: string; file?: string } | undefined {
    const { value } = reference;
    if (value.kind === "scalar" && typeof value.value === "string") return { service: value.value };
    const service = childOf(value, "service");
    const file = childOf(value, "file");
    if (service?.kind !== "scalar" || typeof service.value !== "string") {
      this.reader.problems.error(reference.at, `extends.${name}.service is required`);
      return undefined;
    }
    if (file === undefined) return { service: service.value };
    if (file.kind === "scalar" && typeof file.value === "string") return { service: service.value, file: file.value };
    this.reader.problems.error(file.at, `services.${name}.extends.file must be a string`);
    return undefined;
  }
}

/** The scope of a file that was opened for its services. */
export function scopeOf(path: string, name: string, tree: Mapping): ExtendsScope {
  return { file: path, name, directory: dirname(path), tree };
}
