/** The situations of test/golden/profiles as States, and what a real dockerd has in iptables there. */
import { readFileSync } from "node:fs";
import type { FirewallProfile } from "../../src/plan/firewall/profile.ts";
import type { State } from "../../src/state/state.ts";
import { SITUATIONS, type Situation } from "../golden/profiles/situations.ts";
import { runCommand } from "./commands.ts";
import { newDaemon } from "./state.ts";

export type Recorded = Exclude<FirewallProfile, "docker-29">;
export const RECORDED: readonly Recorded[] = ["docker-28", "docker-20.10"];

export function situationsOf(profile: Recorded): readonly Situation[] {
  return SITUATIONS.filter((s) => !(profile === "docker-20.10" && s.engine?.allowDirectRouting));
}

export function stateOf({ engine, steps }: Situation, profile: FirewallProfile): State {
  return steps.reduce(runCommand, newDaemon({ ...engine, profile }));
}

/** As dockerd left them, in the form of normalizeRules. */
export function recordedRules(profile: Recorded, { name }: Situation): string {
  const file = new URL(`../golden/profiles/${profile}/${name}.rules`, import.meta.url);
  return readFileSync(file, "utf8").replace(/^#.*\n/, "");
}
