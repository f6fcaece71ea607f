/** One service of `services:`. Source: Compose specification 05-services.md. */

import type { Origin } from "../errors.ts";
import { parseMac } from "../net/mac.ts";
import { parseContainerName } from "../net/name.ts";
import { readAttachments } from "./attachment.ts";
import { splitCommand } from "./command.ts";
import { RESOURCE_NAME } from "./compose-service-shape.ts";
import type { DeclaredService, Dependency } from "./declared-service.ts";
import { readExposed, readPorts } from "./port.ts";
import type { ProblemList } from "./problem-list.ts";
import { readBoolean, readInteger, readMapping, readPairs, readString, readTexts, toRecord } from "./reader.ts";
import { checkValues } from "./reference.ts";
import { readResolution } from "./resolution.ts";
import type { ServiceSpec } from "./spec.ts";
import { childOf, type Entry, entryOf, type Mapping, type Tree } from "./tree.ts";
import { readServiceExtension } from "./x-docknet.ts";

/** More containers than one bridge has ports (1023) cannot work; this is the sanity bound, not that rule. */
const MAX_REPLICAS = 10_000;

/** Every service of the file, active or not, in file order. */
export function readServices(tree: Tree, problems: ProblemList): DeclaredService[] {
  const section = readMapping(entryOf(tree, "services"), "services", problems);
  if (!section) return [];
  return [...section.entries].flatMap(([key, entry]) => {
    if (!RESOURCE_NAME.test(key)) {
      return [];
    }
    const body = readMapping(entry, `services.${key}`, problems);
    return body ? [readService(key, body, entry.at, problems)] : [];
  });
}

