/** --device, --gpus, --ulimit and the --device-*-bps/iops and --blkio-weight-device limits. Pure. Sources: docker/cli opts/*.go; go-units ulimit.go. */

import { cut, pairsOf, parseSize, parseUint } from "./flag-value.ts";
import { FlagValueError, splitCsv } from "./flags.ts";

const isDeviceMode = (text: string): boolean => /^(?!.*(.).*\1)[rwm]+$/.test(text);

/** A name of the Container Device Interface: vendor.com/class=device. */
const CDI_NAME =
  /^[A-Za-z](?:[\w.-]*[A-Za-z0-9])?\/[A-Za-z](?:[\w.-]*[A-Za-z0-9])?=[A-Za-z0-9](?:[\w.:-]*[A-Za-z0-9])?$/;

export const isCdiName = (text: string): boolean => CDI_NAME.test(text);

export const cdiRequest = (names: readonly string[]) => ({
  Driver: "cdi",
  Count: 0,
  DeviceIDs: names,
  Capabilities: null,
  Options: null,
});

/** `/dev/a[:/dev/b][:rwm]`. Throws FlagValueError. */
export function parseDevice(text: string) {
  const parts = text.split(":");
  const [source = "", second, third] = parts;
  if (parts.length > 3 || source === "") throw new FlagValueError(`bad format for path: ${text}`);
  const secondIsMode = second !== undefined && third === undefined && isDeviceMode(second);
  if (third !== undefined && !isDeviceMode(third)) throw new FlagValueError(`bad mode specified: ${third}`);
  const target = second === undefined || secondIsMode ? source : second;
  if (!target.startsWith("/")) throw new FlagValueError(`${target} is not an absolute path`);
  return {
    PathOnHost: source,
    PathInContainer: target,
    CgroupPermissions: third ?? (secondIsMode ? second : "rwm"),
  };
}

export function checkCgroupRule(text: string): string {
  if (/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text)) return text;
  throw new FlagValueError(`invalid device cgroup format '${text}'`);
}

/** `all`, `2`, `driver=nvidia,"device=0,1"`. Throws FlagValueError. */
export function parseGpus(text: string) {
  const seen = new Set<string>();
  const request = {
    Driver: "",
    Count: 0,
    DeviceIDs: null as string[] | null,
    Capabilities: [["gpu"]],
    Options: {} as Record<string, string>,
  };
  for (const field of splitCsv(text)) {
    const [key, value] = cut(field, "=");
    if (seen.has(key)) throw new FlagValueError(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (value === undefined) {
      seen.add("count");
      request.Count = parseGpuCount(key);
    } else if (key === "driver") request.Driver = value;
    else if (key === "count") request.Count = parseGpuCount(value);
    else if (key === "device") request.DeviceIDs = value.split(",");
    else if (key === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (key === "options") request.Options = pairsOf(splitCsv(value));
    else throw new FlagValueError(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has("count") && request.DeviceIDs === null) request.Count = 1;
  return request;
}

function parseGpuCount(text: string): number {
  if (text === "all") return -1;
  if (/^[+-]?[0-9]{1,15}$/.test(text)) return Number(text);
  throw new FlagValueError(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
}

/** `/dev/sda:1mb` (bytes a second) or `/dev/sda:100` (operations a second). Throws FlagValueError. */
export function parseThrottle(text: string, unit: "bytes" | "operations") {
  const [path, rate] = cutDevice(text);
  const form = unit === "bytes" ? "<number>[<unit>]" : "<number>";
  const help = unit === "bytes" ? ". Unit is optional and can be kb, mb, or gb" : "";
  try {
    return { Path: path, Rate: unit === "bytes" ? parseSize(rate) : parseUint(rate, 64) };
  } catch (error) {
    if (!(error instanceof FlagValueError)) throw error;
    throw new FlagValueError(
      `invalid rate for device: ${text}. The correct format is <device-path>:${form}. Number must be a positive integer${help}`,
    );
  }
}

/** `/dev/sda:200`: 10 to 1000, or 0. Throws FlagValueError. */
export function parseDeviceWeight(text: string) {
  const [path, weight] = cutDevice(text);
  const value = /^[0-9]{1,5}$/.test(weight) ? Number(weight) : -1;
  if (value !== 0 && (value < 10 || value > 1000)) throw new FlagValueError(`invalid weight for device: ${text}`);
  return { Path: path, Weight: value };
}

function cutDevice(text: string): readonly [string, string] {
  const [path, value] = cut(text, ":");
  if (value === undefined || path === "") throw new FlagValueError(`bad format: ${text}`);
  if (!path.startsWith("/dev/")) throw new FlagValueError(`bad format for device path: ${text}`);
  return [path, value];
}

const ULIMITS = "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
  " ",
);

/** `nofile=1024[:2048]`, -1 for no limit. Throws FlagValueError. */
export function parseUlimit(text: string) {
  const [name, limits] = cut(text, "=");
  if (limits === undefined) throw new FlagValueError(`invalid ulimit argument: ${text}`);
  if (!ULIMITS.includes(name)) throw new FlagValueError(`invalid ulimit type: ${name}`);
  const parts = limits.split(":");
  const [softText = "", hardText] = parts;
  if (parts.length > 2)
    throw new FlagValueError(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  const hardGiven = hardText === undefined ? undefined : parseLimit(hardText);
  const soft = parseLimit(softText);
  const hard = hardGiven ?? soft;
  const tooBig = "ulimit soft limit must be less than or equal to hard limit";
  if (hard !== -1 && soft === -1) throw new FlagValueError(`${tooBig}: soft: -1 (unlimited), hard: ${hard}`);
  if (hard !== -1 && soft > hard) throw new FlagValueError(`${tooBig}: ${soft} > ${hard}`);
  return { Name: name, Hard: hard, Soft: soft };
}

function parseLimit(text: string): number {
  if (text === "infinity") return -1;
  if (/^[+-]?[0-9]{1,15}$/.test(text)) return Number(text);
  throw new FlagValueError(
    `strconv.ParseInt: parsing ${JSON.stringify(text)}: ${/^[+-]?[0-9]+$/.test(text) ? "value out of range" : "invalid syntax"}`,
  );
}
