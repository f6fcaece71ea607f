/**
 * What can only be seen with services and networks side by side.
 * Sources: compose-go loader/validate.go; moby daemon/container_operations.go, runconfig/hostconfig_unix.go,
 * daemon/libnetwork/ipamapi/contract.go (the texts, docker-reference 2.3 and 9.6).
 */
import type { Origin } from "../errors.ts";
import { addressOf, broadcastOf, contains, type Ipv4, prefixLength } from "../net/address.ts";
import type { DeclaredService } from "./declared-service.ts";
import type { ProblemList } from "./problem-list.ts";
import type { AttachmentSpec, IpamPoolSpec, NetworkSpec, ServiceSpec } from "./spec.ts";
import { childOf, entryOf, type Mapping } from "./tree.ts";

export function checkConsistency(
  services: readonly DeclaredService[],
  networks: readonly NetworkSpec[],
  problems: ProblemList,
): void {
  const byKey = new Map(networks.map((network) => [network.key, network]));
  const keys = new Set(services.map(({ spec }) => spec.key));
  const taken = new Map<string, Set<Ipv4>>();
  const names = new Map<string, string>();
  for (const { spec, body } of services) {
    checkContainerName(spec, body, names, problems);
    checkMode(spec, body, keys, problems);
    for (const attachment of spec.attachments) checkAttachment(spec, attachment, body, byKey, taken, problems);
    checkMac(spec, problems);
  }
}

function placeOf(body: Mapping, key: string, fallback: Origin): Origin {
  return entryOf(body, key)?.at ?? fallback;
}

function checkContainerName(spec: ServiceSpec, body: Mapping, names: Map<string, string>, problems: ProblemList): void {
  if (spec.containerName === undefined) return;
  const owner = names.get(spec.containerName);
  if (owner === undefined) {
    names.set(spec.containerName, spec.key);
    return;
  }
  const at = placeOf(body, "container_name", spec.at);
  problems.error(
    at,
    `services.${spec.key}: container name "${spec.containerName}" is already in use by service ${owner}`,
  );
}

/** What Docker refuses together with a foreign network namespace. */
function checkMode(spec: ServiceSpec, body: Mapping, keys: ReadonlySet<string>, problems: ProblemList): void {
  const { mode } = spec;
  const refuse = (key: string, message: string): void => {
    if (isGiven(body, key)) problems.error(placeOf(body, key, spec.at), message);
  };
  if (mode.kind === "service" && !keys.has(mode.service)) {
    problems.error(
      placeOf(body, "network_mode", spec.at),
      `service "${mode.service}" not found for network_mode 'service:${mode.service}'`,
    );
  }
  if (mode.kind === "host") {
    refuse(
      "links",
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
    if (spec.ports.length > 0) {
      problems.warn(placeOf(body, "ports", spec.at), "Published ports are discarded when using host network mode");
    }
  }
  if (mode.kind !== "service" && mode.kind !== "container") return;
  refuse("ports", "conflicting options: port publishing and the container type network mode");
  refuse("expose", "conflicting options: port exposing and the container type network mode");
  refuse("hostname", "conflicting options: hostname and the network mode");
  refuse("dns", "conflicting options: dns and the network mode");
  refuse("extra_hosts", "conflicting options: custom host-to-IP mapping and the network mode");
  refuse(
    "links",
    "conflicting options: container type network can't be used with links. This would result in undefined behavior",
  );
}

function isGiven(body: Mapping, key: string): boolean {
  const value = childOf(body, key);
  if (value === undefined) return false;
  if (value.kind === "sequence") return value.items.length > 0;
  if (value.kind === "mapping") return value.entries.size > 0;
  return value.value !== null && value.value !== "";
}

function checkAttachment(
  spec: ServiceSpec,
  attachment: AttachmentSpec,
  body: Mapping,
  networks: ReadonlyMap<string, NetworkSpec>,
  taken: Map<string, Set<Ipv4>>,
  problems: ProblemList,
): void {
  const network = networks.get(attachment.network);
  if (!network) {
    const message = `service "${spec.key}" refers to undefined network ${attachment.network}: invalid compose project`;
    problems.error(attachment.at, message, `Declare it under the top-level \`networks:\``);
    return;
  }
  const { ipv4 } = attachment;
  if (ipv4 === undefined) return;
  const at = placeOfAddress(body, attachment);
  const used = taken.get(network.key) ?? new Set();
  taken.set(network.key, used);
  const pool = network.ipam.find(({ subnet }) => subnet !== undefined && contains(subnet, ipv4));
  const hasSubnet = network.ipam.some(({ subnet }) => subnet !== undefined);
  if (hasSubnet && !pool)
    problems.error(at, `invalid endpoint settings: no configured subnet contains IP address ${ipv4}`);
  else if (used.has(ipv4) || spec.replicas > 1 || (pool && isReserved(pool, ipv4)))
    problems.error(at, "Address already in use");
  used.add(ipv4);
}

function placeOfAddress(body: Mapping, attachment: AttachmentSpec): Origin {
  return entryOf(childOf(childOf(body, "networks"), attachment.network), "ipv4_address")?.at ?? attachment.at;
}

/** Network and broadcast address of a /30 or bigger, the gateway, auxiliary addresses (docker-reference 2.3). */
function isReserved(pool: IpamPoolSpec, address: Ipv4): boolean {
  if (pool.gateway === address || Object.values(pool.auxAddresses).includes(address)) return true;
  if (!pool.subnet || prefixLength(pool.subnet) > 30) return false;
  return address === addressOf(pool.subnet) || address === broadcastOf(pool.subnet);
}

/** docker/compose pkg/compose/create.go: the service's address is that of its main network. */
function checkMac(spec: ServiceSpec, problems: ProblemList): void {
  const [main] = [...spec.attachments].sort((a, b) => b.priority - a.priority || (a.network < b.network ? -1 : 1));
  if (!main || spec.mac === undefined || main.mac === undefined || main.mac === spec.mac) return;
  problems.error(main.at, `the service-level mac_address should have the same value as network ${main.network}`);
}
