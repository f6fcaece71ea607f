/** Macvlan networks on the kernel: what `ip -d link` says of them, what is seen where, and how a lab whose macvlan was changed by hand is mended. */
import { expect, test } from "vitest";
import { buildLab, createLab, type Lab, labFile, loadSpec, type Report, renderWalk } from "../../src/index.ts";
import { Executor } from "../../src/kernel/executor.ts";
import { readLab } from "../../src/kernel/lab-reading.ts";
import { readMachine } from "../../src/kernel/machine.ts";
import type { NodeName } from "../../src/net/name.ts";
import { renderDrift } from "../../src/observe/drift.ts";
import { reconcile } from "../../src/observe/repair.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { planLab } from "../../src/plan/plan.ts";
import { resolveState } from "../../src/state/resolve.ts";
import { labText } from "../support/lab-text.ts";

const lan = (mode: string, parent = "eth0"): string =>
  `lan: { driver: macvlan, driver_opts: { parent: "${parent}", macvlan_mode: ${mode} }, ` +
  "ipam: { config: [{ subnet: 192.168.0.0/24, ip_range: 192.168.0.96/27, gateway: 192.168.0.1 }] } }";

const file = (networks: string, services: string): string => `services:\n${services}\nnetworks:\n  ${networks}\n`;
const WEB = "  web: { image: nginx, networks: [lan] }";
const DB = "  db: { image: nginx, networks: [lan] }";

interface LinkRow {
  readonly ifname: string;
  readonly address: string;
  readonly link_index?: number;
  readonly linkinfo?: { readonly info_kind: string; readonly info_data?: { readonly mode?: string } };
}

/** By iproute2, which had no part in making it. */
async function linksOf(lab: Lab, node: string): Promise<LinkRow[]> {
  const { stdout } = await lab.exec(node, ["ip", "-d", "-j", "link", "show"]);
  return JSON.parse(stdout) as LinkRow[];
}

const failures = (report: Report): string[] =>
  report.checks.filter((c) => c.verdict !== "PASS").map((c) => `${c.verdict} ${c.claim}: ${c.reasons.join("; ")}`);

test.for(["bridge", "private", "vepa", "passthru"])(
  "mode %s: the container's link is what was planned",
  async (mode) => {
    await using lab = await buildLab(loadSpec(labText(file(lan(mode), WEB))));
    const host = await linksOf(lab, "@host");
    const uplink = host.find((l) => l.ifname === "eth0");
    const [link] = (await linksOf(lab, "web")).filter((l) => l.ifname === "eth0");
    expect(link?.linkinfo?.info_kind).toBe("macvlan");
    expect(link?.linkinfo?.info_data?.mode).toBe(mode);
    expect(link?.link_index).toBe((uplink as unknown as { ifindex: number }).ifindex);
    expect(link?.address).toBe(lab.state.containers[0]?.endpoints[0]?.mac);
    expect(link?.address === uplink?.address).toBe(mode === "passthru");
    // nothing of it on the host
    expect(host.map((l) => l.linkinfo?.info_kind ?? l.ifname).filter((k) => k !== "bridge")).not.toContain("macvlan");
  },
);

test("in mode passthru the host hears nothing of the LAN, and the container all of it", async () => {
  const checks = [
    '{ from: "@neighbour", to: "web:80", seen-as: 192.168.0.20 }',
    '{ from: web, to: "@internet:80", seen-as: 203.0.113.91 }',
    '{ from: "@neighbour", to: "@host", proto: icmp, expect: unreachable }',
    // by the router, whom nothing made ask for the host: who asked it before is in its ARP table, and then there is silence
    '{ from: "@host", to: "@internet:80", expect: unreachable }',
  ];
  const yaml = `${file(lan("passthru"), WEB)}x-docknet: { checks: [${checks.join(", ")}] }\n`;
  await using lab = await buildLab(loadSpec(labText(yaml)));
  expect(failures(await lab.verify())).toEqual([]);
});

test("verify finds a mode that was changed by hand", async () => {
  // what is otherwise is looked for when a check fails, as this one does at once
  const checks = '{ from: "@neighbour", to: "web:81" }';
  const yaml = `${file(lan("bridge"), WEB)}x-docknet: { checks: [${checks}] }\n`;
  await using lab = await buildLab(loadSpec(labText(yaml)));
  await lab.exec("web", ["ip", "link", "set", "eth0", "type", "macvlan", "mode", "private"]);
  const { drift } = await lab.verify();
  expect(drift.map(renderDrift)).toEqual([
    "web: link changed: eth0 mode: wanted bridge, found private (web on network test_lan)",
  ]);
});

test.for<[string, readonly string[], string]>([
  [
    "in another mode",
    ["ip", "link", "set", "eth0", "type", "macvlan", "mode", "private"],
    "web: link changed: eth0 kind: wanted macvlan on eth0 of @host in mode bridge, found macvlan on eth0 of @host in mode private",
  ],
  ["gone", ["ip", "link", "delete", "eth0"], "web: link missing: eth0"],
  [
    "a dead end in its place",
    ["sh", "-c", "ip link delete eth0 && ip link add eth0 type veth peer name other"],
    "web: link changed: eth0 kind: wanted macvlan on eth0 of @host in mode bridge, found veth to other of web",
  ],
])("a macvlan that was changed by hand is put back: %s", async ([, command, told]) => {
  const { state } = resolveState(loadSpec(labText(file(lan("bridge"), WEB))));
  const layout = layoutOf(state, readMachine());
  const executor = new Executor({ lab: state.lab, named: false });
  const mend = () =>
    reconcile(
      { read: (l) => readLab(executor, l), repair: (ops) => executor.repair(ops), apply: (ops) => executor.apply(ops) },
      layout,
    );
  try {
    await executor.apply(planLab(undefined, layout));
    expect((await mend()).drift).toEqual([]);
    const { execFileSync } = await import("node:child_process");
    executor.netns("web" as NodeName).enter(() => execFileSync(command[0] ?? "", command.slice(1)));
    expect((await mend()).drift.map(renderDrift).join("\n")).toContain(told);
    expect(await mend()).toEqual({ drift: [], done: [] });
  } finally {
    await executor.close();
  }
});

