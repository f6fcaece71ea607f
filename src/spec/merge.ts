/**
 * One tree over another by the Compose merge rules: mappings merge, lists append, scalars replace; some keys have rules of
 * their own. Sources: Compose specification 13-merge.md; compose-go override/merge.go, override/extends.go.
 *
 * Lists that must be unique (ports, dns, aliases ...) are made so where they are read, the later entry winning in the
 * earlier one's place (compose-go override/uncity.go).
 */
import type { ProblemList } from "./problem-list.ts";
import {
  childOf,
  type Entry,
  equalTrees,
  isNull,
  type Mapping,
  mapping,
  type Sequence,
  scalar,
  sequence,
  type Tree,
} from "./tree.ts";

type Rule = "tree" | "replace" | "list" | "names" | "pools" | "build" | "logging";

/** "list": key=value lists and mappings become one list. "names": a list of names becomes a mapping. Paths below a service. */
const SERVICE_RULES: ReadonlyMap<string, Rule> = new Map([
  ...["annotations", "deploy.labels", "dns", "dns_opt", "dns_search", "env_file", "environment", "extra_hosts"].map(
    list,
  ),
  ...["label_file", "labels", "sysctls", "tmpfs"].map(list),
  ...["args", "additional_contexts", "extra_hosts", "labels"].map((key) => list(`build.${key}`)),
  ["build", "build"],
  ["command", "replace"],
  ["entrypoint", "replace"],
  ["healthcheck.test", "replace"],
  ["logging", "logging"],
  ["depends_on", "names"],
  ["models", "names"],
  ["networks", "names"],
]);

function list(key: string): [string, Rule] {
  return [key, "list"];
}

function ruleOf(path: readonly string[]): Rule {
  const [section, , key, inner] = path;
  if (section === "services" && key === "ulimits" && path.length === 4) return "replace";
  if (section === "services") return SERVICE_RULES.get(path.slice(2).join(".")) ?? "tree";
  if ((section === "networks" || section === "volumes") && path.length === 3 && key === "labels") return "list";
  if (section === "networks" && path.length === 4 && key === "ipam" && inner === "config") return "pools";
  return "tree";
}

/** `over` laid on `base`; both whole compose files, or any two trees that stand at `path` of one. */
export function mergeTrees(base: Mapping, over: Mapping, problems: ProblemList, path: readonly string[] = []): Mapping {
  const merged = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    if (entry.value.tag === "reset") {
      merged.delete(key);
      continue;
    }
    const before = merged.get(key);
    if (!before || entry.value.tag === "override") merged.set(key, { at: entry.at, value: stripTags(entry.value) });
    else {
      const value = mergeValues(before.value, entry.value, problems, [...path, key]);
      // a value that was replaced stands where it was replaced
      merged.set(key, { at: entry.value.kind === "scalar" && !isNull(entry.value) ? entry.at : before.at, value });
    }
  }
  return mapping(merged, base.at);
}

function mergeValues(base: Tree, over: Tree, problems: ProblemList, path: readonly string[]): Tree {
  const rule = ruleOf(path);
  if (rule === "replace") return stripTags(over);
  if (isNull(over)) return base;
  if (isNull(base)) return stripTags(over);
  if (rule === "list") return appendUnique(toList(base), toList(stripTags(over)));
  if (rule === "names") return mergeTrees(toNames(base, problems, path), toNames(over, problems, path), problems, path);
  if (rule === "build" && (base.kind === "mapping" || over.kind === "mapping"))
    return mergeTrees(toBuild(base), toBuild(over), problems, path);
  if (rule === "logging" && driverOf(base) !== driverOf(over)) return stripTags(over);
  if (base.kind === "scalar") return stripTags(over);
  if (base.kind !== over.kind) {
    problems.error(
      over.at,
      `cannot override ${path.join(".")}`,
      "Write the same kind of value as the file before, or tag it !override",
    );
    return base;
  }
  if (base.kind === "mapping" && over.kind === "mapping") return mergeTrees(base, over, problems, path);
  if (base.kind === "sequence" && over.kind === "sequence") {
    const items = over.items.filter((item) => item.tag !== "reset").map(stripTags);
    return rule === "pools" ? mergePools(base, items, problems, path) : sequence([...base.items, ...items], base.at);
  }
  return stripTags(over);
}

