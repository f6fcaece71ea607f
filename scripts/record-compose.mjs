#!/usr/bin/env node
/**
 * What real `docker compose config` says of small files: taken, with what it makes of them, or refused, with its words. The answers go
 * to test/golden/compose/, which unit tests replay against our loader. Several versions may answer: a key that one of them takes is a
 * key of Compose. No daemon is needed.
 * usage: node scripts/record-compose.mjs PATH_OF_DOCKER_COMPOSE...
 *        (Debian's package docker-compose: usr/libexec/docker/cli-plugins/docker-compose; trixie has 2.26.1, sid 2.40.3)
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DOTENV_TEXTS, ENVIRONMENT, INTERPOLATION_TEXTS } from "./record-compose-texts.mjs";

const FIXTURES = fileURLToPath(new URL("../test/fixtures/compose/", import.meta.url));
const GOLDEN = fileURLToPath(new URL("../test/golden/compose/", import.meta.url));
/** Every case runs here; answers name it by $DIR. */
const DIR = "/tmp/docknet-record-compose/lab";

const judges = process.argv.slice(2).map((path) => ({ path, version: versionOf(path) }));
if (judges.length === 0) throw new Error("usage: node scripts/record-compose.mjs PATH_OF_DOCKER_COMPOSE...");

mkdirSync(GOLDEN, { recursive: true });
write("interpolation.json", INTERPOLATION_TEXTS.map(recordInterpolation));
write("dotenv.json", DOTENV_TEXTS.map(recordDotenv));
for (const name of readdirSync(FIXTURES).filter((file) => file.endsWith(".txt")))
  write(
    `${name.slice(0, -".txt".length)}.json`,
    readCases(readFileSync(join(FIXTURES, name), "utf8")).map(recordFiles),
  );

function versionOf(path) {
  return /(\d+\.\d+\.\d+)/.exec(execFileSync(path, ["version"], { encoding: "utf8" }))[1];
}

function write(name, cases) {
  const lines = cases.map((one) => `  ${JSON.stringify(one)}`).join(",\n");
  writeFileSync(join(GOLDEN, name), `[\n${lines}\n]\n`);
  process.stderr.write(`${name}: ${cases.length} cases\n`);
}

/** The text as a label, so that nothing else reads it. */
function recordInterpolation(text) {
  const files = { "compose.yaml": JSON.stringify({ services: { a: { image: "x", labels: { l: text } } } }) };
  return { text, answers: ask(files, [], (config) => config.services.a.labels.l) };
}

/** The variables of a .env file, seen through labels; NONE stands for a variable that is not set. */
function recordDotenv({ text, names }) {
  const labels = Object.fromEntries(names.map((name) => [name, `\${${name}-NONE}`]));
  const files = { "compose.yaml": JSON.stringify({ services: { a: { image: "x", labels } } }), ".env": text };
  return { text, names, answers: ask(files, [], (config) => config.services.a.labels) };
}

function recordFiles({ name, args, notes, files }) {
  return { name, args, ...notes, files, answers: ask(files, args, summarize) };
}

/** Where docknet is of another mind, and why: it takes what Compose refuses (with a warning, or quietly), the reverse, or makes something else of it. */
const NOTES = ["tolerant", "quietly", "strict", "differs"];

/**
 * `=== name` begins a case; `args: ...` and one of NOTES with its reason may follow; `--- path` begins a file, compose.yaml where none
 * is named.
 */
function readCases(text) {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((block) => {
      const [head = "", ...parts] = block.split(/^--- /m);
      const [name = "", ...rest] = head.split("\n");
      const option = (key) => rest.find((line) => line.startsWith(`${key}: `))?.slice(key.length + 2);
      const own = rest.filter((line) => !/^(args|tolerant|quietly|strict|differs): /.test(line)).join("\n");
      const files = Object.fromEntries(
        parts.map((part) => [part.slice(0, part.indexOf("\n")).trim(), part.slice(part.indexOf("\n") + 1)]),
      );
      return {
        name: name.trim(),
        args: option("args")?.split(" ") ?? [],
        notes: Object.fromEntries(NOTES.flatMap((note) => (option(note) ? [[note, option(note)]] : []))),
        files: own.trim() === "" ? files : { "compose.yaml": own, ...files },
      };
    });
}

/** The answer of each version by its number; one answer alone where all agree. */
function ask(files, args, read) {
  const answers = judges.map(({ path, version }) => [version, answerOf(path, files, args, read)]);
  const [first, ...others] = answers.map(([, answer]) => JSON.stringify(answer));
  return others.every((other) => other === first) && judges.length > 1
    ? { all: answers[0][1] }
    : Object.fromEntries(answers);
}

function answerOf(path, files, args, read) {
  rmSync(DIR, { recursive: true, force: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(DIR, name)), { recursive: true });
    writeFileSync(join(DIR, name), text);
  }
  const ran = spawnSync(path, [...args, "config", "--format", "json"], {
    cwd: DIR,
    env: { HOME: "/nonexistent", ...ENVIRONMENT },
    encoding: "utf8",
    timeout: 20_000,
  });
  // what is printed is a compose file again, in which each dollar is escaped
  if (ran.status === 0) return { value: read(JSON.parse(ran.stdout.replaceAll("$$", "$"))) };
  const words = ran.stderr
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("time="))
    .join("\n");
  return { refusal: words.replaceAll(DIR, "$DIR") };
}

/** What bears on the network, in one form for both. */
function summarize(config) {
  const services = Object.entries(config.services ?? {}).map(([key, service]) => [
    key,
    {
      ...(service.network_mode ? { mode: service.network_mode } : {}),
      ...(service.networks ? { networks: Object.keys(service.networks) } : {}),
      ...(service.ports
        ? {
            ports: service.ports.map(
              (p) => `${p.host_ip ? `${p.host_ip}:` : ""}${p.published ?? ""}:${p.target}/${p.protocol}`,
            ),
          }
        : {}),
      ...(service.depends_on ? { dependsOn: Object.keys(service.depends_on).sort() } : {}),
    },
  ]);
  const networks = Object.entries(config.networks ?? {}).map(([key, network]) => [key, network?.name ?? null]);
  return { name: config.name, services: Object.fromEntries(services), networks: Object.fromEntries(networks) };
}
