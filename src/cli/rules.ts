/** docknet rules: each rule with its counters, its words and its owner; of the lab that lives, or of one built for it. */
import type { Report, RuleListing, RulesOptions } from "../index.ts";
import { livingLab, specToBuild } from "./chosen-lab.ts";
import type { EngineClient } from "./docker/client.ts";
import { EXIT } from "./exit.ts";
import { call, follow } from "./lab-client.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";
import { print, useColour, widthOf } from "./terminal.ts";

export interface RulesFlags extends LabFlags {
  readonly all?: boolean;
  readonly table?: string;
  readonly chain?: string;
  readonly hit?: boolean;
  readonly owner?: string;
  readonly planned?: boolean;
  readonly after?: "verify";
  readonly format: "text" | "json";
}

export const RULES_HELP = `
Chains stand in the order in which a packet meets them: PREROUTING (raw, nat),
then INPUT or FORWARD (filter), then POSTROUTING (nat). Each rule: its number,
packets and bytes as iptables -L -v counts them, its text as iptables-save has
it, what it is there for, and who wants it. What somebody changed by hand is
marked: rules that are not docknet's, and rules that are missing.

Examples:
  docknet rules                      the Docker host's, of the lab that lives
  docknet rules --hit --table nat    what was translated, and by which rules
  docknet rules --owner web          all that the service web has made
  docknet rules db                   a container's own: its way to 127.0.0.11
  docknet rules @router --lab seed --after verify
  docknet rules --planned -f FILE    without privilege: what would be written
`;

/** Exit code 0 also when something was changed by hand: it was told. */
export async function rules(node: string | undefined, flags: RulesFlags, signal: AbortSignal): Promise<number> {
  await refuseContradictions(node, flags);
  const { all, table, chain, hit, owner, planned } = flags;
  const options: RulesOptions = {
    ...(node === undefined ? {} : { node }),
    ...(table === undefined ? {} : { table }),
    ...(chain === undefined ? {} : { chain }),
    ...(owner === undefined ? {} : { owner }),
    all: all ?? false,
    hit: hit ?? false,
    planned: planned ?? false,
  };
  const listing = (await ofLiving(options, flags, signal)) ?? (await ofFile(options, flags, signal));
  // not from the index: it would load all that builds labs
  const { renderRules, renderRulesJson } = await import("../report/rules.ts");
  if (flags.format === "json") print(renderRulesJson(listing));
  else print(renderRules(listing, { colour: useColour(process.stdout), width: widthOf(process.stdout) }));
  return EXIT.ok;
}

/** @throws DocknetError USAGE */
async function refuseContradictions(node: string | undefined, flags: RulesFlags): Promise<void> {
  const pairs: readonly (readonly [boolean, string, string])[] = [
    [node !== undefined && flags.all === true, `Cannot list the rules of ${node} and of all nodes`, "Leave out one"],
    [
      flags.planned === true && flags.hit === true,
      "Cannot list planned rules that have counted: none has counted anything",
      "Leave out --planned or --hit",
    ],
    [
      flags.planned === true && flags.after !== undefined,
      "Cannot verify before planned rules are listed: nothing is built for them",
      "Leave out --planned or --after",
    ],
  ];
  const [found] = pairs.filter(([isWrong]) => isWrong);
  if (!found) return;
  const { DocknetError } = await import("../index.ts");
  throw new DocknetError("USAGE", found[1], { remedy: found[2] });
}

/** undefined when a file is named, or none lives. */
async function ofLiving(
  options: RulesOptions,
  flags: RulesFlags,
  signal: AbortSignal,
): Promise<RuleListing | undefined> {
  const living = await livingLab(flags);
  if (!living) return undefined;
  if (flags.after) await verifyLiving(living.client, signal);
  return call<RuleListing>(living.client, "post", "rules", options, signal);
}

/** Its traffic is what is wanted, whatever its verdict. */
export async function verifyLiving(client: EngineClient, signal: AbortSignal): Promise<void> {
  await follow<Report>(client, "verify", {}, { signal, onProgress: () => {} });
}

async function ofFile(options: RulesOptions, flags: RulesFlags, signal: AbortSignal): Promise<RuleListing> {
  const docknet = await import("../index.ts");
  if (options.planned)
    return docknet.rulesOfState(docknet.resolveState(docknet.loadSpec(await loadOptionsOf(flags))).state, options);
  await using lab = await docknet.buildLab(await specToBuild(flags), { signal });
  if (flags.after) await lab.verify();
  return await lab.rules(options);
}
