/**
 * A network that somebody else made and a file only names: nobody here knows its subnet. Where services have fixed addresses on it, one is
 * taken that holds them, so that the lab can be built; Docker would take whatever the network has.
 */
import type { Problem } from "../errors.ts";
import { fromNumber, type Ipv4, type Subnet, toNumber } from "../net/address.ts";
import type { NetworkSpec, Spec } from "../spec/spec.ts";

/** As a LAN usually has; shorter only where the addresses lie further apart. */
const LONGEST_PREFIX = 24;
const SHORTEST_PREFIX = 8;

export interface InferredPool {
  readonly subnet: Subnet;
  /** Not the usual one where a service has that address. */
  readonly gateway: Ipv4;
  readonly warning: Problem;
}

/** @returns undefined for a network of the file's own, and where no service has a fixed address */
export function inferredPool(spec: Spec, network: NetworkSpec): InferredPool | undefined {
  if (!network.external) return undefined;
  const fixed = spec.services.flatMap((service) =>
    service.attachments.flatMap((a) => (a.network === network.key && a.ipv4 ? [toNumber(a.ipv4)] : [])),
  );
  const [first] = fixed;
  if (first === undefined) return undefined;
  const baseOf = (address: number, prefix: number): number => address - (address % 2 ** (32 - prefix));
  let prefix = LONGEST_PREFIX;
  while (prefix > SHORTEST_PREFIX && fixed.some((a) => baseOf(a, prefix) !== baseOf(first, prefix))) prefix--;
  const base = baseOf(first, prefix);
  let gateway = base + 1;
  while (fixed.includes(gateway)) gateway++;
  const subnet = `${fromNumber(base)}/${prefix}` as Subnet;
  return {
    subnet,
    gateway: fromNumber(gateway),
    warning: {
      message: `network ${network.name} is external, and its subnet is not known: ${subnet} is taken, which holds the addresses of its services`,
      remedy:
        "Make it with that subnet where the file is to run, or give the lab the real one: a network of the same key without `external`",
      at: network.at,
    },
  };
}
