/** `NetworkSettings` of a container. Field order and nulls as dockerd 28.5.2. Source: moby api/types/container/network_settings.go. */
import { prefixLength } from "../../net/address.ts";
import { HOST, type NodeName, netnsName } from "../../net/name.ts";
import { allNetworks, isUserDefined } from "../../state/find.ts";
import { dnsNames } from "../../state/names.ts";
import { publishingEndpoint } from "../../state/port-binding.ts";
import {
  type AnyNetwork,
  type Attachment,
  type Container,
  type Endpoint,
  type EndpointPart,
  gatewayEndpoint,
  hasAddresses,
  hasDefaultGateway,
  type State,
} from "../../state/state.ts";
import { sortedMap } from "./json.ts";
import { predefinedEndpointId } from "./network-json.ts";

const NO_IPV6 = { IPv6Gateway: "", GlobalIPv6Address: "", GlobalIPv6PrefixLen: 0 };

/** As inspect shows it. */
export function networkSettings(state: State, container: Container): object {
  const onDefault = container.endpoints.find((e) => state.networks.some((n) => n.id === e.network && n.isDefault));
  const owned = container.sandbox.kind === "container" ? "" : container.sandboxId;
  const place = onDefault ? addresses(state, onDefault) : NOWHERE;
  return {
    Bridge: "",
    SandboxID: owned,
    SandboxKey: owned === "" ? "" : `/var/run/netns/${netnsName(state.lab, nodeOf(container))}`,
    Ports: portMap(state, container),
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onDefault?.id ?? "",
    Gateway: place.Gateway,
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: place.IPAddress,
    IPPrefixLen: place.IPPrefixLen,
    IPv6Gateway: "",
    MacAddress: onDefault?.mac ?? "",
    Networks: networksMap(state, container, fullEndpoint),
  };
}

/** `NetworkSettings.Networks` as `docker ps` gets it: without what people asked for. */
export function networkSummaries(state: State, container: Container): object {
  return networksMap(state, container, (s, c, a, network) => ({
    ...fullEndpoint(s, c, a, network),
    Aliases: null,
    Links: null,
    DriverOpts: null,
    DNSNames: null,
  }));
}

const nodeOf = (container: Container): NodeName => (container.sandbox.kind === "host" ? HOST : container.node);

type Render = (state: State, container: Container, attachment: Attachment, network: AnyNetwork | undefined) => object;

function networksMap(state: State, container: Container, render: Render): Record<string, object> {
  const entries = container.attachments.map((attachment) => {
    const { networkId, network } = attachment;
    const found = allNetworks(state).find((n) => (networkId === undefined ? n.name === network : n.id === networkId));
    return [network, render(state, container, attachment, found)] as const;
  });
  return sortedMap(Object.fromEntries(entries));
}

const NOWHERE = { Gateway: "", IPAddress: "", IPPrefixLen: 0 };

function fullEndpoint(state: State, container: Container, attachment: Attachment, network?: AnyNetwork): object {
  const endpoint = network && container.endpoints.find((e) => e.network === network.id);
  const place = endpoint ? addresses(state, endpoint) : NOWHERE;
  const { aliases, links, driverOpts, given = [] } = attachment;
  const nothing = <T>(part: EndpointPart, empty: T): T | null => (given.includes(part) ? empty : null);
  return {
    IPAMConfig: ipamConfig(attachment) ?? nothing("IPAMConfig", {}),
    Links: links.length > 0 ? links.map(({ target, alias }) => `${target}:${alias}`) : nothing("Links", []),
    Aliases: aliases.length > 0 ? aliases : nothing("Aliases", []),
    MacAddress: endpoint?.mac ?? attachment.mac ?? "",
    DriverOpts: Object.keys(driverOpts).length > 0 ? sortedMap(driverOpts) : nothing("DriverOpts", {}),
    GwPriority: attachment.gwPriority,
    NetworkID: attachment.networkId ?? "",
    EndpointID: endpoint?.id ?? idWithoutEndpoint(container, network),
    ...place,
    ...NO_IPV6,
    DNSNames: attachment.networkId || attachment.connected ? shownNames(container, attachment, network) : null,
  };
}

/** `host` and `none` of a running container. */
function idWithoutEndpoint(container: Container, network: AnyNetwork | undefined): string {
  if (!network || hasAddresses(network) || container.status !== "running") return "";
  return predefinedEndpointId(container, network.id);
}

function ipamConfig({ address, address6, linkLocal }: Attachment): object | null {
  if (!address && !address6 && linkLocal.length === 0) return null;
  return {
    ...(address ? { IPv4Address: address } : {}),
    ...(address6 ? { IPv6Address: address6 } : {}),
    ...(linkLocal.length > 0 ? { LinkLocalIPs: linkLocal } : {}),
  };
}

function addresses(state: State, endpoint: Endpoint): { Gateway: string; IPAddress: string; IPPrefixLen: number } {
  const network = state.networks.find((n) => n.id === endpoint.network);
  if (!network) return NOWHERE;
  return {
    Gateway: hasDefaultGateway(network) ? (network.gateway ?? "") : "",
    IPAddress: endpoint.address,
    IPPrefixLen: prefixLength(network.subnet),
  };
}

/** None on a predefined network. */
function shownNames(container: Container, attachment: Attachment, network?: AnyNetwork): readonly string[] | null {
  return network && isUserDefined(network) ? dnsNames(container, attachment) : null;
}

/** "80/tcp" to where it is published; null: exposed only. Empty when no network of the container leads out, or a macvlan does. */
export function portMap(state: State, container: Container): Record<string, readonly object[] | null> {
  if (!gatewayEndpoint(state, container.endpoints)) return {};
  const exposed = publishingEndpoint(state, container) ? container.exposed : [];
  const ports: Record<string, object[] | null> = {};
  for (const { port, proto } of exposed) ports[`${port}/${proto}`] = null;
  for (const { target, proto, hostIp, hostPort } of container.bindings) {
    const key = `${target}/${proto}`;
    ports[key] = [...(ports[key] ?? []), { HostIp: hostIp, HostPort: hostPort === undefined ? "" : String(hostPort) }];
  }
  return sortedMap(ports);
}
