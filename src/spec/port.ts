/**
 * `ports:` and `expose:`, in Docker's grammar and with Docker's words.
 * Sources: go-connections nat/nat.go ParsePortSpec; compose-go types.ParsePortConfig, override/uncity.go portIndexer.
 */
import { DocknetError, type Origin } from "../errors.ts";
import { type Ipv4, type Ipv6, isIpv4, isIpv6, parseIpv6 } from "../net/address.ts";
import {
  type Port,
  type PortRange,
  type Proto,
  type ProtoPort,
  parsePortRange,
  parseProto,
  portsOf,
  renderPortRange,
} from "../net/port.ts";
import type { ProblemList } from "./problem-list.ts";
import { type Placed, readTexts } from "./reader.ts";
import type { PortSpec } from "./spec.ts";
import { childOf, type Entry, entryOf, type Mapping, type Tree } from "./tree.ts";

/** A port as written: container ports, and host ports that are as many, or a choice for one. */
export interface PortText {
  readonly target: PortRange;
  readonly proto: Proto;
  readonly published?: PortRange;
  readonly hostIp?: Ipv4 | Ipv6;
}

/** The list `ports:` of a service. Two entries that say the same are one, as Compose has it; the later is kept. */
export function readPorts(entry: Entry | undefined, path: string, problems: ProblemList): PortSpec[] {
  if (!entry) return [];
  if (entry.value.kind !== "sequence") {
    problems.error(entry.at, `${path} must be a array`);
    return [];
  }
  const ports = new Map<string, PortSpec>();
  for (const [i, item] of entry.value.items.entries()) {
    const text = problems.attempt(item.at, () => readPort(item, `${path}[${i}]`));
    if (!text) continue;
    if (!problems.takePorts(text.target.last - text.target.first + 1, item.at)) break;
    for (const port of expandPort(text, item.at)) ports.set(indexPort(port), port);
  }
  return [...ports.values()];
}

/** Compose takes an absent host address for 0.0.0.0 when it looks for twins. */
function indexPort({ hostIp, published, target, proto }: PortSpec): string {
  return `${hostIp ?? "0.0.0.0"}|${published ? renderPortRange(published) : ""}|${target}/${proto}`;
}

function readPort(item: Tree, path: string): PortText | undefined {
  if (item.kind === "mapping") return readLongPort(item, path);
  if (item.kind === "scalar" && (typeof item.value === "string" || typeof item.value === "number")) {
    return parsePortText(String(item.value));
  }
  throw new DocknetError("LAB_FILE", `${path} must be a number, string or mapping`);
}

/**
 * `[hostIP:][hostPort[-hostPortEnd]]:containerPort[-containerPortEnd][/proto]`
 * @throws DocknetError LAB_FILE, in Docker's words
 */
export function parsePortText(text: string): PortText {
  const parts = text.split(":");
  const container = parts.at(-1) ?? "";
  const host = parts.at(-2) ?? "";
  const address = parts.slice(0, -2).join(":");
  // Go's net.SplitHostPort wants an IPv6 address in brackets
  if (address.includes(":") && !address.startsWith("["))
    throw new DocknetError(
      "LAB_FILE",
      `Invalid ip address ${address}: address ${address}:: too many colons in address`,
      {
        remedy: `Write [${address}]`,
      },
    );
  const slash = container.indexOf("/");
  const containerPort = slash < 0 ? container : container.slice(0, slash);
  const protoText = slash < 0 ? "" : container.slice(slash + 1);
  if (containerPort === "") throw new DocknetError("LAB_FILE", `no port specified: ${text}<empty>`);
  const proto = parseProto(protoText === "" ? "tcp" : protoText);
  return { ...joinPorts(containerPort, host), proto, ...parseHostIp(address) };
}

