/** The directory of a lab that is removed, moved or damaged under it, as cleaners of /tmp do: nothing of the lab stays unseen. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { LabDaemon } from "../support/daemon.ts";
import { waitFor } from "../support/wait-for.ts";

const bin = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const runDirectory = mkdtempSync(join(tmpdir(), "dn-lost-"));
let daemon: LabDaemon;
let count = 0;

beforeEach(async () => {
  count += 1;
  daemon = new LabDaemon({ runDirectory, lab: `l${process.pid}n${count}`, bin });
  await daemon.start();
  await daemon.ask("POST", "/containers/create?name=sleeper", { Image: "busybox", Cmd: ["sleep", "1000"] });
  await daemon.ask("POST", "/containers/create?name=web", { Image: "nginx" });
  for (const name of ["sleeper", "web"]) await daemon.ask("POST", `/containers/${name}/start`);
  daemon.notice(daemon.shim()?.pid ?? 0);
});

afterEach(() => daemon.remove());
afterAll(() => rmSync(runDirectory, { recursive: true, force: true }));

test.each([
  ["removed", () => rmSync(daemon.directory, { recursive: true })],
  ["moved away", () => renameSync(daemon.directory, `${runDirectory}/elsewhere${count}`)],
  [
    "replaced",
    () => {
      renameSync(daemon.directory, `${runDirectory}/elsewhere${count}`);
      mkdirSync(daemon.directory, { mode: 0o700 });
    },
  ],
  ["without its socket", () => rmSync(`${daemon.directory}/docknet.sock`)],
  ["without its lock", () => rmSync(`${daemon.directory}/lock`)],
])("a directory %s ends the lab in order", async (_, damage) => {
  damage();
  await daemon.exited();
  expect(daemon.complaints.join("")).toMatch(/^docknetd: the directory of lab \S+, \S+, has gone: the lab ends\n$/);
  rmSync(daemon.directory, { recursive: true, force: true });
  expect(await daemon.leftovers()).toEqual([]);
  // the next one begins anew
  expect(await daemon.docknet("ps", "-aq")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  await daemon.docknet("down");
});

/** The daemon looks at least once a minute (src/daemon/place-watch.ts), whatever the kernel reports. */
const SEEN_MS = 75_000;

test.each(["manifest.jsonl", "journal.json"])(
  "%s, removed or damaged, is written again",
  { timeout: 240_000 },
  async (name) => {
    const file = join(daemon.directory, name);
    const { length } = readFileSync(file, "utf8");
    for (const damage of [() => rmSync(file), () => writeFileSync(file, "nonsense"), () => writeFileSync(file, "")]) {
      damage();
      await waitFor(
        `${name} is whole`,
        SEEN_MS,
        () => existsSync(file) && readFileSync(file, "utf8").length > length / 3,
      );
    }
    await daemon.kill();
    expect((await daemon.docknet("ps", "-q")).stdout.trim().split("\n")).toHaveLength(2);
    await daemon.docknet("down");
    expect(await daemon.leftovers()).toEqual([]);
  },
);

test.each([
  ["the directory", () => rmSync(daemon.directory, { recursive: true })],
  ["the manifest", () => rmSync(`${daemon.directory}/manifest.jsonl`)],
  ["a damaged manifest", () => writeFileSync(`${daemon.directory}/manifest.jsonl`, "\n{half\n\0\n")],
  [
    "a manifest that is a directory",
    () => {
      rmSync(`${daemon.directory}/manifest.jsonl`);
      mkdirSync(`${daemon.directory}/manifest.jsonl`);
    },
  ],
])("clean finds what is left of a dead daemon's lab by proof: %s", async (_, damage) => {
  const foreign = `${daemon.lab}.foreign`;
  execFileSync("ip", ["netns", "add", foreign]);
  try {
    await daemon.kill();
    damage();
    const { stdout, code } = await daemon.docknet("clean");
    for (const node of ["host", "router", "web", "sleeper"])
      expect(stdout).toContain(`removed namespace /run/netns/${daemon.lab}.${node}`);
    expect(stdout).toMatch(/removed process \d+ \(shim\)/);
    expect(code).toBe(0);
    expect(stdout).not.toContain(foreign);
    expect(await daemon.leftovers(foreign)).toEqual([]);
    expect(existsSync(`/run/netns/${foreign}`)).toBe(true);
  } finally {
    execFileSync("ip", ["netns", "delete", foreign]);
  }
});

test("a lab of that name in another directory is not touched", async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "dn-lost-"));
  try {
    const env = { ...process.env, DOCKNET_RUN_DIR: elsewhere };
    const clean = execFileSync(process.execPath, [join(bin, "docknet.js"), "clean", daemon.lab], { env });
    expect(String(clean)).toBe("Nothing to clean\n");
    expect(readdirSync("/run/netns")).toContain(`${daemon.lab}.web`);
    expect((await daemon.docknet("ps", "-q")).stdout.trim().split("\n")).toHaveLength(2);
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});
