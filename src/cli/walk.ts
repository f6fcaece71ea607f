/** docknet walk: one real packet, followed hop by hop and rule by rule; in the lab that lives, or in one built for it. */
import type { Walk, WalkOptions } from "../index.ts";
import { livingLab, specToBuild } from "./chosen-lab.ts";
import { EXIT } from "./exit.ts";
import { call } from "./lab-client.ts";
import type { LabFlags } from "./lab-options.ts";
import { print, useColour, widthOf } from "./terminal.ts";

export interface WalkFlags extends LabFlags {
  readonly reply?: boolean;
  readonly second?: boolean;
  readonly brief?: boolean;
  readonly silence?: number;
  readonly sourcePort?: number;
  readonly format: "text" | "json";
}

/** Exit code 0 whatever became of the packet: it was followed. */
export async function walk(from: string, to: string, flags: WalkFlags, signal: AbortSignal): Promise<number> {
  const options: WalkOptions = {
    reply: flags.reply ?? false,
    second: flags.second ?? false,
    ...(flags.silence ? { silenceMs: flags.silence } : {}),
    ...(flags.sourcePort ? { sourcePort: flags.sourcePort } : {}),
  };
  const walked =
    (await walkLiving(from, to, options, flags, signal)) ?? (await walkFile(from, to, options, flags, signal));
  // not from the index: it would load all that builds labs
  const { renderWalk, renderWalkJson } = await import("../report/walk.ts");
  if (flags.format === "json") print(renderWalkJson(walked));
  else
    print(
      renderWalk(walked, {
        colour: useColour(process.stdout),
        width: widthOf(process.stdout),
        brief: flags.brief ?? false,
      }),
    );
  return EXIT.ok;
}

/** undefined when a file is named, or none lives. */
async function walkLiving(
  from: string,
  to: string,
  options: WalkOptions,
  flags: WalkFlags,
  signal: AbortSignal,
): Promise<Walk | undefined> {
  const living = await livingLab(flags);
  return living && call<Walk>(living.client, "post", "walk", { from, to, ...options }, signal);
}

async function walkFile(
  from: string,
  to: string,
  options: WalkOptions,
  flags: WalkFlags,
  signal: AbortSignal,
): Promise<Walk> {
  const { buildLab } = await import("../index.ts");
  await using lab = await buildLab(await specToBuild(flags), { signal });
  return await lab.walk(from, to, { ...options, signal });
}
