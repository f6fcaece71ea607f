/** docknet down: removes a lab that lives, and proves that nothing of it stayed. */
import type { Gone } from "../daemon/lab.ts";
import { labOf } from "./chosen-lab.ts";
import { EXIT } from "./exit.ts";
import { call, revivedClient } from "./lab-client.ts";
import type { LabFlags } from "./lab-options.ts";
import { print, say } from "./terminal.ts";

export interface DownFlags extends LabFlags {
  readonly format: "text" | "json";
}

export async function down(flags: DownFlags): Promise<number> {
  const { clean, proveGone } = await import("../index.ts");
  const { labDirectory } = await import("../daemon/place.ts");
  const { isRunning } = await import("../daemon/launch.ts");
  const lab = await labOf(flags);
  const client = await revivedClient(lab);
  const { pid } = await client.get<{ pid: number }>("/docknet/lab");
  const gone = await call<Gone>(client, "post", "down");
  await ended(pid, isRunning);
  // what the daemon could not do itself: its own directory
  const rest = await clean(labDirectory(lab));
  const left = [
    ...rest.left.filter((l) => l.ours).map((l) => `${l.what}: ${l.why}`),
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

const END_MS = 10_000;
const LOOK_AGAIN_MS = 5;

/** The daemon ends by itself when it has answered; what it has not freed by then is told by who comes next. */
async function ended(pid: number, isRunning: (pid: number) => boolean): Promise<void> {
  const deadline = performance.now() + END_MS;
  // one that nobody asks how it ended keeps its pid, for ever where pid 1 does not ask
  while (isRunning(pid) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
}
