/**
 * Which rules a network gets, in all iptables layouts of dockerd's versions.
 * Source: moby daemon/libnetwork/drivers/bridge/internal/iptabler/network.go; 20.10: libnetwork drivers/bridge/setup_ip_tables.go
 */
import type { BridgeNetwork, State } from "../../state/state.ts";
import { ownerOfNetwork } from "./owner.ts";
import type { Match, Purpose, Rule, Target } from "./rule.ts";
import { ACCEPT, DROP, filter, jumpTo, MASQUERADE, rule } from "./rule-parts.ts";

/** Both are inserted at the head, the one for local traffic last. */
export function masqueradeRules(state: State, network: BridgeNetwork): Rule[] {
  if (network.internal) return [];
  const target: Target = network.snatTo ? { kind: "SNAT", to: network.snatTo } : MASQUERADE;
  const owner = ownerOfNetwork(network);
  return [
    ...(state.engine.userlandProxy
      ? []
      : [rule("nat", "POSTROUTING", "masquerade-local", owner, { out: network.bridge, srcType: "LOCAL" }, target)]),
    ...(network.masquerade && network.gatewayMode !== "routed"
      ? [
          rule(
            "nat",
            "POSTROUTING",
            "masquerade",
            owner,
            { source: network.subnet, out: { not: network.bridge } },
            target,
          ),
        ]
      : []),
  ];
}

/** DOCKER, per network since 28: ping in routed mode, then what is not accepted above is dropped (unprotected: accepted). */
export function defaultRules(network: BridgeNetwork): Rule[] {
  const owner = ownerOfNetwork(network);
  const unprotected = network.gatewayMode === "nat-unprotected";
  const match: Match = { in: { not: network.bridge }, out: network.bridge };
  return [
    ...(network.gatewayMode === "routed"
      ? [rule("filter", "DOCKER", "routed-icmp", owner, { out: network.bridge, proto: "icmp" }, ACCEPT)]
      : []),
    rule(
      "filter",
      "DOCKER",
      unprotected ? "default-accept" : "default-drop",
      owner,
      match,
      unprotected ? ACCEPT : DROP,
    ),
  ];
}

/** DOCKER-FORWARD, per network since 28: within the bridge, and out. */
export function forwardRules(network: BridgeNetwork): Rule[] {
  const owner = ownerOfNetwork(network);
  const within: Match = { in: network.bridge, out: network.bridge };
  const forward = (purpose: Purpose, match: Match, target: Target): Rule =>
    filter("DOCKER-FORWARD", purpose, owner, match, target);
  if (network.internal)
    return [network.icc ? forward("icc-accept", within, ACCEPT) : forward("icc-drop", within, DROP)];
  if (network.icc) return [forward("outgoing", { in: network.bridge }, ACCEPT)];
  return [
    forward("icc-drop", within, DROP),
    forward("outgoing", { in: network.bridge, out: { not: network.bridge } }, ACCEPT),
  ];
}

/** Since 28: into the network by the open ports, and its replies. */
export function bridgeRule(network: BridgeNetwork): Rule {
  return filter("DOCKER-BRIDGE", "jump", ownerOfNetwork(network), { out: network.bridge }, jumpTo("DOCKER"));
}

export function repliesRule(network: BridgeNetwork, chain: string): Rule {
  const match: Match = { out: network.bridge, ctstate: ["RELATED", "ESTABLISHED"] };
  return filter(chain, "replies", ownerOfNetwork(network), match, ACCEPT);
}

/** What stands between an internal network and the rest: inserted at the head, what goes out first. */
export function internalRules(chain: string, network: BridgeNetwork): Rule[] {
  const owner = ownerOfNetwork(network);
  const { subnet, bridge } = network;
  return [
    filter(chain, "internal-in", owner, { source: { not: subnet }, out: bridge }, DROP),
    filter(chain, "internal-out", owner, { destination: { not: subnet }, in: bridge }, DROP),
  ];
}

/** Up to 28: from one bridge to another in two steps, out of the one (stage 1) and into the other (stage 2). */
export function leavingRule(network: BridgeNetwork): Rule {
  const { bridge } = network;
  const match: Match = { in: bridge, out: { not: bridge } };
  return filter(
    "DOCKER-ISOLATION-STAGE-1",
    "isolation",
    ownerOfNetwork(network),
    match,
    jumpTo("DOCKER-ISOLATION-STAGE-2"),
  );
}

export function enteringRule(network: BridgeNetwork): Rule {
  return filter("DOCKER-ISOLATION-STAGE-2", "isolation-drop", ownerOfNetwork(network), { out: network.bridge }, DROP);
}
