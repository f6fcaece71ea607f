#!/usr/bin/env node
/**
 * Replays the recorded session and prints what differs: "ok" or "FAIL" a step, with a diff ("-" recorded, "+" now).
 *
 *   node scripts/replay-docker.mjs --host unix:///...                      the docker command against that engine
 *   node scripts/replay-docker.mjs --host unix:///... --client docknet     dist/bin/docknet.js against that engine
 *   node scripts/replay-docker.mjs --lab NAME                              docknet -p NAME, which starts its own daemon
 *     --only N-M   show these steps only (all run: they build on one another)   --until N   stop after step N
 *     --quiet      failing steps only                                            --limit N   lines of one diff (40)
 *     --session NAME   another session than "session": "endpoints", "networks"
 *     --list       the steps with their numbers, nothing runs                    --recorded N-M   what was recorded
 *
 * The engine has to be new: addresses and ephemeral ports are counted from its start. Ids, times and generated MAC addresses do not
 * count (test/support/normalise.ts). Exit code 1 when a step shown differs.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { importSource, openSession, path } from "./record-session.mjs";

const { values } = parseArgs({
  options: {
    host: { type: "string" },
    client: { type: "string" },
    lab: { type: "string" },
    only: { type: "string" },
    until: { type: "string" },
    limit: { type: "string", default: "40" },
    quiet: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    recorded: { type: "string" },
    session: { type: "string", default: "session" },
  },
});

const { session, golden: GOLDEN } = await openSession(values.session);
const script = await importSource("test/support/docker-script.ts");
const compared = await importSource("test/support/docker-replay.ts");
const recording = compared.readRecording(GOLDEN, session);
const [from, to = from] = (values.only ?? values.recorded ?? `1-${session.length}`).split("-").map(Number);
const shown = (i) => i + 1 >= from && i + 1 <= to;

if (values.list || values.recorded) {
  for (const [i, step] of session.entries()) {
    if (!shown(i)) continue;
    console.log(`${String(i + 1).padStart(3)} ${step.title}: ${script.lineOf(step)}`);
    const { stdout, stderr, exitCode } = recording.steps[i];
    if (values.recorded) console.log(`--stdout\n${stdout}--stderr\n${stderr}--exit code ${exitCode}\n`);
  }
  process.exit();
}

const program = values.client ?? (values.lab ? "docknet" : "docker");
const docker = script.findDockerClient(path("."));
if (program === "docker" && !docker) throw new Error("no docker command: run scripts/setup.sh --dev");
const cli = path("dist/bin/docknet.js");
if (program === "docknet" && !existsSync(cli)) throw new Error(`no ${cli}: run node scripts/build.mjs --fast`);
const client = {
  program,
  argv: program === "docker" ? [docker.path] : [process.execPath, cli, ...(values.lab ? ["-p", values.lab] : [])],
  env: values.host ? { DOCKER_HOST: values.host, DOCKNET_HOST: values.host } : {},
};
const sameClient = program === "docknet" || docker.version === recording.client;
if (!sameClient) console.log(`client ${docker.version}, recorded with ${recording.client}: its own texts do not count`);

const replay = new compared.Replay(client, session, recording, { sameClient });
const failed = [];
const startedAt = performance.now();
const until = Math.min(Number(values.until ?? session.length), session.length);
for (const [i, step] of session.slice(0, until).entries()) {
  const begunAt = performance.now();
  const difference = await replay.next();
  const ms = (performance.now() - begunAt).toFixed(0);
  if (!shown(i) || (values.quiet && !difference)) continue;
  console.log(`${difference ? "FAIL" : "ok  "} ${String(i + 1).padStart(3)} ${step.title}  (${ms} ms)`);
  if (!difference) continue;
  failed.push(i + 1);
  const lines = difference.split("\n");
  const cut = lines.length > Number(values.limit) ? [...lines.slice(0, Number(values.limit)), "..."] : lines;
  console.log(cut.map((line) => `       ${line}`).join("\n"));
}
replay.close();
const count = Math.min(to, until) - from + 1;
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
console.log(`${count - failed.length} of ${count} steps as recorded, ${failed.length} differ, ${seconds} s`);
if (failed.length > 0) console.log(`differ: ${failed.join(" ")}`);
process.exitCode = failed.length > 0 ? 1 : 0;