function readLongPort(port: Mapping, path: string): PortText | undefined {
  const text = (key: string): string => {
    const child = childOf(port, key);
    if (child === undefined) return "";
    if (child.kind === "scalar" && (typeof child.value === "string" || typeof child.value === "number"))
      return String(child.value);
    throw new DocknetError("LAB_FILE", `${path}.${key} must be a string`, { at: entryOf(port, key)?.at ?? child.at });
  };
  const target = text("target");
  if (target === "") throw new DocknetError("LAB_FILE", `service ports ${path} is missing a target port`);
  if (target.includes("-")) throw new DocknetError("LAB_FILE", `invalid containerPort: ${target}`);
  for (const key of ["mode", "name", "app_protocol"]) text(key);
  const proto = parseProto(text("protocol") || "tcp");
  return { ...joinPorts(target, text("published")), proto, ...parseHostIp(text("host_ip")) };
}

function joinPorts(container: string, host: string): Pick<PortText, "target" | "published"> {
  const target = parseRange(container, "containerPort");
  // "0" asks for an ephemeral port, as an empty text does (libnetwork portallocator)
  if (/^0*$/.test(host)) return { target };
  const published = parseRange(host, "hostPort");
  const length = target.last - target.first;
  if (length !== 0 && length !== published.last - published.first) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid ranges specified for container and host Ports: ${container} and ${host}`,
    );
  }
  return { target, published };
}

/** Go's ParseUint takes leading zeros for decimal. */
function parseRange(text: string, what: string): PortRange {
  try {
    return parsePortRange(text.replace(/(^|-)0+(?=\d)/g, "$1"), what);
  } catch {
    throw new DocknetError("LAB_FILE", `invalid ${what}: ${text}`);
  }
}

function parseHostIp(text: string): { hostIp?: Ipv4 | Ipv6 } {
  if (text === "") return {};
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIpv4(bare)) return { hostIp: bare };
  if (isIpv6(bare)) return { hostIp: parseIpv6(bare) };
  throw new DocknetError("LAB_FILE", `invalid IP address: ${bare}`);
}

/** Equal ranges are paired; one container port keeps its range of host ports to choose from. */
export function expandPort({ target, published, proto, hostIp }: PortText, at: Origin): PortSpec[] {
  const isSingle = target.first === target.last;
  return portsOf(target).map((port, i) => {
    const own = published && !isSingle ? ((published.first + i) as Port) : undefined;
    const range = own === undefined ? published : { first: own, last: own };
    return {
      target: port,
      proto,
      ...(range ? { published: range } : {}),
      ...(hostIp === undefined ? {} : { hostIp }),
      at,
    };
  });
}

/** The shortest text that means this port. */
export function renderPort({ target, published, proto, hostIp }: PortText): string {
  const address = hostIp === undefined ? "" : `${hostIp.includes(":") ? `[${hostIp}]` : hostIp}:`;
  const host = published ? `${renderPortRange(published)}:` : hostIp === undefined ? "" : ":";
  return `${address}${host}${renderPortRange(target)}/${proto}`;
}

/** `expose:` and `x-docknet: serve:`: ports of the container, no host ports. */
export function readExposed(
  entry: Entry | undefined,
  path: string,
  problems: ProblemList,
): (ProtoPort & { at: Origin })[] {
  const exposed = new Map<string, ProtoPort & { at: Origin }>();
  for (const text of readTexts(entry, path, problems, true)) {
    for (const port of parseExposed(text, problems)) exposed.set(`${port.port}/${port.proto}`, port);
  }
  return [...exposed.values()];
}

function parseExposed({ value, at }: Placed<string>, problems: ProblemList): (ProtoPort & { at: Origin })[] {
  const parsed = problems.attempt(at, () => {
    const slash = value.indexOf("/");
    const proto = parseProto(slash < 0 ? "tcp" : value.slice(slash + 1));
    try {
      return { proto, range: parseRange(slash < 0 ? value : value.slice(0, slash), "port") };
    } catch {
      throw new DocknetError("LAB_FILE", `invalid range format for --expose: ${value}`);
    }
  });
  if (!parsed || !problems.takePorts(parsed.range.last - parsed.range.first + 1, at)) return [];
  return portsOf(parsed.range).map((port) => ({ port, proto: parsed.proto, at }));
}
