/** docknet up takes its lab from wherever the shell can read it, and what is read once is what is built. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "dn-up-"));
const lab = `t${process.pid}up`;
const env = { ...process.env, DOCKNET_RUN_DIR: join(directory, "run"), DOCKNET_PROJECT: lab };

/** @param command of bash, in which docknet is the one that was built */
function shell(command: string, input = "") {
  const script = `docknet() { "${process.execPath}" "${CLI}" "$@"; }; ${command}`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script], {
    encoding: "utf8",
    timeout: 100_000,
    env,
    cwd: directory,
    input,
  });
  return { status, stdout, stderr };
}

const service = (name: string): string => `services: { ${name}: { image: nginx, expose: ["$${"{PORT:-80}"}"] } }\n`;

afterAll(() => {
  shell("docknet down");
  rmSync(directory, { recursive: true, force: true });
});

test("from standard input, a pipe of the shell, and a file with its .env", () => {
  writeFileSync(join(directory, "compose.yaml"), service("c"));
  writeFileSync(join(directory, ".env"), "PORT=8000\n");
  expect(shell("docknet up -f -", service("a"))).toMatchObject({ status: 0 });
  expect(shell(`docknet up --remove-orphans -f <(echo '${service("b").trim()}')`)).toMatchObject({ status: 0 });
  expect(shell("docknet ps -a --format '{{.Names}}'").stdout).toBe(`${lab}-b-1\n`);
  expect(shell("docknet up --remove-orphans")).toMatchObject({ status: 0 });
  expect(shell("docknet ps -a --format '{{.Names}} {{.Ports}}'").stdout).toBe(`${lab}-c-1 80/tcp, 8000/tcp\n`);
});

test("what is wrong is told with its place, and nothing is changed", () => {
  const refused = shell("docknet up -f -", "services: { a: { image: nginx, ports: [seven] } }\n");
  expect(refused).toMatchObject({ status: 2, stdout: "" });
  expect(refused.stderr).toMatch(/^docknet: -:1:\d+: /);
  expect(shell("docknet ps -aq | wc -l").stdout.trim()).toBe("1");
});

test("what the descriptors cannot hold is refused with the number, and nothing is made, not even a daemon", () => {
  const project = `${lab}big`;
  const file = 'services: { a: { image: x, ports: ["10000-11999:10000-11999/udp"] } }\n';
  const up = (limit: number) => shell(`ulimit -n ${limit}; docknet up -p ${project} -f -`, file);
  const refused = up(4000);
  expect(refused).toMatchObject({ status: 4, stdout: "" });
  const [, needed] =
    /^docknet: -:1:\d+: lab \S+ needs (\d+) open descriptors, .* may have 4000: /.exec(refused.stderr) ?? [];
  expect(shell(`docknet down -p ${project}`).stderr).toContain("does not run");
  // the number that it names is enough
  expect(up(Number(needed))).toMatchObject({ status: 0 });
  expect(shell(`docknet verify -p ${project}`)).toMatchObject({ status: 0 });
  expect(shell(`docknet down -p ${project}`)).toMatchObject({ status: 0 });
});

test("a lab that lives and is to become too big stays as it is", () => {
  const project = `${lab}grow`;
  const file = (ports: string): string => `services: { a: { image: x, ports: ["${ports}"] } }\n`;
  expect(shell(`ulimit -n 2000; docknet up -p ${project} -f -`, file("8080:80"))).toMatchObject({ status: 0 });
  const refused = shell(`docknet up -p ${project} -f -`, file("10000-11999:10000-11999/udp"));
  expect(refused).toMatchObject({ status: 4, stdout: "" });
  expect(refused.stderr).toMatch(/needs \d+ open descriptors, and this process may have 2000/);
  const run = shell(`DOCKNET_PROJECT=${project} docknet run -d -p 10000-11999:10000-11999/udp nginx`);
  expect(run).toMatchObject({ status: 125, stderr: expect.stringMatching(/needs \d+ open descriptors/) });
  const { stdout } = shell(`DOCKNET_PROJECT=${project} docknet ps -a --format '{{.Ports}} {{.Status}}'`);
  expect(stdout).toMatch(
    /^0\.0\.0\.0:8080->80\/tcp.* Up .*\n.*Created\n$|^.*Created\n0\.0\.0\.0:8080->80\/tcp.* Up .*\n$/,
  );
  expect(shell(`docknet verify -p ${project}`)).toMatchObject({ status: 0 });
  expect(shell(`docknet down -p ${project}`)).toMatchObject({ status: 0 });
});

test("one of two containers with very many ports goes and comes again, and the rules are those of the lab", () => {
  const project = `${lab}two`;
  const range = (first: number): string =>
    `{ image: x, ports: ["${first}-${first + 999}:${first}-${first + 999}/udp"] }`;
  const file = `x-docknet: { engine: { userland-proxy: false } }\nservices: { a: ${range(10_000)}, b: ${range(20_000)} }\n`;
  const docknet = (line: string) => shell(`DOCKNET_PROJECT=${project} docknet ${line}`, file);
  expect(docknet("up -f -")).toMatchObject({ status: 0 });
  try {
    for (const line of ["stop", "start", "rm -f"]) {
      expect(docknet(`${line} ${project}-a-1`)).toMatchObject({ status: 0, stderr: "" });
      // it compares every rule of the kernel with the lab's, too
      expect(docknet("verify")).toMatchObject({ status: 0 });
    }
  } finally {
    expect(docknet("down")).toMatchObject({ status: 0 });
  }
});
