#!/usr/bin/env node
/**
 * Records the rules of a real dockerd: does to it what test/golden/profiles/situations.ts says, and writes what iptables-save then prints
 * to test/golden/profiles/PROFILE/SITUATION.rules.
 *
 *   node scripts/record-profiles.mjs --suite sid                 docker-28, as Debian sid has it
 *   node scripts/record-profiles.mjs --suite bookworm            docker-20.10
 *   node scripts/record-profiles.mjs --suite sid --check         writes nothing: exit code 1 when the dockerd says otherwise now
 *   ... --dockerd SCRIPT    what starts the dockerd (../shared/tools/real-dockerd.sh): SCRIPT SUITE NETNS FLAGS... prints DOCKER_HOST=
 *   ... --only NAME         one situation
 *
 * Needs root, iproute2, iptables, and a docker client. Each set of dockerd's flags gets a dockerd of its own in a namespace of its own,
 * which is removed afterwards.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { importSource, path } from "./record-session.mjs";

const PROFILES = { sid: "docker-28", bookworm: "docker-20.10" };
const PREFIX = "com.docker.network.";
const { values } = parseArgs({
  options: {
    suite: { type: "string" },
    dockerd: { type: "string", default: path("../shared/tools/real-dockerd.sh") },
    only: { type: "string" },
    check: { type: "boolean", default: false },
  },
});
const profile = PROFILES[values.suite];
if (!profile) throw new Error(`--suite must be one of: ${Object.keys(PROFILES).join(", ")}`);
if (!existsSync(values.dockerd)) throw new Error(`${values.dockerd} is not there: name it by --dockerd`);
const netns = `docknet-${values.suite}`;

/** The first start of a suite fetches it from Debian. */
const START_MS = 900_000;

function run(file, args, env = {}, timeout = 120_000) {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout,
  });
  if (status !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${status}: ${stderr || error}`);
  return stdout;
}

/** dockerd's own words for what a situation says of the engine. */
function flagsOf({ userlandProxy = true, icc = true, allowDirectRouting = false } = {}) {
  return [
    ...(userlandProxy ? [] : ["--userland-proxy=false"]),
    ...(icc ? [] : ["--icc=false"]),
    ...(allowDirectRouting ? ["--allow-direct-routing"] : []),
  ];
}

/** The host of a lab's world, as far as rules depend on it, with a dockerd that has just started. */
function startEngine(engine) {
  run("ip", ["netns", "add", netns]);
  try {
    return startInside(engine);
  } catch (error) {
    run("ip", ["netns", "del", netns]);
    throw error;
  }
}

function startInside(engine) {
  const inside = (...argv) => run("ip", ["netns", "exec", netns, ...argv]);
  inside("sysctl", "-qw", `net.ipv4.ip_forward=${engine?.ipForward ? 1 : 0}`);
  for (const command of [
    "link add eth0 type veth peer name lan",
    "addr add 192.168.0.10/24 dev eth0",
    "link set eth0 up",
  ]) {
    inside("ip", ...command.split(" "));
  }
  const said = run("bash", [values.dockerd, values.suite, netns, ...flagsOf(engine)], { TMPDIR: "/tmp" }, START_MS);
  const host = /^DOCKER_HOST=(.*)$/m.exec(said)?.[1];
  if (!host) throw new Error(`${values.dockerd} did not say DOCKER_HOST: ${said}`);
  const docker = (...args) => run("docker", args, { DOCKER_HOST: host }).trim();
  return { docker, inside, pidFile: host.replace(/^unix:\/\//, "").replace(/\.sock$/, ".pid") };
}

async function stopEngine({ pidFile }) {
  const pid = Number(readFileSync(pidFile, "utf8"));
  process.kill(pid, "SIGTERM");
  for (let waited = 0; existsSync(`/proc/${pid}`); waited += 100) {
    if (waited > 30_000) throw new Error(`dockerd ${pid} does not end`);
    await sleep(100);
  }
  run("ip", ["netns", "del", netns]);
}

function argvOf(step) {
  switch (step.kind) {
    case "network create": {
      const { subnet, gateway, internal, options } = step.text;
      return [
        ...["network", "create", "--subnet", subnet],
        ...(gateway ? ["--gateway", gateway] : []),
        ...(internal ? ["--internal"] : []),
        ...Object.entries(options ?? {}).flatMap(([key, value]) => ["-o", `${PREFIX}${key}=${value}`]),
        step.name,
      ];
    }
    case "run": {
      const [network] = step.text.networks;
      const ports = step.text.publish.flatMap((p) => ["-p", p]);
      return ["run", "-d", "--name", step.name, "--network", network, ...ports, "busybox:latest", "sleep", "1d"];
    }
    case "network connect":
    case "network disconnect":
      return [...step.kind.split(" "), step.network, step.name];
    case "network rm":
      return ["network", "rm", step.name];
    case "stop":
      return ["stop", "-t", "0", step.name];
    default:
      return [step.kind, step.name];
  }
}

function tidy(docker, steps) {
  for (const { name } of steps.filter((s) => s.kind === "run")) docker("rm", "-f", name);
  for (const name of new Set(steps.filter((s) => s.kind === "network create").map((s) => s.name))) {
    docker("network", "rm", name);
  }
}

/** @returns whether what is said is what the file says */
function write(situation, server, text) {
  const folder = path(`test/golden/profiles/${profile}`);
  const file = `${folder}/${situation}.rules`;
  const before = existsSync(file) ? readFileSync(file, "utf8").replace(/^#.*\n/, "") : undefined;
  if (!values.check) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `# iptables-save of dockerd ${server}\n${text}`);
  }
  console.log(`${before === text ? "same" : before === undefined ? "new" : "DIFFERS"} ${profile} ${situation}`);
  return before === text;
}

const { SITUATIONS } = await importSource("test/golden/profiles/situations.ts");
const { normalizeRules } = await importSource("test/support/rules-text.ts");
const known = (s) => !(profile === "docker-20.10" && s.engine?.allowDirectRouting);
const wanted = SITUATIONS.filter((s) => known(s) && (!values.only || s.name === values.only));
const engines = [...new Set(wanted.map((s) => JSON.stringify(s.engine ?? {})))];
let same = true;
for (const text of engines) {
  const engine = startEngine(JSON.parse(text));
  try {
    const server = engine.docker("version", "--format", "{{.Server.Version}}");
    const fresh = normalizeRules(engine.inside("iptables-save"));
    for (const { name, steps } of wanted.filter((s) => JSON.stringify(s.engine ?? {}) === text)) {
      for (const step of steps) engine.docker(...argvOf(step));
      same = write(name, server, normalizeRules(engine.inside("iptables-save"))) && same;
      tidy(engine.docker, steps);
      const left = normalizeRules(engine.inside("iptables-save"));
      if (left !== fresh) throw new Error(`${name} left rules behind:\n${left}`);
    }
  } finally {
    await stopEngine(engine);
  }
}
if (values.check && !same) process.exitCode = 1;
