/** docknet walk as its user types it: text, JSON and errors of the lab that lives and of a file's; and what a death in the middle of a walk leaves. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait-for.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const SCHEMA = fileURLToPath(new URL("../../dist/schema/walk.schema.json", import.meta.url));
const runDirectory = mkdtempSync(join(tmpdir(), "dn-walk-"));
const lab = `t${process.pid}walk`;
const env: NodeJS.ProcessEnv = {
  ...process.env,
  DOCKNET_RUN_DIR: runDirectory,
  DOCKNET_PROJECT: lab,
  NO_COLOR: undefined,
  FORCE_COLOR: undefined,
  // a dumb terminal has no colours, forced or not
  TERM: "xterm",
  GITHUB_ACTIONS: "",
};
afterAll(() => rmSync(runDirectory, { recursive: true, force: true }));

function docknet(words: readonly string[], more: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...words], {
    encoding: "utf8",
    timeout: 100_000,
    env: { ...env, ...more },
  });
  return { status, stdout, stderr };
}

/** Started, what it says on standard error, and its end with all of that: code and signal. */
function start(...words: string[]): { child: ChildProcess; said: () => string; ended: Promise<unknown[]> } {
  const child = spawn(process.execPath, [CLI, ...words], { env, stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return { child, said: () => text, ended: once(child, "close") };
}

/** What needs longer hangs. */
const LATE_MS = 20_000;
/** Nobody has this address: the walk waits until the kernel gives ARP up, which asks once a second, and here 60 times. */
const NOBODY = "172.17.0.99";
const LONG_WALK = ["walk", "a", `${NOBODY}:80`, "--silence", "60000"] as const;

const inside = (node: string, ...argv: string[]): string =>
  execFileSync("ip", ["netns", "exec", `${lab}.${node}`, ...argv], { encoding: "utf8" });

const askLong = (): void =>
  void inside("a", "ip", "ntable", "change", "name", "arp_cache", "dev", "eth0", "mcast_probes", "60");
const askNoMore = (): void => void inside("a", "ip", "neigh", "del", NOBODY, "dev", "eth0");

const tables = (node: string): string => inside(node, "nft", "list", "tables");

const isWalking = (): boolean => tables("host").includes("docknet-walk");

function daemonPid(): number {
  const got = execFileSync(
    "curl",
    ["-s", "--unix-socket", `${runDirectory}/${lab}/docknet.sock`, "http://x/docknet/lab"],
    { encoding: "utf8" },
  );
  return (JSON.parse(got) as { pid: number }).pid;
}

describe("of the lab that lives", () => {
  beforeAll(() => {
    expect(docknet(["up", "--lab", "seed"])).toMatchObject({ status: 0 });
  });
  afterAll(() => {
    expect(docknet(["down"])).toMatchObject({ status: 0 });
  });

  test("it tells a story on standard output, without colour where nobody looks on, and ends with 0 whatever came of it", () => {
    const reached = docknet(["walk", "a", "b:80"]);
    expect(reached).toMatchObject({ status: 0, stderr: "" });
    expect(reached.stdout).toMatch(/^tcp SYN from a to b:80 \(172\.17\.0\.\d+:80\)\n {2}1 {2}a sends it\n/);
    expect(reached.stdout).toMatch(/\nreached: b answers at 172\.17\.0\.\d+:80; it sees 172\.17\.0\.\d+:\d+\n$/);
    expect(reached.stdout).not.toContain("\u001b");
    const dropped = docknet(["walk", "@neighbour", "web:80"]);
    expect(dropped).toMatchObject({ status: 0, stderr: "" });
    expect(dropped.stdout).toMatch(/\ndropped: raw PREROUTING takes it: [\s\S]*\n {2}rule {6}-t raw -A PREROUTING /);
  });

  test("it is in colour where that is forced, unless NO_COLOR", () => {
    expect(docknet(["walk", "a", "b:80"], { FORCE_COLOR: "1" }).stdout).toContain("\u001b[32mreached");
    expect(docknet(["walk", "a", "b:80"], { FORCE_COLOR: "1", NO_COLOR: "1" }).stdout).not.toContain("\u001b");
  });

  test("--brief is one line a hop", () => {
    const { stdout } = docknet(["walk", "a", "@internet:80", "--brief"]);
    expect(stdout.split("\n").filter((l) => /^ {2}\d {2}\S+ +(send|forward|switch|receive) /.test(l))).toHaveLength(5);
  });

  test("--reply and --second add their ways, and nothing else does", () => {
    const titles = (...flags: string[]): string[] =>
      [...docknet(["walk", "a", "b:80", ...flags]).stdout.matchAll(/^[A-Zt].*: tcp \S+$/gm)].map((m) => m[0]);
    expect(titles()).toEqual([]);
    expect(titles("--reply")).toEqual(["The answer: tcp SYN,ACK"]);
    expect(titles("--second", "--reply")).toEqual(["The flow's second packet: tcp ACK", "The answer: tcp SYN,ACK"]);
  });

  test("two NATs are one story: the addresses from link to link, with the rules between", () => {
    const { stdout } = docknet(["walk", "@internet", "@router:8080"]);
    const story = stdout.slice(stdout.indexOf("What NAT made of it")).replaceAll(/\n {6}(?! *@)/g, " ");
    expect(story).toMatch(
      new RegExp(
        [
          "  @internet > @router +203.0.113.80:(\\d+) -> 203.0.113.91:8080",
          "      @router changes the destination by nat PREROUTING DNAT \\(router forward 8080/tcp to 192.168.0.10:8080\\).*",
          "  @router > @lan > @host +203.0.113.80:\\1 -> 192.168.0.10:8080",
          "      @host changes the destination by nat DOCKER DNAT \\(port 8080:80/tcp of web\\).*",
          "  @host > web +203.0.113.80:\\1 -> 172.17.0.\\d+:80",
        ].join("\n"),
      ),
    );
  });

  test.each([["b:81"], ["@internet"], ["10.99.0.1:9/udp"]])("--format json to %s is as its schema says", (to) => {
    const validate = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(SCHEMA, "utf8")) as object);
    const { status, stdout, stderr } = docknet(["walk", "a", to, "--format", "json", "--reply", "--second"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(validate(JSON.parse(stdout)) ? [] : validate.errors).toEqual([]);
  });

  test("it sends from the port that it is told", () => {
    const { stdout } = docknet(["walk", "a", "@internet:80", "--source-port", "40123"]);
    expect(stdout).toContain("it sees 203.0.113.91:40123");
  });

  test.each([
    [["walk"], "error: missing required argument 'src'"],
    [["walk", "a"], "error: missing required argument 'dst'"],
    [["walk", "nobody", "b:80"], `docknet: No service, container or node "nobody" in lab ${lab}\n  There are a, `],
    [["walk", "a", "@nobody:80"], 'docknet: No service, container or node "@nobody"'],
    [["walk", "a", "nobody:80"], 'docknet: No service, container or node "nobody"'],
    [["walk", "a", "b:99999"], 'docknet: Cannot walk to "b:99999": port 99999 is none: wanted 1 to 65535'],
    [["walk", "a", "b:80/sctp"], 'docknet: Cannot walk to "b:80/sctp": wanted'],
    [["walk", "a", "b/tcp"], 'docknet: Cannot walk to "b/tcp": tcp goes to a port: wanted'],
    [["walk", "a", "lonely:80"], "docknet: Cannot walk to lonely: it has no address"],
    [["walk", "a", "b:80", "--source-port", "0"], "wanted a port, 1 to 65535"],
    [["walk", "a", "b:80", "--silence", "x"], "wanted milliseconds, 1 to 600000"],
    [["walk", "a", "b:80", "--format", "xml"], "Allowed choices are text, json"],
    [["walk", "@host", "127.0.0.1:8080", "--source-port", "9100"], "docknet: Cannot send from tcp port 9100"],
  ])("%j is refused with 2, and it says why", (words, message) => {
    const { status, stdout, stderr } = docknet(words);
    expect(stderr).toContain(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });

  test("a container that does not run is named", () => {
    expect(docknet(["stop", "-t", "0", `${lab}-c-1`])).toMatchObject({ status: 0 });
    expect(docknet(["walk", "c", "db:5432"])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        "docknet: Cannot walk from c: it is not running, or what it shared is gone\n  Start",
      ),
    });
    expect(docknet(["walk", "db", "c:80"]).stderr).toContain("Cannot walk to c: it is not running");
    expect(docknet(["start", `${lab}-c-1`])).toMatchObject({ status: 0 });
  });

  test("Ctrl-C ends it with 130, and the lab is free at once", async () => {
    askLong();
    const { child, ended } = start(...LONG_WALK);
    await waitFor("it walks", LATE_MS, isWalking);
    child.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
    // long before the walk would have ended by itself
    await waitFor("its tables have gone", LATE_MS, () => !isWalking());
    askNoMore();
  });

  test("walks and verify at the same time wait for each other, and each tells its own", async () => {
    const [one, two] = [start("walk", "a", "@internet:80"), start("walk", "c", "db:5432")].map((s) => s.ended);
    const verified = docknet(["verify", "--format", "json"]);
    expect(await one).toEqual([0, null]);
    expect(await two).toEqual([0, null]);
    expect(JSON.parse(verified.stdout)).toMatchObject({ verdict: "PASS", drift: [], captures: { dropped: 0 } });
  });

  test("kill -9 of its daemon in the middle: the kernel removes what it put into the rules, and nobody is blamed", async () => {
    askLong();
    const { said, ended } = start(...LONG_WALK);
    await waitFor("it walks", LATE_MS, isWalking);
    process.kill(daemonPid(), "SIGKILL");
    await waitFor("the walk's tables have gone, before any next command", LATE_MS, () => !isWalking());
    // as a kernel before 5.12 would leave one: the next command that takes the lab up removes it
    inside("host", "nft", "add", "table", "ip", "docknet-walk-1-1");
    expect(await ended).toEqual([130, null]);
    expect(said()).toBe("docknet: The daemon ended before it had answered\n");
    expect(docknet(["reconcile", "--dry-run"])).toMatchObject({ status: 0, stdout: `Lab ${lab} is as it should be\n` });
    expect(tables("host")).not.toContain("docknet-walk");
    expect(docknet(["walk", "a", "b:80"]).stdout).toContain("reached: b answers");
  });
});

test("of a file it builds the lab, walks, and leaves nothing; the story is the same", () => {
  const { status, stdout, stderr } = docknet(["walk", "--lab", "seed", "@neighbour", "@host:8080", "--brief"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toContain("reached: web answers at 172.17.0.");
  expect(execFileSync("ip", ["netns"], { encoding: "utf8" })).not.toContain(lab);
});

test.each([
  [["walk", "--lab", "nosuch", "a", "b:80"], 'docknet: No lab "nosuch" ships with docknet'],
  [["walk", "-f", "/nosuch.yaml", "a", "b:80"], "docknet: open /nosuch.yaml: no such file or directory"],
  [["walk", "--lab", "seed", "nobody", "b:80"], 'docknet: No service, container or node "nobody" in lab'],
])("of a file: %j is refused with 2", (words, message) => {
  const { status, stdout, stderr } = docknet(words);
  expect(stderr).toContain(message);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
});
