/**
 * One tree over another by the Compose merge rules: mappings merge, lists append, scalars replace; some keys have rules of
 * their own. Sources: Compose specification 13-merge.md; compose-go override/merge.go, override/extends.go.
 *
 * Lists that must be unique (ports, dns, aliases ...) are made so where they are read, the later entry winning in the
 * earlier one's place (compose-go override/uncity.go). Keys that do not bear on the network are replaced whole: nothing
 * reads them.
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

type Rule = "tree" | "replace" | "list" | "names" | "pools";

/** "list": key=value lists and mappings become one list. "names": a list of names becomes a mapping. */
const SERVICE_RULES: ReadonlyMap<string, Rule> = new Map([
  ["deploy", "tree"],
  ["expose", "tree"],
  ["external_links", "tree"],
  ["links", "tree"],
  ["ports", "tree"],
  ["profiles", "tree"],
  ["dns", "list"],
  ["dns_opt", "list"],
  ["dns_search", "list"],
  ["extra_hosts", "list"],
  ["labels", "list"],
  ["sysctls", "list"],
  ["depends_on", "names"],
  ["networks", "names"],
]);

function ruleOf(path: readonly string[]): Rule {
  const [section, , key, inner] = path;
  if (section === "services" && path.length === 3 && key)
    return SERVICE_RULES.get(key) ?? (key.startsWith("x-") ? "tree" : "replace");
  if (section === "networks" && path.length === 3 && key === "labels") return "list";
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
    else merged.set(key, { at: before.at, value: mergeValues(before.value, entry.value, problems, [...path, key]) });
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

function toNames(tree: Tree, problems: ProblemList, path: readonly string[]): Mapping {
  if (tree.kind === "mapping") return tree;
  const entries = new Map<string, Entry>();
  for (const item of tree.kind === "sequence" ? tree.items : [tree]) {
    if (item.kind === "scalar" && typeof item.value === "string")
      entries.set(item.value, { at: item.at, value: scalar(null, item.at) });
    else problems.error(item.at, `${path.join(".")} must be a list of strings or a mapping`);
  }
  return mapping(entries, tree.at);
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
