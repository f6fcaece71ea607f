/** `kill -9` of a lab's daemon at any moment: nothing that was promised is lost, nothing is half done, nothing is left at the end. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { ensureDaemon } from "../../src/daemon/launch.ts";
import { removeOwned } from "../../src/kernel/clean.ts";
import { LabDaemon, machineLinks } from "../support/daemon.ts";
import { KillPoints } from "../support/kill-points.ts";

const bin = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const runDirectory = mkdtempSync(join(tmpdir(), "dn-die-"));
const place = (name: string) => ({ runDirectory, lab: `t${process.pid}${name}`, bin });
const SEED = Number(process.env.DOCKNET_SEED ?? 1);
const KILLS_OF_A_LAB = 10;
const PROGRAM = { Image: "busybox", Cmd: ["sleep", "1000"] };

afterAll(() => rmSync(runDirectory, { recursive: true, force: true }));

test.each([0, 1, 2, 3])(
  "killed at random moments of random work, lab %i is whole each time, and gone at the end",
  {
    timeout: 900_000,
  },
  async (i) => {
    const before = machineLinks();
    const points = new KillPoints(place(`k${i}`), SEED + i);
    await points.run(KILLS_OF_A_LAB);
    expect(points.outcome.startsMs.length).toBeGreaterThanOrEqual(KILLS_OF_A_LAB);
    expect(machineLinks()).toBe(before);
  },
);

test("when its shim is killed, containers with processes have ended with 137, and the rest lives", async () => {
  const daemon = new LabDaemon(place("s"));
  try {
    await daemon.start();
    await daemon.ask("POST", "/containers/create?name=sleeper", PROGRAM);
    await daemon.ask("POST", "/containers/create?name=web", { Image: "nginx" });
    for (const name of ["sleeper", "web"]) await daemon.ask("POST", `/containers/${name}/start`);
    const waited = daemon.ask("POST", "/containers/sleeper/wait");
    const shim = daemon.shim();
    if (!shim) throw new Error("no shim");
    process.kill(shim.pid, "SIGKILL");
    expect(await waited).toEqual({ StatusCode: 137 });
    expect(await stateOf(daemon, "sleeper")).toMatchObject({ Status: "exited", ExitCode: 137, Pid: 0 });
    expect(await stateOf(daemon, "web")).toMatchObject({ Status: "running" });
    await daemon.ask("POST", "/containers/sleeper/start");
    expect(await stateOf(daemon, "sleeper")).toMatchObject({ Status: "running" });
    expect(daemon.complaints).toEqual([]);
  } finally {
    await daemon.remove();
  }
});

test("told to end by SIGTERM it lets go: the lab stays for the next one", async () => {
  const daemon = new LabDaemon(place("t"));
  try {
    await daemon.start();
    await daemon.ask("POST", "/containers/create?name=sleeper", PROGRAM);
    await daemon.ask("POST", "/containers/sleeper/start");
    const before = await stateOf(daemon, "sleeper");
    await daemon.kill("SIGTERM");
    await daemon.start();
    expect(await stateOf(daemon, "sleeper")).toEqual(before);
    expect(await daemon.ask("GET", "/docknet/drift")).toEqual({ result: [] });
    expect(daemon.complaints).toEqual([]);
  } finally {
    await daemon.remove();
  }
});

test("clean after the death of daemon and shim removes all that is theirs, and nothing else", async () => {
  const daemon = new LabDaemon(place("c"));
  const foreign = `${daemon.lab}.x`;
  try {
    await daemon.start();
    await daemon.ask("POST", "/containers/create?name=sleeper", PROGRAM);
    await daemon.ask("POST", "/containers/sleeper/start");
    execFileSync("ip", ["netns", "add", foreign]);
    const shim = daemon.shim();
    daemon.notice(shim?.pid ?? 0);
    await daemon.kill();
    if (shim) process.kill(shim.pid, "SIGKILL");
    const { removed, left } = await removeOwned(daemon.directory);
    expect(left).toEqual([]);
    expect(removed.map((r) => r.what)).toContain(`directory ${daemon.directory}`);
    expect(await daemon.leftovers(foreign)).toEqual([]);
    expect(existsSync(`/run/netns/${foreign}`)).toBe(true);
  } finally {
    await daemon.remove();
    execFileSync("ip", ["netns", "delete", foreign]);
  }
});

test("a starter that was killed over it does not keep others from starting", async () => {
  const daemon = new LabDaemon(place("f"));
  try {
    await daemon.start();
    await daemon.kill();
    // pid 1 runs, but it is not the process that wrote this
    for (const text of ["", "1 77", "4194304 1"]) {
      writeFileSync(`${daemon.directory}/starting`, text);
      expect((await daemon.docknet("ps", "-q")).code).toBe(0);
      expect(existsSync(`${daemon.directory}/starting`)).toBe(false);
      await daemon.killAll();
    }
  } finally {
    await daemon.remove();
  }
});

test("a directory whose path is too long for a socket is refused at once", async () => {
  const before = process.env.DOCKNET_RUN_DIR;
  process.env.DOCKNET_RUN_DIR = `/tmp/${"x".repeat(100)}`;
  try {
    await expect(ensureDaemon("lab")).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringContaining("wanted at most 107"),
    });
  } finally {
    if (before === undefined) delete process.env.DOCKNET_RUN_DIR;
    else process.env.DOCKNET_RUN_DIR = before;
  }
});

async function stateOf(daemon: LabDaemon, name: string): Promise<object> {
  return (await daemon.ask<{ State: object }>("GET", `/containers/${name}/json`)).State;
}
