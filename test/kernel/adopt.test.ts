/**
 * A lab with names outlives its process: another takes it over by the manifest, and `removeOwned` removes it from any state, and
 * nothing that docknet did not make.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeOwned } from "../../src/kernel/clean.ts";
import { Executor } from "../../src/kernel/executor.ts";
import { lockDirectory } from "../../src/kernel/lock.ts";
import { Manifest, netnsPath } from "../../src/kernel/manifest.ts";
import { Netns } from "../../src/kernel/netns.ts";
import type { IfName, NodeName } from "../../src/net/name.ts";
import type { Op } from "../../src/plan/op.ts";
import { waitFor } from "../support/wait-for.ts";

const [A, B] = ["@host" as NodeName, "web" as NodeName];
const OPS: readonly Op[] = [
  { kind: "netns.create", node: A },
  { kind: "netns.create", node: B },
  { kind: "bridge.create", node: A, name: "br0" as IfName },
  { kind: "veth.create", node: A, end: { name: "veth0" as IfName }, peerNode: B, peer: { name: "eth0" as IfName } },
];

let count = 0;
let directory: string;
let children: ChildProcess[] = [];

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "docknet-adopt-")), `t${process.pid}a${count++}`);
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  await removeOwned(directory);
  rmSync(dirname(directory), { recursive: true, force: true });
});

interface Lab {
  readonly manifest: Manifest;
  readonly executor: Executor;
  path(node: NodeName): string;
}

function openLab(): Lab {
  const manifest = new Manifest(directory);
  const executor = new Executor({ lab: manifest.lab, named: true, manifest });
  return { manifest, executor, path: (node) => netnsPath(manifest.lab, node) };
}

async function builtLab(): Promise<Lab> {
  const lab = openLab();
  await lab.executor.apply(OPS);
  return lab;
}

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });
const linksIn = (ns: Netns): string =>
  ns.enter(() => execFileSync("ip", ["-br", "link"], { encoding: "utf8" })).replaceAll(/^(\S+?)(@\S+)? .*$/gm, "$1");

function sleepIn(ns: Netns): ChildProcess {
  const child = ns.enter(() => ({ child: spawn("sleep", ["600"], { stdio: "ignore" }) })).child;
  children.push(child);
  return child;
}

test("another executor takes over what the first let go of, with the numbers of its links", async () => {
  const first = await builtLab();
  await first.executor.detach();
  const next = openLab();
  expect(await next.executor.adopt(next.manifest.nodes())).toEqual([A, B]);
  expect(linksIn(next.executor.netns(A))).toContain("br0\nveth0");
  await next.executor.apply([
    { kind: "port.join", node: A, name: "veth0" as IfName, bridge: "br0" as IfName, hairpin: false },
    { kind: "bridge.create", node: A, name: "br1" as IfName },
  ]);
  expect(ip("-n", `${next.manifest.lab}.host`, "-br", "link", "show", "master", "br0")).toContain("veth0");
  await next.executor.close();
  expect(existsSync(first.path(A)) || existsSync(first.path(B))).toBe(false);
  expect(next.manifest.nodes()).toEqual([]);
});

test("links that were made by hand do not disturb the next change", async () => {
  const { executor, manifest } = await builtLab();
  for (const name of ["x0", "x1"]) ip("-n", `${manifest.lab}.host`, "link", "add", name, "type", "bridge");
  await executor.apply([{ kind: "bridge.create", node: A, name: "br1" as IfName }]);
  expect(linksIn(executor.netns(A))).toMatch(/br1/);
});

test("a sysctl of an adopted namespace is set even when a new one would have been born with it", async () => {
  const first = await builtLab();
  const key = "net.ipv4.ip_forward";
  const born = first.executor.netns(B).enter(() => readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim());
  first.executor.netns(B).writeSysctl(key, born === "1" ? "0" : "1");
  await first.executor.detach();
  const next = openLab();
  await next.executor.adopt([B]);
  await next.executor.apply([{ kind: "sysctl.set", node: B, key, value: born }]);
  expect(next.executor.netns(B).enter(() => readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim())).toBe(born);
});

test("a name that is not in the manifest is a conflict, and stays", async () => {
  const lab = openLab();
  const name = `${lab.manifest.lab}.web`;
  ip("netns", "add", name);
  try {
    await expect(lab.executor.apply([{ kind: "netns.create", node: B }])).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await lab.executor.adopt([A, B])).toEqual([]);
    await lab.executor.close();
    expect((await removeOwned(directory)).left).toMatchObject([{ what: `namespace ${lab.path(B)}`, ours: false }]);
    expect(existsSync(lab.path(B))).toBe(true);
    expect(existsSync(directory)).toBe(false);
  } finally {
    ip("netns", "delete", name);
  }
});

test("a foreign namespace that took the name is neither adopted nor removed", async () => {
  const { executor, manifest, path } = await builtLab();
  await executor.detach();
  const name = `${manifest.lab}.web`;
  ip("netns", "delete", name);
  ip("netns", "add", name);
  try {
    const next = openLab();
    expect(await next.executor.adopt(next.manifest.nodes())).toEqual([A]);
    await next.executor.detach();
    const cleaned = await removeOwned(directory);
    expect(cleaned.left).toMatchObject([{ what: `namespace ${path(B)}`, ours: false }]);
    expect(cleaned.removed.map((r) => r.what)).toEqual([`namespace ${path(A)}`, `directory ${directory}`]);
  } finally {
    ip("netns", "delete", name);
  }
});

test("the inode's number does not make it ours: the kernel uses it again", async () => {
  const { manifest, executor, path } = openLab();
  const name = `${manifest.lab}.web`;
  ip("netns", "add", name);
  try {
    const { dev, ino } = statSync(path(B));
    manifest.addNetns(B, { inode: `${dev}:${ino}`, cookie: "1" });
    expect(await executor.adopt([B])).toEqual([]);
    expect((await removeOwned(directory)).left).toMatchObject([{ what: `namespace ${path(B)}`, ours: false }]);
  } finally {
    ip("netns", "delete", name);
  }
});

test("a name whose maker was killed before the mount is ours: it is removed, and can be made again", async () => {
  const lab = await builtLab();
  await lab.executor.detach();
  execFileSync("umount", [lab.path(B)]);
  const next = openLab();
  expect(await next.executor.adopt(next.manifest.nodes())).toEqual([A]);
  expect(existsSync(lab.path(B))).toBe(false);
  await next.executor.apply([{ kind: "netns.create", node: B }]);
  expect(existsSync(lab.path(B))).toBe(true);
});

test("a namespace that lost its name is adopted by a process that lives in it", async () => {
  const first = await builtLab();
  sleepIn(first.executor.netns(B));
  await first.executor.detach();
  ip("netns", "delete", `${first.manifest.lab}.web`);
  const next = openLab();
  expect(await next.executor.adopt([B])).toEqual([B]);
  expect(next.executor.netns(B).hasName()).toBe(false);
  next.executor.netns(B).giveName();
  expect(ip("-n", `${next.manifest.lab}.web`, "-br", "link")).toContain("eth0");
});

test("clean ends recorded processes, removes namespaces and the directory, and tells each", async () => {
  const { executor, manifest, path } = await builtLab();
  await executor.detach();
  const daemon = spawn("sleep", ["600"], { stdio: "ignore" });
  children.push(daemon);
  const { pid } = manifest.addProcess("daemon", daemon.pid ?? 0);
  const cleaned = await removeOwned(directory);
  expect(cleaned.removed.map((r) => r.what)).toEqual([
    `process ${pid} (daemon)`,
    `namespace ${path(A)}`,
    `namespace ${path(B)}`,
    `directory ${directory}`,
  ]);
  expect(cleaned.left).toEqual([]);
  expect(await removeOwned(directory)).toMatchObject({ removed: [], left: [] });
  await waitFor("the end of the process", 20_000, () => daemon.signalCode ?? undefined);
  expect(daemon.signalCode).toBe("SIGKILL");
});

test("a process that only bears a recorded pid is not ours", async () => {
  new Manifest(directory);
  const stranger = spawn("sleep", ["600"], { stdio: "ignore" });
  children.push(stranger);
  const record = { event: "made", kind: "process", role: "shim", pid: stranger.pid, startTicks: 1 };
  writeFileSync(join(directory, "manifest.jsonl"), `\n${JSON.stringify(record)}\n`);
  expect((await removeOwned(directory)).removed.map((r) => r.what)).toEqual([`directory ${directory}`]);
  expect(() => process.kill(stranger.pid ?? 0, 0)).not.toThrow();
});

test("all that docknet makes dies with its namespaces; who keeps one alive is named", async () => {
  const { executor, manifest, path } = await builtLab();
  const before = ip("-br", "link");
  const child = sleepIn(executor.netns(B));
  await executor.detach();
  const cleaned = await removeOwned(directory);
  expect(cleaned.removed).toContainEqual({
    what: `namespace ${path(B)}`,
    note: `it lives on without a name, used by process ${child.pid} (sleep)`,
  });
  // the pair went with the host's namespace, so nothing of the lab is left in what the process sees
  const links = (): string =>
    execFileSync("nsenter", [`--net=/proc/${child.pid}/ns/net`, "ip", "-br", "link"], { encoding: "utf8" });
  await waitFor("the end of the pair", 20_000, () => !links().includes("eth0"));
  expect(ip("-br", "link")).toBe(before);
  expect(manifest.nodes()).toEqual([A, B]);
});

test("a half-written record is nothing, and what follows it is read", () => {
  const manifest = new Manifest(directory);
  writeFileSync(join(directory, "manifest.jsonl"), '\n{"event":"made","kind":"netns","no', { flag: "a" });
  manifest.addNetns(B, { inode: "4:4026531", cookie: "7" });
  const again = new Manifest(directory);
  expect(again.namespaces()).toEqual([{ kind: "netns", node: B, inode: "4:4026531", cookie: "7" }]);
});

test("the manifest of a lab that lives long does not grow with all that came and went", () => {
  const manifest = new Manifest(directory);
  manifest.addNetns(A, { inode: "4:4026530", cookie: "6" });
  for (let i = 0; i < 6000; i++) {
    manifest.addNetns(B, { inode: "4:4026531", cookie: String(i) });
    manifest.forget({ kind: "netns", node: B, inode: "4:4026531", cookie: String(i) });
  }
  const records = readFileSync(join(directory, "manifest.jsonl"), "utf8").split("\n").filter(Boolean);
  expect(records.length).toBeLessThan(10_100);
  expect(new Manifest(directory).nodes()).toEqual([A]);
});

test.for([
  { event: "made", kind: "netns", node: "../etc", inode: "4:1", cookie: "1" },
  { event: "made", kind: "netns", node: "web", inode: "4:1; rm", cookie: "1" },
  { event: "made", kind: "process", role: "daemon", pid: 1, startTicks: 1 },
  { event: "made", kind: "process", role: "daemon", pid: -5, startTicks: 1 },
  { event: "made", kind: "process", role: "init", pid: 5, startTicks: 1 },
])("a record that could name something else is none: %j", (record) => {
  new Manifest(directory);
  writeFileSync(join(directory, "manifest.jsonl"), `\n${JSON.stringify(record)}\n`);
  const manifest = new Manifest(directory);
  expect([...manifest.namespaces(), ...manifest.processes()]).toEqual([]);
});

test("a directory that others can write is not trusted", async () => {
  new Manifest(directory);
  execFileSync("chmod", ["0777", directory]);
  await expect(removeOwned(directory)).rejects.toMatchObject({ code: "PRIVILEGE" });
  expect(() => new Manifest(directory)).toThrow(/Cannot trust/);
  execFileSync("chmod", ["0700", directory]);
});

test("one holder at a time: the second lock is refused until the first is closed", () => {
  new Manifest(directory);
  const first = lockDirectory(directory);
  expect(first).toBeDefined();
  expect(lockDirectory(directory)).toBeUndefined();
  first?.close();
  const second = lockDirectory(directory);
  expect(second).toBeDefined();
  second?.close();
});

test("clean leaves a lab that another docknet holds, and says so", async () => {
  const { executor, path } = await builtLab();
  const lock = lockDirectory(directory);
  const cleaned = await removeOwned(directory);
  expect(cleaned.left).toMatchObject([{ what: `directory ${directory}`, ours: true }]);
  expect(existsSync(path(A))).toBe(true);
  lock?.close();
  await executor.detach();
});

test("opening a namespace by another's identity opens nothing and leaks nothing", async () => {
  const { executor, path, manifest } = await builtLab();
  const wrong = { inode: manifest.netnsOf(A)?.inode ?? "", cookie: "1" };
  const before = openSync("/dev/null", "r");
  closeSync(before);
  expect(
    Netns.open("web", path(A), wrong, { path: path(A), owner: { directory: "/run/docknet/lab", node: A } }),
  ).toBeUndefined();
  const after = openSync("/dev/null", "r");
  closeSync(after);
  expect(after).toBe(before);
  await executor.detach();
});
