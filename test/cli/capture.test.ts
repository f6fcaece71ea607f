/** docknet capture as a process: of the lab that lives, and of a lab's file while it is verified; what it writes, and how it ends. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { namedNamespaces } from "../support/named-namespaces.ts";
import { waitFor } from "../support/wait-for.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "docknet-capture-"));
afterAll(() => rmSync(folder, { recursive: true }));

const lab = `t${process.pid}capture`;
/** What needs longer hangs. */
const LATE_MS = 20_000;
const env = { ...process.env, DOCKNET_PROJECT: lab, NO_COLOR: "1", GITHUB_ACTIONS: "" };

function docknet(...words: string[]) {
  return spawnSync(process.execPath, [CLI, ...words], { encoding: "utf8", timeout: 100_000, env });
}

interface Started {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly told: () => string;
  /** With its last word: code and signal. */
  readonly ended: Promise<unknown[]>;
}

/** Started, and its output as it comes. */
function start(...words: string[]): Started {
  const child = spawn(process.execPath, [CLI, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout?.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    err += chunk;
  });
  return { child, said: () => out, told: () => err, ended: once(child, "close") };
}

const ping = (count: number): void =>
  void execFileSync("ip", ["netns", "exec", `${lab}.a`, "ping", "-n", "-c", String(count), "-i", "0.02", "172.17.0.4"]);

/** The tap processes of any lab that were started by this test's daemon. */
function taps(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return (
          words.some((w) => w.endsWith("docknet-capture.mjs")) && environmentOf(pid).includes(`DOCKNET_PROJECT=${lab}`)
        );
      } catch {
        return false;
      }
    });
}

const environmentOf = (pid: number): string[] => readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");

/** What the tap processes have open of sockets: one for each link, and a few of their own that stay. */
const sockets = (): number => taps().reduce((n, pid) => n + socketsOf(pid), 0);

function socketsOf(pid: number): number {
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ""; // closed in between
    }
  });
  return open.filter((what) => what.startsWith("socket:")).length;
}

const noTaps = (): Promise<true> => waitFor("its process has ended", LATE_MS, () => taps().length === 0);

function interfaces(file: string): string[] {
  const { status, stdout, stderr } = spawnSync(
    "tshark",
    ["-n", "-r", file, "-T", "fields", "-e", "frame.interface_name"],
    {
      encoding: "utf8",
    },
  );
  const said = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Running as user"));
  expect({ status, said }).toEqual({ status: 0, said: [] });
  return [...new Set(stdout.split("\n").filter(Boolean))];
}

