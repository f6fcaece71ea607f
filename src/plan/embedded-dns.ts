/**
 * The way to the embedded DNS server: it listens at 127.0.0.11 in the container's own namespace on two high ports, and nat rules there
 * lead port 53 to them and give the answers port 53 back. Source: moby daemon/libnetwork/resolver_unix.go setupIPTable; docker-reference 6.1.
 */
import type { Ipv4 } from "../net/address.ts";
import type { Port } from "../net/port.ts";
import { deriveId } from "../state/id.ts";
import type { Container } from "../state/state.ts";
import { EMPTY_RULESET, type Match, type Owner, type Purpose, type Rule, type Ruleset, type Target } from "./rule.ts";

export const EMBEDDED_DNS = "127.0.0.11" as Ipv4;
const DNS_PORT = 53 as Port;

export interface ResolverPorts {
  readonly udp: Port;
  readonly tcp: Port;
}

/**
 * Where the server of a container's sandbox listens; undefined: it has none, for it has had no user-defined network yet. Docker draws
 * the ports at random; here they follow from the sandbox and lie below the ephemeral range, so that no client's socket ever holds one.
 */
export function resolverPorts(container: Container): ResolverPorts | undefined {
  if (!container.resolver) return undefined;
  const number = Number.parseInt(deriveId("dns", container.sandboxId).slice(0, 8), 16);
  const udp = 10_000 + 2 * (number % 11_000);
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
