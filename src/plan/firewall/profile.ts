/**
 * The firewall of one line of dockerd releases: which rules it writes, and what a packet finds different there. The traits are said apart
 * from the rules, so that predictions by the one are checked against the kernel's word on the other.
 */
import type { State } from "../../state/state.ts";
import { docker20Ruleset } from "./docker-20.ts";
import { docker28Ruleset } from "./docker-28.ts";
import { docker29Ruleset } from "./docker-29.ts";
import type { Ruleset } from "./rule.ts";

export type FirewallProfile = State["engine"]["profile"];

/** Oldest first. */
export const PROFILES: readonly FirewallProfile[] = ["docker-20.10", "docker-28", "docker-29"];

export interface Traits {
  /** raw PREROUTING: a container's address may be used from its own bridge alone, a port on loopback by the host alone. Since 28. */
  readonly guardsAddresses: boolean;
  /** What no published port lets into a network is dropped, whatever the policy of FORWARD. Since 28. */
  readonly dropsByDefault: boolean;
  /** No new flow from one bridge to another. Up to 28. */
  readonly isolatesBridges: boolean;
  /** Nor an answer from one bridge to another: isolation stands before what accepts established connections. Up to 20.10. */
  readonly isolatesAnswers: boolean;
  /** Containers reach published ports by the userland proxy, not by DNAT, where their network masquerades. Up to 28. */
  readonly containersByProxy: boolean;
}

const TRAITS: Readonly<Record<FirewallProfile, Traits>> = {
  "docker-29": {
    guardsAddresses: true,
    dropsByDefault: true,
    isolatesBridges: false,
    isolatesAnswers: false,
    containersByProxy: false,
  },
  "docker-28": {
    guardsAddresses: true,
    dropsByDefault: true,
    isolatesBridges: true,
    isolatesAnswers: false,
    containersByProxy: true,
  },
  "docker-20.10": {
    guardsAddresses: false,
    dropsByDefault: false,
    isolatesBridges: true,
    isolatesAnswers: true,
    containersByProxy: true,
  },
};

const RULESETS: Readonly<Record<FirewallProfile, (state: State) => Ruleset>> = {
  "docker-29": docker29Ruleset,
  "docker-28": docker28Ruleset,
  "docker-20.10": docker20Ruleset,
};

/** What the engine of this state has in iptables, rules in their order. */
export function rulesetOf(state: State): Ruleset {
  return RULESETS[state.engine.profile](state);
}

export function traitsOf(state: State): Traits {
  return TRAITS[state.engine.profile];
}
