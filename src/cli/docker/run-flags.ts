/** The flags of `run` and `create`, every one that docker 28.2 has. What a value must be is said here, what becomes of it in run-config.ts. */
import { checkCgroupRule, parseDeviceWeight, parseGpus, parseThrottle, parseUlimit } from "./device.ts";
import { cut, parseCpus, parseDuration, parseIp, parseSize, parseSwapSize, parseUintFlag } from "./flag-value.ts";
import { type FlagKind, type FlagSpec, FlagValueError, quoteGo } from "./flags.ts";
import { parseMount } from "./mount.ts";
import { parseNetwork } from "./network-attachment.ts";

type Extra = Partial<Omit<FlagSpec, "name" | "kind" | "usage">>;

const flag = (names: string, kind: FlagKind, usage: string, extra: Extra = {}): FlagSpec => {
  const [name, short] = cut(names, " -");
  return { name, kind, usage, ...(short === undefined ? {} : { short }), ...extra };
};

/** Takes what `parse` takes, as it stands. */
const checkedBy =
  (parse: (text: string) => unknown) =>
  (text: string): string => {
    parse(text);
    return text;
  };

const DURATION: Extra = { type: "duration", check: checkedBy(parseDuration) };
const BYTES: Extra = { type: "bytes", check: checkedBy(parseSize) };
const BYTES_PER_SECOND: Extra = { shown: "[]", check: checkedBy((text) => parseThrottle(text, "bytes")) };
const OPERATIONS: Extra = { shown: "[]", check: checkedBy((text) => parseThrottle(text, "operations")) };
/** The CLI names them only before a Windows daemon and refuses them before any other. */
const WINDOWS: Extra = { hidden: true };
export const WINDOWS_FLAGS = ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"] as const;