test.for([
  ["eth0.10", "8021q"],
  ["", "dummy"],
])("parent %j: made where the kernel can, and else refused with what to do", async ([parent = "", module]) => {
  const spec = loadSpec(labText(file(lan("bridge", parent), `${WEB}\n${DB}`)));
  const built = await buildLab(spec).catch((error: unknown) => error);
  if (built instanceof Error) {
    expect(built.message).toMatch(/(failed to create eth0\.10 vlan link: )?operation not supported$/);
    expect(built).toMatchObject({ code: "KERNEL_FEATURE", remedy: expect.stringContaining(`modprobe ${module}`) });
    return;
  }
  await using lab = built as Lab;
  expect(failures(await lab.verify())).toEqual([]);
});

test("a matrix agrees with its prediction: who may, who may not, and by which address", async () => {
  await using lab = await createLab(labFile("macvlan"));
  const { cells, columns } = await lab.matrix();
  const told = cells.filter((c) => c.verdict === "FAIL" || c.verdict === "INCONCLUSIVE");
  expect(told.map((c) => `${c.from} to ${c.to}: ${c.verdict}: ${c.reasons.join("; ")}`)).toEqual([]);
  expect(columns.map((c) => c.control)).toEqual(columns.map(() => "PASS"));
  const seen = (from: string, to: string): unknown => {
    const cell = cells.find((c) => c.from === from && c.to === to);
    return [cell?.address, cell?.observed?.outcome];
  };
  expect(seen("@host", "media:80/tcp")).toEqual(["192.168.0.101", "unreachable"]);
  expect(seen("@neighbour", "media:80/tcp")).toEqual(["192.168.0.101", "reach"]);
  expect(seen("@host", "proxy:80/tcp")).toEqual(["172.30.8.2", "reach"]);
  expect(seen("@neighbour", "proxy:80/tcp")).toEqual(["192.168.0.102", "reach"]);
});

test("a walk goes by the parent, which it names, and in the order of the wire", async () => {
  await using lab = await createLab(labFile("macvlan"));
  const way = async (from: string, to: string): Promise<unknown> => {
    const walk = await lab.walk(from, to);
    return [walk.verdict, walk.ways[0]?.hops.map((h) => h.node).join(" ")];
  };
  expect(await way("@neighbour", "media:80")).toEqual(["reach", "@neighbour @lan media"]);
  expect(await way("media", "@internet:80")).toEqual(["reach", "media @lan @router @internet"]);
  expect(await way("@internet", "@router:80")).toEqual(["reach", "@internet @router @lan media"]);
  expect(await way("media", "pihole:80")).toEqual(["reach", "media pihole"]);
  expect(await way("@host", "media:80")).toEqual(["unreachable", "@host"]);
  const text = renderWalk(await lab.walk("media", "pihole:80"), { colour: false, width: 100 });
  expect(text.match(/eth0 \(on eth0 of @host\)/g)).toHaveLength(2);
});

test("a capture of a macvlan has each frame once, and its direction", async () => {
  await using lab = await createLab(labFile("macvlan"));
  await using recording = lab.capture({ nodes: ["media/eth0"], filter: "icmp" });
  for (const _ of [1, 2]) await lab.exec("@neighbour", ["ping", "-c", "1", "-W", "20", "192.168.0.101"]);
  recording.stop();
  const seen: string[] = [];
  for await (const { direction, frame } of recording) seen.push(`${direction} ${frame.ip?.icmp?.type}`);
  expect(seen).toEqual(["in 8", "out 0", "in 8", "out 0"]);
});

test("the router's 1:1 NAT leads to a macvlan and from it, and FTP by it works in extended passive mode", async () => {
  const services =
    "  web: { image: ftp, networks: { lan: { ipv4_address: 192.168.0.100 } }, x-docknet: { serve: [21] } }";
  const nat = 'x-docknet: { world: { router: { static: ["203.0.113.92:192.168.0.100"] } }';
  const checks = [
    '{ from: web, to: "@internet:80", seen-as: 203.0.113.92 }',
    '{ from: "@internet", to: 203.0.113.92, proto: icmp }',
    '{ from: "@internet", to: "203.0.113.92:21", transfer: extended-passive }',
    '{ from: "@internet", to: "203.0.113.92:21", transfer: passive, expect: unreachable }',
    '{ from: "@neighbour", to: "web:21", transfer: passive }',
    '{ from: "@neighbour", to: "web:21", transfer: active }',
    '{ from: "@host", to: "web:21", transfer: passive, expect: unreachable }',
  ];
  for (const extra of [" }", `, checks: [${checks.join(", ")}] }`]) {
    await using lab = await buildLab(loadSpec(labText(`${file(lan("bridge"), services)}${nat}${extra}\n`)));
    expect(failures(await lab.verify())).toEqual([]);
  }
});
