/**
 * The addresses that `network create` was given, as text, checked all at once as dockerd does before it does anything.
 * Source: moby api/types/network/ipam.go ValidateIPAM; texts and their order seen on 28.5.2.
 */

import { DocknetError } from "../errors.ts";
import {
  contains,
  type Ipv4,
  isIpv4,
  isIpv6,
  overlaps,
  parseIfAddr,
  prefixLength,
  type Subnet,
  subnetOf,
} from "../net/address.ts";
import { joinFaults, refusal } from "./refusal.ts";

/** One entry of `IPAM.Config`; values of a lab file are texts too. */
export interface PoolRequest {
  readonly subnet?: string;
  readonly ipRange?: string;
  readonly gateway?: string;
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

export interface Pool {
  readonly subnet?: Subnet;
  readonly ipRange?: Subnet;
  readonly gateway?: Ipv4;
  readonly auxAddresses: Readonly<Record<string, Ipv4>>;
}

/** A request without a single address wants a pool of the engine's choice. @throws DocknetError LAB_FILE, in Docker's words */
export function parsePool(request: PoolRequest): Pool {
  const faults: string[] = [];
  const pool = readPool(request, faults);
  if (faults.length > 0) throw invalidConfig(faults);
  return pool;
}

/** What is wrong with any of several pools, together. @throws DocknetError LAB_FILE, in Docker's words */
export function checkPools(requests: readonly PoolRequest[]): void {
  const faults: string[] = [];
  for (const request of requests) readPool(request, faults);
  if (faults.length > 0) throw invalidConfig(faults);
}

function readPool(request: PoolRequest, faults: string[]): Pool {
  const { ipRange, gateway, auxAddresses = {} } = request;
  const names = Object.entries(auxAddresses);
  if (!request.subnet && !ipRange && !gateway && names.length === 0) return { auxAddresses: {} };
  const text = request.subnet ?? "";
  const subnet = readSubnet("subnet", text, faults);
  if (!subnet) return { auxAddresses: {} };
  const parent = { text, subnet };
  if (subnet !== text) faults.push(`invalid subnet ${text}: it should be ${subnet}`);
  const range = ipRange ? readRange(ipRange, parent, faults) : undefined;
  const gatewayIp = gateway ? readAddress(`gateway ${gateway}`, gateway, parent, faults) : undefined;
  const aux = names.flatMap(([name, address]) => {
    const ip = readAddress(`auxiliary address ${name}`, address, parent, faults);
    return ip ? [[name, ip] as const] : [];
  });
  return {
    subnet,
    ...(range ? { ipRange: range } : {}),
    ...(gatewayIp ? { gateway: gatewayIp } : {}),
    auxAddresses: Object.fromEntries(aux),
  };
}

function invalidConfig(faults: readonly string[]): DocknetError {
  return refusal(400, `invalid network config:\n${joinFaults(faults)}`);
}

/** Without its host bits. */
function readSubnet(what: string, text: string, faults: string[]): Subnet | undefined {
  try {
    return subnetOf(parseIfAddr(text));
  } catch (error) {
    if (!(error instanceof DocknetError)) throw error;
    faults.push(`invalid ${what} ${text}: invalid CIDR block notation`);
    return undefined;
  }
}

interface Parent {
  /** As it was given. */
  readonly text: string;
  readonly subnet: Subnet;
}

function readRange(text: string, { subnet, text: parent }: Parent, faults: string[]): Subnet | undefined {
  if (isIpv6(text.replace(/\/\d{1,3}$/, ""))) {
    faults.push(`invalid ip-range ${text}: parent subnet is an IPv4 block`);
    return undefined;
  }
  const range = readSubnet("ip-range", text, faults);
  if (!range) return undefined;
  if (prefixLength(range) < prefixLength(subnet))
    faults.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${parent}`);
  if (range !== text) faults.push(`invalid ip-range ${text}: it should be ${range}`);
  if (!overlaps(subnet, range))
    faults.push(`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`);
  return range;
}

function readAddress(what: string, text: string, { subnet, text: parent }: Parent, faults: string[]): Ipv4 | undefined {
  if (isIpv4(text) && contains(subnet, text)) return text;
  if (!isIpv4(text) && !isIpv6(text)) faults.push(`invalid ${what}: invalid address`);
  else if (isIpv6(text)) faults.push(`invalid ${what}: parent subnet is an IPv4 block`);
  else faults.push(`invalid ${what}: parent subnet ${parent} doesn't contain this address`);
  return undefined;
}