describe("of the lab that lives", () => {
  beforeAll(() => {
    const { status, stderr } = docknet("up", "--lab", "seed");
    expect(status, stderr).toBe(0);
  });
  afterAll(async () => {
    const { status, stderr } = docknet("down");
    expect(status, stderr).toBe(0);
    await noTaps();
  });

  test("it shows packets live, a line each, and Ctrl-C ends it well", async () => {
    const { child, said, told, ended } = start("capture", "--filter", "icmp", "web", "a/eth0");
    await waitFor("it runs", LATE_MS, () => taps().length === 1);
    ping(2);
    await waitFor("8 lines", LATE_MS, () => said().split("\n").length === 9);
    child.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
    const [first = ""] = said().split("\n");
    expect(first).toMatch(
      /^\d\d:\d\d:\d\d\.\d{9} {2}a\/eth0 {4}out {2}172\.17\.0\.\d > 172\.17\.0\.4 icmp echo request id \d+ seq 1 ttl 64$/,
    );
    expect(told()).toContain("docknet: 8 packets on 2 of 2 links, none dropped");
    await noTaps();
  });

  test("links are counted by the packets that are given out, not by those that came after the last one", async () => {
    const { told, ended } = start("capture", "-c", "1", "--filter", "icmp");
    await waitFor("it runs", LATE_MS, () => taps().length === 1);
    ping(2);
    expect(await ended).toEqual([0, null]);
    expect(told()).toMatch(/^docknet: 1 packet on 1 of \d+ links, none dropped$/m);
    await noTaps();
  });

  test("a file that cannot be written is a usage error with a remedy", () => {
    const { status, stderr } = docknet("capture", "-w", join(folder, "nowhere", "x.pcapng"));
    expect(status).toBe(2);
    expect(stderr).toMatch(/^docknet: Cannot write the capture to .*x\.pcapng: ENOENT\n {2}Name a file/);
  });

  test("it writes a file that tshark reads, while the lab is verified", () => {
    const file = join(folder, "living.pcapng");
    const { status, stdout, stderr } = docknet("capture", "-w", file, "--while", "verify");
    expect(stderr).toMatch(
      /docknet: \d+ packets on 21 of 21 links, none dropped\ndocknet: lab .* verified meanwhile: PASS/,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
    expect(interfaces(file)).toHaveLength(21);
    expect(interfaces(file)).toContain("web/eth0");
  });

  test("into a pipe whose reader goes it ends quietly, and so does the daemon's part", async () => {
    const { child, told, ended } = start("capture", "-w", "-", "web");
    const [head] = await once(child.stdout as NodeJS.ReadableStream, "data");
    expect((head as Buffer).readUInt32LE(0)).toBe(0x0a0d0d0a);
    child.stdout?.destroy();
    ping(5);
    expect(await ended).toEqual([0, null]);
    expect(told()).toBe("");
    await noTaps();
  });

  test("a reader that stops reading holds up neither the daemon nor the lab", async () => {
    const { child } = start("capture", "-w", "-", "--snaplen", "65000");
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.stdout?.pause();
    ping(200);
    expect(docknet("verify").status).toBe(0);
    child.kill("SIGKILL");
    await noTaps();
  });

  test("it outlives a container that it records, and ends well with the lab", async () => {
    const { told, ended } = start("capture", "-w", join(folder, "down.pcapng"));
    await waitFor("it runs", LATE_MS, () => taps().length === 1);
    for (const verb of ["stop", "start"]) expect(docknet(verb, `${lab}-a-1`).status).toBe(0);
    const { status, stderr } = docknet("down");
    expect(stderr).toContain("nothing left");
    expect(status).toBe(0);
    expect(await ended, told()).toEqual([0, null]);
    // the link that it had before, and the one that it has now
    expect(told()).toContain("of 23 links, none dropped");
    expect(interfaces(join(folder, "down.pcapng"))).toContain("@host/docker0");
    expect(docknet("up", "--lab", "seed").status).toBe(0);
  });

  test("links that appear are captured from their first frame on, and those that go let their namespace go", async () => {
    const file = join(folder, "change.pcapng");
    const all = start("capture", "-w", file);
    const live = start("capture", "--format", "json", "--filter", "tcp port 80", `late`, "web");
    expect(await live.ended).toEqual([2, null]);
    const lines = start("capture", "--format", "json", "--filter", "tcp port 80", "web", "@host");
    await waitFor("they run", LATE_MS, () => taps().length === 2);
    // a packet that both tell of: they have the sockets of all links that there are
    expect(docknet("walk", "a", "web:80").stdout).toContain("reached: web answers");
    await waitFor("both tell", LATE_MS, () => existsSync(file) && statSync(file).size > 0 && lines.said() !== "");
    const before = sockets();
    expect(docknet("run", "-d", "--name", "late", "nginx")).toMatchObject({ status: 0 });
    const pinged = spawnSync("ip", [
      "netns",
      "exec",
      `${lab}.late`,
      "ping",
      "-n",
      "-c",
      "2",
      "-i",
      "0.02",
      "172.17.0.4",
    ]);
    expect(pinged.status).toBe(0);
    expect(docknet("walk", "a", "late:80").stdout).toContain("reached: late answers");
    await waitFor("it is in the file", LATE_MS, () => readFileSync(file).includes("late/eth0"));
    // the container's end and its port at the bridge, and the port once more
    await waitFor("both have them", LATE_MS, () => sockets() === before + 3);
    expect(docknet("rm", "-f", "late")).toMatchObject({ status: 0 });
    // again under the same name: another link
    expect(docknet("run", "-d", "--name", "late", "nginx")).toMatchObject({ status: 0 });
    expect(docknet("rm", "-f", "late")).toMatchObject({ status: 0 });
    await waitFor("no socket keeps the namespace of a container that went", LATE_MS, () => sockets() === before);
    for (const { child, ended } of [all, lines]) {
      child.kill("SIGINT");
      expect(await ended).toEqual([0, null]);
    }
    // 21 of the lab, and twice a container's end and its port at the bridge
    expect(all.told()).toMatch(/docknet: \d+ packets on \d+ of 25 links, none dropped/);
    expect(interfaces(file)).toContain("late/eth0");
    const late = [
      "-n",
      "-r",
      file,
      "-Y",
      'frame.interface_name == "late/eth0"',
      "-T",
      "fields",
      "-e",
      "frame.protocols",
    ];
    const protocols = spawnSync("tshark", late, { encoding: "utf8" }).stdout.trim().split("\n");
    // what an endpoint says first: its own address
    expect(protocols[0]).toBe("eth:ethertype:arp");
    expect(protocols.filter((found) => found.includes(":icmp"))).toHaveLength(4);
    const info = execFileSync("capinfos", [file], { encoding: "utf8" });
    expect(info).toContain("Number of interfaces in file: 25");
    expect(info.match(/Number of stat entries = 1/g)).toHaveLength(25);
  });

  test.for([
    [["wep"], "Cannot capture at wep: there is no node wep that runs"],
    [["--filter", "tcp and and"], 'Cannot use the filter "tcp and and": '],
  ] as const)("it says what is wrong with %s", ([words, message]) => {
    const { status, stderr } = docknet("capture", ...words);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });
});

test("of a file it builds the lab, records it while it is verified, and leaves nothing", () => {
  const file = join(folder, "file.pcapng");
  const { status, stderr } = docknet("capture", "--lab", "seed", "--while", "verify", "-w", file, "host", "web");
  expect(stderr).toMatch(/verified meanwhile: PASS, (\d+) of \1 checks/);
  expect(status).toBe(0);
  expect(interfaces(file)).toEqual(expect.arrayContaining(["@host/eth0", "@host/docker0", "web/eth0"]));
  expect(namedNamespaces(`${lab}.`)).toEqual([]);
});

test("without a lab that lives it says how to get one", () => {
  const { status, stderr } = docknet("capture");
  expect(stderr).toMatch(/Lab t\d+capture does not run\n {2}Start one with/);
  expect(status).toBe(2);
});
