/**
 * Firewall profile docker-28: what dockerd 28.2 to 28.5 leaves in iptables, rule for rule and in order. Each rule was seen at 28.5.2
 * (test/golden/profiles/docker-28).
 *
 *   raw    PREROUTING   direct access to container addresses, remote access to ports published on loopback
 *   nat    PREROUTING, OUTPUT  --dst-type LOCAL -> DOCKER: a network's own containers go on to the proxy, others are DNATed
 *          POSTROUTING  masquerade per network
 *   filter FORWARD -> DOCKER-USER, DOCKER-FORWARD -> DOCKER-CT (replies), DOCKER-ISOLATION-STAGE-1 (internal networks, routed ones;
 *                   from bridge to bridge -> STAGE-2), DOCKER-BRIDGE -> DOCKER (open ports, then default drop), then outgoing
 *
 * Source: dockerd 28.5.2 itself, docker-reference 4.6. (28.0 and 28.1 used ipsets in place of the rules per bridge.)
 */
import { type BridgeNetwork, bridgesOf, type State } from "../../state/state.ts";
import {
  bridgeRule,
  defaultRules,
  enteringRule,
  forwardRules,
  internalRules,
  leavingRule,
  masqueradeRules,
  repliesRule,
} from "./network-rules.ts";
import { ownerOfNetwork } from "./owner.ts";
import { dnatRules, hairpinRules, natJumps, openPortRules, rawRules, skipDnatRules } from "./port-rules.ts";
import type { Rule, Ruleset } from "./rule.ts";
import { ACCEPT, byProgramming, chainsOf, engineJump, filter, newestFirst, RETURN, unique } from "./rule-parts.ts";

const STAGE_1 = "DOCKER-ISOLATION-STAGE-1";
const CHAINS = [
  ...["DOCKER", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-FORWARD"],
  ...[STAGE_1, "DOCKER-ISOLATION-STAGE-2", "DOCKER-USER"],
];

export function docker28Ruleset(state: State): Ruleset {
  return { chains: chainsOf(state, CHAINS), rules: [...rawRules(state), ...natRules(state), ...filterRules(state)] };
}

function natRules(state: State): Rule[] {
  return [
    ...natJumps(state),
    ...newestFirst(bridgesOf(state)).flatMap((n) => masqueradeRules(state, n)),
    ...(state.engine.userlandProxy ? [] : byProgramming(state).flatMap((c) => hairpinRules(state, c))),
    ...newestFirst(bridgesOf(state)).flatMap((n) => skipDnatRules(state, n)),
    ...byProgramming(state).flatMap((c) => dnatRules(state, c)),
  ];
}

function filterRules(state: State): Rule[] {
  const outside = bridgesOf(state).filter((n) => !n.internal);
  return [
    engineJump("FORWARD", "DOCKER-USER"),
    engineJump("FORWARD", "DOCKER-FORWARD"),
    // ports are inserted at the head, networks appended
    ...newestFirst(unique(byProgramming(state).flatMap((c) => openPortRules(state, c)))),
    ...outside.flatMap(defaultRules),
    ...outside.map(bridgeRule),
    ...outside.map((n) => repliesRule(n, "DOCKER-CT")),
    engineJump("DOCKER-FORWARD", "DOCKER-CT"),
    engineJump("DOCKER-FORWARD", STAGE_1),
    engineJump("DOCKER-FORWARD", "DOCKER-BRIDGE"),
    ...bridgesOf(state).flatMap(forwardRules),
    // exceptions are inserted at the head of stage 1, isolation is appended there, and inserted at the head of stage 2
    ...newestFirst(bridgesOf(state)).flatMap(exceptions),
    ...outside.map(leavingRule),
    ...newestFirst(outside).map(enteringRule),
  ];
}

/** Before isolation: an internal network is shut, a routed one is open to the others. */
function exceptions(network: BridgeNetwork): Rule[] {
  if (network.internal) return internalRules(STAGE_1, network);
  if (network.gatewayMode !== "routed") return [];
  const owner = ownerOfNetwork(network);
  const replies = { in: network.bridge, ctstate: ["RELATED", "ESTABLISHED"] } as const;
  return [
    filter(STAGE_1, "routed-replies", owner, replies, ACCEPT),
    filter(STAGE_1, "routed-open", owner, { out: network.bridge }, RETURN),
  ];
}
