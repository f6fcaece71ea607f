/** The process as a whole: what it prints where, how it ends, and that nothing of it stays, whatever ends it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { namedNamespaces } from "../support/named-namespaces.ts";
import { inSession } from "../support/session.ts";
import { waitFor } from "../support/wait-for.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const lab = `t${process.pid}process`;
const env = { ...process.env, DOCKNET_PROJECT: lab, GITHUB_ACTIONS: "" };
/** What needs longer hangs. */
const LATE_MS = 20_000;

function run(...args: string[]) {
  return spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8", timeout: 100_000, env });
}

test("--version prints the version of package.json alone", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(run("--version")).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help teaches: commands, examples, exit codes", () => {
  const { status, stdout } = run("--help");
  expect(status).toBe(0);
  for (const word of ["verify", "validate", "plan", "doctor", "Examples:", "Exit codes:"])
    expect(stdout).toContain(word);
});

test("no command at all is a usage error that shows the help on stderr", () => {
  const { status, stdout, stderr } = run();
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toContain("Usage: docknet");
});

test("verify of the seed lab passes and puts only JSON on stdout", () => {
  const { status, stdout, stderr } = run("verify", "--lab", "seed", "--format", "json");
  expect(stderr).toBe("");
  const report = JSON.parse(stdout) as { checks: { verdict: string; claim: string; reasons: string[] }[] };
  expect(report.checks.filter((c) => c.verdict !== "PASS").map((c) => [c.claim, ...c.reasons])).toEqual([]);
  expect(status).toBe(0);
  expect(report).toMatchObject({ schema: 1, verdict: "PASS", captures: { dropped: 0 } });
});

test("doctor says what this machine can do", () => {
  const { status, stdout } = run("doctor", "--format", "json");
  expect(status).toBe(0);
  const { findings } = JSON.parse(stdout) as { findings: { name: string; status: string }[] };
  expect(findings.filter((f) => f.status === "missing")).toEqual([]);
});

/** Network namespaces that a process holds by descriptors: "net:[4026532345]". */
const heldNamespaces = (pid: number): Set<string> =>
  new Set(namespaceFds(pid).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`) ?? []));

const namespaceFds = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => linkOf(`/proc/${pid}/fd/${fd}`)?.startsWith("net:["));

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // closed in between
  }
}

/**
 * Nobody else was ever in the namespaces of such a process or held one, and a namespace without holder and name is gone (namespaces(7)).
 * The namespaces' own numbers show less: the kernel gives them to the next one.
 */
const nobodyIsLeft = (leader: number): Promise<true> =>
  waitFor("nobody of the dead process's session runs", LATE_MS, () => inSession(leader).length === 0);

/** Silence is so long that it ends by a signal only. */
const LONG_VERIFY = ["verify", "--lab", "seed", "--silence", "60000"];

interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly told: () => string;
  /** Code and signal, when all that it said has been read. */
  readonly ended: Promise<unknown[]>;
}

async function startUntilHolding(count: number, words: readonly string[] = LONG_VERIFY): Promise<Started> {
  // a session of its own
  const child = spawn(process.execPath, [CLI, ...words], { env, stdio: ["ignore", "ignore", "pipe"], detached: true });
  const ended = once(child, "close");
  let told = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const pid = child.pid as number;
  await waitFor(`${count} namespaces of ${pid}`, LATE_MS, () => heldNamespaces(pid).size >= count);
  return { child, pid, told: () => told, ended };
}

const named = (): string[] => namedNamespaces(lab);

// the seed lab has 11 namespaces and the process one of its own
test.for([2, 6, 12])(
  "kill -9 while %i namespaces are held leaves no process, no namespace and no name",
  async (count) => {
    const { child, pid, ended } = await startUntilHolding(count);
    expect(inSession(pid)).toContain(String(pid));
    child.kill("SIGKILL");
    expect(await ended).toEqual([null, "SIGKILL"]);
    await nobodyIsLeft(pid);
    expect(named()).toEqual([]);
  },
);

test("kill -9 in the middle of a walk leaves no process, no namespace and no name", async () => {
  // nobody has this address: the walk waits until the kernel gives ARP up, here after a minute
  const words = ["walk", "--lab", "seed", "a", "172.17.0.99:80", "--silence", "60000"];
  const { child, pid, ended } = await startUntilHolding(12, words);
  const own = readlinkSync("/proc/self/ns/net");
  const inside = (fd: string, ...argv: string[]): string =>
    spawnSync("nsenter", [`--net=/proc/${pid}/fd/${fd}`, ...argv], { encoding: "utf8" }).stdout;
  const theirs = namespaceFds(pid).filter((fd) => linkOf(`/proc/${pid}/fd/${fd}`) !== own);
  for (const fd of theirs)
    inside(fd, "ip", "ntable", "change", "name", "arp_cache", "dev", "eth0", "mcast_probes", "60");
  const isWalking = (fd: string): boolean => inside(fd, "nft", "list", "tables").includes("docknet-walk");
  await waitFor("it walks", LATE_MS, () => theirs.some(isWalking));
  child.kill("SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);
  await nobodyIsLeft(pid);
  expect(named()).toEqual([]);
});

test.for(["SIGINT", "SIGTERM"] as const)("%s cleans up and ends with 128 + the signal's number", async (signal) => {
  const { child, pid, told, ended } = await startUntilHolding(8);
  child.kill(signal);
  expect(await ended).toEqual([signal === "SIGINT" ? 130 : 143, null]);
  expect(told()).not.toMatch(/Error|at /);
  await nobodyIsLeft(pid);
});

test.for(["labs", "--version", "network ls --help"])("a full disk behind standard output is told: %s", (args) => {
  const { status, stderr } = spawnSync("sh", ["-c", `"${process.execPath}" "${CLI}" ${args} > /dev/full`], {
    encoding: "utf8",
    timeout: 100_000,
  });
  expect(status).toBe(4);
  expect(stderr).toMatch(/^docknet: Cannot write to standard output: ENOSPC\n/);
  expect(stderr).not.toMatch(/Error|at /);
});

test.for(["plan --lab seed", "--help", "verify --help"])("a reader that goes away is no error: %s", (args) => {
  const { status, stderr } = spawnSync("sh", ["-c", `"${process.execPath}" "${CLI}" ${args} | head -1`], {
    encoding: "utf8",
    timeout: 100_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
