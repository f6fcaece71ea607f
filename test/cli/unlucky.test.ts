/** What goes wrong around docknet, not in its input: full disks, few descriptors, damaged files, odd words. One sentence each, and `down` works. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LabDaemon } from "../support/daemon.ts";

const BIN = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const CLI = join(BIN, "docknet.js");
let directory: string;
let lab: string;
let count = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dn-unlucky-"));
  lab = `u${process.pid}n${++count}`;
});
afterEach(() => {
  docknet("down");
  rmSync(directory, { recursive: true, force: true });
});

/** @param command of sh, in which docknet is the one that was built */
function shell(command: string) {
  const env = { ...process.env, DOCKNET_RUN_DIR: join(directory, "run"), DOCKNET_PROJECT: lab };
  const script = `docknet() { "${process.execPath}" "${CLI}" "$@"; }; ${command}`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script], {
    encoding: "utf8",
    timeout: 100_000,
    env,
    cwd: directory,
  });
  expect(stderr).not.toMatch(/^\s+at /m);
  return { status, stdout, stderr };
}

const docknet = (...args: string[]) => shell(`docknet ${args.map((a) => `'${a}'`).join(" ")}`);

test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])("docknet %s is no command", (word) => {
  const { status, stdout, stderr } = docknet(word);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toContain(`unknown command: docknet ${word}`);
});

test("a report that cannot be written is refused before anything is measured", () => {
  const begin = performance.now();
  const { status, stdout, stderr } = docknet("verify", "--lab", "seed", "--junit", "/nosuch/report.xml");
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toBe(
    "docknet: Cannot write the JUnit report to /nosuch/report.xml: ENOENT\n  Name a file in a folder that exists and that you may write to\n",
  );
  expect(performance.now() - begin).toBeLessThan(20_000);
});

describe("depends_on, thousands deep", () => {
  const chain = (services: number, last: string): string =>
    [
      "services:",
      ...Array.from({ length: services }, (_, i) => `  s${i}: { image: nginx, depends_on: [s${i + 1}] }`),
      `  s${services}: { image: nginx${last} }`,
      "",
    ].join("\n");

  test("is valid", () => {
    writeFileSync(join(directory, "compose.yaml"), chain(5000, ""));
    expect(docknet("validate")).toMatchObject({ status: 0 });
  });

  test("in a circle is refused", () => {
    writeFileSync(join(directory, "compose.yaml"), chain(5000, ", depends_on: [s0]"));
    const { status, stderr } = docknet("validate");
    expect(status).toBe(2);
    expect(stderr).toContain("dependency cycle detected: s0 -> s1 -> s2");
  });
});

test("JSON that is nested very deep is a 400", async () => {
  const daemon = new LabDaemon({ runDirectory: join(directory, "run"), lab, bin: BIN });
  await daemon.start();
  try {
    let deep: unknown = 1;
    for (let i = 0; i < 3000; i++) deep = { a: deep };
    const { status, body } = await daemon.request("POST", "/containers/create", deep);
    expect({ status, body }).toEqual({ status: 400, body: { message: "invalid JSON: exceeded max depth" } });
  } finally {
    await daemon.remove();
  }
});

// Debian 13's Node reads parts of itself from files: with 21 descriptors it aborts before any program starts.
test.each([24, 28, 32, 40])("with %d descriptors a command ends with a sentence and a remedy", (limit) => {
  const { status, stderr } = shell(`ulimit -n ${limit}; docknet verify --lab seed`);
  expect(status).toBeGreaterThan(0);
  expect(stderr).toMatch(/^docknet: .*(EMFILE|descriptors|ended before it listened)/m);
  expect(stderr).toMatch(/^ {2}\S/m);
});

describe("a journal of a wrong shape", () => {
  test.each([
    ["another object", '{"a":1}'],
    ["a list", "[]"],
    ["a text", '"x"'],
    ["a state without networks", '{"state":{"lab":"x"},"records":{}}'],
    ["half of one", '{"state":'],
  ])("is named, and down removes the lab all the same: %s", async (_, text) => {
    const daemon = new LabDaemon({ runDirectory: join(directory, "run"), lab, bin: BIN });
    await daemon.start();
    await daemon.ask("POST", "/containers/create?name=web", { Image: "nginx" });
    await daemon.ask("POST", "/containers/web/start");
    await daemon.kill();
    writeFileSync(join(daemon.directory, "journal.json"), text);
    const ps = docknet("ps");
    expect(ps.status).toBeGreaterThan(0);
    expect(ps.stderr).toContain(`Cannot read ${daemon.directory}/journal.json`);
    expect(docknet("down")).toMatchObject({ status: 0 });
    expect(await daemon.leftovers()).toEqual([]);
  });
});

test("a full state directory: what must be written is refused, what is read goes on, and down leaves nothing", () => {
  const { stdout } = shell(`
    mkdir -m 700 run
    unshare --mount bash -c '
      docknet() { "${process.execPath}" "${CLI}" "$@" 2>&1; }
      mount -t tmpfs -o size=300k,mode=700 tmpfs run
      docknet run -d --name ww nginx >/dev/null; echo "first $?"
      dd if=/dev/zero of=run/fill bs=1k count=400 2>/dev/null
      docknet run -d --name vv nginx; echo "second $?"
      docknet ps -q | wc -l
      docknet exec ww true; echo "exec $?"
      docknet down; echo "down $?"
      ls run'`);
  expect(stdout).toContain("first 0");
  expect(stdout).toMatch(/Cannot write: no space left \(ENOSPC\)[\s\S]*second 125/);
  expect(stdout).toMatch(/^1$/m);
  expect(stdout).toContain("exec 0");
  expect(stdout).toMatch(/nothing left\ndown 0\nfill\n$/);
  expect(readdirSync("/run/netns").filter((name) => name.startsWith(`${lab}.`))).toEqual([]);
});
