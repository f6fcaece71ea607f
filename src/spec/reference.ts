/**
 * What the parts of a compose file that docknet does not emulate say of each other: images, volumes, secrets, configs, models. Compose
 * refuses a file for it, so `validate` does. Sources: compose-go loader/validate.go, validation/*.go, types/mapping.go.
 */
import type { Origin } from "../errors.ts";
import { sectionOf } from "./compose-shape.ts";
import type { DeclaredService } from "./declared-service.ts";
import type { ProblemList } from "./problem-list.ts";
import { childOf, type Entry, entryOf, equalTrees, isNull, type Mapping, type Tree } from "./tree.ts";
import { checkMounts } from "./volume.ts";

/** @param active services that a profile or none wakes: Compose looks at no others here */
export function checkReferences(tree: Mapping, active: readonly DeclaredService[], problems: ProblemList): void {
  checkResources(tree, problems);
  const names = (section: string): ReadonlySet<string> => new Set(sectionOf(tree, section).keys());
  const declared = {
    volumes: names("volumes"),
    secrets: names("secrets"),
    configs: names("configs"),
    models: names("models"),
  };
  for (const { spec, body } of active) {
    const { key, at } = spec;
    checkSource(body, key, at, problems);
    checkBuild(childOf(body, "build"), key, active, problems);
    checkPlatform(body, problems);
    checkMounts(body, key, declared.volumes, problems);
    const refuse = (kind: string, known: ReadonlySet<string>, list: Tree | undefined): void => {
      for (const { name, at: place } of listNames(list)) {
        if (!known.has(name))
          problems.error(place, `service "${key}" refers to undefined ${kind} ${name}: invalid compose project`);
      }
    };
    refuse("build secret", declared.secrets, childOf(childOf(body, "build"), "secrets"));
    refuse("config", declared.configs, childOf(body, "configs"));
    refuse("secret", declared.secrets, childOf(body, "secrets"));
    refuse("model", declared.models, childOf(body, "models"));
    checkHealth(childOf(body, "healthcheck"), problems);
    checkWatch(childOf(body, "develop"), key, problems);
  }
}

/** What Compose refuses of a service whether it is active or not. */
export function checkValues(body: Mapping, key: string, problems: ProblemList): void {
  const environment = childOf(body, "environment");
  for (const item of environment?.kind === "sequence" ? environment.items : []) {
    const name = item.kind === "scalar" && typeof item.value === "string" ? item.value.split("=")[0] : undefined;
    if (name && /\s$/u.test(name))
      problems.error(
        item.at,
        `environment variable ${name} is declared with a trailing space`,
        "Write NAME=VALUE without spaces around =",
      );
  }
  const devices = childOf(childOf(childOf(childOf(body, "deploy"), "resources"), "reservations"), "devices");
  for (const request of [...itemsOf(childOf(body, "gpus")), ...itemsOf(devices)]) {
    if (entryOf(request, "count") && entryOf(request, "device_ids"))
      problems.error(request.at, `services.${key}: "count" and "device_ids" attributes are exclusive`);
  }
  for (const item of itemsOf(childOf(body, "devices"))) {
    if (item.kind === "scalar" && String(item.value).split(":").length > 3)
      problems.error(item.at, `confusing device mapping, please use long syntax: ${item.value}`);
  }
}

const itemsOf = (tree: Tree | undefined): readonly Tree[] => (tree?.kind === "sequence" ? tree.items : []);

function checkSource(body: Mapping, key: string, at: Origin, problems: ProblemList): void {
  const image = childOf(body, "image");
  const hasImage = image?.kind === "scalar" && image.value !== null && image.value !== "";
  if (hasImage || entryOf(body, "build") || entryOf(body, "provider")) return;
  problems.warn(
    at,
    `service "${key}" has neither an image nor a build context specified: docker compose refuses the file; here built-in responders stand in`,
    "Name an image",
  );
}

