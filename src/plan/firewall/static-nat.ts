/**
 * 1:1 NAT of the home router: a public address of its own for one machine of the LAN. Only the address changes, so every port and
 * protocol leads in, ping too, and source ports stay as they are; N:1 has one address for all and tells them apart by the port (RFC 3022).
 */
import type { IfAddr, Ipv4 } from "../../net/address.ts";
import type { IfName } from "../../net/name.ts";
import type { State } from "../../state/state.ts";
import type { Owner, Rule } from "./rule.ts";

type Router = State["world"]["router"];

/**
 * The router bears the public addresses itself, so that it answers ARP for them on the provider's line. As /32: no route and no choice
 * of a source address follows from them, and they stay when the router's own address is changed.
 */
export function staticAddresses({ static: mappings }: Router): IfAddr[] {
  return mappings.map((m) => `${m.public}/32` as IfAddr);
}

/** nat PREROUTING, for what comes from the internet. */
export function staticIn({ static: mappings }: Router, wan: IfName): Rule[] {
  return mappings.map((m) => ({
    table: "nat",
    chain: "PREROUTING",
    match: { destination: m.public, in: wan },
    target: { kind: "DNAT", to: m.to },
    purpose: "static-in",
    owner: ownerOf(m),
  }));
}

/** nat POSTROUTING, for what goes there. Of an answer conntrack already knows the address. */
export function staticOut({ static: mappings }: Router, wan: IfName): Rule[] {
  return mappings.map((m) => ({
    table: "nat",
    chain: "POSTROUTING",
    match: { source: m.to, out: wan },
    target: { kind: "SNAT", to: m.public },
    purpose: "static-out",
    owner: ownerOf(m),
  }));
}

export function hasStatic({ static: mappings }: Router, address: Ipv4): boolean {
  return mappings.some((m) => m.public === address);
}

const ownerOf = (m: Router["static"][number]): Owner => ({
  kind: "router",
  label: `router static ${m.public} to ${m.to}`,
  at: m.at,
});
