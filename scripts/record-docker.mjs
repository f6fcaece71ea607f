#!/usr/bin/env node
/**
 * Records what a real dockerd says: runs test/golden/docker/session.ts against it and writes test/golden/docker/session.json.
 * --session NAME takes another one of that folder: "endpoints", "networks".
 *
 *   DOCKER_HOST=unix:///... node scripts/record-docker.mjs                        records
 *   DOCKER_HOST=unix:///... node scripts/record-docker.mjs --other-client PATH    marks the steps that this older client says
 *                                                                                 otherwise; the engine has to be new again
 *
 * The engine has to be one of its own, just started, in a network namespace with docknet's world around it (eth0 192.168.0.10/24,
 * router 192.168.0.1), with /etc/resolv.conf "nameserver 203.0.113.53" and an image busybox:latest that has sh, ip and dig: it is
 * given /etc/passwd and the command `sh`, as the image of Docker Hub has them. A busy engine is refused: nothing of others is touched.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { importSource, openSession } from "./record-session.mjs";

const { values } = parseArgs({
  options: { "other-client": { type: "string" }, session: { type: "string", default: "session" } },
});
const otherClient = values["other-client"];

function docker(...args) {
  const { status, stdout, stderr } = spawnSync("docker", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`docker ${args.join(" ")} ended with ${status}: ${stderr}`);
  return stdout.trimEnd();
}

function prepareImage() {
  const ready = docker("image", "inspect", "-f", "{{json .Config.Cmd}} {{.Comment}}", "busybox:latest");
  if (ready === '["sh"] docknet recording') return;
  const passwd = "mkdir -p /root && echo root:x:0:0:root:/root:/bin/sh > /etc/passwd";
  docker("run", "--name", "docknet-recording-image", "--network", "none", "busybox:latest", "sh", "-c", passwd);
  docker("commit", "-c", 'CMD ["sh"]', "-m", "docknet recording", "docknet-recording-image", "busybox:latest");
  docker("rm", "docknet-recording-image");
}

if (!process.env.DOCKER_HOST) throw new Error("DOCKER_HOST must name the engine to record");
if (docker("ps", "-aq") !== "") throw new Error("the engine has containers: record on one of its own");
if (docker("network", "ls", "-q").split("\n").length !== 3) {
  throw new Error("the engine has networks: record on one of its own");
}
prepareImage();
const { stderr: faults } = spawnSync("docker", ["create", "--ip", "172.17.0.50", "busybox"], { encoding: "utf8" });
// a docker0 that was there before counts as a subnet that the user gave, and some answers are others
if (!faults.includes("user configured subnets"))
  throw new Error("docker0 was there before the engine started: delete it, then start the engine");

const { session, golden: GOLDEN } = await openSession(values.session);
const script = await importSource("test/support/docker-script.ts");
const compared = await importSource("test/support/docker-replay.ts");
const write = (recording) => writeFileSync(GOLDEN, `${JSON.stringify(recording, null, 1)}\n`);

async function record() {
  const running = new script.Session({ program: "docker", argv: ["docker"], env: {} });
  const steps = [];
  for (const step of session) {
    const said = await running.run(step);
    steps.push({ title: step.title, line: script.lineOf(step), ...said });
  }
  running.close();
  const recording = {
    client: docker("version", "--format", "{{.Client.Version}}"),
    server: docker("version", "--format", "{{.Server.Version}}"),
    api: docker("version", "--format", "{{.Server.APIVersion}}"),
    recordedAt: new Date().toISOString(),
    steps,
  };
  write(recording);
  console.log(`${steps.length} steps of dockerd ${recording.server}, client ${recording.client}: ${GOLDEN}`);
}

async function markOtherClient() {
  const { steps, ...head } = compared.readRecording(GOLDEN, session);
  const bare = { ...head, steps: steps.map(({ otherClientDiffers: _, ...step }) => step) };
  const replay = new compared.Replay({ program: "docker", argv: [otherClient], env: {} }, session, bare, {
    sameClient: false,
  });
  const marked = [];
  for (const step of bare.steps) {
    const difference = await replay.next();
    if (difference) console.log(`${step.title}\n${difference}\n`);
    marked.push(difference ? { ...step, otherClientDiffers: true } : step);
  }
  replay.close();
  const { stdout: version } = spawnSync(otherClient, ["version", "--format", "{{.Client.Version}}"], {
    encoding: "utf8",
  });
  write({ ...head, otherClient: version.trim(), steps: marked });
  console.log(`client ${version.trim()} differs at ${marked.filter((step) => step.otherClientDiffers).length} steps`);
}

await (otherClient ? markOtherClient() : record());
