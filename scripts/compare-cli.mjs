#!/usr/bin/env node
/**
 * Runs each line of test/fixtures/cli/*.txt with the real docker client and with docknet's, both against the same dockerd, and shows
 * where standard output, standard error or the exit code differ.
 *
 *   DOCKER_HOST=unix:///path node scripts/compare-cli.mjs DOCKNET.js [FILE.txt...]
 *
 * Before: docker network create --label x=y -o com.docker.network.bridge.name=cliabr clia-n1
 *         docker run -d --name clia-t1 --label a=b --label c=d -p 127.0.0.1:18080:80 busybox sleep 36000
 *         docker network connect clia-n1 clia-t1
 *
 * looking.txt is run line by line with both; changing.txt is played from start to end with one client, then with the other. Ids, times
 * and durations are made equal before they are compared. Objects are called clia-*; only they are made and removed.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const host = process.env.DOCKER_HOST;
const [docknet, ...files] = process.argv.slice(2);
if (!host || !docknet)
  throw new Error("usage: DOCKER_HOST=unix:///path node scripts/compare-cli.mjs DOCKNET.js [FILE.txt...]");
const folder = join(fileURLToPath(new URL("..", import.meta.url)), "test/fixtures/cli");
const chosen = files.length > 0 ? files : ["looking.txt", "changing.txt"].map((name) => join(folder, name));

const CLIENTS = {
  docker: ["docker", []],
  docknet: [process.execPath, [docknet]],
};

/** Words separated by blanks; '...' keeps blanks and $'...' also reads \t and \n. */
function wordsOf(line) {
  return [...line.matchAll(/(\$?)'([^']*)'|(\S+)/g)].map(([, dollar, quoted, plain]) =>
    plain !== undefined ? plain : dollar ? quoted.replaceAll("\\t", "\t").replaceAll("\\n", "\n") : quoted,
  );
}

function run(client, line) {
  const [command, first] = CLIENTS[client];
  const { status, signal, stdout, stderr } = spawnSync(command, [...first, ...wordsOf(line)], {
    encoding: "utf8",
    timeout: 60_000,
    input: "",
    env: { ...process.env, DOCKNET_HOST: host },
  });
  return { code: status ?? signal, stdout: clean(stdout), stderr: clean(stderr) };
}

const clean = (text) =>
  text
    .replaceAll("docknet", "docker")
    .replace(/\b[0-9a-f]{64}\b/g, "<ID>")
    .replace(/\b[0-9a-f]{12}\b/g, "<ID12>")
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?/g, "<TIME>")
    .replace(/\b1[78]\d{8}(\d{9})?\b/g, "<UNIX>")
    .replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, "<MAC>")
    .replace(/0xc[0-9a-f]{9}/g, "<ADDRESS>")
    .replace(/"Pid": ?\d+|"NFd":\d+|"NGoroutines":\d+|"NEventsListener":\d+/g, "<COUNT>")
    .replace(/execDuration=\d+/g, "execDuration=<N>")
    .replace(/(Less than a second|\d+ seconds?|About a minute|\d+ minutes) ?(ago)?/g, "<AGE>")
    .replace(/ +/g, (blanks) => (blanks.length > 3 ? "   " : blanks));

const same = (a, b) => a.code === b.code && a.stdout === b.stdout && a.stderr === b.stderr;

let compared = 0;
const differing = [];
for (const file of chosen) {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const isPlay = basename(file).startsWith("changing");
  const played = isPlay ? lines.map((line) => run("docker", line)) : [];
  lines.forEach((line, at) => {
    const wanted = isPlay ? played[at] : run("docker", line);
    const found = run("docknet", line);
    compared++;
    if (same(wanted, found)) return;
    differing.push(line);
    console.log(`--- ${line}`);
    for (const part of ["code", "stdout", "stderr"])
      if (wanted[part] !== found[part])
        console.log(
          `docker  ${part}: ${JSON.stringify(wanted[part])}\ndocknet ${part}: ${JSON.stringify(found[part])}`,
        );
  });
}
console.log(`${compared} command lines compared, ${differing.length} differ`);
process.exitCode = differing.length > 0 ? 1 : 0;
