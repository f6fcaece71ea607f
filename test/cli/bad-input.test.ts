/**
 * What a user gets wrong, one by one: the message in Docker's or Compose's words, the place in the file, exit code 2, and nothing
 * made on the machine. Runs dist/bin/docknet.js as a child: build first.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { namedNamespaces } from "../support/named-namespaces.ts";
import { asNobody, canBecomeNobody } from "../support/nobody.ts";
import { inSession } from "../support/session.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const isRoot = process.getuid?.() === 0;
/** All labs here are called so, or begin so: by their files, or by the folder. */
const LAB = `t${process.pid}bad`;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), `${LAB}-`));
  chmodSync(folder, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Its own session, so that a child left behind can be found. */
async function docknet(args: readonly string[], prefix: readonly string[] = []): Promise<Outcome> {
  const [file, ...rest] = [...prefix, process.execPath, CLI, ...args] as [string, ...string[]];
  const env = { GITHUB_ACTIONS: "" };
  const options = { cwd: folder, env, reject: false, detached: true, stdin: "ignore", timeout: 100_000 } as const;
  const child = execa(file, rest, options);
  const { exitCode, stdout, stderr } = await child;
  expect(inSession(child.pid as number), "a child of docknet is left").toEqual([]);
  expect(namedNamespaces(LAB)).toEqual([]);
  return { exitCode, stdout, stderr };
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const service = (networks: string): string => `services:\n  a:\n    image: nginx\n    networks: ${networks}\n`;
const network = (config: string): string => `networks:\n  x:\n    ipam:\n      config:\n        - ${config}\n`;

/** name, file, what stderr's first line must be after "docknet: FILE:" (a place, or none when the text begins with "open") */
const FILES: readonly (readonly [string, string, string])[] = [
  [
    "overlapping subnets",
    `name: ${LAB}\n${service("[x, y]")}${network("subnet: 10.1.0.0/16")}  y:\n    ipam:\n      config:\n        - subnet: 10.1.2.0/24\n`,
    "14:11: invalid pool request: Pool overlaps with other one on this address space",
  ],
  [
    "an exhausted pool of addresses",
    `name: ${LAB}\n${service("[x]")}    scale: 2\n${network("subnet: 10.1.0.0/30")}`,
    `3:3: failed to set up container networking: no available IPv4 addresses on this network's address pools: ${LAB}_x (`,
  ],
  [
    "exhausted pools of subnets",
    `name: ${LAB}\n${service("[x, y]")}networks:\n  x: {}\n  y: {}\nx-docknet:\n  engine:\n    default-address-pools:\n      - { base: 10.9.0.0/23, size: 24 }\n`,
    "8:3: all predefined address pools have been fully subnetted",
  ],
  [
    "a duplicate host port",
    `name: ${LAB}\nservices:\n  a:\n    image: nginx\n    ports: ["8080:80"]\n  b:\n    image: nginx\n    ports: ["127.0.0.1:8080:80"]\n`,
    `8:13: failed to set up container networking: driver failed programming external connectivity on endpoint ${LAB}-b-1 (`,
  ],
  [
    "a duplicate address",
    `name: ${LAB}\nservices:\n  a: { image: nginx, networks: { x: { ipv4_address: 10.1.0.5 } } }\n  b: { image: nginx, networks: { x: { ipv4_address: 10.1.0.5 } } }\n${network("subnet: 10.1.0.0/24")}`,
    "4:39: Address already in use",
  ],
  [
    "an unknown network",
    `name: ${LAB}\n${service("[nowhere]")}`,
    '5:16: service "a" refers to undefined network nowhere: invalid compose project',
  ],
  [
    "a bad CIDR",
    `name: ${LAB}\n${service("[x]")}${network("subnet: 10.1.0.0/33")}`,
    "10:11: invalid subnet 10.1.0.0/33: ",
  ],
  [
    "host bits set in a subnet",
    `name: ${LAB}\n${service("[x]")}${network("subnet: 10.1.0.7/24")}`,
    "10:11: invalid subnet 10.1.0.7/24: it should be 10.1.0.0/24",
  ],
  [
    "an interface name that is too long",
    `name: ${LAB}\n${service("{ x: { interface_name: this-name-is-too-long } }")}networks:\n  x: {}\n`,
    '5:22: invalid interface name "this-name-is-too-long": ',
  ],
  [
    "an interface name with a slash",
    `name: ${LAB}\n${service('{ x: { interface_name: "../x" } }')}networks:\n  x: {}\n`,
    '5:22: invalid interface name "../x": ',
  ],
  [
    "a bridge name that no interface can bear",
    `name: ${LAB}\n${service("[x]")}networks:\n  x:\n    driver_opts:\n      com.docker.network.bridge.name: a-bridge-with-a-long-name\n`,
    "7:3: numerical result out of range",
  ],
  [
    "a cyclic extends",
    `name: ${LAB}\nservices:\n  a:\n    extends: { service: b }\n  b:\n    extends: { service: a }\n`,
    "6:5: Circular reference: ",
  ],
  [
    "a service named ../../etc",
    `name: ${LAB}\nservices:\n  ../../etc:\n    image: nginx\n`,
    "3:3: services additional properties '../../etc' not allowed",
  ],
  ["an empty file", "", "1:1: empty compose file"],
  ["a file of comments", "# nothing\n", "1:1: empty compose file"],
  ["a tab for indentation", `name: ${LAB}\nservices:\n\ta: {}\n`, "3:1: yaml: "],
  [
    "a key given twice",
    `name: ${LAB}\nservices:\n  a: {}\n  a: {}\n`,
    '4:3: mapping key "a" already defined at line 3',
  ],
];

describe.each(["verify", "validate"])("docknet %s", (command) => {
  test.each(FILES)("%s", async (name, text, message) => {
    const file = write(`${name.replace(/\W+/g, "-")}.yaml`, text);
    const outcome = await docknet([command, "-f", file]);
    expect(outcome.stderr.split("\n")[0]).toContain(`docknet: ${file}:${message}`);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: "" });
  });

  test("a file that is not there", async () => {
    const outcome = await docknet([command, "-f", "missing.yaml"]);
    expect(outcome.stderr).toBe(`docknet: open ${join(folder, "missing.yaml")}: no such file or directory`);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: "" });
  });

  test("two files of which the second is bad", async () => {
    write("good.yaml", `name: ${LAB}\nservices:\n  a: { image: nginx }\n`);
    write("bad.yaml", "services:\n  b:\n    image: nginx\n    networks: [nowhere]\n");
    for (const files of [
      ["good.yaml", "bad.yaml"],
      ["bad.yaml", "good.yaml"],
    ]) {
      const outcome = await docknet([command, ...files.flatMap((f) => ["-f", f])]);
      expect(outcome.stderr).toContain('docknet: bad.yaml:4:16: service "b" refers to undefined network nowhere');
      expect(outcome).toMatchObject({ exitCode: 2, stdout: "" });
    }
  });
});

