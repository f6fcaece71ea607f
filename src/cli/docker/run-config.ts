/**
 * The flags of `run` and `create` as the body of POST /containers/create, field by field as docker 28.2 sends it; what this engine does
 * not emulate is sent all the same. Pure but for files that flags name. Source: docker/cli cli/command/container/opts.go parse.
 */
import {
  cdiRequest,
  isCdiName,
  parseDevice,
  parseDeviceWeight,
  parseGpus,
  parseThrottle,
  parseUlimit,
} from "./device.ts";
import { readEnvironment, readKeyValueFiles } from "./env-file.ts";
import {
  cut,
  isMac,
  pairsOf,
  parseCpus,
  parseDuration,
  parseSize,
  parseSwapSize,
  parseUintFlag,
} from "./flag-value.ts";
import { type Flags, FlagValueError, quoteGo } from "./flags.ts";
import { parseMount, readVolumes } from "./mount.ts";
import { endpointsOf, networkModeOf, parseNetwork } from "./network-attachment.ts";
import { readPorts } from "./publish.ts";

export interface RunContext {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws FlagValueError. */
  readonly readFile: (path: string) => string;
  /** Rows and columns of the terminal at stdout, 0 without one. */
  readonly consoleSize: readonly [number, number];
}

export type CreateBody = ReturnType<typeof readRunConfig>;

/** @param command the image, then the command's words; `detach`: nothing is attached; throws FlagValueError, in the CLI's words and order */
export function readRunConfig(flags: Flags, command: readonly string[], detach: boolean, context: RunContext) {
  const [image = "", ...words] = command;
  checkPull(flags.string("pull"));
  const mac = flags.string("mac-address");
  if (mac !== "" && !isMac(mac.trim())) throw new FlagValueError(`${mac} is not a valid mac address`);
  const swappiness = flags.int("memory-swappiness");
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100))
    throw new FlagValueError(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  const volumes = readVolumes(flags.list("volume"), context.cwd);
  const ports = readPorts(flags.list("publish"), flags.list("expose"));
  const devices = readDevices(flags);
  const environment = readEnvironment(
    flags.list("env-file"),
    lastOfEach(flags.list("env")),
    context.readFile,
    context.env,
  );
  const labels = [...readKeyValueFiles(flags.list("label-file"), context.readFile), ...flags.list("label")];
  const modes = readModes(flags);
  const restart = readRestart(flags.string("restart"));
  const logOptions = flags.list("log-opt");
  if (flags.string("log-driver") === "none" && logOptions.length > 0)
    throw new FlagValueError("invalid logging opts for driver none");
  const security = readSecurity(flags.list("security-opt"), context.readFile);
  const storage = readStorage(flags.list("storage-opt"));
  const health = readHealth(flags);
  if (flags.bool("rm") && !["", "no"].includes(restart.Name))
    throw new FlagValueError("conflicting options: cannot specify both --restart and --rm");
  const networks = flags.list("network").map(parseNetwork);
  const endpoints = endpointsOf(networks, {
    aliases: flags.list("network-alias"),
    links: flags.list("link"),
    ipv4: flags.string("ip"),
    ipv6: flags.string("ip6"),
    linkLocalIps: flags.list("link-local-ip"),
    mac,
  });

  return {
    ...readStreams(flags, detach),
    Hostname: flags.string("hostname"),
    Domainname: flags.string("domainname"),
    User: flags.string("user"),
    ...given("ExposedPorts", ports.exposed),
    Env: orNull(environment),
    Cmd: orNull(words),
    Image: image,
    Volumes: volumes.anonymous,
    WorkingDir: flags.string("workdir"),
    Entrypoint: flags.changed("entrypoint") ? [flags.string("entrypoint")] : null,
    OnBuild: null,
    Labels: pairsOf(labels),
    ...given("StopSignal", flags.string("stop-signal")),
    ...(flags.changed("stop-timeout") ? { StopTimeout: flags.int("stop-timeout") } : {}),
    ...(health ? { Healthcheck: health } : {}),
    HostConfig: {
      Binds: orNull(volumes.binds),
      ContainerIDFile: flags.string("cidfile"),
      LogConfig: { Type: flags.string("log-driver"), Config: pairsOf(logOptions) },
      NetworkMode: networkModeOf(networks),
      PortBindings: ports.bindings,
      RestartPolicy: restart,
      AutoRemove: flags.bool("rm"),
      VolumeDriver: flags.string("volume-driver"),
      VolumesFrom: orNull(flags.list("volumes-from")),
      ConsoleSize: context.consoleSize,
      ...given("Annotations", flags.map("annotation")),
      ...readCapabilities(flags),
      Dns: flags.list("dns"),
      DnsOptions: flags.list("dns-option"),
      DnsSearch: flags.list("dns-search"),
      ExtraHosts: orNull(flags.list("add-host")),
      GroupAdd: orNull(flags.list("group-add")),
      Cgroup: "",
      Links: orNull(flags.list("link")),
      OomScoreAdj: flags.int("oom-score-adj"),
      ...modes,
      Privileged: flags.bool("privileged"),
      PublishAllPorts: flags.bool("publish-all"),
      ReadonlyRootfs: flags.bool("read-only"),
      ...security,
      ...given("StorageOpt", storage),
      ...given("Tmpfs", readTmpfs(flags.list("tmpfs"))),
      ShmSize: sizeOf(flags, "shm-size"),
      ...given("Sysctls", flags.map("sysctl")),
      ...given("Runtime", flags.string("runtime")),
      Isolation: flags.string("isolation"),
      ...readResources(flags),
      MemorySwappiness: swappiness,
      ...devices,
      ...given(
        "Mounts",
        flags.list("mount").map((text) => parseMount(text, context.cwd)),
      ),
      ...(flags.changed("init") ? { Init: flags.bool("init") } : {}),
    },
    NetworkingConfig: { EndpointsConfig: endpoints },
  };
}

