/** docknet down: removes a lab that lives, and proves that nothing of it stayed. */
import type { Gone } from "../daemon/lab.ts";
import { type ErrorCode, toDocknetError } from "../errors.ts";
import type { Cleaned } from "../index.ts";
import { labOf } from "./chosen-lab.ts";
import type { EngineClient } from "./docker/client.ts";
import { EXIT } from "./exit.ts";
import { call, isAlive, revivedClient } from "./lab-client.ts";
import type { LabFlags } from "./lab-options.ts";
import { print, say } from "./terminal.ts";

export interface DownFlags extends LabFlags {
  readonly format: "text" | "json";
}

export async function down(flags: DownFlags): Promise<number> {
  const { proveGone } = await import("../index.ts");
  const lab = await labOf(flags);
  const { gone, left: notRemoved } = await removeLab(lab);
  const left = [
    ...notRemoved.filter((l) => l.ours).map((l) => `${l.what}: ${l.why}`),
    ...gone.left,
    ...proveGone(gone.namespaces),
  ];
  if (flags.format === "json") print(JSON.stringify({ lab, ...gone, left }, null, 2));
  else {
    for (const name of gone.containers) say(` Container ${name}  Removed`);
    for (const name of gone.networks) say(` Network ${name}  Removed`);
    for (const name of gone.handMade) say(` Namespace ${name}  Removed`);
    say(` Lab ${lab}  Removed: ${gone.namespaces.length} namespaces${left.length > 0 ? "" : ", nothing left"}`);
  }
  for (const what of left) say(`docknet: still there: ${what}`);
  return left.length > 0 ? EXIT.failed : EXIT.ok;
}

interface Removal {
  readonly gone: Gone;
  readonly left: Cleaned["left"];
}

/** By its daemon; by the records alone when there is none and none can start, as on a full disk. */
async function removeLab(lab: string): Promise<Removal> {
  const { clean } = await import("../index.ts");
  const { labDirectory } = await import("../daemon/place.ts");
  const { isRunning } = await import("../daemon/launch.ts");
  let client: EngineClient;
  try {
    client = await revivedClient(lab);
  } catch (error) {
    const known = toDocknetError(error);
    if (!known || !CANNOT_START.includes(known.code) || !isAlive(lab)) throw error;
    say(`docknet: ${known.message}`);
    say("  The lab is removed without its daemon");
    return byRecords(await clean(labDirectory(lab)));
  }
  const { pid } = await client.get<{ pid: number }>("/docknet/lab");
  const gone = await call<Gone>(client, "post", "down");
  await ended(pid, isRunning);
  // what the daemon could not do itself: its own directory
  const { left } = await clean(labDirectory(lab));
  return { gone, left };
}

/** What keeps a daemon from starting, and is no reason to keep the lab. */
const CANNOT_START: readonly ErrorCode[] = ["KERNEL_REFUSED", "KERNEL_FEATURE", "INTERNAL"];

function byRecords({ removed, left }: Cleaned): Removal {
  const namespaces = removed.flatMap(({ what }) => /^namespace .*\/(.+)$/.exec(what)?.[1] ?? []);
  return { gone: { containers: [], networks: [], namespaces, handMade: [], left: [] }, left };
}

const END_MS = 10_000;
const LOOK_AGAIN_MS = 5;

/** The daemon ends by itself when it has answered; the next command reports what it has not freed by then. */
async function ended(pid: number, isRunning: (pid: number) => boolean): Promise<void> {
  const deadline = performance.now() + END_MS;
  // one that nobody asks how it ended keeps its pid, for ever where pid 1 does not ask
  while (isRunning(pid) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
}