describe("files made to hurt are refused soon, in little memory", () => {
  const links = [..."abcdefgh"]
    .map((c, i) => `x-${"bcdefghi"[i]}: &${"bcdefghi"[i]} [${Array(9).fill(`*${c}`).join(", ")}]\n`)
    .join("");
  const bomb = `name: ${LAB}\nx-a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n${links}services:\n  s: { image: nginx, labels: *i }\n`;
  const hostile: readonly (readonly [string, () => string, RegExp])[] = [
    ["a bomb of aliases", () => bomb, /:\d+:\d+: document contains excessive aliasing/],
    [
      "a bomb of 10 MB",
      () => `${bomb}#${"x".repeat(10_000_000)}\n`,
      /bomb[^:]*: the file is too large: more than 5 MiB/,
    ],
    [
      "four million brackets",
      () => `services: ${"[".repeat(2e6)}${"]".repeat(2e6)}`,
      /: nested deeper than 100 levels/,
    ],
    [
      "a hundred thousand services",
      () => `services:\n${Array.from({ length: 1e5 }, (_, i) => `  s${i}: { image: nginx }\n`).join("")}`,
      /: the file is too large/,
    ],
    [
      "millions of ports",
      () => `services:\n${Array.from({ length: 50 }, (_, i) => `  s${i}: { expose: ["1-65535"] }\n`).join("")}`,
      /:\d+:\d+: too many ports/,
    ],
    ["bytes that are no text", () => "\u0000\u0001\u0002", /./],
  ];
  test.each(hostile)("%s", async (name, text, message) => {
    const file = write(`${name.replace(/\W+/g, "-")}.yaml`, text());
    // soon: in 10 s of the processor's time, however busy the machine is; who takes more is killed
    const limited = ["sh", "-c", 'ulimit -d 400000; ulimit -t 10; exec "$@"', "sh"];
    const outcome = await docknet(["verify", "-f", file], limited);
    expect(outcome.stderr).toMatch(message);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: "" });
  });
});

