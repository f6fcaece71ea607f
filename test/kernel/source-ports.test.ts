/**
 * Senders that share a source port: NAT gives one of them another, and what a machine with NAT sends itself is changed before any link
 * has it. The story of each is its own, whoever was first. Ephemeral ports fall together by chance, once in some thousand runs.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DisposerStack } from "../../src/dispose.ts";
import { buildLab, type Lab, type LoadOptions, labFile, loadSpec, type Report, resolveState } from "../../src/index.ts";
import { Site } from "../../src/lab/site.ts";
import { checksOfSite } from "../../src/lab/verify.ts";
import type { LabName } from "../../src/net/name.ts";
import type { Port } from "../../src/net/port.ts";
import type { Instruments } from "../../src/observe/instruments.ts";
import { verifyLayout } from "../../src/observe/verify.ts";
import { PROFILES } from "../../src/plan/firewall/profile.ts";
import { labText } from "../support/lab-text.ts";
import { propertyRuns } from "../support/property.ts";
import { type RandomTopology, renderTopology, topology } from "../support/topology.ts";

/** Checks are sent in this order: the container has the port before the host's own programs do, the host before the router. */
const LAB = `
services:
  web: { image: nginx, network_mode: bridge, ports: ["8080:80"] }
  agent: { image: busybox, network_mode: host }
x-docknet:
  world: { router: { forwards: ["8080:8080"] } }
  checks:
    - { from: web, to: "@internet:80", source-port: 40002 }
    - { from: agent, to: "@internet:80", source-port: 40002 }
    - { from: "@router", to: "@internet:80", source-port: 40002 }
    - { from: "@host", to: "@internet:80", source-port: 40004 }
    - { from: web, to: "@internet:80", source-port: 40004 }
    - { from: web, to: "@internet:81", source-port: 40006, expect: refuse }
    - { from: "@host", to: "@internet:81", source-port: 40006, expect: refuse }
    - { from: web, to: "@internet:80/udp", source-port: 40008 }
    - { from: agent, to: "@internet:80/udp", source-port: 40008 }
    - { from: "@neighbour", to: "192.168.0.10:8080", source-port: 40010 }
    - { from: "@internet", to: "@router:8080", source-port: 40010 }
    - { from: "@host", to: "192.168.0.10:8080", source-port: 40010 }
`;

let lab: Lab;
let report: Report;
beforeAll(async () => {
  lab = await buildLab(loadSpec(labText(LAB)));
  // closed flows are forgotten after ten seconds; on a slow machine that is before we have looked
  for (const node of ["@router", "@host"])
    await lab.exec(node, ["sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=600"]);
  report = await lab.verify();
}, 60_000);
afterAll(() => lab.close());

test("each is followed from its own sender on", () => {
  expect(report.checks.map((c) => `${c.verdict} ${c.claim}: ${c.reasons.join("; ")}`)).toEqual(
    report.checks.map((c) => `PASS ${c.claim}: `),
  );
  for (const { claim, from, evidence } of report.checks) {
    const [first] = evidence.hops;
    const sender = from === "agent" ? "@host" : from;
    expect({ node: first?.node, ttl: first?.ttl, direction: first?.direction }, claim).toEqual({
      node: sender,
      ttl: 64,
      direction: "out",
    });
  }
});

test("the second sender behind one address has another port on the way, the first keeps its own", () => {
  const portsOn = (node: string, link: string, from: string, to: string): (number | undefined)[] =>
    report.checks
      .filter((c) => c.from === from && c.to.includes(to))
      .map((c) => c.evidence.hops.find((h) => h.node === node && h.link === link && h.direction === "out")?.sport);
  expect(portsOn("@host", "eth0", "web", ":80/tcp")[0]).toBe(40002);
  expect(portsOn("@host", "eth0", "agent", ":80/tcp")[0]).not.toBe(40002);
  expect(portsOn("@router", "wan0", "web", ":80/tcp")[0]).toBe(40002);
  expect(portsOn("@router", "wan0", "@router", ":80/tcp")[0]).not.toBe(40002);
  expect(portsOn("@host", "eth0", "@host", ":80/tcp")[0]).toBe(40004);
  expect(portsOn("@host", "eth0", "web", ":80/tcp")[1]).not.toBe(40004);
  expect(portsOn("@host", "eth0", "agent", ":80/udp")[0]).not.toBe(40008);
});

/** Every sandbox begins at the same port for each target that it asks: whatever can fall together does. */
function withOnePort(site: Site): Instruments {
  const instruments = site.instruments();
  const sandboxOf = (node: string): string => {
    const container = site.state.containers.find((c) => c.node === node);
    return (container && site.sandboxOf(container)) ?? node;
  };
  const asked = new Map<string, number>();
  return {
    ...instruments,
    probe(request) {
      const { node, proto, address, port, sourcePort } = request;
      if (sourcePort !== undefined || proto === "sctp") return instruments.probe(request);
      // an echo reply finds its socket by the id alone
      const target = `${sandboxOf(node)} ${proto} ${proto === "icmp" ? "" : `${address} ${port}`}`;
      const n = asked.get(target) ?? 0;
      asked.set(target, n + 1);
      return instruments.probe({ ...request, sourcePort: (42_000 + n) as Port });
    },
  };
}

/** Without the proxy a container's way to the host's address is DNAT by the bridge, to the same end as its way straight there. */
const HAIRPIN = `
services:
  web: { image: nginx, network_mode: bridge, ports: ["8080:80", "8081:80"] }
  ftp: { image: busybox, network_mode: bridge, ports: ["2121:21"], x-docknet: { serve: ["21/tcp"] } }
  a: { image: busybox, network_mode: bridge, ports: ["8090:90/udp"] }
x-docknet: { engine: { userland-proxy: false } }
`;

const LABS: readonly (readonly [string, () => LoadOptions])[] = [
  ...["seed", "replicas", "monitoring", "nat", "macvlan"].map(
    (name) => [name, () => ({ files: [labFile(name)], cwd: process.cwd(), env: {} })] as const,
  ),
  ["without the userland proxy", () => labText(HAIRPIN)],
];

test.for(LABS)("lab %s, all senders with one port", { timeout: 60_000 }, async ([, options]) => {
  expect(await wrongWithOnePort(options())).toEqual([]);
});

test.for(PROFILES)("random labs, all senders with one port: %s", { timeout: 600_000 }, async (profile) => {
  const run = async (t: RandomTopology): Promise<void> => {
    const yaml = renderTopology(t, profile);
    expect(await wrongWithOnePort(labText(yaml)), yaml).toEqual([]);
  };
  await fc.assert(fc.asyncProperty(topology, run), propertyRuns(3));
});

async function wrongWithOnePort(options: LoadOptions): Promise<string[]> {
  await using undo = new DisposerStack();
  const site = undo.use("the lab", new Site({ lab: "test" as LabName }));
  await site.become(resolveState(loadSpec(options)).state);
  const limits = { answerDeadlineMs: 3000, silenceMs: 250 };
  const { results } = await verifyLayout(withOnePort(site), site.layout, checksOfSite(site, []), limits);
  return results.filter((r) => r.verdict !== "PASS").map((r) => `${r.verdict} ${r.id}: ${r.reasons.join("; ")}`);
}
