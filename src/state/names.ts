/**
 * Who is called what, on which network, by whom: the pure core of the embedded DNS server (docker-reference 6.2).
 * Source: moby daemon/container_operations.go buildEndpointDNSNames, daemon/libnetwork/sandbox.go ResolveName, network.go ResolveIP.
 */
import type { Ipv4 } from "../net/address.ts";
import { isUserDefined } from "./find.ts";
import { type Attachment, type Container, type Endpoint, networkById, orderEndpoints, type State } from "./state.ts";

/** Of an endpoint on a user-defined network: container name, aliases, short id, host name if set; the first is the PTR name. */
export function dnsNames(container: Container, { aliases }: Pick<Attachment | Endpoint, "aliases">): readonly string[] {
  const { id, name, hostname, hostnameSet } = container;
  return [...new Set([name, ...aliases, id.slice(0, 12), ...(hostnameSet ? [hostname] : [])])];
}

/**
 * The addresses that `asker` gets for a name, in order of the containers; undefined: nobody on its networks is called so.
 * `a.b.c` is asked for as a whole, then as a.b on network c, then as a on network b.c.
 * @param name as spelled in the query, without its last dot
 */
export function lookupName(state: State, asker: Container, name: string): readonly Ipv4[] | undefined {
  const endpoints = orderEndpoints(state, asker.endpoints).filter((e) => isUserDefined(networkById(state, e.network)));
  for (const { called, network } of splitsOf(name)) {
    const asked = endpoints.filter((e) => network === undefined || networkById(state, e.network).name === network);
    for (const lookup of [linkedAddresses, plainAddresses]) {
      for (const endpoint of asked) {
        const addresses = lookup(state, asker, endpoint, called);
        if (addresses.length > 0) return addresses;
      }
    }
  }
  return undefined;
}

/** "web.mynet": the first name of whoever has this address on a user-defined network of `asker`. */
export function reverseName(state: State, asker: Container, address: string): string | undefined {
  for (const { network } of orderEndpoints(state, asker.endpoints)) {
    const found = networkById(state, network);
    if (!isUserDefined(found)) continue;
    for (const container of state.containers) {
      const endpoint = container.endpoints.find((e) => e.network === network && e.address === address);
      const [first] = endpoint ? dnsNames(container, endpoint) : [];
      if (first !== undefined) return `${first}.${found.name}`;
    }
  }
  return undefined;
}

interface Split {
  readonly called: string;
  readonly network?: string;
}

/** Dots may stand in names and in networks' names; a DNS name has at most 127 of them. */
function splitsOf(name: string): readonly Split[] {
  const labels = name.split(".");
  const tails = labels.slice(1).map((_, i) => labels.length - 1 - i);
  return [
    { called: name },
    ...tails.map((at) => ({ called: labels.slice(0, at).join("."), network: labels.slice(at).join(".") })),
  ];
}

/** By an alias of the asker's own links, spelled exactly; it stands for the name of its target. */
function linkedAddresses(state: State, asker: Container, endpoint: Endpoint, alias: string): readonly Ipv4[] {
  const target = linksOn(asker, endpoint).find((l) => l.alias === alias)?.target;
  return target === undefined ? [] : addressesOf(state, endpoint.network, target);
}

/** A link's alias hides the container of that name. */
function plainAddresses(state: State, asker: Container, endpoint: Endpoint, name: string): readonly Ipv4[] {
  const hidden = linksOn(asker, endpoint).some((l) => l.alias === name);
  return hidden ? [] : addressesOf(state, endpoint.network, name);
}

function linksOn({ attachments }: Container, { network }: Endpoint): Attachment["links"] {
  return attachments.find((a) => a.networkId === network)?.links ?? [];
}

/** Of everyone on the network who is called so, upper or lower case. */
function addressesOf(state: State, network: string, name: string): readonly Ipv4[] {
  return indexNames(state).get(keyOf(network, name)) ?? [];
}

/** Made once per state, for a name server asks thousands of times; pure, as a State never changes. */
const indexes = new WeakMap<State, ReadonlyMap<string, readonly Ipv4[]>>();

function indexNames(state: State): ReadonlyMap<string, readonly Ipv4[]> {
  const known = indexes.get(state);
  if (known) return known;
  const index = new Map<string, Ipv4[]>();
  for (const container of state.containers) {
    for (const endpoint of container.endpoints) {
      for (const key of new Set(dnsNames(container, endpoint).map((n) => keyOf(endpoint.network, n))))
        index.set(key, [...(index.get(key) ?? []), endpoint.address]);
    }
  }
  indexes.set(state, index);
  return index;
}

const keyOf = (network: string, name: string): string => `${network} ${name.toLowerCase()}`;
