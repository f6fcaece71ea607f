/**
 * 1:1 NAT on the real kernel: what is predicted of it is what happens, also where it does not apply (from the LAN, to a machine that is
 * not there), and the kernel's flows are what `conntrack -L` shows.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildLab, type Lab, loadSpec, type Report } from "../../src/index.ts";
import { labText } from "../support/lab-text.ts";

const WORLD = `
  world:
    router:
      forwards: ["8000:8080"]
      static: ["203.0.113.92:host", "203.0.113.93:neighbour", "203.0.113.94:192.168.0.99"]`;
const SERVICES = `
services:
  web: { image: nginx, ports: ["8080:80", "127.0.0.1:8081:81", "5353:53/udp"] }
  agent: { image: busybox, network_mode: host, x-docknet: { serve: ["9100", "9100/udp"] } }
`;
const EXPLICIT = `${SERVICES}
x-docknet:${WORLD}
  checks:
    - { from: "@internet", to: "203.0.113.92:8080", source-port: 40000, seen-as: "203.0.113.80:40000" }
    - { from: "@internet", to: "203.0.113.92:5353/udp", seen-as: 203.0.113.80 }
    - { from: "@internet", to: "203.0.113.92:9100/udp", seen-as: 203.0.113.80 }
    - { from: "@internet", to: "203.0.113.92:8081", expect: refuse }
    - { from: "@internet", to: "203.0.113.92:9/udp", expect: refuse }
    - { from: "@internet", to: "203.0.113.92", proto: icmp, seen-as: 203.0.113.80 }
    - { from: "@internet", to: "203.0.113.93", proto: icmp, seen-as: 203.0.113.80 }
    - { from: "@internet", to: "203.0.113.93:80", expect: refuse }
    - { from: "@internet", to: "203.0.113.93:80/udp", expect: refuse }
    - { from: "@internet", to: "203.0.113.94:80", expect: unreachable }
    - { from: "@internet", to: "203.0.113.95:80", expect: unreachable }
    - { from: "@internet", to: "@router:8000", seen-as: 203.0.113.80 }
    - { from: "@internet", to: "@router:9100", expect: refuse }
    - { from: "@neighbour", to: "@internet:80", source-port: 40000, seen-as: "203.0.113.93:40000" }
    - { from: "@host", to: "@internet:80", source-port: 40000, seen-as: "203.0.113.92:40000" }
    - { from: "@router", to: "@internet:80", source-port: 40000, seen-as: "203.0.113.91:40000" }
    - { from: "@neighbour", to: "@internet:80/udp", source-port: 40000, seen-as: "203.0.113.93:40000" }
    - { from: "@neighbour", to: "@internet", proto: icmp, seen-as: 203.0.113.93 }
    - { from: web, to: "@internet:80", seen-as: 203.0.113.92 }
    - { from: "@neighbour", to: "203.0.113.92:8080", expect: refuse }
    - { from: "@neighbour", to: "203.0.113.93", proto: icmp, seen-as: 192.168.0.20 }
    - { from: "@neighbour", to: "192.168.0.99:80", expect: unreachable }
    - { from: "@host", to: "203.0.113.92:8080", expect: refuse }
    - { from: web, to: "203.0.113.92:8080", expect: refuse }
    - { from: web, to: "203.0.113.92", proto: icmp, seen-as: 192.168.0.10 }
    - { from: "@router", to: "203.0.113.92", proto: icmp }
`;

const troubles = (report: Report): string[] =>
  report.checks.filter((c) => c.verdict !== "PASS").map((c) => `${c.verdict} ${c.claim}: ${c.reasons.join("; ")}`);

let lab: Lab;
let report: Report;
beforeAll(async () => {
  lab = await buildLab(loadSpec(labText(EXPLICIT)));
  // closed flows are forgotten after ten seconds; on a slow machine that is before we have looked
  for (const node of ["@router", "@host"])
    await lab.exec(node, ["sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=600"]);
  report = await lab.verify();
});
afterAll(() => lab.close());

test("each claim holds, and each was predicted", () => {
  expect(troubles(report)).toEqual([]);
  expect(report.checks.map((c) => c.predicted.outcome)).toEqual(report.checks.map((c) => c.expected.outcome));
});

test.for([
  ["@neighbour", "203.0.113.93"],
  ["@host", "203.0.113.92"],
])("conntrack -L: %s has %s to itself, with its own port", async ([from, address]) => {
  const check = report.checks.find((c) => c.from === from && c.proto === "tcp" && c.expected.seenPort === 40000);
  const inside = from === "@host" ? "192.168.0.10" : "192.168.0.20";
  const { stdout } = await lab.exec("@router", ["conntrack", "-L", "-p", "tcp", "-s", inside, "--sport", "40000"]);
  const flow = `src=${inside} dst=203.0.113.80 sport=40000 dport=80 src=203.0.113.80 dst=${address} sport=80 dport=40000`;
  expect(stdout).toContain(flow);
  expect(check?.evidence.conntrack.find((e) => e.node === "@router")?.entry).toMatch(
    new RegExp(`${inside}:40000 -> 203.0.113.80:80, replies 203.0.113.80:80 -> ${address}:40000$`),
  );
});

test("conntrack -L: what comes in by 1:1 and by -p is two entries, one at each NAT", async () => {
  const flows = async (node: string): Promise<string> =>
    (await lab.exec(node, ["conntrack", "-L", "-p", "tcp", "--sport", "40000", "-s", "203.0.113.80"])).stdout;
  const container = lab.state.containers.find((c) => c.node === "web")?.endpoints[0]?.address;
  expect(await flows("@router")).toContain("dst=203.0.113.92 sport=40000 dport=8080 src=192.168.0.10 dst=203.0.113.80");
  expect(await flows("@host")).toContain(`dst=192.168.0.10 sport=40000 dport=8080 src=${container} dst=203.0.113.80`);
});

test("a claim of another port than the one that was kept fails, and says which was seen", async () => {
  const claim = `checks: [{ from: "@neighbour", to: "@internet:80", source-port: 40000, seen-as: "203.0.113.93:40001" }]`;
  await using wrong = await buildLab(loadSpec(labText(`services: {}\nx-docknet:${WORLD}\n  ${claim}\n`)));
  expect(troubles(await wrong.verify())).toEqual([
    "FAIL @neighbour reaches @internet:80/tcp as 203.0.113.93:40001: the server saw source port 40000, not 40001",
  ]);
});

test("the derived checks hold, and fail when the router's 1:1 rule is gone: N:1 takes its place", async () => {
  await using derived = await buildLab(loadSpec(labText(`${SERVICES}\nx-docknet:${WORLD}\n`)));
  const before = await derived.verify();
  expect(troubles(before)).toEqual([]);
  expect(before.checks.filter((c) => c.group === "static").map((c) => c.id)).toHaveLength(5);
  expect((await derived.exec("@router", ["iptables", "-t", "nat", "-D", "POSTROUTING", "1"])).exitCode).toBe(0);
  const after = await derived.verify();
  const failed = after.checks.find((c) => c.id === "static/@host/out");
  expect(failed?.verdict).toBe("FAIL");
  expect(failed?.reasons.join("\n")).toMatch(/the server saw 203\.0\.113\.91 as the sender, not 203\.0\.113\.92/);
  expect(failed?.reasons.join("\n")).toMatch(/rule missing: nat POSTROUTING: .*--to-source 203\.0\.113\.92/);
});
