/**
 * Config and HostConfig of a container, field by field in the order and with the defaults of dockerd 28.5.2: what was given is
 * kept if it has the right type, and shown by inspect. Source: moby api/types/container/config.go, hostconfig.go.
 */
import { MASKED_PATHS, READONLY_PATHS } from "../../kernel/shim/guarded-path.ts";
import type { Json, JsonObject } from "../record.ts";
import type { Fields } from "./fields.ts";
import { sortedMap } from "./json.ts";

/** words: a list or one word. map: text by text. data: any object or list, kept as it is. */
type Kind = "text" | "flag" | "integer" | "texts" | "words" | "map" | "data";

interface Field {
  readonly key: string;
  readonly kind: Kind;
  readonly fallback: Json;
  /** Left out of the answer when it is empty. */
  readonly omitEmpty: boolean;
}

const field = (key: string, kind: Kind, fallback: Json, omitEmpty = false): Field => ({
  key,
  kind,
  fallback,
  omitEmpty,
});
const omitted = (key: string, kind: Kind, fallback: Json = null): Field => field(key, kind, fallback, true);

const SHM_BYTES = 67_108_864;

const CONFIG: readonly Field[] = [
  field("Hostname", "text", ""),
  field("Domainname", "text", ""),
  field("User", "text", ""),
  field("AttachStdin", "flag", false),
  field("AttachStdout", "flag", false),
  field("AttachStderr", "flag", false),
  omitted("ExposedPorts", "data"),
  field("Tty", "flag", false),
  field("OpenStdin", "flag", false),
  field("StdinOnce", "flag", false),
  field("Env", "texts", null),
  field("Cmd", "words", null),
  omitted("Healthcheck", "data"),
  omitted("ArgsEscaped", "flag", false),
  field("Image", "text", ""),
  field("Volumes", "data", null),
  field("WorkingDir", "text", ""),
  field("Entrypoint", "words", null),
  omitted("NetworkDisabled", "flag", false),
  field("OnBuild", "texts", null),
  field("Labels", "map", {}),
  omitted("StopSignal", "text", ""),
  omitted("StopTimeout", "integer"),
  omitted("Shell", "words"),
];

const HOST_CONFIG: readonly Field[] = [
  field("Binds", "texts", null),
  field("ContainerIDFile", "text", ""),
  field("LogConfig", "data", null),
  field("NetworkMode", "text", ""),
  field("PortBindings", "data", null),
  field("RestartPolicy", "data", null),
  field("AutoRemove", "flag", false),
  field("VolumeDriver", "text", ""),
  field("VolumesFrom", "texts", null),
  field("ConsoleSize", "data", [0, 0]),
  omitted("Annotations", "map"),
  field("CapAdd", "words", null),
  field("CapDrop", "words", null),
  // containers of a lab have no cgroup namespace of their own
  field("CgroupnsMode", "text", "host"),
  field("Dns", "texts", null),
  field("DnsOptions", "texts", null),
  field("DnsSearch", "texts", null),
  field("ExtraHosts", "texts", null),
  field("GroupAdd", "texts", null),
  field("IpcMode", "text", "private"),
  field("Cgroup", "text", ""),
  field("Links", "texts", null),
  field("OomScoreAdj", "integer", 0),
  field("PidMode", "text", ""),
  field("Privileged", "flag", false),
  field("PublishAllPorts", "flag", false),
  field("ReadonlyRootfs", "flag", false),
  field("SecurityOpt", "texts", null),
  omitted("StorageOpt", "map"),
  omitted("Tmpfs", "map"),
  field("UTSMode", "text", ""),
  field("UsernsMode", "text", ""),
  field("ShmSize", "integer", SHM_BYTES),
  omitted("Sysctls", "map"),
  omitted("Runtime", "text", "runc"),
  field("Isolation", "text", ""),
  field("CpuShares", "integer", 0),
  field("Memory", "integer", 0),
  field("NanoCpus", "integer", 0),
  field("CgroupParent", "text", ""),
  field("BlkioWeight", "integer", 0),
  field("BlkioWeightDevice", "data", null),
  field("BlkioDeviceReadBps", "data", null),
  field("BlkioDeviceWriteBps", "data", null),
  field("BlkioDeviceReadIOps", "data", null),
  field("BlkioDeviceWriteIOps", "data", null),
  field("CpuPeriod", "integer", 0),
  field("CpuQuota", "integer", 0),
  field("CpuRealtimePeriod", "integer", 0),
  field("CpuRealtimeRuntime", "integer", 0),
  field("CpusetCpus", "text", ""),
  field("CpusetMems", "text", ""),
  field("Devices", "data", null),
  field("DeviceCgroupRules", "texts", null),
  field("DeviceRequests", "data", null),
  omitted("KernelMemory", "integer", 0),
  omitted("KernelMemoryTCP", "integer", 0),
  field("MemoryReservation", "integer", 0),
  field("MemorySwap", "integer", 0),
  field("MemorySwappiness", "integer", null),
  field("OomKillDisable", "flag", false),
  field("PidsLimit", "integer", null),
  field("Ulimits", "data", null),
  field("CpuCount", "integer", 0),
  field("CpuPercent", "integer", 0),
  field("IOMaximumIOps", "integer", 0),
  field("IOMaximumBandwidth", "integer", 0),
  omitted("Mounts", "data"),
  field("MaskedPaths", "texts", [...MASKED_PATHS]),
  field("ReadonlyPaths", "texts", [...READONLY_PATHS]),
  omitted("Init", "flag"),
];

