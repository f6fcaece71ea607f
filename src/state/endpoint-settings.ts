/**
 * What may be said of an endpoint: the settings of create and connect, checked together as dockerd does.
 * Source: moby daemon/container_operations.go validateEndpointSettings, api/types/network/endpoint.go; the whole table is recorded from
 * 28.5.2 in test/golden/docker/endpoints.json.
 */
import type { DocknetError, Origin } from "../errors.ts";
import { ANY_IPV4, contains, type Ipv4, isIpv4, isIpv6, parseIpv6 } from "../net/address.ts";
import type { Mac } from "../net/mac.ts";
import type { IfName } from "../net/name.ts";
import { isConfig } from "./config-network.ts";
import { ENDPOINT_SYSCTL, splitSysctls } from "./endpoint.ts";
import { joinFaults, originOf, refusal } from "./refusal.ts";
import { type AnyNetwork, type Attachment, type EndpointPart, hasAddresses } from "./state.ts";

/** Addresses are texts until they are checked against the network. */
export interface EndpointRequest {
  /** Name, id or id prefix of the network. */
  readonly network: string;
  readonly address?: string;
  readonly address6?: string;
  readonly mac?: Mac;
  readonly ifName?: IfName;
  readonly aliases?: readonly string[];
  readonly linkLocal?: readonly string[];
  readonly driverOpts?: Readonly<Record<string, string>>;
  readonly gwPriority?: number;
  readonly links?: Attachment["links"];
  readonly given?: readonly EndpointPart[];
  readonly at?: Origin;
}

/** What the user asked for, with Docker's defaults. Only for a request without fault. */
export function attachmentOf(request: EndpointRequest, network: string): Attachment {
  const { address, address6, linkLocal = [] } = request;
  return {
    network,
    ...(address && isIpv4(address) ? { address } : {}),
    ...(address6 ? { address6: parseIpv6(address6) } : {}),
    ...(request.mac ? { mac: request.mac } : {}),
    ...(request.ifName ? { ifName: request.ifName } : {}),
    aliases: request.aliases ?? [],
    linkLocal: linkLocal.filter((text) => isIpv4(text)),
    driverOpts: request.driverOpts ?? {},
    gwPriority: request.gwPriority ?? 0,
    links: request.links ?? [],
    ...(request.given?.length ? { given: request.given } : {}),
    ...originOf(request),
  };
}

/**
 * What no endpoint of this network can have, as one error; undefined when there is nothing.
 * @param name as the engine knows the network; @param network undefined: not there yet, and nothing is checked against it
 * @param prefix says whose settings they are
 */
export function endpointFault(
  name: string,
  network: AnyNetwork | undefined,
  request: EndpointRequest,
  prefix = "",
): DocknetError | undefined {
  const faults = [
    ...predefinedFaults(name, request),
    ...addressFaults(request),
    ...(network && !isConfig(network) ? rangeFaults(network, request) : []),
    ...sysctlFaults(request),
  ];
  if (faults.length === 0) return undefined;
  return refusal(400, `${prefix}invalid endpoint settings:\n${joinFaults(faults)}`, originOf(request));
}

/** Goes by the name alone (moby api/types/container NetworkMode.IsUserDefined). */
const isPredefined = (name: string): boolean =>
  ["default", "bridge", "host", "none"].includes(name) || name.startsWith("container:");

function predefinedFaults(name: string, { address, address6, aliases = [] }: EndpointRequest): string[] {
  if (!isPredefined(name)) return [];
  return [
    ...(address || address6 ? ["user specified IP address is supported on user defined networks only"] : []),
    ...(aliases.length > 0 ? ["network-scoped alias is supported only for containers in user defined networks"] : []),
  ];
}

function addressFaults({ address, address6, linkLocal = [] }: EndpointRequest): string[] {
  return [
    ...(address && !isHostIpv4(address) ? [`invalid IPv4 address: ${address}`] : []),
    ...(address6 && !isHostIpv6(address6) ? [`invalid IPv6 address: ${address6}`] : []),
    ...linkLocal
      .filter((text) => !isHostIpv4(text) && !isHostIpv6(text))
      .map((text) => `invalid link-local IP address: ${text || '""'}`),
  ];
}

const isHostIpv4 = (text: string): text is Ipv4 => isIpv4(text) && text !== ANY_IPV4;
/** Go counts an IPv4 address in IPv6 clothes as IPv4. */
const isHostIpv6 = (text: string): boolean =>
  isIpv6(text) && parseIpv6(text) !== "::" && !parseIpv6(text).startsWith("::ffff:");

/** A text that is no address is in no subnet. No network of a lab has an IPv6 subnet. */
function rangeFaults(network: AnyNetwork, { address, address6 }: EndpointRequest): string[] {
  const unconfigured =
    "user specified IP address is supported only when connecting to networks with user configured subnets";
  const inRange = (): string[] => {
    if (!address) return [];
    if (!hasAddresses(network) || !network.subnetGiven) return [unconfigured];
    if (isIpv4(address) && contains(network.subnet, address)) return [];
    return [`no configured subnet or ip-range contain the IP address ${address}`];
  };
  return [...inRange(), ...(address6 ? [unconfigured] : [])];
}

function sysctlFaults({ driverOpts = {} }: EndpointRequest): string[] {
  return splitSysctls(driverOpts[ENDPOINT_SYSCTL]).flatMap(({ text, key }) =>
    key
      ? []
      : [
          `unrecognised network interface sysctl '${text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
        ],
  );
}
