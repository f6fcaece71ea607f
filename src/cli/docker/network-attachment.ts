/**
 * --network and the flags that speak of the first network (--ip, --network-alias, --link ...): texts to endpoint settings. Pure.
 * Sources: docker/cli opts/network.go, cli/command/container/opts.go parseNetworkOpts.
 */

import { cut, isMac } from "./flag-value.ts";
import { FlagValueError, parseInteger, quoteGo, splitCsv } from "./flags.ts";

interface Attachment {
  readonly target: string;
  readonly aliases: readonly string[];
  readonly driverOpts: Readonly<Record<string, string>>;
  readonly links: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocalIps: readonly string[];
  readonly mac: string;
  readonly gatewayPriority: number;
}

/** What the flags beside --network say of the first network; "" and [] where a flag is not given. */
export interface FirstNetwork {
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocalIps: readonly string[];
  readonly mac: string;
}

const bare = (target: string): Attachment => ({
  target,
  aliases: [],
  driverOpts: {},
  links: [],
  ipv4: "",
  ipv6: "",
  linkLocalIps: [],
  mac: "",
  gatewayPriority: 0,
});

/** One --network value: a name, or `name=lab,ip=10.0.0.5,alias=web,...`, which the CLI of 28.2 lower-cases. Throws FlagValueError. */
export function parseNetwork(text: string): Attachment {
  if (!/[0-9A-Za-z_]=[0-9A-Za-z_]/.test(text)) return bare(text);
  let attachment = bare("");
  for (const field of splitCsv(text)) attachment = { ...attachment, ...readField(field, attachment) };
  if (attachment.target === "") throw new FlagValueError("network name/id is not specified");
  return attachment;
}

function readField(field: string, so: Attachment): Partial<Attachment> {
  const [rawKey, rawValue] = cut(field, "=");
  if (rawValue === undefined || rawKey === "") throw new FlagValueError(`invalid field ${field}`);
  const key = rawKey.toLowerCase().trim();
  const value = rawValue.toLowerCase().trim();
  switch (key) {
    case "name":
      return { target: value };
    case "alias":
      return { aliases: [...so.aliases, value] };
    case "ip":
      return { ipv4: value };
    case "ip6":
      return { ipv6: value };
    case "mac-address":
      return { mac: value };
    case "link-local-ip":
      return { linkLocalIps: [...so.linkLocalIps, value] };
    case "driver-opt":
      return { driverOpts: { ...so.driverOpts, ...readDriverOpt(value) } };
    case "gw-priority":
      return { gatewayPriority: readPriority(value) };
    default:
      throw new FlagValueError(`invalid field key ${key}`);
  }
}

function readDriverOpt(text: string): Record<string, string> {
  const [key, value] = cut(text, "=");
  if (value === undefined || key === "") throw new FlagValueError("invalid key value pair format in driver options");
  return { [key.trim()]: value.trim() };
}

function readPriority(text: string): number {
  try {
    return parseInteger(text);
  } catch (error) {
    if (!(error instanceof FlagValueError)) throw error;
    throw new FlagValueError(`invalid gw-priority (${text}): ${error.message.replace(/^.*: /, "")}`);
  }
}

/** Not one of the names that Docker itself gives: default, bridge, host, none, container:ID. */
const isUserDefined = (target: string): boolean =>
  !["default", "bridge", "host", "none", "container"].includes(cut(target, ":")[0]) ||
  /^(default|bridge|host|none):/.test(target);

/** HostConfig.NetworkMode. */
export const networkModeOf = (networks: readonly Attachment[]): string => networks[0]?.target ?? "default";

/** NetworkingConfig.EndpointsConfig by network. Throws FlagValueError. */
export function endpointsOf(networks: readonly Attachment[], first: FirstNetwork): Record<string, EndpointSettings> {
  if (networks.length === 0) return { default: settingsOf(withFirst(bare("default"), first)) };
  const endpoints: Record<string, EndpointSettings> = {};
  for (const [i, network] of networks.entries()) {
    const attachment = i === 0 ? withFirst(network, first) : network;
    const settings = settingsOf(attachment);
    if (Object.hasOwn(endpoints, network.target))
      throw new FlagValueError(`network ${quoteGo(network.target)} is specified multiple times`);
    // the daemon makes the endpoint of a lone network without options by itself
    if (networks.length === 1 && isDefault(settings)) continue;
    endpoints[network.target] = settings;
  }
  const userDefined = networks.filter((network) => isUserDefined(network.target)).length;
  if (userDefined > 0 && userDefined < networks.length)
    throw new FlagValueError("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  return endpoints;
}

function withFirst(network: Attachment, first: FirstNetwork): Attachment {
  const clash = (flag: string, what: string, ours: string | readonly string[], theirs: string | readonly string[]) => {
    if (ours.length > 0 && theirs.length > 0)
      throw new FlagValueError(`conflicting options: cannot specify both --${flag} and per-network ${what}`);
  };
  clash("network-alias", "alias", network.aliases, first.aliases);
  clash("link", "links", network.links, first.links);
  clash("ip", "IPv4 address", network.ipv4, first.ipv4);
  clash("ip6", "IPv6 address", network.ipv6, first.ipv6);
  clash("mac-address", "MAC address", network.mac, first.mac);
  clash("link-local-ip", "link-local IP addresses", network.linkLocalIps, first.linkLocalIps);
  return {
    ...network,
    aliases: first.aliases.length > 0 ? first.aliases : network.aliases,
    // on the default bridge --link is a legacy link, which HostConfig carries
    links: isUserDefined(network.target) ? first.links : [],
    ipv4: first.ipv4 || network.ipv4,
    ipv6: first.ipv6 || network.ipv6,
    linkLocalIps: first.linkLocalIps.length > 0 ? first.linkLocalIps : network.linkLocalIps,
    mac: first.mac || network.mac,
  };
}

function settingsOf(network: Attachment) {
  if (network.target.trim() === "") throw new FlagValueError("no name set for network");
  if (!isUserDefined(network.target) && network.aliases.length > 0)
    throw new FlagValueError("network-scoped aliases are only supported for user-defined networks");
  if (network.mac !== "" && !isMac(network.mac.trim()))
    throw new FlagValueError(`${network.mac} is not a valid mac address`);
  const { ipv4, ipv6, linkLocalIps } = network;
  const hasAddress = ipv4 !== "" || ipv6 !== "" || linkLocalIps.length > 0;
  return {
    IPAMConfig: hasAddress
      ? {
          ...(ipv4 ? { IPv4Address: ipv4 } : {}),
          ...(ipv6 ? { IPv6Address: ipv6 } : {}),
          ...(linkLocalIps.length > 0 ? { LinkLocalIPs: linkLocalIps } : {}),
        }
      : null,
    Links: network.links.length > 0 ? network.links : null,
    Aliases: network.aliases.length > 0 ? network.aliases : null,
    MacAddress: network.mac,
    DriverOpts: Object.keys(network.driverOpts).length > 0 ? network.driverOpts : null,
    GwPriority: network.gatewayPriority,
    NetworkID: "",
    EndpointID: "",
    Gateway: "",
    IPAddress: "",
    IPPrefixLen: 0,
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}

export type EndpointSettings = ReturnType<typeof settingsOf>;

const isDefault = (settings: EndpointSettings): boolean =>
  Object.values(settings).every((value) => value === null || value === "" || value === 0);
