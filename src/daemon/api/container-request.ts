/** POST /containers/create: the bodies of Docker's clients become what the engine knows. Source: moby daemon/create.go, runconfig. */
import { type Ipv4, type Ipv6, isIpv4, isIpv6, parseIpv6 } from "../../net/address.ts";
import { type ContainerName, parseContainerName } from "../../net/name.ts";
import type { ProtoPort } from "../../net/port.ts";
import type { ContainerRequest, EndpointRequest, SandboxRequest } from "../../state/container.ts";
import { exposedPorts } from "../../state/image.ts";
import type { ExtraHost, PortRequest, ServedPort, State } from "../../state/state.ts";
import { defaultCommand } from "../../state/tool-image.ts";
import type { ContainerRecord, JsonObject } from "../record.ts";
import { hasConfig, normaliseConfig, normaliseHostConfig } from "./config-fields.ts";
import { checkConfig, checkNetworkMode, checkRestart, checkSignal, createWarnings } from "./create-checks.ts";
import { endpointRequest, macOf, parseLink } from "./endpoint-request.ts";
import { Fields } from "./fields.ts";
import { parseImageName } from "./image-name.ts";
import { exposedSet, portRequests } from "./port-request.ts";
import { randomName } from "./random-name.ts";
import { httpError } from "./refuse.ts";

export interface CreateRequest {
  readonly request: ContainerRequest;
  readonly record: ContainerRecord;
  readonly warnings: readonly string[];
}

const STOP_TIMEOUT_S = 10;

/** @param name "" for one of the engine's choice. @throws DocknetError in dockerd's words */
export function createRequest(state: State, name: string, body: JsonObject): CreateRequest {
  if (!hasConfig(body)) throw httpError(400, "config cannot be empty in order to create a container");
  const config = new Fields(body, "");
  const host = config.child("HostConfig");
  const shownConfig = normaliseConfig(config);
  const shownHost = normaliseHostConfig(host);
  checkConfig(config);
  checkRestart(host);
  checkNetworkMode(config, host);
  const mode = String(shownHost.NetworkMode);
  const image = config.text("Image");
  const familiar = image ? parseImageName(image).familiar : "";
  const command = commandOf(config, familiar);
  const hostname = config.text("Hostname");
  const exposed = exposedSet(config.object("ExposedPorts"), host.object("PortBindings"));
  const publish = portRequests(host);
  const labels = config.textMap("Labels");
  const sysctls = host.textMap("Sysctls");
  const isOwn = !isShared(mode);
  const request: ContainerRequest = {
    name: name === "" ? randomName((n) => state.containers.some((c) => c.name === n)) : checkedName(name),
    ...(image ? { image } : {}),
    ...(hostname ? { hostname } : {}),
    domainname: config.text("Domainname"),
    extraHosts: (host.texts("ExtraHosts") ?? []).map(parseExtraHost),
    dns: {
      servers: (host.texts("Dns") ?? []).map(parseNameServer),
      search: host.texts("DnsSearch") ?? [],
      options: host.texts("DnsOptions") ?? [],
    },
    // on a user-defined network they belong to the endpoint, and these are not even looked at
    links: isOwn && mode !== "bridge" ? [] : (host.texts("Links") ?? []).map(parseLink),
    sandbox: sandboxOf(mode),
    endpoints: endpointsOf(mode, config),
    publish,
    publishAll: host.flag("PublishAllPorts"),
    exposed,
    serves: command.argv.length === 0 ? servedPorts(exposedPorts(image), exposed, publish) : [],
    ...(sysctls ? { sysctls } : {}),
    labels: labels ?? {},
  };
  const imagePorts = exposedPorts(image).map(({ port, proto }) => `${port}/${proto}`);
  return {
    request,
    record: recordOf(config, shown(shownConfig, command, imagePorts, exposed), shownHost, command),
    warnings: createWarnings(host, mode),
  };
}

interface Command {
  readonly argv: readonly string[];
  /** As inspect shows it: the image's own when none was given. */
  readonly cmd: readonly string[] | undefined;
}

/** Without a command of the user's, a tool runs its shell and a server is stood in for. */
function commandOf(config: Fields, image: string): Command {
  const entrypoint = (config.words("Entrypoint") ?? []).filter((word, i) => i > 0 || word !== "");
  const given = config.words("Cmd") ?? [];
  if (entrypoint.length > 0) return { argv: [...entrypoint, ...given], cmd: given.length > 0 ? given : undefined };
  const cmd = given.length > 0 ? given : defaultCommand(image);
  return { argv: cmd ?? [], cmd };
}