/** A list that is not given is null on the wire, as Go's nil slice. */
const orNull = <T>(list: readonly T[]): readonly T[] | null => (list.length > 0 ? list : null);

/** A field that Go leaves out while it is empty. */
const given = <T extends object | string>(name: string, value: T): Record<string, T> =>
  (typeof value === "string" ? value : Object.keys(value)).length > 0 ? { [name]: value } : {};

/** The last value of each name, at the place of its first. */
const lastOfEach = (env: readonly string[]): string[] => [
  ...new Map(env.map((text) => [cut(text, "=")[0], text])).values(),
];

function checkPull(text: string): void {
  if (!["", "always", "missing", "never"].includes(text))
    throw new FlagValueError(`invalid pull option: '${text}': must be one of "always", "missing" or "never"`);
}

/** `-d` attaches nothing; stdin that is attached closes with the client. */
function readStreams(flags: Flags, detach: boolean) {
  const attach = flags.list("attach");
  const all = attach.length === 0;
  const stdin = !detach && (flags.bool("interactive") || attach.includes("stdin"));
  return {
    AttachStdin: stdin,
    AttachStdout: !detach && (all || attach.includes("stdout")),
    AttachStderr: !detach && (all || attach.includes("stderr")),
    Tty: flags.bool("tty"),
    OpenStdin: flags.bool("interactive"),
    StdinOnce: stdin && flags.bool("interactive"),
  };
}

function readDevices(flags: Flags) {
  const texts = flags.list("device");
  const named = texts.filter(isCdiName);
  const requests = [...flags.list("gpus").map(parseGpus), ...(named.length > 0 ? [cdiRequest(named)] : [])];
  return { Devices: texts.filter((text) => !isCdiName(text)).map(parseDevice), DeviceRequests: orNull(requests) };
}

function readModes(flags: Flags) {
  const check = (name: string, word: string, allowed: RegExp): string => {
    const mode = flags.string(name);
    if (!allowed.test(mode)) throw new FlagValueError(`--${name}: invalid ${word} mode`);
    return mode;
  };
  return {
    PidMode: check("pid", "PID", /^(|host|container:.+)$/s),
    UTSMode: check("uts", "UTS", /^(|host)$/),
    UsernsMode: check("userns", "USER", /^(|host)$/),
    CgroupnsMode: check("cgroupns", "CGROUP", /^(|host|private)$/),
    IpcMode: flags.string("ipc"),
  };
}

function readRestart(text: string) {
  const [name, count = ""] = cut(text, ":");
  if (name === "" && text !== "")
    throw new FlagValueError("invalid restart policy format: no policy provided before colon");
  if (count !== "" && !/^[+-]?[0-9]{1,15}$/.test(count))
    throw new FlagValueError("invalid restart policy format: maximum retry count must be an integer");
  return { Name: name, MaximumRetryCount: Number(count) };
}

/** A seccomp profile is a file whose JSON is sent; systempaths=unconfined empties the lists of hidden paths. */
function readSecurity(options: readonly string[], readFile: (path: string) => string) {
  const sent = options.map((option) => {
    const [key, value] = option.includes("=") || option === "no-new-privileges" ? cut(option, "=") : cut(option, ":");
    if (!value && key !== "no-new-privileges") throw new FlagValueError(`Invalid --security-opt: ${quoteGo(option)}`);
    if (key !== "seccomp" || value === undefined || ["builtin", "unconfined"].includes(value)) return option;
    return `seccomp=${readProfile(value, readFile)}`;
  });
  const unconfined = sent.includes("systempaths=unconfined");
  return {
    SecurityOpt: orNull(sent.filter((option) => option !== "systempaths=unconfined")),
    MaskedPaths: unconfined ? [] : null,
    ReadonlyPaths: unconfined ? [] : null,
  };
}

