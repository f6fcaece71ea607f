/** -v, --mount and --tmpfs: texts to binds, volumes and mounts. Pure. Sources: docker/cli opts/mount.go, cli/compose/loader/volume.go. */
import { resolve } from "node:path";
import { cut, parseSize } from "./flag-value.ts";
import { FlagValueError, parseBool, splitCsv } from "./flags.ts";

export interface Volumes {
  /** `host:container[:options]`, HostConfig.Binds. */
  readonly binds: readonly string[];
  /** Anonymous ones by their path in the container, Config.Volumes. */
  readonly anonymous: Readonly<Record<string, Record<string, never>>>;
}

/** All -v values; a relative host path is taken from `cwd`. Throws FlagValueError. */
export function readVolumes(texts: readonly string[], cwd: string): Volumes {
  const binds: string[] = [];
  const anonymous: Record<string, Record<string, never>> = {};
  for (const text of new Set(texts)) {
    const source = sourceOf(text);
    if (source === "") anonymous[text] = {};
    else binds.push(/^[./~]/.test(source) ? absolute(text, cwd) : text);
  }
  return { binds, anonymous };
}

/** The first section of `source:target[:options]`, "" when there is only a target. One letter before a colon is a Windows drive. */
function sourceOf(text: string): string {
  if (text === "") throw new FlagValueError("invalid empty volume spec");
  if (text.length <= 2) return "";
  const sections = [""];
  for (const char of text) {
    const last = sections.length - 1;
    if (char === ":" && !/^\p{L}$/u.test(sections[last] ?? "")) sections.push("");
    else sections[last] += char;
  }
  if (sections.includes("")) throw new FlagValueError(`invalid spec: ${text}: empty section between colons`);
  if (sections.length > 3) throw new FlagValueError(`invalid spec: ${text}: too many colons`);
  return sections.length === 1 ? "" : (sections[0] ?? "");
}

function absolute(bind: string, cwd: string): string {
  const [host, rest = ""] = cut(bind, ":");
  return `${host.startsWith(".") ? resolve(cwd, host) : host}:${rest}`;
}

interface DriverConfig {
  Name?: string;
  Options?: Record<string, string>;
}

/** The daemon's own words for a mount; a part is there only when the text speaks of it. */
export interface Mount {
  Type?: string;
  Source?: string;
  Target?: string;
  ReadOnly?: true;
  Consistency?: string;
  BindOptions?: Record<string, string | true>;
  VolumeOptions?: { NoCopy?: true; Labels?: Record<string, string>; Subpath?: string; DriverConfig: DriverConfig };
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

/** One --mount value: `type=bind,source=/a,target=/b,readonly`. Throws FlagValueError. */
export function parseMount(text: string, cwd: string): Mount {
  const mount: Mount = { Type: "volume" };
  for (const field of splitCsv(text)) {
    const [key, value] = cut(field, "=");
    if (value === undefined) readSwitch(mount, key.toLowerCase(), field);
    else readOption(mount, key.toLowerCase(), value, field, cwd);
  }
  checkMount(mount);
  return mount;
}

const volumeOf = (mount: Mount) => (mount.VolumeOptions ??= { DriverConfig: {} });
const bindOf = (mount: Mount) => (mount.BindOptions ??= {});

function readSwitch(mount: Mount, key: string, field: string): void {
  if (key === "readonly" || key === "ro") mount.ReadOnly = true;
  else if (key === "volume-nocopy") volumeOf(mount).NoCopy = true;
  else if (key === "bind-nonrecursive") bindOf(mount).NonRecursive = true;
  else throw new FlagValueError(`invalid field '${field}' must be a key=value pair`);
}

function readOption(mount: Mount, key: string, value: string, field: string, cwd: string): void {
  switch (key) {
    case "type":
      mount.Type = value.toLowerCase();
      return;
    case "source":
    case "src":
      mount.Source = value === "." || value.startsWith("./") ? resolve(cwd, value) : value;
      return;
    case "target":
    case "dst":
    case "destination":
      mount.Target = value;
      return;
    case "readonly":
    case "ro":
      if (readBool(key, value)) mount.ReadOnly = true;
      else delete mount.ReadOnly;
      return;
    case "consistency":
      mount.Consistency = value.toLowerCase();
      return;
    case "bind-propagation":
      bindOf(mount).Propagation = value.toLowerCase();
      return;
    case "bind-nonrecursive":
      bindOf(mount);
      if (readBool(key, value)) bindOf(mount).NonRecursive = true;
      return;
    case "bind-recursive":
      readRecursive(mount, key, value);
      return;
    case "volume-subpath":
      volumeOf(mount).Subpath = value;
      return;
    case "volume-nocopy":
      volumeOf(mount);
      if (readBool(key, value)) volumeOf(mount).NoCopy = true;
      return;
    case "volume-label":
      volumeOf(mount).Labels = { ...volumeOf(mount).Labels, ...pairOf(value) };
      return;
    case "volume-driver":
      volumeOf(mount).DriverConfig.Name = value;
      return;
    case "volume-opt": {
      const driver = volumeOf(mount).DriverConfig;
      driver.Options = { ...driver.Options, ...pairOf(value) };
      return;
    }
    case "image-subpath":
      mount.ImageOptions = { Subpath: value };
      return;
    case "tmpfs-size":
      mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: readTmpfsSize(value) };
      return;
    case "tmpfs-mode":
      if (!/^[0-7]{1,10}$/.test(value)) throw new FlagValueError(`invalid value for ${key}: ${value}`);
      mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: Number.parseInt(value, 8) };
      return;
    default:
      throw new FlagValueError(`unexpected key '${key}' in '${field}'`);
  }
}

