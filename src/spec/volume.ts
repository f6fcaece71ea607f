/**
 * The mounts of a service, as far as Compose refuses them: docknet emulates no volume. Sources: compose-go format/volume.go,
 * override/uncity.go, loader/validate.go.
 */
import { posix } from "node:path";
import { DocknetError, type Origin } from "../errors.ts";
import type { ProblemList } from "./problem-list.ts";
import { childOf, type Mapping, type Tree } from "./tree.ts";

/** A mount as far as it must be known. */
interface Mount {
  /** Of a named volume its name; undefined for all else. */
  readonly volume: string | undefined;
  readonly target: string;
  readonly at: Origin;
}

/** Reports what is malformed, volumes that the file does not declare, and one target mounted twice. */
export function checkMounts(service: Mapping, key: string, volumes: ReadonlySet<string>, problems: ProblemList): void {
  const mounts = new Map<string, Mount>();
  for (const mount of readMounts(childOf(service, "volumes"), `services.${key}.volumes`, problems)) {
    // of two with one target Compose keeps the later
    mounts.set(mount.target, mount);
  }
  for (const { volume, at } of mounts.values()) {
    if (volume === undefined || volumes.has(volume)) continue;
    problems.error(
      at,
      `service "${key}" refers to undefined volume ${volume}: invalid compose project`,
      "Declare it under the top-level `volumes:`, or begin the path with ./",
    );
  }
  const tmpfs = new Set<string>();
  for (const { target, at } of readTmpfs(childOf(service, "tmpfs"))) {
    if (tmpfs.has(target)) problems.error(at, `services.${key}.tmpfs: target ${target} already mounted`);
    tmpfs.add(target);
    const twin = mounts.get(target);
    if (twin)
      problems.error(twin.at, `services.${key}.volumes: target ${target} already mounted as services.${key}.tmpfs`);
  }
}

/** Well-formed mounts of any service, active or not; the others are problems. */
export function readMounts(list: Tree | undefined, path: string, problems: ProblemList): Mount[] {
  if (list?.kind !== "sequence") return [];
  return list.items.flatMap((item, i) => {
    const mount = problems.attempt(item.at, () => readMount(item, `${path}.${i}`));
    return mount ? [mount] : [];
  });
}

function readMount(item: Tree, path: string): Mount | undefined {
  if (item.kind === "scalar") return typeof item.value === "string" ? parseMount(item.value, item.at) : undefined;
  const text = (key: string): string | undefined => {
    const child = childOf(item, key);
    return child?.kind === "scalar" && typeof child.value === "string" ? child.value : undefined;
  };
  const target = text("target");
  if (item.kind === "mapping" && !item.entries.has("target"))
    throw new DocknetError("LAB_FILE", `service volume ${path} is missing a mount target`);
  if (target === undefined) return undefined;
  const isNamed = text("type") === "volume" && text("source") !== "";
  return { volume: isNamed ? text("source") : undefined, target: cleanPath(target), at: item.at };
}

/** `[SOURCE:]TARGET[:OPTIONS]`; a letter before a colon is a drive of Windows. @throws DocknetError LAB_FILE */
function parseMount(spec: string, at: Origin): Mount {
  if (spec === "") throw new DocknetError("LAB_FILE", "invalid empty volume spec");
  if (spec.length <= 2) return { volume: undefined, target: spec, at };
  const parts: string[] = [];
  let part = "";
  for (const char of spec) {
    if (char === ":" && !/^\p{L}$/u.test(part)) {
      parts.push(part);
      part = "";
    } else part += char;
  }
  parts.push(part);
  const fault = parts.includes("") ? "empty section between colons" : parts.length > 3 ? "too many colons" : undefined;
  if (fault) throw new DocknetError("LAB_FILE", `invalid spec: ${spec}: ${fault}`);
  const [first = "", second] = parts;
  if (second === undefined) return { volume: undefined, target: cleanPath(first), at };
  return { volume: isFilePath(first) ? undefined : first, target: cleanPath(second), at };
}

const isFilePath = (source: string): boolean => /^([./~]|\\\\|\p{L}:)/u.test(source);

/** Go's path.Clean leaves no slash at the end. */
const cleanPath = (target: string): string => (target === "" ? "" : posix.normalize(target).replace(/(.)\/$/, "$1"));

function readTmpfs(tree: Tree | undefined): { target: string; at: Origin }[] {
  const items = tree?.kind === "sequence" ? tree.items : tree ? [tree] : [];
  const texts = new Map<string, { target: string; at: Origin }>();
  for (const item of items) {
    if (item.kind !== "scalar" || typeof item.value !== "string") continue;
    texts.set(item.value.split("=")[0] ?? "", { target: item.value.split(":")[0] ?? "", at: item.at });
  }
  return [...texts.values()];
}