describe("the command line", () => {
  test.each([
    [["verify", "--format", "nonsense"], "'nonsense' is invalid. Allowed choices are text, json, markdown, tap."],
    [["verify", "--explode"], "unknown option '--explode'"],
    [["verify", "--silence", "0"], "argument '0' is invalid. wanted milliseconds"],
    [["verify", "--lab", "nope"], 'No lab "nope" ships with docknet'],
    [["verify", "--lab", "seed", "-f", "x.yaml"], "--lab and --file name two labs"],
    [[], "Usage: docknet"],
  ])("%j", async (args, message) => {
    const outcome = await docknet(args);
    expect(outcome.stderr).toContain(message);
    expect(outcome).toMatchObject({ exitCode: 2, stdout: "" });
  });

  test("a command that nobody knows is refused in Docker's words", async () => {
    expect(await docknet(["explode"])).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining("docknet: unknown command: docknet explode\n\nRun 'docknet --help'"),
    });
  });
});

describe.runIf(isRoot)("without root", () => {
  // inside a user namespace that maps one id there is nobody to become: root without capabilities then stands for him
  const canBecome = canBecomeNobody();
  const unprivileged = canBecome ? asNobody(CLI) : ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"];
  beforeAll(() => {
    write("fine.yaml", `name: ${LAB}\nservices:\n  a: { image: nginx }\n`);
  });

  test("validate needs none", async () => {
    const outcome = await docknet(["validate", "-f", "fine.yaml"], unprivileged);
    expect(outcome.stderr).toBe("");
    expect(outcome.stdout).toContain(`fine.yaml: valid: lab ${LAB}`);
    expect(outcome.exitCode).toBe(0);
  });

  test("verify tells its report from within a user namespace", async () => {
    // where nobody can be become, this suite as a whole runs inside such a namespace (scripts/test.sh)
    const outcome = await docknet(["verify", "-f", "fine.yaml"], canBecome ? unprivileged : []);
    expect(outcome.stderr).toBe("");
    expect(outcome.stdout).toMatch(/^PASS {2}\d+ checks, 0 failed/m);
    expect(outcome.exitCode).toBe(0);
  });

  test("verify where user namespaces are refused names the remedy and exits with 4", async () => {
    // in a user namespace of the test's own, whose limit binds nobody else: no namespaces, then no capabilities
    const refused =
      'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all -- "$@"';
    const outcome = await docknet(
      ["verify", "-f", "fine.yaml"],
      ["unshare", "--user", "--map-root-user", "sh", "-c", refused, "sh"],
    );
    expect(outcome.stderr).toContain("Cannot create network namespaces: this process is not root");
    expect(outcome.stderr).toContain("sysctl user.max_user_namespaces is 0");
    expect(outcome.stderr).toContain("sudo sysctl user.max_user_namespaces=");
    expect(outcome).toMatchObject({ exitCode: 4, stdout: "" });
  });
});