function readProfile(path: string, readFile: (path: string) => string): string {
  const reading = (): string => {
    try {
      return readFile(path);
    } catch (error) {
      if (!(error instanceof FlagValueError)) throw error;
      throw new FlagValueError(`opening seccomp profile (${path}) failed: ${error.message}`);
    }
  };
  const text = reading();
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    throw new FlagValueError(`compacting json for seccomp profile (${path}) failed: unexpected end of JSON input`);
  }
}

function readStorage(options: readonly string[]): Record<string, string> {
  if (options.some((option) => !option.includes("="))) throw new FlagValueError("invalid storage option");
  return pairsOf(options);
}

const readTmpfs = (texts: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    texts.map((text) => {
      const [path, options = ""] = cut(text, ":");
      return [path, options];
    }),
  );

function readHealth(flags: Flags) {
  const command = flags.string("health-cmd");
  const retries = flags.int("health-retries");
  const times = (
    [
      ["Interval", "health-interval"],
      ["Timeout", "health-timeout"],
      ["StartPeriod", "health-start-period"],
      ["StartInterval", "health-start-interval"],
    ] as const
  ).map(([field, name]) => ({ field, name, value: flags.changed(name) ? parseDuration(flags.string(name)) : 0 }));
  const set = command !== "" || retries !== 0 || times.some(({ value }) => value !== 0);
  if (flags.bool("no-healthcheck")) {
    if (set) throw new FlagValueError("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!set) return undefined;
  const [interval, timeout, ...starts] = times;
  for (const { name, value } of [interval, timeout, { name: "health-retries", value: retries }, ...starts].filter(
    (t) => t !== undefined,
  ))
    if (value < 0) throw new FlagValueError(`--${name} cannot be negative`);
  return {
    ...(command ? { Test: ["CMD-SHELL", command] } : {}),
    ...Object.fromEntries(times.filter(({ value }) => value !== 0).map(({ field, value }) => [field, value])),
    ...(retries ? { Retries: retries } : {}),
  };
}

/** Upper case, CAP_ before each, each once, sorted; ALL stands alone. Source: moby client/container_create.go normalizeCapabilities. */
function readCapabilities(flags: Flags) {
  const namesOf = (name: string): string[] => {
    const names = flags.list(name).map((text) => text.toUpperCase());
    if (names.includes("ALL")) return ["ALL"];
    return [...new Set(names.map((n) => (n.startsWith("CAP_") ? n : `CAP_${n}`)))].sort();
  };
  return { CapAdd: orNull(namesOf("cap-add")), CapDrop: orNull(namesOf("cap-drop")) };
}

const sizeOf = (flags: Flags, name: string): number => (flags.changed(name) ? parseSize(flags.string(name)) : 0);

function readResources(flags: Flags) {
  const bps = (name: string) => flags.list(name).map((text) => parseThrottle(text, "bytes"));
  const iops = (name: string) => flags.list(name).map((text) => parseThrottle(text, "operations"));
  const ulimits = new Map(flags.list("ulimit").map((text) => [cut(text, "=")[0], parseUlimit(text)]));
  return {
    CpuShares: flags.int("cpu-shares"),
    Memory: sizeOf(flags, "memory"),
    NanoCpus: flags.changed("cpus") ? parseCpus(flags.string("cpus")) : 0,
    CgroupParent: flags.string("cgroup-parent"),
    BlkioWeight: flags.changed("blkio-weight") ? parseUintFlag(flags.string("blkio-weight"), 16) : 0,
    BlkioWeightDevice: flags.list("blkio-weight-device").map(parseDeviceWeight),
    BlkioDeviceReadBps: bps("device-read-bps"),
    BlkioDeviceWriteBps: bps("device-write-bps"),
    BlkioDeviceReadIOps: iops("device-read-iops"),
    BlkioDeviceWriteIOps: iops("device-write-iops"),
    CpuPeriod: flags.int("cpu-period"),
    CpuQuota: flags.int("cpu-quota"),
    CpuRealtimePeriod: flags.int("cpu-rt-period"),
    CpuRealtimeRuntime: flags.int("cpu-rt-runtime"),
    CpusetCpus: flags.string("cpuset-cpus"),
    CpusetMems: flags.string("cpuset-mems"),
    DeviceCgroupRules: orNull(flags.list("device-cgroup-rule")),
    MemoryReservation: sizeOf(flags, "memory-reservation"),
    MemorySwap: flags.changed("memory-swap") ? parseSwapSize(flags.string("memory-swap")) : 0,
    OomKillDisable: flags.bool("oom-kill-disable"),
    PidsLimit: flags.int("pids-limit"),
    Ulimits: [...ulimits.values()].sort((a, b) => (a.Name < b.Name ? -1 : 1)),
    // for a Windows daemon alone, and refused before any other
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
  };
}