function readBool(key: string, value: string): boolean {
  try {
    return parseBool(value);
  } catch {
    throw new FlagValueError(`invalid value for ${key}: ${value}`);
  }
}

function readTmpfsSize(value: string): number {
  try {
    return parseSize(value);
  } catch {
    throw new FlagValueError(`invalid value for tmpfs-size: ${value}`);
  }
}

function readRecursive(mount: Mount, key: string, value: string): void {
  if (value === "disabled") bindOf(mount).NonRecursive = true;
  else if (value === "writable") bindOf(mount).ReadOnlyNonRecursive = true;
  else if (value === "readonly") bindOf(mount).ReadOnlyForceRecursive = true;
  else if (value !== "enabled")
    throw new FlagValueError(
      `invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
    );
}

function pairOf(text: string): Record<string, string> {
  const [key, value = ""] = cut(text, "=");
  return key === "" ? {} : { [key]: value };
}

function checkMount(mount: Mount): void {
  const { Type = "", BindOptions } = mount;
  if (Type === "") throw new FlagValueError("type is required");
  if (!mount.Target) throw new FlagValueError("target is required");
  const mixed: readonly [string, string, unknown][] = [
    ["volume", "volume", mount.VolumeOptions],
    ["image", "image", mount.ImageOptions],
    ["bind", "bind", BindOptions],
    ["tmpfs", "tmpfs", mount.TmpfsOptions],
  ];
  for (const [prefix, type, options] of mixed)
    if (options !== undefined && Type !== type)
      throw new FlagValueError(`cannot mix '${prefix}-*' options with mount type '${Type}'`);
  const needs = (value: string, other: string): FlagValueError =>
    new FlagValueError(`option 'bind-recursive=${value}' requires '${other}' to be specified in conjunction`);
  if (BindOptions?.ReadOnlyNonRecursive && !mount.ReadOnly) throw needs("writable", "readonly");
  if (BindOptions?.ReadOnlyForceRecursive && !mount.ReadOnly) throw needs("readonly", "readonly");
  if (BindOptions?.ReadOnlyForceRecursive && BindOptions.Propagation !== "rprivate")
    throw needs("readonly", "bind-propagation=rprivate");
}