/** The tree without what it resets; `!override` has nothing to replace and is taken as it stands. */
export function stripTags<T extends Tree>(tree: T): T {
  return strip(tree) as T;
}

function strip(tree: Tree): Tree {
  if (tree.kind === "scalar") return scalar(tree.value, tree.at);
  if (tree.kind === "sequence") return sequence(tree.items.filter((item) => item.tag !== "reset").map(strip), tree.at);
  const entries = new Map<string, Entry>();
  for (const [key, entry] of tree.entries) {
    if (entry.value.tag !== "reset") entries.set(key, { at: entry.at, value: strip(entry.value) });
  }
  return mapping(entries, tree.at);
}

function toList(tree: Tree): Sequence {
  if (tree.kind === "sequence") return tree;
  if (tree.kind === "scalar") return sequence([tree], tree.at);
  const items = [...tree.entries].flatMap(([key, { at, value }]): Tree[] => {
    if (value.kind === "sequence") return value.items.map((item) => scalar(`${key}=${plainText(item)}`, item.at));
    return [scalar(isNull(value) ? key : `${key}=${plainText(value)}`, at)];
  });
  return sequence(items, tree.at);
}

const plainText = (tree: Tree): string => (tree.kind === "scalar" ? String(tree.value ?? "") : "");

function appendUnique(base: Sequence, over: Sequence): Sequence {
  const texts = new Set(base.items.map(plainText));
  const added = over.items.filter((item) => item.kind !== "scalar" || !texts.has(plainText(item)));
  return sequence([...base.items, ...added], base.at);
}

/** A text is the directory to build in. */
function toBuild(tree: Tree): Mapping {
  if (tree.kind === "mapping") return tree;
  return mapping(new Map([["context", { at: tree.at, value: tree }]]), tree.at);
}

/** Options of two drivers are not merged. */
function driverOf(logging: Tree): string {
  const driver = childOf(logging, "driver");
  return driver ? plainText(driver) : "";
}

function toNames(tree: Tree, problems: ProblemList, path: readonly string[]): Mapping {
  if (tree.kind === "mapping") return tree;
  const entries = new Map<string, Entry>();
  for (const item of tree.kind === "sequence" ? tree.items : [tree]) {
    if (item.kind === "scalar" && typeof item.value === "string")
      entries.set(item.value, { at: item.at, value: nameValue(path, item.at) });
    else problems.error(item.at, `${path.join(".")} must be a list of strings or a mapping`);
  }
  return mapping(entries, tree.at);
}

/** What the short form stands for. */
function nameValue(path: readonly string[], at: Tree["at"]): Tree {
  if (path.at(-1) !== "depends_on") return scalar(null, at);
  return mapping(new Map([["condition", { at, value: scalar("service_started", at) }]]), at);
}

/** Pools of the same subnet merge, others append (compose-go mergeIPAMConfig). */
function mergePools(base: Sequence, over: readonly Tree[], problems: ProblemList, path: readonly string[]): Sequence {
  const pools: Tree[] = [...base.items];
  for (const pool of over) {
    const subnet = childOf(pool, "subnet");
    const index = pools.findIndex((known) => sameSubnet(childOf(known, "subnet"), subnet));
    const known = pools[index];
    if (known?.kind === "mapping" && pool.kind === "mapping") pools[index] = mergeTrees(known, pool, problems, path);
    else pools.push(pool);
  }
  return sequence(pools, base.at);
}

function sameSubnet(a: Tree | undefined, b: Tree | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalTrees(a, b);
}