const GENERAL: readonly FlagSpec[] = [
  flag("attach -a", "list", "Attach to STDIN, STDOUT or STDERR", { check: checkAttach }),
  flag("annotation", "map", "Add an annotation to the container (passed through to the OCI runtime)", {
    shown: "map[]",
  }),
  flag("cidfile", "string", "Write the container ID to the file"),
  flag("disable-content-trust", "bool", "Skip image verification", { default: "true", shown: "true" }),
  flag("domainname", "string", "Container NIS domain name"),
  flag("entrypoint", "string", "Overwrite the default ENTRYPOINT of the image"),
  flag("env -e", "list", "Set environment variables", { check: checkEnv }),
  flag("env-file", "list", "Read in a file of environment variables"),
  flag("group-add", "list", "Add additional groups to join"),
  flag("help", "bool", "Print usage"),
  flag("hostname -h", "string", "Container host name"),
  flag("init", "bool", "Run an init inside the container that forwards signals and reaps processes"),
  flag("interactive -i", "bool", "Keep STDIN open even if not attached"),
  flag("label -l", "list", "Set meta data on a container", { check: checkLabel }),
  flag("label-file", "list", "Read in a line delimited file of labels"),
  flag("name", "string", "Assign a name to the container"),
  flag("platform", "string", "Set platform if server is multi-platform capable"),
  flag("quiet -q", "bool", "Suppress the pull output"),
  flag("read-only", "bool", "Mount the container's root filesystem as read only"),
  flag("restart", "string", "Restart policy to apply when a container exits", { default: "no" }),
  flag("rm", "bool", "Automatically remove the container and its associated anonymous volumes when it exits"),
  flag("stop-signal", "string", "Signal to stop the container"),
  flag("stop-timeout", "int", "Timeout (in seconds) to stop a container"),
  flag("sysctl", "map", "Sysctl options", { shown: "map[]", check: checkSysctl }),
  flag("tty -t", "bool", "Allocate a pseudo-TTY"),
  flag("use-api-socket", "bool", "Bind mount Docker API socket and required auth"),
  flag("user -u", "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
  flag("workdir -w", "string", "Working directory inside the container"),
];

const NETWORK: readonly FlagSpec[] = [
  flag("add-host", "list", "Add a custom host-to-IP mapping (host:ip)", { check: checkExtraHost }),
  flag("dns", "list", "Set custom DNS servers", { check: checkAddress }),
  flag("dns-opt", "list", "Set DNS options", { hidden: true, sets: "dns-option" }),
  flag("dns-option", "list", "Set DNS options"),
  flag("dns-search", "list", "Set custom DNS search domains", { check: checkDnsSearch }),
  flag("expose", "list", "Expose a port or a range of ports"),
  flag("ip", "string", "IPv4 address (e.g., 172.30.100.104)"),
  flag("ip6", "string", "IPv6 address (e.g., 2001:db8::33)"),
  flag("link", "list", "Add link to another container", { check: checkLink }),
  flag("link-local-ip", "list", "Container IPv4/IPv6 link-local addresses"),
  flag("mac-address", "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
  flag("net", "list", "Connect a container to a network", {
    hidden: true,
    sets: "network",
    type: "network",
    check: checkedBy(parseNetwork),
  }),
  flag("net-alias", "list", "Add network-scoped alias for the container", { hidden: true, sets: "network-alias" }),
  flag("network", "list", "Connect a container to a network", {
    type: "network",
    completes: "networks",
    check: checkedBy(parseNetwork),
  }),
  flag("network-alias", "list", "Add network-scoped alias for the container"),
  flag("publish -p", "list", "Publish a container's port(s) to the host"),
  flag("publish-all -P", "bool", "Publish all exposed ports to random ports"),
];

const STORAGE: readonly FlagSpec[] = [
  flag("log-driver", "string", "Logging driver for the container"),
  flag("log-opt", "list", "Log driver options"),
  flag("mount", "list", "Attach a filesystem mount to the container", {
    type: "mount",
    check: checkedBy((text) => parseMount(text, "/")),
  }),
  flag("storage-opt", "list", "Storage driver options for the container"),
  flag("tmpfs", "list", "Mount a tmpfs directory"),
  flag("volume -v", "list", "Bind mount a volume"),
  flag("volume-driver", "string", "Optional volume driver for the container"),
  flag("volumes-from", "list", "Mount volumes from the specified container(s)"),
];

const SECURITY: readonly FlagSpec[] = [
  flag("cap-add", "list", "Add Linux capabilities"),
  flag("cap-drop", "list", "Drop Linux capabilities"),
  flag(
    "cgroupns",
    "string",
    "Cgroup namespace to use (host|private)\n'host':    Run the container in the Docker host's cgroup namespace\n'private': Run the container in its own private cgroup namespace\n'':        Use the cgroup namespace as configured by the\n           default-cgroupns-mode option on the daemon (default)",
  ),
  flag("ipc", "string", "IPC mode to use"),
  flag("isolation", "string", "Container isolation technology"),
  flag("pid", "string", "PID namespace to use"),
  flag("privileged", "bool", "Give extended privileges to this container"),
  flag("runtime", "string", "Runtime to use for this container"),
  flag("security-opt", "list", "Security Options"),
  flag("userns", "string", "User namespace to use"),
  flag("uts", "string", "UTS namespace to use"),
];

const HEALTH: readonly FlagSpec[] = [
  flag("health-cmd", "string", "Command to run to check health"),
  flag("health-interval", "string", "Time between running the check (ms|s|m|h) (default 0s)", DURATION),
  flag("health-retries", "int", "Consecutive failures needed to report unhealthy"),
  flag(
    "health-start-interval",
    "string",
    "Time between running the check during the start period (ms|s|m|h) (default 0s)",
    DURATION,
  ),
  flag(
    "health-start-period",
    "string",
    "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)",
    DURATION,
  ),
  flag("health-timeout", "string", "Maximum time to allow one check to run (ms|s|m|h) (default 0s)", DURATION),
  flag("no-healthcheck", "bool", "Disable any container-specified HEALTHCHECK"),
];

const RESOURCES: readonly FlagSpec[] = [
  flag("blkio-weight", "string", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)", {
    type: "uint16",
    check: checkedBy((text) => parseUintFlag(text, 16)),
  }),
  flag("blkio-weight-device", "list", "Block IO weight (relative device weight)", {
    shown: "[]",
    check: checkedBy(parseDeviceWeight),
  }),
  flag("cgroup-parent", "string", "Optional parent cgroup for the container"),
  flag("cpu-count", "int", "CPU count (Windows only)", WINDOWS),
  flag("cpu-percent", "int", "CPU percent (Windows only)", WINDOWS),
  flag("cpu-period", "int", "Limit CPU CFS (Completely Fair Scheduler) period"),
  flag("cpu-quota", "int", "Limit CPU CFS (Completely Fair Scheduler) quota"),
  flag("cpu-rt-period", "int", "Limit CPU real-time period in microseconds"),
  flag("cpu-rt-runtime", "int", "Limit CPU real-time runtime in microseconds"),
  flag("cpu-shares -c", "int", "CPU shares (relative weight)"),
  flag("cpus", "string", "Number of CPUs", { type: "decimal", check: checkedBy(parseCpus) }),
  flag("cpuset-cpus", "string", "CPUs in which to allow execution (0-3, 0,1)"),
  flag("cpuset-mems", "string", "MEMs in which to allow execution (0-3, 0,1)"),
  flag("device", "list", "Add a host device to the container"),
  flag("device-cgroup-rule", "list", "Add a rule to the cgroup allowed devices list", { check: checkCgroupRule }),
  flag("device-read-bps", "list", "Limit read rate (bytes per second) from a device", BYTES_PER_SECOND),
  flag("device-read-iops", "list", "Limit read rate (IO per second) from a device", OPERATIONS),
  flag("device-write-bps", "list", "Limit write rate (bytes per second) to a device", BYTES_PER_SECOND),
  flag("device-write-iops", "list", "Limit write rate (IO per second) to a device", OPERATIONS),
  flag("gpus", "list", "GPU devices to add to the container ('all' to pass all GPUs)", {
    type: "gpu-request",
    check: checkedBy(parseGpus),
  }),
  flag("io-maxbandwidth", "string", "Maximum IO bandwidth limit for the system drive (Windows only)", {
    ...WINDOWS,
    ...BYTES,
  }),
  flag("io-maxiops", "string", "Maximum IOps limit for the system drive (Windows only)", {
    ...WINDOWS,
    type: "uint",
    check: checkedBy((text) => parseUintFlag(text, 64)),
  }),
  flag("kernel-memory", "string", "Kernel memory limit", BYTES),
  flag("memory -m", "string", "Memory limit", BYTES),
  flag("memory-reservation", "string", "Memory soft limit", BYTES),
  flag("memory-swap", "string", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", {
    type: "bytes",
    check: checkedBy(parseSwapSize),
  }),
  flag("memory-swappiness", "int", "Tune container memory swappiness (0 to 100)", { default: "-1" }),
  flag("oom-kill-disable", "bool", "Disable OOM Killer"),
  flag("oom-score-adj", "int", "Tune host's OOM preferences (-1000 to 1000)"),
  flag("pids-limit", "int", "Tune container pids limit (set -1 for unlimited)"),
  flag("shm-size", "string", "Size of /dev/shm", BYTES),
  flag("ulimit", "list", "Ulimit options", { type: "ulimit", shown: "[]", check: checkedBy(parseUlimit) }),
];

