/** How a service is attached: `network_mode:`, or `networks:` with the settings of each endpoint. */
import type { Origin } from "../errors.ts";
import { type Ipv4, isIpv6, parseIpv4 } from "../net/address.ts";
import { parseMac } from "../net/mac.ts";
import { parseIfName } from "../net/name.ts";
import { DEFAULT_NETWORK, mappingOnly } from "./network.ts";
import type { ProblemList } from "./problem-list.ts";
import { readInteger, readMapping, readPairs, readString, readTexts, toRecord } from "./reader.ts";
import type { AttachmentSpec, NetworkMode } from "./spec.ts";
import { type Entry, entryOf, isNull, type Mapping, mapping } from "./tree.ts";

/** moby daemon/libnetwork/netlabel: the interface's name inside the container; compose writes `interface_name`. */
const IFNAME_OPTION = "com.docker.network.endpoint.ifname";

/** The mode, and the networks when there is none. `default` is joined by a service that says nothing. */
export function readAttachments(
  service: Mapping,
  key: string,
  at: Origin,
  problems: ProblemList,
): { mode: NetworkMode; attachments: AttachmentSpec[] } {
  const path = `services.${key}`;
  const modeEntry = entryOf(service, "network_mode");
  const mode = parseMode(readString(modeEntry, `${path}.network_mode`, problems), modeEntry, problems);
  const attachments = readNetworkList(entryOf(service, "networks"), `${path}.networks`, problems);
  if (modeEntry && mode.kind !== "networks" && attachments.length > 0) {
    problems.error(
      modeEntry.at,
      `service ${key} declares mutually exclusive \`network_mode\` and \`networks\`: invalid compose project`,
      "Remove one of the two",
    );
  }
  if (mode.kind !== "networks") return { mode, attachments: [] };
  // no container, no network (compose-go loader/normalize.go normalizeNetworks)
  if (entryOf(service, "provider") && attachments.length === 0) return { mode, attachments: [] };
  return {
    mode,
    attachments:
      attachments.length > 0
        ? attachments
        : [readEndpoint(DEFAULT_NETWORK, mapping(new Map(), at), at, path, problems)],
  };
}

function parseMode(text: string | undefined, entry: Entry | undefined, problems: ProblemList): NetworkMode {
  if (text === undefined || text === "") return { kind: "networks" };
  if (text === "none" || text === "host" || text === "bridge") return { kind: text };
  // the engine reads "default" as its default network, docker0
  if (text === "default") return { kind: "bridge" };
  const [, kind, name] = /^(service|container):(.+)$/s.exec(text) ?? [];
  if (kind === "service" && name) return { kind, service: name };
  if (kind === "container" && name) return { kind, container: name };
  problems.error(
    entry?.at,
    `unsupported network_mode "${text}": it must be none, host, bridge, default, service:NAME or container:NAME`,
    "Use `networks:` to join a network of this file",
  );
  return { kind: "networks" };
}

function readNetworkList(entry: Entry | undefined, path: string, problems: ProblemList): AttachmentSpec[] {
  if (!entry || isNull(entry.value)) return [];
  if (entry.value.kind !== "mapping") {
    return readTexts(entry, path, problems).map(({ value, at }) =>
      readEndpoint(value, mapping(new Map(), at), at, path, problems),
    );
  }
  return [...entry.value.entries].flatMap(([network, endpoint]) => {
    const body = isNull(endpoint.value)
      ? mapping(new Map(), endpoint.at)
      : readMapping(endpoint, `${path}.${network}`, problems);
    return body ? [readEndpoint(network, body, endpoint.at, `${path}.${network}`, problems)] : [];
  });
}

function readEndpoint(network: string, body: Mapping, at: Origin, path: string, problems: ProblemList): AttachmentSpec {
  const entry = (name: string): Entry | undefined => entryOf(body, name);
  const parsed = <T>(name: string, parse: (text: string) => T): T | undefined => {
    const text = readString(entry(name), `${path}.${name}`, problems);
    return text ? problems.attempt(entry(name)?.at, () => parse(text)) : undefined;
  };
  const options = toRecord(
    readPairs(mappingOnly(entry("driver_opts"), `${path}.driver_opts`, problems), `${path}.driver_opts`, problems),
  );
  const optionName = Object.hasOwn(options, IFNAME_OPTION) ? options[IFNAME_OPTION] : undefined;
  const interfaceName =
    parsed("interface_name", parseIfName) ??
    (optionName ? problems.attempt(entry("driver_opts")?.at, () => parseIfName(optionName)) : undefined);
  const ipv4 = parsed("ipv4_address", parseIpv4);
  const mac = parsed("mac_address", parseMac);
  if (entry("ipv6_address")) problems.warn(entry("ipv6_address")?.at, "IPv6 is not emulated: ipv6_address is ignored");
  return {
    network,
    aliases: readTexts(entry("aliases"), `${path}.aliases`, problems).map(({ value }) => value),
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(mac === undefined ? {} : { mac }),
    ...(interfaceName === undefined ? {} : { interfaceName }),
    driverOpts: options,
    linkLocalIps: readLinkLocal(entry("link_local_ips"), `${path}.link_local_ips`, problems),
    priority: readWhole(entry("priority"), `${path}.priority`, problems),
    gwPriority: readWhole(entry("gw_priority"), `${path}.gw_priority`, problems),
    at,
  };
}

/** A fraction is cut off. */
function readWhole(entry: Entry | undefined, path: string, problems: ProblemList): number {
  const value = entry?.value.kind === "scalar" ? entry.value.value : undefined;
  return typeof value === "number" ? Math.trunc(value) : (readInteger(entry, path, problems) ?? 0);
}

function readLinkLocal(entry: Entry | undefined, path: string, problems: ProblemList): Ipv4[] {
  return readTexts(entry, path, problems).flatMap(({ value, at }) => {
    if (isIpv6(value)) {
      problems.warn(at, `IPv6 is not emulated: link-local address ${value} is ignored`);
      return [];
    }
    const address = problems.attempt(at, () => parseIpv4(value));
    return address === undefined ? [] : [address];
  });
}
