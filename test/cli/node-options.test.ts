/**
 * Node (20, 22 and 24) takes --env-file from anywhere in its command line, also behind the script's name, and runs what NODE_OPTIONS in
 * that file asks for; only `--` before the script ends that. docknet has a flag of that name: on every way by which docknet is started,
 * the flag is docknet's, and no code of the file runs.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { asNobody, canBecomeNobody } from "../support/nobody.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const lab = `t${process.pid}options`;
/** Inside a user namespace of one user nobody else can be become: there this suite is itself behind such a start. */
const canBecome = canBecomeNobody();
const folder = mkdtempSync(join(tmpdir(), `${lab}-`));
const envFile = join(folder, "evil.env");
/** The file that the code of the variable NODE_OPTIONS makes when it runs. */
const mark = join(folder, "marks", "ran");
const labFile = join(folder, "lab.yaml");
/** As npm installs it: a link to the built file. */
const installed = join(folder, "bin", "docknet");
const env = { ...process.env, DOCKNET_PROJECT: lab, DOCKNET_RUN_DIR: join(folder, "run"), GITHUB_ACTIONS: "" };

beforeAll(() => {
  chmodSync(folder, 0o755);
  for (const name of ["bin", "marks"]) mkdirSync(join(folder, name));
  chmodSync(join(folder, "marks"), 0o777);
  const code = join(folder, "evil.cjs");
  writeFileSync(code, `require("node:fs").appendFileSync(${JSON.stringify(mark)}, process.argv.join(" ") + "\\n");\n`);
  writeFileSync(envFile, `NODE_OPTIONS=--require=${code}\nLAB_PORT=8123\n`);
  writeFileSync(labFile, 'services: { web: { image: nginx, ports: ["$' + '{LAB_PORT}:80"] } }\n');
  symlinkSync(join(ROOT, "dist/bin/docknet.js"), installed);
});
afterEach(() => rmSync(mark, { force: true }));
afterAll(() => {
  docknet("down");
  rmSync(folder, { recursive: true, force: true });
});

function start(argv: readonly string[], cwd = folder) {
  const [file = "", ...args] = argv;
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: "utf8", timeout: 100_000, env, cwd });
  return { status, stdout, stderr };
}
const docknet = (...words: string[]) => start([installed, ...words]);
const marks = (): string => (existsSync(mark) ? readFileSync(mark, "utf8") : "");

test("the file does run code where Node takes the flag: the test can fail", () => {
  start([process.execPath, "--env-file", envFile, "-e", "0"]);
  expect(marks()).not.toBe("");
});

const FORMS: readonly [string, ...string[]][] = [
  ["--env-file FILE", "--env-file", envFile],
  ["--env-file=FILE", `--env-file=${envFile}`],
];

test.each(FORMS)("the installed command: %s", (_, ...flag) => {
  const { stdout, stderr, status } = docknet("plan", "-f", labFile, ...flag);
  expect({ stderr, status, marks: marks() }).toEqual({ stderr: "", status: 0, marks: "" });
  expect(stdout).toContain("--dport 8123 ");
});

test.each(FORMS)("npm's script of docknet, with words that npm adds at its end: %s", (_, ...flag) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: { start: string } };
  const command = scripts.start.split("&&").at(-1)?.trim().replace("verify --lab seed", "plan") ?? "";
  expect(command).toMatch(/^node .*docknet\.js plan$/);
  const { stdout, stderr, status } = start(["sh", "-c", `${command} "$@"`, "sh", "-f", labFile, ...flag], ROOT);
  expect({ stderr, status, marks: marks() }).toEqual({ stderr: "", status: 0, marks: "" });
  expect(stdout).toContain("--dport 8123 ");
});

test("every script of npm that starts Node ends Node's options first", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const starts = Object.values(scripts).flatMap((script) => script.match(/\bnode (?!-- )\S+/g) ?? []);
  expect(starts).toEqual([]);
});

test.each(FORMS)("a command that starts itself again in a user namespace: %s", (_, ...flag) => {
  const { stdout, stderr, status } = start([
    ...(canBecome
      ? [...asNobody(join(ROOT, "dist/bin/docknet.js")), "env", `DOCKNET_RUN_DIR=${join(folder, "marks", "run")}`]
      : []),
    installed,
    "verify",
    "-f",
    labFile,
    ...flag,
  ]);
  expect({ stderr, status, marks: marks() }).toEqual({ stderr: "", status: 0, marks: "" });
  expect(stdout).toContain(":8123");
});

test.each(FORMS)("a lab that stays, its daemon and the parent of its processes: %s", (_, ...flag) => {
  try {
    const upped = docknet("up", "-f", labFile, ...flag);
    expect({ status: upped.status, marks: marks() }).toEqual({ status: 0, marks: "" });
    expect(docknet("ps").stdout).toContain("0.0.0.0:8123->80/tcp");
    const ran = docknet("run", ...flag, "busybox", "sh", "-c", "echo $LAB_PORT");
    expect({ ...ran, marks: marks() }).toEqual({ status: 0, stdout: "8123\n", stderr: "", marks: "" });
    const executed = docknet("exec", ...flag, `${lab}-web-1`, "sh", "-c", "echo $LAB_PORT");
    expect({ ...executed, marks: marks() }).toEqual({ status: 0, stdout: "8123\n", stderr: "", marks: "" });
  } finally {
    docknet("down");
  }
});