function checkBuild(
  build: Tree | undefined,
  key: string,
  active: readonly DeclaredService[],
  problems: ProblemList,
): void {
  const inline = entryOf(build, "dockerfile_inline");
  if (inline && isText(inline) && isText(entryOf(build, "dockerfile")))
    problems.error(
      inline.at,
      `service "${key}" declares mutualy exclusive dockerfile and dockerfile_inline: invalid compose project`,
    );
  for (const item of itemsOf(childOf(build, "ssh"))) {
    const text = item.kind === "scalar" ? String(item.value) : "";
    if (!text.includes("=") && text !== "default") problems.error(item.at, `invalid ssh key ${JSON.stringify(text)}`);
  }
  for (const item of itemsOf(childOf(build, "extra_hosts"))) {
    if (item.kind === "scalar" && !/[=:]/.test(String(item.value)))
      problems.error(item.at, `invalid additional host, missing IP: ${item.value}`);
  }
  const contexts = childOf(build, "additional_contexts");
  const pairs =
    contexts?.kind === "mapping" ? [...contexts.entries].map(([name, { at, value }]) => ({ name, at, value })) : [];
  for (const { name, at, value } of pairs) {
    const target = value.kind === "scalar" ? /^service:(.*)$/.exec(String(value.value))?.[1] : undefined;
    if (target === undefined) continue;
    const service = active.find(({ spec }) => spec.key === target);
    const fault = service ? (entryOf(service.body, "build") ? undefined : "non-buildable") : "unknown";
    if (fault)
      problems.error(at, `service "${key}" declares ${fault} service "${target}" as additional contexts ${name}`);
  }
  for (const item of itemsOf(contexts)) {
    if (item.kind === "scalar" && !String(item.value).includes("="))
      problems.error(
        item.at,
        `services.${key}.build.additional_contexts: invalid value ${item.value}, expected key=value`,
      );
  }
}

function checkPlatform(body: Mapping, problems: ProblemList): void {
  const platforms = itemsOf(childOf(childOf(body, "build"), "platforms"));
  const own = entryOf(body, "platform");
  if (!own || platforms.length === 0 || platforms.some((platform) => equalTrees(platform, own.value))) return;
  const text = own.value.kind === "scalar" ? JSON.stringify(own.value.value) : "";
  problems.error(own.at, `service.build.platforms MUST include service.platform ${text}: invalid compose project`);
}

const isText = (entry: Entry | undefined): boolean =>
  entry?.value.kind === "scalar" && entry.value.value !== null && entry.value.value !== "";

function listNames(tree: Tree | undefined): { name: string; at: Origin }[] {
  if (tree?.kind === "mapping") return [...tree.entries].map(([name, { at }]) => ({ name, at }));
  return itemsOf(tree).flatMap((item) => {
    const source = item.kind === "mapping" ? childOf(item, "source") : item;
    if (source === undefined) return [{ name: "", at: item.at }];
    return source.kind === "scalar" && typeof source.value === "string" ? [{ name: source.value, at: item.at }] : [];
  });
}

function checkHealth(health: Tree | undefined, problems: ProblemList): void {
  const [first] = itemsOf(childOf(health, "test"));
  if (first?.kind !== "scalar" || ["CMD", "CMD-SHELL", "NONE"].includes(String(first.value))) return;
  problems.error(first.at, 'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"');
}

function checkWatch(develop: Tree | undefined, key: string, problems: ProblemList): void {
  for (const watch of itemsOf(childOf(develop, "watch"))) {
    const action = childOf(watch, "action");
    const needsTarget = action?.kind === "scalar" && !["rebuild", "restart"].includes(String(action.value));
    if (needsTarget && !isText(entryOf(watch, "target")))
      problems.error(
        watch.at,
        `services.${key}.develop.watch: target is required for non-rebuild actions: invalid compose project`,
      );
  }
}

/** Top-level resources: whose content comes from nowhere, or from two places, and external ones with settings. */
function checkResources(tree: Mapping, problems: ProblemList): void {
  const content = { secrets: ["file", "environment"], configs: ["file", "environment", "content"] };
  for (const [section, keys] of Object.entries(content)) {
    for (const [name, { at, value }] of sectionOf(tree, section)) {
      if (value.kind !== "mapping") continue;
      const given = keys.filter((key) => value.entries.has(key));
      const where = `${section}.${name}`;
      if (given.length > 1) problems.error(at, `${where}: ${keys.join("|")} attributes are mutually exclusive`);
      if (given.length === 0 && !value.entries.has("external"))
        problems.error(at, `${where}: one of ${keys.join("|")} must be set`);
    }
  }
  for (const [name, { value }] of sectionOf(tree, "volumes")) checkExternalVolume(value, `volumes.${name}`, problems);
}

function checkExternalVolume(volume: Tree, path: string, problems: ProblemList): void {
  const external = childOf(volume, "external");
  if (volume.kind !== "mapping" || !external || isNull(external)) return;
  const [name, own] = [childOf(external, "name"), entryOf(volume, "name")];
  if (name && own && !equalTrees(name, own.value))
    problems.error(own.at, `${path}: name and external.name conflict; only use name`);
  if (external.kind === "scalar" && /^(false|n|no|off)$/i.test(String(external.value))) return;
  for (const [key, { at }] of volume.entries) {
    if (key !== "name" && key !== "external" && !key.startsWith("x-"))
      problems.error(at, `${path}: conflicting parameters "external" and "${key}" specified`);
  }
}