/** A body with none of these has no config at all. */
export const hasConfig = (body: JsonObject): boolean =>
  CONFIG.some(({ key }) => body[key] !== undefined && body[key] !== null) || typeof body.MacAddress === "string";

/** @throws DocknetError USAGE for a field of a wrong type */
export function normaliseConfig(fields: Fields): JsonObject {
  const config = normalise(CONFIG, fields);
  // an image without variables, commands and volumes adds none: what is empty is not there
  const emptied = Object.fromEntries(
    ["Env", "Cmd", "Volumes"].map((key) => [key, isEmpty(config[key]) ? null : config[key]]),
  );
  return { ...config, ...(emptied as JsonObject) };
}

/** @throws DocknetError USAGE for a field of a wrong type */
export function normaliseHostConfig(fields: Fields): JsonObject {
  const config = normalise(HOST_CONFIG, fields);
  const log = fields.child("LogConfig");
  const restart = fields.child("RestartPolicy");
  const mode = fields.text("NetworkMode");
  const privileged = fields.flag("Privileged") && fields.texts("MaskedPaths") === undefined;
  return {
    ...config,
    LogConfig: { Type: log.text("Type") || "json-file", Config: sortedMap(log.textMap("Config") ?? {}) },
    NetworkMode: mode === "" || mode === "default" ? "bridge" : mode,
    RestartPolicy: { Name: restart.text("Name") || "no", MaximumRetryCount: restart.integer("MaximumRetryCount") ?? 0 },
    CgroupnsMode: fields.text("CgroupnsMode") || "host",
    IpcMode: fields.text("IpcMode") || "private",
    ShmSize: fields.integer("ShmSize") || SHM_BYTES,
    Runtime: fields.text("Runtime") || "runc",
    MemorySwappiness: fields.integer("MemorySwappiness") === -1 ? null : (config.MemorySwappiness ?? null),
    PidsLimit: (fields.integer("PidsLimit") ?? 0) <= 0 ? null : (config.PidsLimit ?? null),
    ...(privileged ? { MaskedPaths: null, ReadonlyPaths: null } : {}),
  };
}

function normalise(table: readonly Field[], fields: Fields): JsonObject {
  const entries = table.flatMap(({ key, kind, fallback, omitEmpty }) => {
    const value = readField(fields, key, kind) ?? fallback;
    return omitEmpty && isEmpty(value) ? [] : [[key, value] as const];
  });
  return Object.fromEntries(entries);
}

function readField(fields: Fields, key: string, kind: Kind): Json | undefined {
  const given = fields.value[key];
  if (given === undefined || given === null) return undefined;
  if (kind === "text") return fields.text(key);
  if (kind === "flag") return fields.flag(key);
  if (kind === "integer") return fields.integer(key);
  if (kind === "texts") return fields.texts(key);
  if (kind === "words") return fields.words(key);
  if (kind === "map") return sortedMap(fields.textMap(key) ?? {});
  return Array.isArray(given) ? fields.list(key) : sortedMap(fields.object(key) ?? {});
}

function isEmpty(value: Json | undefined): boolean {
  if (value === null || value === undefined || value === "" || value === false || value === 0) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
