/**
 * What a lab file says of names that cannot work in the lab, or nowhere: servers and addresses that the lab's world does not have, and
 * names that no question of DNS finds. Docker takes all of it in silence; a lab says so, once for each thing, whoever names it.
 */
import type { Problem } from "../errors.ts";
import { contains, type Ipv4, type Ipv6, isIpv4, isLoopback } from "../net/address.ts";
import { dnsNameFault } from "../net/dns-name.ts";
import { isUserDefined } from "./find.ts";
import { fileOwner } from "./hosts.ts";
import { dnsNames } from "./names.ts";
import { originOf } from "./refusal.ts";
import { type Container, isHostAddress, networkById, type State, sandboxOwner } from "./state.ts";

const DNS_PORT = 53;
const EMBEDDED_DNS = "127.0.0.11";
/** The one domain of the lab's internet (dns/zone.ts). */
const DOMAIN = "example.test";

export function nameWarnings(state: State): Problem[] {
  return [...deadServers(state), ...strangeDomains(state), ...strangeHosts(state), ...oddNames(state)];
}

/** What containers share is said once: "of app and db". */
function once(
  state: State,
  itemsOf: (container: Container) => readonly string[],
  say: (item: string, who: string) => Omit<Problem, "at">,
): Problem[] {
  const users = new Map<string, Container[]>();
  for (const container of state.containers)
    for (const item of new Set(itemsOf(container))) users.set(item, [...(users.get(item) ?? []), container]);
  return [...users].map(([item, those]) => ({ ...say(item, namesOf(those)), ...originOf({ at: those[0]?.at }) }));
}

const SHOWN = 3;

function namesOf(containers: readonly Container[]): string {
  const names = containers.map((c) => c.node as string);
  const shown = names.length > SHOWN + 1 ? [...names.slice(0, SHOWN), `${names.length - SHOWN} others`] : names;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

function deadServers(state: State): Problem[] {
  const { dns } = state.world.internet;
  const dead = (container: Container): string[] =>
    fileOwner(state, container) === container
      ? container.dns.servers.filter((s) => serverFault(state, container, s) !== undefined)
      : [];
  return once(state, dead, (server, who) => {
    const user = state.containers.find((c) => c.dns.servers.includes(server as Ipv4));
    return {
      message: `DNS server ${server} of ${who} answers nothing here: ${user ? serverFault(state, user, server as Ipv4) : ""}`,
      remedy: `Leave it out, name ${dns}, the name server of the lab's internet, or a service that serves 53/udp`,
    };
  });
}

function serverFault(state: State, container: Container, server: Ipv4 | Ipv6): string | undefined {
  if (!isIpv4(server)) return "the lab has no IPv6";
  const { world } = state;
  if (server === EMBEDDED_DNS || server === world.internet.dns) return undefined;
  const there = isLoopback(server) ? [container] : containersAt(state, server);
  const nothing = "nothing serves port 53 there";
  if (there.some((c) => servesDns(state, c))) return undefined;
  if (!isLoopback(server) && isHostAddress(state, server)) return servedAtHost(state) ? undefined : nothing;
  if (server === world.router.public && world.router.forwards.some((f) => f.publicPort === DNS_PORT)) return undefined;
  if (world.router.static.some((s) => s.public === server)) return undefined;
  return there.length > 0 || machinesOf(state).includes(server) ? nothing : "the lab's world has no such address";
}

const containersAt = (state: State, address: Ipv4): Container[] =>
  state.containers.filter((c) => c.endpoints.some((e) => e.address === address));

/** The container, or one that shares its sandbox. */
function servesDns(state: State, container: Container): boolean {
  const owner = sandboxOwner(state, container);
  return state.containers.some(
    (c) => sandboxOwner(state, c) === owner && c.serves.some((s) => s.port === DNS_PORT && s.proto === "udp"),
  );
}

/** Published there, or by a service in host mode. */
function servedAtHost(state: State): boolean {
  return state.containers.some(
    (c) =>
      c.bindings.some((b) => b.hostPort === DNS_PORT && b.proto === "udp") ||
      (sandboxOwner(state, c) === "host" && c.serves.some((s) => s.port === DNS_PORT && s.proto === "udp")),
  );
}

const machinesOf = ({ world: { host, neighbour, router, internet } }: State): readonly Ipv4[] => [
  host,
  neighbour,
  router.lan,
  router.public,
  internet.www,
];

/** Only libc appends them, in the container. */
function strangeDomains(state: State): Problem[] {
  const isStrange = (domain: string): boolean => {
    const bare = domain.replace(/\.$/, "").toLowerCase();
    const isNetwork = state.networks.some((n) => n.name === bare);
    return bare !== "" && bare !== DOMAIN && !bare.endsWith(`.${DOMAIN}`) && !isNetwork;
  };
  return once(
    state,
    (c) => c.dns.search.filter(isStrange),
    (domain, who) => ({
      message: `search domain ${domain} of ${who} is empty here: the lab's internet has no such names`,
    }),
  );
}

function strangeHosts(state: State): Problem[] {
  const { world } = state;
  const isThere = (address: Ipv4): boolean =>
    isHostAddress(state, address) ||
    address === world.internet.dns ||
    machinesOf(state).includes(address) ||
    world.router.static.some((s) => s.public === address) ||
    containersAt(state, address).length > 0 ||
    state.networks.some((n) => n.gateway === address && contains(n.subnet, address));
  return once(
    state,
    (c) =>
      c.extraHosts.flatMap(({ name, address }) =>
        address === "host-gateway" || !isIpv4(address) || isThere(address) ? [] : [`${name} at ${address}`],
      ),
    (entry, who) => ({ message: `extra host ${entry} of ${who} is not there: the lab's world has no such address` }),
  );
}

/** Once for a service, whatever its number of replicas, with all of its names. */
function oddNames(state: State): Problem[] {
  const said = new Set<string>();
  return state.containers.flatMap((c) => {
    const names = c.endpoints
      .filter((e) => isUserDefined(networkById(state, e.network)))
      .flatMap((e) => [...dnsNames(c, e), ...linksOf(c)])
      .filter((name) => dnsNameFault(name) !== undefined);
    const [shortest] = [...names].sort((a, b) => a.length - b.length);
    const key = c.service ?? c.id;
    if (shortest === undefined || said.has(key)) return [];
    said.add(key);
    const others = new Set(names).size - 1;
    const more = others === 0 ? "" : ` (and ${others} more of its names)`;
    return [
      {
        message: `nobody resolves the name ${shortest} of ${c.node}${more}: it ${dnsNameFault(shortest)}`,
        remedy: "Choose another name or add an alias; by its short id a container is always found",
        ...originOf(c),
      },
    ];
  });
}

const linksOf = ({ attachments }: Container): string[] => attachments.flatMap((a) => a.links.map((l) => l.alias));
