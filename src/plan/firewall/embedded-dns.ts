/**
 * The way to the embedded DNS server: it listens at 127.0.0.11 in the container's own namespace on two high ports, and nat rules there
 * lead port 53 to them and give the answers port 53 back. Source: moby daemon/libnetwork/resolver_unix.go setupIPTable; docker-reference 6.1.
 */
import type { Ipv4 } from "../../net/address.ts";
import { type Port, portKey } from "../../net/port.ts";
import { deriveId } from "../../state/id.ts";
import type { Container } from "../../state/state.ts";
import { EMPTY_RULESET, type Match, type Owner, type Purpose, type Rule, type Ruleset, type Target } from "./rule.ts";

export const EMBEDDED_DNS = "127.0.0.11" as Ipv4;
const DNS_PORT = 53 as Port;
/** Pairs of an even port for udp and the next one for tcp: 10000 to 31999. */
const [FIRST_PAIR, PAIRS] = [10_000, 11_000];

export interface ResolverPorts {
  readonly udp: Port;
  readonly tcp: Port;
}

/**
 * Where the server of a container's sandbox listens; undefined: it has none, for it has had no user-defined network yet. Docker draws
 * the ports at random; here they follow from the sandbox and lie below the ephemeral range, so that no client's socket ever holds one.
 * What the container serves itself it listens on at every address, 127.0.0.11 too: that is passed over.
 */
export function resolverPorts(container: Container): ResolverPorts | undefined {
  return container.resolver ? (freePair(container) ?? pairOf(container, 0)) : undefined;
}

/** Does the container leave its server two ports to listen on? */
export const hasResolverPorts = (container: Container): boolean =>
  !container.resolver || freePair(container) !== undefined;

function freePair(container: Container): ResolverPorts | undefined {
  const served = new Set(container.serves.map(({ port, proto }) => portKey(port, proto)));
  for (let i = 0; i < PAIRS; i++) {
    const pair = pairOf(container, i);
    if (!served.has(portKey(pair.udp, "udp")) && !served.has(portKey(pair.tcp, "tcp"))) return pair;
  }
  return undefined;
}

/** @param i how many were not free */
function pairOf({ sandboxId }: Container, i: number): ResolverPorts {
  const number = Number.parseInt(deriveId("dns", sandboxId).slice(0, 8), 16);
  const udp = FIRST_PAIR + 2 * ((number + i) % PAIRS);
  return { udp: udp as Port, tcp: (udp + 1) as Port };
}

export function resolverRules(container: Container): Ruleset {
  const ports = resolverPorts(container);
  if (!ports) return EMPTY_RULESET;
  const owner: Owner = {
    kind: "endpoint",
    label: `DNS of ${container.node}`,
    ...(container.at ? { at: container.at } : {}),
  };
  return resolverRuleset(ports, owner);
}

/** Docker's six rules, for a server that listens at these ports. */
export function resolverRuleset(ports: ResolverPorts, owner: Owner): Ruleset {
  const rule = (chain: string, purpose: Purpose, match: Match, target: Target): Rule => ({
    table: "nat",
    chain,
    purpose,
    match,
    target,
    owner,
  });
  const to: Match = { destination: EMBEDDED_DNS };
  const from: Match = { source: EMBEDDED_DNS };
  const protos = ["tcp", "udp"] as const;
  return {
    chains: [
      { table: "nat", name: "OUTPUT", policy: "ACCEPT" },
      { table: "nat", name: "POSTROUTING", policy: "ACCEPT" },
      { table: "nat", name: "DOCKER_OUTPUT" },
      { table: "nat", name: "DOCKER_POSTROUTING" },
    ],
    rules: [
      rule("OUTPUT", "jump", to, { kind: "JUMP", chain: "DOCKER_OUTPUT" }),
      rule("POSTROUTING", "jump", to, { kind: "JUMP", chain: "DOCKER_POSTROUTING" }),
      ...protos.map((proto) =>
        rule(
          "DOCKER_OUTPUT",
          "dns-query",
          { ...to, proto, dport: DNS_PORT },
          { kind: "DNAT", to: EMBEDDED_DNS, port: ports[proto] },
        ),
      ),
      ...protos.map((proto) =>
        rule(
          "DOCKER_POSTROUTING",
          "dns-answer",
          { ...from, proto, sport: ports[proto] },
          { kind: "SNAT", port: DNS_PORT },
        ),
      ),
    ],
  };
}