function readService(key: string, body: Mapping, at: Origin, problems: ProblemList): DeclaredService {
  const path = `services.${key}`;
  const entry = (name: string): Entry | undefined => entryOf(body, name);
  const network = readAttachments(body, key, at, problems);
  const resolution = readResolution(body, path, problems);
  const declared = readDependencies(entry("depends_on"), `${path}.depends_on`, problems);
  const dependencies = addImplied(declared, resolution.links, listSharers(body));
  checkValues(body, key, problems);
  if (entry("provider"))
    problems.warn(
      entry("provider")?.at,
      `service "${key}" is run by a provider: it has no container, and nothing stands in for it`,
    );
  const containerName = parseText(
    entry("container_name"),
    `${path}.container_name`,
    (text) => parseContainerName(text.replace(/^\//, "")),
    problems,
  );
  const mac = parseText(entry("mac_address"), `${path}.mac_address`, parseMac, problems);
  const command = readCommand(entry("command"), `${path}.command`, problems);
  const spec: ServiceSpec = {
    key,
    ...(containerName === undefined ? {} : { containerName }),
    replicas: entry("provider") ? 0 : readReplicas(body, key, problems),
    ...optionalTexts(body, path, problems),
    ...network,
    ports: readPorts(entry("ports"), `${path}.ports`, problems),
    expose: readExposed(entry("expose"), `${path}.expose`, problems),
    ...readServiceExtension(entry("x-docknet"), `${path}.x-docknet`, problems),
    ...resolution,
    sysctls: readNetworkSysctls(entry("sysctls"), `${path}.sysctls`, problems),
    ...(mac === undefined ? {} : { mac }),
    dependsOn: dependencies.map(({ service }) => service),
    labels: toRecord(readPairs(entry("labels"), `${path}.labels`, problems)),
    ...(command === undefined ? {} : { command }),
    at,
  };
  return {
    spec,
    profiles: readTexts(entry("profiles"), `${path}.profiles`, problems).map(({ value }) => value),
    dependencies,
    body,
  };
}

/** Whoever shares a namespace or a volume with the service (compose-go loader/normalize.go). */
function listSharers(body: Mapping): Dependency[] {
  const namespaces = ["ipc", "pid", "uts", "cgroup"].flatMap((key) => {
    const value = childOf(body, key);
    const service = value?.kind === "scalar" ? /^service:(.*)$/.exec(String(value.value))?.[1] : undefined;
    return value && service !== undefined ? [{ service, required: true, at: value.at }] : [];
  });
  const volumes = childOf(body, "volumes_from");
  const owners = (volumes?.kind === "sequence" ? volumes.items : []).flatMap((item) => {
    const text = item.kind === "scalar" ? String(item.value) : "container:";
    return text.startsWith("container:") ? [] : [{ service: text.split(":")[0] ?? "", required: true, at: item.at }];
  });
  return [...namespaces, ...owners];
}

/** A link needs its target as `depends_on` does (compose-go loader/normalize.go). */
function addImplied(
  declared: readonly Dependency[],
  links: ServiceSpec["links"],
  sharers: readonly Dependency[],
): Dependency[] {
  const known = new Map(declared.map((dependency) => [dependency.service, dependency]));
  for (const sharer of sharers) if (!known.has(sharer.service)) known.set(sharer.service, sharer);
  for (const { service, external, at } of links) {
    if (!external && !known.has(service)) known.set(service, { service, required: true, at });
  }
  return [...known.values()];
}

function parseText<T>(
  entry: Entry | undefined,
  path: string,
  parse: (text: string) => T,
  problems: ProblemList,
): T | undefined {
  const text = readString(entry, path, problems);
  return text ? problems.attempt(entry?.at, () => parse(text)) : undefined;
}

function optionalTexts(
  body: Mapping,
  path: string,
  problems: ProblemList,
): Pick<ServiceSpec, "image" | "hostname" | "domainname"> {
  const image = readString(entryOf(body, "image"), `${path}.image`, problems);
  const domainname = readString(entryOf(body, "domainname"), `${path}.domainname`, problems);
  const hostname = readString(entryOf(body, "hostname"), `${path}.hostname`, problems);
  return { ...(image ? { image } : {}), ...(hostname ? { hostname } : {}), ...(domainname ? { domainname } : {}) };
}

/** `scale`, `deploy.replicas`; both only when they agree (compose-go loader/validate.go). */
function readReplicas(body: Mapping, key: string, problems: ProblemList): number {
  const path = `services.${key}`;
  const scaleEntry = entryOf(body, "scale");
  const deploy = readMapping(entryOf(body, "deploy"), `${path}.deploy`, problems, true);
  const replicasEntry = entryOf(deploy, "replicas");
  const scale = readInteger(scaleEntry, `${path}.scale`, problems, 0);
  const replicas = readInteger(replicasEntry, `${path}.deploy.replicas`, problems, 0);
  const count = scale ?? replicas ?? 1;
  const at = (scaleEntry ?? replicasEntry)?.at;
  if (scale !== undefined && replicas !== undefined && scale !== replicas) {
    problems.error(
      at,
      `services.${key}: can't set distinct values on 'scale' and 'deploy.replicas': invalid compose project`,
    );
  }
  const name = childOf(body, "container_name");
  if (count > 1 && name?.kind === "scalar" && name.value) {
    const attribute = scale === undefined ? "deploy.replicas" : "scale";
    problems.error(
      at,
      `services.${attribute}: can't set container_name and ${key} as container name must be unique: invalid compose project`,
    );
  }
  if (count <= MAX_REPLICAS) return count;
  problems.error(at, `${path}: ${count} replicas are more than ${MAX_REPLICAS}`);
  return 1;
}

function readDependencies(entry: Entry | undefined, path: string, problems: ProblemList): Dependency[] {
  if (entry?.value.kind !== "mapping") {
    return readTexts(entry, path, problems).map(({ value, at }) => ({ service: value, required: true, at }));
  }
  return [...entry.value.entries].map(([service, { at, value }]) => {
    const required = readBoolean(entryOf(value, "required"), `${path}.${service}.required`, problems) ?? true;
    return { service, required, at };
  });
}

function readCommand(entry: Entry | undefined, path: string, problems: ProblemList): string[] | undefined {
  const value = entry?.value;
  if (!entry || !value || (value.kind === "scalar" && value.value === null)) return undefined;
  if (value.kind === "scalar" && typeof value.value === "string") {
    const text = value.value;
    return problems.attempt(entry.at, () => splitCommand(text));
  }
  if (value.kind !== "sequence") {
    problems.error(entry.at, `${path} must be a string or array`);
    return undefined;
  }
  return value.items.flatMap((item, i) => {
    if (item.kind === "scalar" && typeof item.value === "string") return [item.value];
    problems.error(item.at, `${path}.${i} must be a string`);
    return [];
  });
}

/** Only what acts on a network namespace; the others are the container's own affair. */
function readNetworkSysctls(
  entry: Entry | undefined,
  path: string,
  problems: ProblemList,
): Readonly<Record<string, string>> {
  const pairs = readPairs(entry, path, problems);
  return toRecord(new Map([...pairs].filter(([key]) => key.startsWith("net."))));
}