function shown(
  config: JsonObject,
  { cmd }: Command,
  imagePorts: readonly string[],
  exposed: readonly ProtoPort[],
): JsonObject {
  const ports = [...new Set([...imagePorts, ...exposed.map(({ port, proto }) => `${port}/${proto}`)])].sort();
  const entries = Object.entries(config).filter(([key]) => key !== "ExposedPorts");
  const withPorts = entries.flatMap((entry) => {
    if (entry[0] !== "Tty" || ports.length === 0) return [entry];
    return [["ExposedPorts", Object.fromEntries(ports.map((p) => [p, {}]))] as const, entry];
  });
  return { ...Object.fromEntries(withPorts), Cmd: cmd ?? null };
}

function recordOf(config: Fields, shownConfig: JsonObject, hostConfig: JsonObject, { argv }: Command): ContainerRecord {
  const stopSignal = config.text("StopSignal");
  if (stopSignal) checkSignal(stopSignal);
  return {
    argv,
    env: config.texts("Env") ?? [],
    workingDir: config.text("WorkingDir"),
    tty: config.flag("Tty"),
    openStdin: config.flag("OpenStdin"),
    stdinOnce: config.flag("StdinOnce"),
    privileged: hostConfig.Privileged === true,
    autoRemove: hostConfig.AutoRemove === true,
    stopSignal: stopSignal || "SIGTERM",
    stopTimeoutS: config.integer("StopTimeout") ?? STOP_TIMEOUT_S,
    config: shownConfig,
    hostConfig,
  };
}

const checkedName = (text: string): ContainerName => parseContainerName(text.replace(/^\//, ""));

const isShared = (mode: string): boolean => mode === "host" || mode === "none" || mode.startsWith("container:");

function sandboxOf(mode: string): SandboxRequest {
  if (mode === "host" || mode === "none") return { kind: mode };
  return mode.startsWith("container:") ? { kind: "container", name: mode.slice("container:".length) } : { kind: "own" };
}

/** The network of the mode first, then the others as they were given; "default" is the default bridge. Shared modes have no others. */
function endpointsOf(mode: string, config: Fields): readonly EndpointRequest[] {
  const given = config.child("NetworkingConfig").child("EndpointsConfig");
  const names = Object.keys(given.value).map((name) => (name === "default" ? "bridge" : name));
  const others = isShared(mode) ? [] : [...new Set(names)].filter((name) => name !== mode);
  const containerMac = config.text("MacAddress");
  return [mode, ...others].map((name) => {
    const prefix = `invalid config for network ${name}: `;
    const key = name === "bridge" && given.value.bridge === undefined ? "default" : name;
    if (given.value[key] === null) throw httpError(400, `${prefix}EndpointsConfig is nil`);
    const endpoint = endpointRequest(name, given.child(key), prefix);
    const mac = name === mode && !endpoint.mac ? macOf(containerMac, prefix) : undefined;
    return mac ? { ...endpoint, mac } : endpoint;
  });
}

/** The client names published ports among the exposed ones. */
function servedPorts(
  ofImage: readonly ProtoPort[],
  exposed: readonly ProtoPort[],
  publish: readonly PortRequest[],
): readonly ServedPort[] {
  const isIn = (ports: readonly ProtoPort[], p: ProtoPort): boolean =>
    ports.some((q) => q.port === p.port && q.proto === p.proto);
  const isPublished = (p: ProtoPort): boolean => publish.some((r) => r.target === p.port && r.proto === p.proto);
  const others = exposed.filter((p) => !isIn(ofImage, p));
  return [...ofImage, ...others.map((p) => ({ ...p, ...(isPublished(p) ? { presumed: true as const } : {}) }))];
}

/** "db:10.0.0.1", "db:host-gateway", "db:[fd00::1]". @throws DocknetError USAGE */
function parseExtraHost(text: string): ExtraHost {
  const colon = text.indexOf(":");
  if (colon <= 0) throw httpError(400, `bad format for add-host: ${JSON.stringify(text)}`);
  const name = text.slice(0, colon);
  const value = text.slice(colon + 1);
  if (value === "host-gateway") return { name, address: value };
  const address = parseIp(value.replace(/^\[(.*)\]$/, "$1"));
  if (!address) throw httpError(400, `invalid IP address in add-host: ${JSON.stringify(value)}`);
  return { name, address };
}

function parseNameServer(text: string): Ipv4 | Ipv6 {
  const address = parseIp(text);
  if (!address) throw httpError(400, `bad nameserver address ${text}`);
  return address;
}

function parseIp(text: string): Ipv4 | Ipv6 | undefined {
  if (isIpv4(text)) return text;
  return isIpv6(text) ? parseIpv6(text) : undefined;
}
