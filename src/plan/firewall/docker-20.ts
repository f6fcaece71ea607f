/**
 * Firewall profile docker-20.10: the classic layout of tutorials, rule for rule and in order. Each rule was seen at 20.10.24
 * (test/golden/profiles/docker-20.10).
 *
 *   nat    PREROUTING, OUTPUT  --dst-type LOCAL -> DOCKER: a network's own containers go on to the proxy, others are DNATed
 *          POSTROUTING  masquerade per network, then per port for a container that calls itself, proxy or not
 *   filter FORWARD -> DOCKER-USER, DOCKER-ISOLATION-STAGE-1 (internal networks; from bridge to bridge -> STAGE-2), then per network,
 *                   newest first: replies, DOCKER (open ports), outgoing, within the bridge; at the end the drops of icc=false
 *
 * Nothing is dropped by default but by the policy of FORWARD, and nothing guards container addresses: no raw rules. The rule that
 * 20.10 puts into mangle for an sctp port, which only mends checksums, is left out.
 * Source: libnetwork drivers/bridge/setup_ip_tables.go, iptables/iptables.go, firewall_linux.go as vendored at moby v20.10.24.
 */
import { type BridgeNetwork, bridgesOf, type Container, type PortBinding, type State } from "../../state/state.ts";
import { enteringRule, internalRules, leavingRule, masqueradeRules, repliesRule } from "./network-rules.ts";
import { ENGINE, ownerOfNetwork } from "./owner.ts";
import { dnatRules, hairpinRules, natJumps, openPortRules, skipDnatRules } from "./port-rules.ts";
import type { Rule, Ruleset } from "./rule.ts";
import {
  ACCEPT,
  byProgramming,
  chainsOf,
  DROP,
  engineJump,
  filter,
  jumpTo,
  newestFirst,
  RETURN,
  unique,
} from "./rule-parts.ts";

const [STAGE_1, STAGE_2] = ["DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"] as const;

export function docker20Ruleset(state: State): Ruleset {
  return {
    chains: chainsOf(state, ["DOCKER", STAGE_1, STAGE_2, "DOCKER-USER"]).filter((c) => c.table !== "raw"),
    rules: [...natRules(state), ...filterRules(state)],
  };
}

function natRules(state: State): Rule[] {
  const containers = byProgramming(state).map(highestPortFirst);
  return [
    ...natJumps(state),
    ...newestFirst(bridgesOf(state)).flatMap((n) => masqueradeRules(state, n)),
    ...containers.flatMap((c) => hairpinRules(state, c)),
    ...newestFirst(bridgesOf(state)).flatMap((n) => skipDnatRules(state, n)),
    ...containers.flatMap((c) => dnatRules(state, c)),
  ];
}

function filterRules(state: State): Rule[] {
  const outside = newestFirst(bridgesOf(state).filter((n) => !n.internal));
  const goBack = (chain: string): Rule => filter(chain, "return", ENGINE, {}, RETURN);
  return [
    engineJump("FORWARD", "DOCKER-USER"),
    engineJump("FORWARD", STAGE_1),
    ...newestFirst(bridgesOf(state)).flatMap(forwardRules),
    ...bridgesOf(state)
      .filter((n) => !n.icc)
      .map((n) => withinRule(n)),
    ...unique(
      byProgramming(state)
        .map(highestPortFirst)
        .flatMap((c) => openPortRules(state, c)),
    ),
    ...newestFirst(bridgesOf(state)).flatMap((n) => (n.internal ? internalRules(STAGE_1, n) : [leavingRule(n)])),
    goBack(STAGE_1),
    ...outside.map(enteringRule),
    goBack(STAGE_2),
    goBack("DOCKER-USER"),
  ];
}

/** FORWARD, per network; each was inserted at the head, the last one first. */
function forwardRules(network: BridgeNetwork): Rule[] {
  const owner = ownerOfNetwork(network);
  const { bridge } = network;
  const within = network.icc ? [withinRule(network)] : [];
  if (network.internal) return within;
  return [
    repliesRule(network, "FORWARD"),
    filter("FORWARD", "jump", owner, { out: bridge }, jumpTo("DOCKER")),
    filter("FORWARD", "outgoing", owner, { in: bridge, out: { not: bridge } }, ACCEPT),
    ...within,
  ];
}

function withinRule(network: BridgeNetwork): Rule {
  const { bridge, icc } = network;
  const owner = ownerOfNetwork(network);
  return filter("FORWARD", icc ? "icc-accept" : "icc-drop", owner, { in: bridge, out: bridge }, icc ? ACCEPT : DROP);
}

/**
 * The order in which 20.10 binds a container's ports, as go-connections' SortPortMap leaves them. Where a higher host port leads to a lower
 * port of the container it is random there.
 */
function highestPortFirst(container: Container): Container {
  const rank = (b: PortBinding): number => b.hostPort ?? 0;
  return { ...container, bindings: [...container.bindings].sort((a, b) => rank(b) - rank(a)) };
}
