/** docknet up: the lab of a compose file, built to stay. Lines and words as `docker compose up -d` prints them without a terminal. */
import type { UpResult } from "../daemon/lab.ts";
import { readUtf8 } from "../spec/source.ts";
import type { Spec } from "../spec/spec.ts";
import { EngineClient, openClient } from "./docker/client.ts";
import { EXIT } from "./exit.ts";
import { call } from "./lab-client.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";
import { print, say } from "./terminal.ts";

export interface UpFlags extends LabFlags {
  readonly removeOrphans?: boolean;
  readonly forceRecreate?: boolean;
  readonly format: "text" | "json";
}

export async function up(flags: UpFlags): Promise<number> {
  const docknet = await import("../index.ts");
  const load = await loadOptionsOf(flags);
  // the daemon is given what was read here: it has another standard input, and a file may change meanwhile
  const texts: Record<string, string> = {};
  const readFile = (path: string): string => {
    const text = readUtf8(path);
    texts[path] = text;
    return text;
  };
  // faults of the file are reported before a daemon is started
  const spec = docknet.loadSpec({ ...load, readFile });
  docknet.resolveState(spec);
  const client = await daemonOf(spec);
  const { removeOrphans = false, forceRecreate = false } = flags;
  const body = { ...load, texts, removeOrphans, forceRecreate };
  const { steps, warnings, failures } = await call<UpResult>(client, "post", "up", body);
  for (const warning of warnings) {
    say(`docknet: warning: ${docknet.renderProblem(warning)}`);
    if (warning.remedy) say(`  ${warning.remedy}`);
  }
  if (flags.format === "json") {
    print(JSON.stringify({ lab: spec.name, steps, failures }, null, 2));
    return failures.length > 0 ? EXIT.failed : EXIT.ok;
  }
  const last = new Map(steps.map((s) => [`${s.kind} ${s.name}`, s]));
  for (const { kind, name, action } of last.values())
    say(` ${kind === "network" ? "Network" : "Container"} ${name}  ${action}`);
  for (const { name, message } of failures) say(`docknet: cannot start ${name}: ${message}`);
  return failures.length > 0 ? EXIT.failed : EXIT.ok;
}

/** DOCKNET_HOST names another daemon than the lab's own. For a lab that cannot be held none is started. */
async function daemonOf(spec: Spec): Promise<EngineClient> {
  const host = process.env.DOCKNET_HOST;
  if (host) return openClient({ lab: spec.name, host });
  const { ensureDaemon, findDaemon } = await import("../daemon/launch.ts");
  if (!(await findDaemon(spec.name))) (await import("../index.ts")).checkFits(spec);
  return new EngineClient(await ensureDaemon(spec.name));
}
