/** The process as a whole: what it prints where, how it ends, and that nothing of it stays, whatever ends it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { namedNamespaces } from "../support/named-namespaces.ts";
import { waitFor } from "../support/wait-for.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));

function run(...args: string[]) {
  return spawnSync(process.execPath, [CLI, ...args], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, GITHUB_ACTIONS: "" },
  });
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

/** Who still holds one of these, by living in it or by a descriptor. A namespace without holder is gone (namespaces(7)). */
function holders(namespaces: ReadonlySet<string>): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return (
          namespaces.has(readlinkSync(`/proc/${pid}/ns/net`)) ||
          [...heldNamespaces(Number(pid))].some((n) => namespaces.has(n))
        );
      } catch {
        return false;
      }
    });
}

async function startUntilHolding(
  count: number,
  words: readonly string[] = ["verify", "--lab", "seed"],
): Promise<{ child: ChildProcess; pid: number; namespaces: Set<string> }> {
  const child = spawn(process.execPath, [CLI, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const pid = child.pid as number;
  const namespaces = await waitFor(`${count} namespaces of ${pid}`, 10_000, () => {
    const held = existsSync(`/proc/${pid}/fd`) ? heldNamespaces(pid) : new Set<string>();
    return held.size >= count ? held : undefined;
  });
  return { child, pid, namespaces };
}

const ended = (child: ChildProcess): Promise<{ code: number | null; signal: string | null }> =>
  new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));

const named = namedNamespaces;

// the seed lab has 11 namespaces and the process one of its own
test.for([2, 6, 12])(
  "kill -9 while %i namespaces are held leaves no process, no namespace and no name",
  async (count) => {
    const before = named();
    const { child, namespaces } = await startUntilHolding(count);
    const own = readlinkSync("/proc/self/ns/net");
    namespaces.delete(own);
    expect(namespaces.size).toBeGreaterThan(0);
    const end = ended(child);
    child.kill("SIGKILL");
    expect((await end).signal).toBe("SIGKILL");
    await waitFor("nobody holds a namespace of the dead process", 5000, () => holders(namespaces).length === 0);
    expect(named()).toEqual(before);
  },
);

test("kill -9 in the middle of a walk leaves no process, no namespace and no name", async () => {
  const before = named();
  // nobody has this address: the walk waits until the kernel gives ARP up
  const words = ["walk", "--lab", "seed", "a", "172.17.0.99:80", "--silence", "20000"];
  const { child, pid, namespaces } = await startUntilHolding(12, words);
  namespaces.delete(readlinkSync("/proc/self/ns/net"));
  const isWalking = (fd: string): boolean =>
    spawnSync("nsenter", [`--net=/proc/${pid}/fd/${fd}`, "nft", "list", "tables"], {
      encoding: "utf8",
    }).stdout.includes("docknet-walk");
  await waitFor("it walks", 10_000, () => namespaceFds(pid).some(isWalking));
  const end = ended(child);
  child.kill("SIGKILL");
  expect((await end).signal).toBe("SIGKILL");
  await waitFor("nobody holds a namespace of the dead process", 5000, () => holders(namespaces).length === 0);
  expect(named()).toEqual(before);
});

test.for(["SIGINT", "SIGTERM"] as const)("%s cleans up and ends with 128 + the signal's number", async (signal) => {
  const { child, namespaces } = await startUntilHolding(8);
  namespaces.delete(readlinkSync("/proc/self/ns/net"));
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const end = ended(child);
  child.kill(signal);
  expect(await end).toEqual({ code: signal === "SIGINT" ? 130 : 143, signal: null });
  expect(stderr).not.toMatch(/Error|at /);
  await waitFor("nobody holds a namespace of the ended process", 5000, () => holders(namespaces).length === 0);
});

test.for(["plan --lab seed", "--help", "verify --help"])("a reader that goes away is no error: %s", (args) => {
  const { status, stderr } = spawnSync("sh", ["-c", `"${process.execPath}" "${CLI}" ${args} | head -1`], {
    encoding: "utf8",
    timeout: 30_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
