/**
 * Firewall profile docker-29: what dockerd of that line leaves in iptables, rule for rule and in order.
 *
 *   raw    PREROUTING   direct access to container addresses, remote access to ports published on loopback
 *   nat    PREROUTING, OUTPUT  --dst-type LOCAL -> DOCKER: DNAT per port binding
 *          POSTROUTING  masquerade per network
 *   filter FORWARD -> DOCKER-USER, DOCKER-FORWARD -> DOCKER-CT (replies), DOCKER-INTERNAL, DOCKER-BRIDGE -> DOCKER
 *                   (open ports, then default drop per network), then outgoing per network
 *
 * dockerd works by appending and inserting over time; the resulting order is a function of the order of creation, so it is
 * computed here from the state: networks oldest first where docker appends and newest first where it inserts.
 * Source: moby daemon/libnetwork/drivers/bridge/internal/iptabler {iptabler,network,endpoint,port}.go.
 */
import { bridgesOf, type State } from "../../state/state.ts";
import {
  bridgeRule,
  defaultRules,
  forwardRules,
  internalRules,
  masqueradeRules,
  repliesRule,
} from "./network-rules.ts";
import { dnatRules, hairpinRules, natJumps, openPortRules, rawRules } from "./port-rules.ts";
import type { Rule, Ruleset } from "./rule.ts";
import { byProgramming, chainsOf, engineJump, newestFirst, unique } from "./rule-parts.ts";

const CHAINS = ["DOCKER", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-FORWARD", "DOCKER-INTERNAL", "DOCKER-USER"];

export function docker29Ruleset(state: State): Ruleset {
  return { chains: chainsOf(state, CHAINS), rules: [...rawRules(state), ...natRules(state), ...filterRules(state)] };
}

function natRules(state: State): Rule[] {
  return [
    ...natJumps(state),
    ...newestFirst(bridgesOf(state)).flatMap((n) => masqueradeRules(state, n)),
    ...(state.engine.userlandProxy ? [] : byProgramming(state).flatMap((c) => hairpinRules(state, c))),
    ...byProgramming(state).flatMap((c) => dnatRules(state, c)),
  ];
}

function filterRules(state: State): Rule[] {
  const outside = bridgesOf(state).filter((n) => !n.internal);
  return [
    engineJump("FORWARD", "DOCKER-USER"),
    engineJump("FORWARD", "DOCKER-FORWARD"),
    // ports are inserted at the head, networks appended: the newest port stands first, the oldest network's default last but in order
    ...newestFirst(unique(byProgramming(state).flatMap((c) => openPortRules(state, c)))),
    ...outside.flatMap(defaultRules),
    ...outside.map(bridgeRule),
    ...outside.map((n) => repliesRule(n, "DOCKER-CT")),
    engineJump("DOCKER-FORWARD", "DOCKER-CT"),
    engineJump("DOCKER-FORWARD", "DOCKER-INTERNAL"),
    engineJump("DOCKER-FORWARD", "DOCKER-BRIDGE"),
    ...bridgesOf(state).flatMap(forwardRules),
    ...newestFirst(bridgesOf(state).filter((n) => n.internal)).flatMap((n) => internalRules("DOCKER-INTERNAL", n)),
  ];
}