const CREATE_AND_RUN = [...GENERAL, ...NETWORK, ...STORAGE, ...SECURITY, ...HEALTH, ...RESOURCES];

const pullFlag = (usage: string): FlagSpec => flag("pull", "string", usage, { default: "missing" });

export const CREATE_FLAGS: readonly FlagSpec[] = [
  ...CREATE_AND_RUN,
  pullFlag('Pull image before creating ("always", "|missing", "never")'),
];

export const DETACH_KEYS_FLAG = flag("detach-keys", "string", "Override the key sequence for detaching a container");

export const RUN_FLAGS: readonly FlagSpec[] = [
  ...CREATE_AND_RUN,
  flag("detach -d", "bool", "Run container in background and print container ID"),
  DETACH_KEYS_FLAG,
  pullFlag('Pull image before running ("always", "missing", "never")'),
  flag("sig-proxy", "bool", "Proxy received signals to the process", { default: "true", shown: "true" }),
];

function checkAttach(text: string): string {
  const name = text.toLowerCase();
  if (["stdin", "stdout", "stderr"].includes(name)) return name;
  throw new FlagValueError("valid streams are STDIN, STDOUT and STDERR");
}

export function checkEnv(text: string): string {
  if (text === "" || text.startsWith("=")) throw new FlagValueError(`invalid environment variable: ${text}`);
  return text;
}

function checkLabel(text: string): string {
  const name = cut(text, "=")[0].replace(/^[ \t]+/, "");
  if (name === "") throw new FlagValueError(`invalid label '${text}': empty name`);
  if (/[ \t]/.test(name)) throw new FlagValueError(`label '${name}' contains whitespaces`);
  return text;
}

const SYSCTLS = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"];

function checkSysctl(text: string): string {
  const [name, value] = cut(text, "=");
  const known = SYSCTLS.some((end) => name === `kernel.${end}`) || /^(net|fs\.mqueue)\./.test(name);
  if (value !== undefined && known) return text;
  throw new FlagValueError(`sysctl '${text}' is not allowed`);
}

/** `name:address` or `name=address`, the address maybe in brackets, or host-gateway; kept as name:address. */
function checkExtraHost(text: string): string {
  const [name, address] = text.includes("=") ? cut(text, "=") : cut(text, ":");
  if (address === undefined || name === "" || name.includes(":"))
    throw new FlagValueError(`bad format for add-host: ${quoteGo(text)}`);
  const bare = /^\[(.+)\]$/s.exec(address)?.[1] ?? address;
  if (address !== "host-gateway" && parseIp(bare.trim()) === undefined)
    throw new FlagValueError(`invalid IP address in add-host: ${quoteGo(bare)}`);
  return `${name}:${bare}`;
}

function checkAddress(text: string): string {
  const address = parseIp(text.trim());
  if (address === undefined) throw new FlagValueError(`IP address is not correctly formatted: ${text}`);
  return address;
}

/** Source: docker/cli opts/opts.go domainRegexp; the odd `:?` of its groups, an optional colon, is theirs. */
const DOMAIN =
  /^(:?(:?[a-zA-Z0-9]|(:?[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))(:?\.(:?[a-zA-Z0-9]|(:?[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])))*)\.?\s*$/;
const MAX_DOMAIN = 255;

function checkDnsSearch(text: string): string {
  const domain = text.replace(/^ +| +$/g, "");
  if (domain === ".") return domain;
  const name = /[a-zA-Z]/.test(domain) && domain.length <= 2 * MAX_DOMAIN ? DOMAIN.exec(domain)?.[1] : undefined;
  if (name === undefined || name.length >= MAX_DOMAIN) throw new FlagValueError(`${domain} is not a valid domain`);
  return name;
}

function checkLink(text: string): string {
  if (text === "") throw new FlagValueError("empty string specified for links");
  if (text.split(":").length > 2) throw new FlagValueError(`bad format for links: ${text}`);
  return text;
}
