/** A daemon or a shim that somebody stopped (SIGSTOP): no command waits without bound, and the first signal ends one that waits. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { type Owned, type OwnedProcess, readOwned } from "../../src/kernel/manifest.ts";
import { LabDaemon } from "../support/daemon.ts";

const bin = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const runDirectory = mkdtempSync(join(tmpdir(), "dn-stop-"));
/** Twice the two seconds after which a stopped daemon is one, and what a loaded machine needs to start a program. */
const BOUND_MS = 15_000;
let daemon: LabDaemon;
let other: LabDaemon;
let count = 0;

beforeEach(async () => {
  count += 1;
  daemon = new LabDaemon({ runDirectory, lab: `s${process.pid}n${count}`, bin });
  other = new LabDaemon({ runDirectory, lab: `s${process.pid}o${count}`, bin });
  await daemon.start();
  await daemon.ask("POST", "/containers/create?name=web", { Image: "nginx" });
  await daemon.ask("POST", "/containers/web/start");
});

afterEach(async () => {
  await daemon.remove();
  await other.remove();
});
afterAll(() => rmSync(runDirectory, { recursive: true, force: true }));

const daemonPid = (): number => {
  const isDaemon = (o: Owned): o is OwnedProcess => o.kind === "process" && o.role === "daemon";
  const found = [...readOwned(daemon.directory).values()].find(isDaemon);
  if (!found) throw new Error("no daemon is recorded");
  return found.pid;
};

test("each command tells which lab does not answer, and what to do", { timeout: 120_000 }, async () => {
  const pid = daemonPid();
  process.kill(pid, "SIGSTOP");
  const commands = [
    ["up", "--lab", "seed"],
    ["down"],
    ["verify"],
    ["rules"],
    ["matrix"],
    ["walk", "web", "@internet"],
    ["graph"],
    ["conntrack"],
    ["conntrack", "--watch"],
    ["capture"],
    ["capture", "-w", join(runDirectory, "x.pcapng")],
    ["reconcile"],
    ["exec", "web", "true"],
    ["ps"],
    ["run", "-d", "busybox", "true"],
    ["logs", "-f", "web"],
    ["events"],
    ["wait", "web"],
    ["attach", "web"],
  ];
  const begin = performance.now();
  const ended = await Promise.all(commands.map(async (args) => ({ args, ...(await daemon.docknet(...args)) })));
  for (const { args, code, stderr } of ended) {
    expect(stderr, args.join(" ")).toContain(
      `Lab ${daemon.lab} does not answer: its daemon, process ${pid}, is stopped\n  Let it go on with \`kill -CONT ${pid}\``,
    );
    expect(stderr).toContain(`docknet clean ${daemon.lab}`);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(code, args.join(" ")).toBeGreaterThan(0);
  }
  expect(performance.now() - begin).toBeLessThan(4 * BOUND_MS);
});

test("ls lists the others, and marks the one that does not answer; clean removes it", async () => {
  await other.start();
  process.kill(daemonPid(), "SIGSTOP");
  const { stdout, stderr, code } = await daemon.docknet("ls");
  expect(stdout).toMatch(new RegExp(`^${daemon.lab} +not answering`, "m"));
  expect(stdout).toMatch(new RegExp(`^${other.lab} +running\\(0\\)`, "m"));
  expect(stderr).toContain("kill -CONT");
  expect(code).toBe(0);
  expect((await daemon.docknet("clean", daemon.lab)).stdout).toContain(`removed directory ${daemon.directory}`);
  expect(await daemon.leftovers()).toEqual([]);
});

test("work that goes on while the daemon answers is not cut, and one that is stopped in the middle is told", async () => {
  const pid = daemonPid();
  const waiting = daemon.docknet("wait", "web");
  const cut = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 5000, "goes on"))]);
  expect(cut).toBe("goes on");
  process.kill(pid, "SIGSTOP");
  const { stderr } = await waiting;
  expect(stderr).toContain(`process ${pid}, is stopped`);
  process.kill(pid, "SIGCONT");
  expect((await daemon.docknet("ps", "-q")).code).toBe(0);
});

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)("the first %s ends a command that waits", { timeout: 120_000 }, async (signal, code) => {
  process.kill(daemonPid(), "SIGSTOP");
  for (const args of [["ls"], ["down"], ["verify"], ["rules"], ["capture"], ["graph"], ["exec", "web", "true"]]) {
    const child = command(...args);
    // it connects and waits
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const begin = performance.now();
    child.kill(signal);
    const ended = await new Promise((resolve) => child.once("exit", (status, by) => resolve(status ?? by)));
    expect([code, signal], args.join(" ")).toContain(ended);
    expect(performance.now() - begin).toBeLessThan(5000);
  }
});

test("a stopped shim: what needs it tells so, the rest goes on, and down removes it", async () => {
  await daemon.ask("POST", "/containers/create?name=sleeper", { Image: "busybox", Cmd: ["sleep", "1000"] });
  await daemon.ask("POST", "/containers/sleeper/start");
  const shim = daemon.shim();
  if (!shim) throw new Error("no shim");
  daemon.notice(shim.pid);
  process.kill(shim.pid, "SIGSTOP");
  const exec = await daemon.docknet("exec", "sleeper", "true");
  // as dockerd says why a program cannot be started: on the standard output
  expect(exec.stdout).toContain(`in lab ${daemon.lab}: its shim, process ${shim.pid}, is stopped`);
  expect(exec.stdout).toContain(`kill -CONT ${shim.pid}`);
  expect(exec.code).toBeGreaterThan(0);
  expect((await daemon.docknet("ls")).stdout).toMatch(new RegExp(`^${daemon.lab} +running\\(2\\)`, "m"));
  const down = await daemon.docknet("down");
  expect(down.stderr).toContain("nothing left");
  expect(await daemon.leftovers()).toEqual([]);
});

function command(...args: string[]): ChildProcess {
  const env = { ...process.env, DOCKNET_RUN_DIR: runDirectory };
  return spawn(process.execPath, [join(bin, "docknet.js"), "-p", daemon.lab, ...args], { env, stdio: "ignore" });
}
