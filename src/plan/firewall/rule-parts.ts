/**
 * What the iptables layouts of dockerd's versions are made of: targets, the built-in chains, the order of programming. Which rules a port
 * or a network gets is in port-rules.ts and network-rules.ts; where they stand, and which a version writes, in docker-29.ts, docker-28.ts
 * and docker-20.ts. Source: moby daemon/libnetwork/drivers/bridge/internal/iptabler; 20.10: libnetwork iptables/iptables.go
 */

import type { Container, State } from "../../state/state.ts";
import { ENGINE } from "./owner.ts";
import {
  type Chain,
  type Match,
  type Owner,
  type Purpose,
  type Rule,
  renderRule,
  type Table,
  type Target,
} from "./rule.ts";

export const ACCEPT: Target = { kind: "ACCEPT" };
export const DROP: Target = { kind: "DROP" };
export const RETURN: Target = { kind: "RETURN" };
export const MASQUERADE: Target = { kind: "MASQUERADE" };
export const jumpTo = (chain: string): Target => ({ kind: "JUMP", chain });

export function rule(table: Table, chain: string, purpose: Purpose, owner: Owner, match: Match, target: Target): Rule {
  return { table, chain, match, target, purpose, owner };
}

/** A rule of the filter table. */
export function filter(chain: string, purpose: Purpose, owner: Owner, match: Match, target: Target): Rule {
  return rule("filter", chain, purpose, owner, match, target);
}

export const engineJump = (chain: string, to: string): Rule => filter(chain, "jump", ENGINE, {}, jumpTo(to));

/**
 * The built-in chains, and the engine's own. dockerd sets the FORWARD policy to DROP when it is the one who turns forwarding on
 * (setup_ip_forwarding.go).
 */
export function chainsOf(state: State, own: readonly string[]): Chain[] {
  const builtIn = (table: Table, names: readonly string[]): Chain[] =>
    names.map((name) => ({ table, name, policy: "ACCEPT" }));
  return [
    ...builtIn("raw", ["PREROUTING", "OUTPUT"]),
    ...builtIn("nat", ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    { table: "nat", name: "DOCKER" },
    ...builtIn("filter", ["INPUT"]),
    { table: "filter", name: "FORWARD", policy: state.engine.ipForward ? "ACCEPT" : "DROP" },
    ...builtIn("filter", ["OUTPUT"]),
    ...own.map((name): Chain => ({ table: "filter", name })),
  ];
}

export function byProgramming(state: State): Container[] {
  return [...state.containers].sort((a, b) => a.programmedAt - b.programmedAt);
}

export const newestFirst = <T>(list: readonly T[]): T[] => [...list].reverse();

/** dockerd asks iptables whether a rule exists before it adds it: two bindings of one container port make one rule. */
export function unique(rules: readonly Rule[]): Rule[] {
  const seen = new Map<string, Rule>();
  for (const rule of rules) {
    const text = renderRule(rule);
    if (!seen.has(text)) seen.set(text, rule);
  }
  return [...seen.values()];
}
