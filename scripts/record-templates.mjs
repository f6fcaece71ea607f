#!/usr/bin/env node
/**
 * Writes test/golden/cli/templates.json: what the real docker prints for each `inspect -f` line of test/fixtures/cli/looking.txt, and the
 * JSON of the two objects that the lines look at (clia-t1, clia-n1; they must exist).
 *
 *   DOCKER_HOST=unix:///path node scripts/record-templates.mjs
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const root = new URL("../", import.meta.url);
const docker = (...args) => spawnSync("docker", args, { encoding: "utf8", input: "" });
const json = (...args) => JSON.stringify(JSON.parse(docker(...args).stdout)[0]);

const objects = { container: json("inspect", "clia-t1"), network: json("network", "inspect", "clia-n1") };
const cases = readFileSync(new URL("test/fixtures/cli/looking.txt", root), "utf8")
  .split("\n")
  .flatMap((line) => {
    const found = /^(network )?inspect -f (\$?)'(.+)' clia-[tn]1$/.exec(line);
    if (!found || found[3] === "json") return [];
    const template = found[2] ? found[3].replaceAll("\\n", "\n") : found[3];
    const object = found[1] ? "network" : "container";
    const args = object === "network" ? ["network", "inspect"] : ["inspect"];
    const { status, stdout, stderr } = docker(...args, "-f", template, object === "network" ? "clia-n1" : "clia-t1");
    // addresses of memory are nothing to compare
    return /0xc[0-9a-f]{9}/.test(stdout) ? [] : [{ object, template, code: status, stdout, stderr }];
  });
writeFileSync(new URL("test/golden/cli/templates.json", root), `${JSON.stringify({ objects, cases }, null, 1)}\n`);
console.log(`${cases.length} templates recorded`);
