#!/usr/bin/env node
/**
 * Records what a real engine's embedded name server answers: runs test/golden/docker/dns-session.ts and writes dns.json beside it.
 *
 *   DOCKER_HOST=unix:///... node scripts/record-dns.mjs --authority NETNS             records
 *   DOCKER_HOST=unix:///... node scripts/record-dns.mjs --authority NETNS --replay    compares with what was recorded
 *   node scripts/record-dns.mjs --replay --lab NAME | --host unix:///...              docknet, whose world has that name server
 *     --quiet     failing steps only
 *
 * --authority serves the world's zones at 203.0.113.53 inside the named namespace NETNS (the internet of the engine's world) while
 * this runs. The engine: see record-docker.mjs, whose image this needs. Root: queries are asked in the containers' namespaces.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { importSource, path } from "./record-session.mjs";

const { values } = parseArgs({
  options: {
    authority: { type: "string" },
    replay: { type: "boolean", default: false },
    lab: { type: "string" },
    host: { type: "string" },
    client: { type: "string" },
    quiet: { type: "boolean", default: false },
    serve: { type: "boolean", default: false },
  },
});
const FILE = path("test/golden/docker/dns.json");

if (values.serve) {
  const { serveWorldZones } = await importSource("test/support/dns-authority.ts");
  await serveWorldZones();
  process.stdout.write("ready\n");
  process.stdin.resume().on("end", () => process.exit()); // ends with whoever started it
} else {
  const authority = values.authority && (await startAuthority(values.authority));
  try {
    process.exitCode = await (values.replay ? replay() : record());
  } finally {
    if (authority) authority.kill();
  }
}

async function startAuthority(netns) {
  const script = path("scripts/record-dns.mjs");
  const child = spawn("ip", ["netns", "exec", netns, process.execPath, script, "--serve"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => Promise.reject(new Error(`no name server in ${netns}`))),
  ]);
  return child;
}

async function open() {
  const { dnsSession } = await importSource("test/golden/docker/dns-session.ts");
  const dns = await importSource("test/support/docker-dns.ts");
  const program = values.client ?? (values.lab || values.host ? "docknet" : "docker");
  const client = {
    program,
    argv:
      program === "docker"
        ? ["docker"]
        : [process.execPath, path("dist/bin/docknet.js"), ...(values.lab ? ["-p", values.lab] : [])],
    env: values.host ? { DOCKER_HOST: values.host, DOCKNET_HOST: values.host } : {},
  };
  return { steps: dnsSession, dns, session: new dns.DnsSession(client, path("test/support/dns-query.mjs")) };
}

async function record() {
  const { steps, dns, session } = await open();
  const recorded = [];
  for (const step of steps) {
    const said = await session.run(step);
    if (!dns.isQuestion(step) && said.exitCode !== 0) throw new Error(`${step.title}: ${said.stderr}`);
    recorded.push({ title: step.title, line: dns.dnsLineOf(step), said });
  }
  const { stdout: server } = await session.session.run({ title: "", line: "version --format {{.Server.Version}}" });
  session.close();
  const recording = { server: server.trim(), recordedAt: new Date().toISOString(), steps: recorded };
  writeFileSync(FILE, `${JSON.stringify(recording, null, 1)}\n`);
  console.log(`${steps.filter(dns.isQuestion).length} queries of dockerd ${recording.server}: ${FILE}`);
  return 0;
}

async function replay() {
  const { steps, dns, session } = await open();
  const golden = JSON.parse(readFileSync(FILE, "utf8")).steps;
  const failed = [];
  for (const [i, step] of steps.entries()) {
    const difference = await dns.replayDnsStep(session, step, golden[i]);
    if (difference) failed.push(i + 1);
    if (difference || !values.quiet) console.log(`${difference ? "FAIL" : "ok  "} ${i + 1} ${step.title}`);
    if (difference) console.log(difference.replace(/^/gm, "       "));
  }
  session.close();
  console.log(`${steps.length - failed.length} of ${steps.length} steps as recorded, ${failed.length} differ`);
  return failed.length > 0 ? 1 : 0;
}
