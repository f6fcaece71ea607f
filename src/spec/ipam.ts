/**
 * `ipam:` of a network: the checks that need nothing but the file, in Docker's words.
 * Sources: moby api/types/network/ipam.go ValidateIPAM; docker CLI `network create`; moby drivers/bridge (one pool).
 */
import { DocknetError, type Origin } from "../errors.ts";
import {
  contains,
  containsSubnet,
  type Ipv4,
  isIpv4,
  isIpv6,
  parseSubnet,
  prefixLength,
  type Subnet,
} from "../net/address.ts";
import type { ProblemList } from "./problem-list.ts";
import { readMapping, readPairs, readString } from "./reader.ts";
import type { IpamPoolSpec } from "./spec.ts";
import { type Entry, entryOf, type Mapping } from "./tree.ts";

/** Docker takes the first for containers; the others only bear on a switch between them, which a lab has not. */
export const SEVERAL_SUBNETS = "docknet does not emulate several subnets of one macvlan network";

/** The IPv4 pools; an IPv6 pool is a warning. */
export function readIpam(
  entry: Entry | undefined,
  path: string,
  driver: string,
  problems: ProblemList,
): IpamPoolSpec[] {
  const ipam = readMapping(entry, path, problems, true);
  if (!ipam) return [];
  const ipamDriver = entryOf(ipam, "driver");
  const name = readString(ipamDriver, `${path}.driver`, problems);
  if (name !== undefined && name !== "default")
    problems.warn(ipamDriver?.at, `IPAM driver "${name}" is not emulated: addresses are chosen by the default one`);
  const config = entryOf(ipam, "config");
  if (!config) return [];
  if (config.value.kind !== "sequence") {
    problems.error(config.at, `${path}.config must be a array`);
    return [];
  }
  const pools = config.value.items.flatMap((item, i) => {
    const pool = readMapping({ at: item.at, value: item }, `${path}.config.${i}`, problems);
    return pool ? readPool(pool, `${path}.config.${i}`, problems) : [];
  });
  const second = pools.filter((pool) => pool.subnet !== undefined)[1];
  if (second && driver === "macvlan") problems.error(second.at, SEVERAL_SUBNETS);
  if (second && driver === "bridge") problems.error(second.at, "bridge driver doesn't support multiple subnets");
  return pools;
}

function readPool(pool: Mapping, path: string, problems: ProblemList): IpamPoolSpec[] {
  const text = (key: string): string | undefined =>
    readString(entryOf(pool, key), `${path}.${key}`, problems) || undefined;
  const at = (key: string): Origin => entryOf(pool, key)?.at ?? pool.at;
  const [subnetText, rangeText, gatewayText] = [text("subnet"), text("ip_range"), text("gateway")];
  const aux = readPairs(entryOf(pool, "aux_addresses"), `${path}.aux_addresses`, problems);
  if (isIpv6Cidr(subnetText) || (subnetText === undefined && (isIpv6Cidr(rangeText) || isIpv6(gatewayText ?? "")))) {
    problems.warn(at("subnet"), `IPv6 is not emulated: pool ${subnetText ?? rangeText ?? gatewayText} is ignored`);
    return [];
  }
  if (subnetText === undefined) {
    const orphan = rangeText !== undefined ? "ip_range" : gatewayText !== undefined ? "gateway" : undefined;
    if (orphan) problems.error(at(orphan), "every ip-range or gateway must have a corresponding subnet");
    for (const [name, { value, at: place }] of aux)
      if (!orphan) problems.error(place, `no matching subnet for aux-address ${name}=${value}`);
    return [];
  }
  const subnet = problems.attempt(at("subnet"), () => parseSubnet(subnetText));
  if (!subnet) return [];
  const ipRange =
    rangeText === undefined ? undefined : problems.attempt(at("ip_range"), () => parseIpRange(rangeText, subnet));
  const gateway =
    gatewayText === undefined
      ? undefined
      : problems.attempt(at("gateway"), () => parseInside(gatewayText, `gateway ${gatewayText}`, subnet));
  const auxAddresses = [...aux].flatMap(([name, { value, at: place }]): [string, Ipv4][] => {
    const address = problems.attempt(place, () => parseInside(value, `auxiliary address ${name}`, subnet));
    return address === undefined ? [] : [[name, address]];
  });
  return [
    {
      subnet,
      ...(ipRange === undefined ? {} : { ipRange }),
      ...(gateway === undefined ? {} : { gateway }),
      auxAddresses: Object.fromEntries(auxAddresses),
      at: pool.at,
    },
  ];
}

const isIpv6Cidr = (text: string | undefined): boolean => text !== undefined && isIpv6(text.split("/")[0] ?? "");

function parseIpRange(text: string, subnet: Subnet): Subnet {
  if (isIpv6Cidr(text)) throw new DocknetError("LAB_FILE", `invalid ip-range ${text}: parent subnet is an IPv4 block`);
  const range = parseSubnet(text, "ip-range");
  if (prefixLength(range) < prefixLength(subnet)) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${subnet}`,
    );
  }
  if (!containsSubnet(subnet, range)) {
    throw new DocknetError("LAB_FILE", `invalid ip-range ${text}: parent subnet ${subnet} doesn't contain ip-range`);
  }
  return range;
}

function parseInside(text: string, what: string, subnet: Subnet): Ipv4 {
  if (isIpv6(text)) throw new DocknetError("LAB_FILE", `invalid ${what}: parent subnet is an IPv4 block`);
  if (!isIpv4(text)) throw new DocknetError("LAB_FILE", `invalid ${what}: invalid address`);
  if (!contains(subnet, text))
    throw new DocknetError("LAB_FILE", `invalid ${what}: parent subnet ${subnet} doesn't contain this address`);
  return text;
}
