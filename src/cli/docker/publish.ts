/** -p and --expose: texts to port bindings. Pure. Sources: docker/go-connections nat/nat.go; docker/cli cli/command/container/opts.go. */

import { cut, parseIp, parseUint } from "./flag-value.ts";
import { FlagValueError } from "./flags.ts";

export interface PortBinding {
  /** "" for the network's default address. */
  readonly HostIp: string;
  /** "" for an ephemeral port, "8000-8010" for the first free one of a range. */
  readonly HostPort: string;
}

export interface PublishedPorts {
  /** By container port and protocol: "80/tcp". */
  readonly bindings: Readonly<Record<string, readonly PortBinding[]>>;
  readonly exposed: Readonly<Record<string, Record<string, never>>>;
}

/** All `-p` and `--expose` values of a command line. Throws FlagValueError. */
export function readPorts(publish: readonly string[], expose: readonly string[]): PublishedPorts {
  const bindings: Record<string, PortBinding[]> = {};
  const exposed: Record<string, Record<string, never>> = {};
  for (const { port, binding } of publish.map(toShortForm).flatMap(readPublished)) {
    bindings[port] = [...(bindings[port] ?? []), binding];
    exposed[port] = {};
  }
  for (const port of expose.flatMap(readExposed)) exposed[port] = {};
  return { bindings, exposed };
}

/** `published=8080,target=80,protocol=tcp` as `8080:80/tcp`; other texts as they are. */
function toShortForm(text: string): string {
  if (!text.includes("=")) return text;
  const parameters: Record<string, string> = { protocol: "tcp" };
  for (const parameter of text.split(",")) {
    const [key, value] = cut(parameter, "=");
    if (value === undefined || key === "")
      throw new FlagValueError(`invalid publish opts format (should be name=value but got '${parameter}')`);
    parameters[key] = value;
  }
  const { published = "", target = "", protocol = "" } = parameters;
  return `${published}:${target}/${protocol}`;
}

interface PublishedPort {
  readonly port: string;
  readonly binding: PortBinding;
}

/** `[hostIP:][hostPort[-end]]:containerPort[-end][/proto]`. */
function readPublished(text: string): PublishedPort[] {
  const parts = text.split(":");
  const [container = "", protocolText = ""] = cut(parts.at(-1) ?? "", "/");
  const hostPort = parts.at(-2) ?? "";
  const protocol = (protocolText || "tcp").toLowerCase();
  if (container === "") throw new FlagValueError(`no port specified: ${text}<empty>`);
  if (!["tcp", "udp", "sctp"].includes(protocol)) throw new FlagValueError(`invalid proto: ${protocol}`);
  const hostIp = readHostIp(parts.slice(0, -2).join(":"));

  const [first, last] = readRange(container) ?? fail(`invalid containerPort: ${container}`);
  const [hostFirst, hostLast] =
    hostPort === "" ? [0, 0] : (readRange(hostPort) ?? fail(`invalid hostPort: ${hostPort}`));
  if (hostPort !== "" && last - first !== hostLast - hostFirst && last !== first)
    throw new FlagValueError(`invalid ranges specified for container and host Ports: ${container} and ${hostPort}`);

  return Array.from({ length: last - first + 1 }, (_, i) => {
    const oneOfRange = last === first && hostFirst !== hostLast ? `-${hostLast}` : "";
    const HostPort = hostPort === "" ? "" : `${hostFirst + i}${oneOfRange}`;
    return { port: `${first + i}/${protocol}`, binding: { HostIp: hostIp, HostPort } };
  });
}

function readHostIp(text: string): string {
  if (text.startsWith("[") && !text.endsWith("]"))
    throw new FlagValueError(`invalid IP address ${text}: address ${text}:: missing ']' in address`);
  const address = text.startsWith("[") ? text.slice(1, -1) : text;
  if (address !== "" && parseIp(address) === undefined) throw new FlagValueError(`invalid IP address: ${address}`);
  return address;
}

/** `80`, `80/udp`, `8000-8003/sctp`; the protocol is not looked at. */
function readExposed(text: string): string[] {
  if (text.includes(":")) throw new FlagValueError(`invalid port format for --expose: ${text}`);
  const [ports, protocol = ""] = cut(text, "/");
  try {
    const [first, last] = ports === "" ? [0, 0] : parseRange(ports);
    return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol || "tcp"}`);
  } catch (error) {
    if (!(error instanceof FlagValueError)) throw error;
    throw new FlagValueError(`invalid range format for --expose: ${text}, error: ${error.message}`);
  }
}

function readRange(text: string): readonly [number, number] | undefined {
  try {
    return parseRange(text);
  } catch {
    return undefined;
  }
}

function parseRange(text: string): readonly [number, number] {
  const [firstText = "", lastText] = text.split("-");
  const first = parseUint(firstText, 16);
  const last = lastText === undefined ? first : parseUint(lastText, 16);
  if (last < first) throw new FlagValueError(`invalid range specified for port: ${text}`);
  return [first, last];
}

function fail(message: string): never {
  throw new FlagValueError(message);
}
