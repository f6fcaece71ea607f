/**
 * A living lab whose kernel somebody changed by hand is put back to what a clean build gives, and each change is named. The lab is
 * compared with itself before the change, by the system's own tools.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSpec, resolveState } from "../../src/index.ts";
import { removeOwned } from "../../src/kernel/clean.ts";
import { Executor } from "../../src/kernel/executor.ts";
import { readLab } from "../../src/kernel/lab-reading.ts";
import { readMachine } from "../../src/kernel/machine.ts";
import { Manifest } from "../../src/kernel/manifest.ts";
import { type NodeName, netnsName } from "../../src/net/name.ts";
import { renderDrift } from "../../src/observe/drift.ts";
import { type Reconciled, reconcile } from "../../src/observe/repair.ts";
import type { Layout } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { planLab } from "../../src/plan/plan.ts";
import { type Dumps, dumpLab } from "../support/lab-dump.ts";
import { labText } from "../support/lab-text.ts";
import { waitFor } from "../support/wait-for.ts";

const LAB = `
services:
  web: { image: nginx, networks: [front, back], ports: ["8080:80"] }
  a: { image: busybox, networks: [front], sysctls: { net.ipv4.tcp_keepalive_time: "600" } }
  db: { image: postgres, networks: [back] }
networks:
  front: { driver_opts: { com.docker.network.bridge.name: br-front, com.docker.network.driver.mtu: "1400" } }
  back: { internal: true, driver_opts: { com.docker.network.bridge.name: br-back } }
x-docknet: { engine: { userland-proxy: false }, world: { router: { static: ["203.0.113.92:neighbour"] } } }
`;

const directory = join(mkdtempSync(join(tmpdir(), "docknet-reconcile-")), `t${process.pid}r`);
let manifest: Manifest;
let executor: Executor;
let layout: Layout;
let clean: Dumps;

beforeAll(async () => {
  manifest = new Manifest(directory);
  executor = new Executor({ lab: manifest.lab, named: true, manifest });
  layout = { ...layoutOf(resolveState(loadSpec(labText(LAB))).state, readMachine()), lab: manifest.lab };
  await executor.apply(planLab(undefined, layout));
  clean = dump();
});

afterAll(async () => {
  await executor.close();
  await removeOwned(directory);
  rmSync(dirname(directory), { recursive: true, force: true });
});

const dump = (): Dumps => dumpLab(manifest.lab, layout);

const mend = (from: Executor = executor): Promise<Reconciled> =>
  reconcile(
    {
      read: (wanted) => readLab(from, wanted),
      repair: (ops) => from.repair(ops),
      apply: (ops) => from.apply(ops),
    },
    layout,
  );

async function expectClean(): Promise<void> {
  let found = dump();
  await waitFor("the lab as it was", 15_000, () => {
    found = dump();
    return isDeepStrictEqual(found, clean);
  }).catch(() => {});
  expect(found).toEqual(clean);
}

const run = (node: string, command: string): string =>
  execFileSync("ip", ["netns", "exec", netnsName(manifest.lab, node as NodeName), "sh", "-c", command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

/** A port of the host in a bridge. */
const PORT = (bridge: string): string => `$(ip -o link show master ${bridge} | head -1 | cut -d: -f2 | cut -d@ -f1)`;

const CHANGES: readonly {
  readonly name: string;
  readonly node: string;
  readonly run: string;
  readonly drift: RegExp;
}[] = [
  {
    name: "a rule appended",
    node: "@host",
    run: "iptables -A DOCKER-USER -s 9.9.9.9 -j DROP",
    drift: /rule unexpected: filter DOCKER-USER/,
  },
  {
    name: "a rule inserted first",
    node: "@host",
    run: "iptables -I FORWARD -j ACCEPT",
    drift: /rule unexpected: filter FORWARD: -A FORWARD -j ACCEPT/,
  },
  {
    name: "our own rule appended twice",
    node: "@host",
    run: "for i in 1 2; do iptables -A FORWARD -j DOCKER-USER; done",
    drift: /rule unexpected: filter FORWARD: -A FORWARD -j DOCKER-USER/,
  },
  {
    name: "our own rule at another place",
    node: "@host",
    run: "iptables -D FORWARD -j DOCKER-USER && iptables -A FORWARD -j DOCKER-USER",
    drift: /rule moved: filter FORWARD/,
  },
  {
    name: "a comment that looks like rules",
    node: "@host",
    run: `iptables -I DOCKER-USER -m comment --comment 'x"\n-A DOCKER-USER -j ACCEPT\n-A FORWARD -j DROP' -j RETURN`,
    drift: /rule unexpected: filter DOCKER-USER/,
  },
  {
    name: "a jump deleted",
    node: "@host",
    run: "iptables -D FORWARD -j DOCKER-FORWARD",
    drift: /rule missing: filter FORWARD: -A FORWARD -j DOCKER-FORWARD/,
  },
  { name: "a table flushed", node: "@host", run: "iptables -F", drift: /rule missing: filter DOCKER-CT/ },
  {
    name: "a table flushed with its chains",
    node: "@host",
    run: "iptables -t nat -F && iptables -t nat -X",
    drift: /rule missing: nat: chain DOCKER/,
  },
  { name: "all rules gone", node: "@host", run: "nft flush ruleset", drift: /rule missing: raw PREROUTING/ },
  {
    name: "a policy",
    node: "@host",
    run: "iptables -P FORWARD ACCEPT; iptables -P INPUT DROP",
    drift: /policy changed: filter INPUT policy: wanted ACCEPT, found DROP/,
  },
  {
    name: "chains that jump to each other",
    node: "@host",
    run: "iptables -N ONE; iptables -N TWO; iptables -A ONE -j TWO; iptables -A INPUT -j ONE",
    drift: /rule unexpected: filter: chain TWO/,
  },
  {
    name: "a table that the lab does not use",
    node: "@host",
    run: "iptables -t mangle -A POSTROUTING -j DROP",
    drift: /rule unexpected: mangle POSTROUTING/,
  },
  {
    name: "a rule in a container",
    node: "a",
    run: "iptables -A INPUT -j DROP",
    drift: /a: rule unexpected: filter INPUT/,
  },
  {
    name: "a table of nftables",
    node: "a",
    run: "nft 'add table inet mine; add chain inet mine in { type filter hook input priority 0; policy drop; }'",
    drift: /a: rule unexpected: table inet mine/,
  },
  {
    name: "a table of iptables made unreadable",
    node: "@host",
    run: "nft 'add chain ip filter odd { type filter hook input priority 7; }'",
    drift: /rule/,
  },
  { name: "a bridge deleted", node: "@host", run: "ip link delete br-front", drift: /link missing: br-front/ },
  {
    name: "a bridge replaced by another kind of link",
    node: "@host",
    run: "ip link delete br-back && ip link add br-back type veth peer name xx",
    drift: /link changed: br-back kind: wanted bridge, found veth/,
  },
  { name: "a veth deleted", node: "web", run: "ip link delete eth0", drift: /web: link missing: eth0/ },
  {
    name: "a veth renamed",
    node: "web",
    run: "ip link set eth1 down; ip link set eth1 name foo; ip link set foo up",
    drift: /web: link missing: eth1/,
  },
  {
    name: "an address changed",
    node: "a",
    run: "ip address flush dev eth0 && ip address add 172.18.0.99/16 dev eth0",
    drift: /a: address unexpected: 172\.18\.0\.99\/16 on eth0/,
  },
  {
    name: "a public address of 1:1 NAT",
    node: "@router",
    run: "ip addr del 203.0.113.92/32 dev wan0",
    drift: /@router: address missing: 203\.0\.113\.92\/32 on wan0/,
  },
  {
    name: "a rule of 1:1 NAT",
    node: "@router",
    run: "iptables -t nat -D POSTROUTING 1",
    drift: /@router: rule missing: nat POSTROUTING: .*--to-source 203\.0\.113\.92/,
  },
  {
    name: "1:1 NAT behind the MASQUERADE that takes all",
    node: "@router",
    run: "iptables -t nat -A POSTROUTING -s 192.168.0.20/32 -o wan0 -j SNAT --to-source 203.0.113.92 && iptables -t nat -D POSTROUTING 1",
    drift: /@router: rule moved: nat POSTROUTING/,
  },
  {
    name: "an address added",
    node: "@host",
    run: "ip address add 10.9.9.9/24 dev br-front",
    drift: /address unexpected: 10\.9\.9\.9\/24 on br-front/,
  },
  {
    name: "an address without its broadcast",
    node: "db",
    run: "A=$(ip -o -4 address show eth0 | cut -d' ' -f7); ip address flush dev eth0; ip address add $A dev eth0",
    drift: /db: address/,
  },
  {
    name: "an address of an endpoint first",
    node: "a",
    run: "A=$(ip -o -4 address show eth0 | cut -d' ' -f7); ip address flush dev eth0; ip address add 172.18.9.9/16 dev eth0; ip address add $A brd + dev eth0",
    drift: /a: address unexpected/,
  },
  {
    name: "the MAC address",
    node: "a",
    run: "ip link set eth0 address 02:00:00:00:00:01",
    drift: /a: link changed: eth0 MAC/,
  },
  {
    name: "the MAC address of a bridge",
    node: "@host",
    run: "ip link set br-front address 02:00:00:00:00:02",
    drift: /link changed: br-front MAC/,
  },
  {
    name: "the MTU",
    node: "a",
    run: "ip link set eth0 mtu 1200",
    drift: /a: link changed: eth0 MTU: wanted 1400, found 1200/,
  },
  {
    name: "a link down",
    node: "web",
    run: "ip link set eth0 down",
    drift: /web: link changed: eth0 state: wanted up, found down/,
  },
  { name: "a bridge down", node: "@host", run: "ip link set br-front down", drift: /link changed: br-front state/ },
  { name: "lo down", node: "a", run: "ip link set lo down", drift: /a: link changed: lo state/ },
  {
    name: "lo without its address",
    node: "a",
    run: "ip address flush dev lo; ip address add 10.1.1.1/32 dev lo",
    drift: /a: address missing: 127\.0\.0\.1\/8 on lo/,
  },
  {
    name: "a port off its bridge",
    node: "@host",
    run: `ip link set ${PORT("br-front")} nomaster`,
    drift: /link changed: veth\w+ bridge: wanted br-front, found none/,
  },
  {
    name: "a port in another bridge",
    node: "@host",
    run: `ip link set ${PORT("br-front")} master br-back`,
    drift: /wanted br-front, found br-back/,
  },
  {
    name: "a port without hairpin",
    node: "@host",
    run: `bridge link set dev ${PORT("br-front")} hairpin off`,
    drift: /hairpin: wanted on, found off/,
  },
  {
    name: "links made by hand",
    node: "@host",
    run: "ip link add x0 type bridge; ip link add x1 type veth peer name x2; ip link set x1 master x0; ip link set x0 up",
    drift: /link unexpected: x0/,
  },
  {
    name: "a route",
    node: "a",
    run: "ip route add 10.10.0.0/16 via 172.18.0.1",
    drift: /a: route unexpected: 10\.10\.0\.0\/16 via/,
  },
  {
    name: "routes that docknet never makes",
    node: "a",
    run: "ip route add blackhole 1.2.3.4; ip route add 5.5.0.0/16 dev eth0 metric 7; ip route add 6.6.0.0/16 via 172.18.0.1 table 100",
    drift: /a: route unexpected: blackhole 1\.2\.3\.4\/32/,
  },
  {
    name: "the default route",
    node: "a",
    run: "ip route replace default via 172.18.0.77",
    drift: /a: route changed: default via 172\.18\.0\.1/,
  },
  { name: "no default route", node: "a", run: "ip route delete default", drift: /a: route missing: default/ },
  {
    name: "the route to its own subnet",
    node: "db",
    run: "ip route flush dev eth0 proto kernel",
    drift: /db: route missing: .* dev eth0/,
  },
  {
    name: "policy routing",
    node: "a",
    run: "ip rule add from 172.18.0.0/16 lookup 100 priority 50",
    drift: /a: route unexpected: rule 50 table 100/,
  },
  {
    name: "a sysctl",
    node: "a",
    run: "sysctl -qw net.ipv4.tcp_keepalive_time=7",
    drift: /a: sysctl changed: net\.ipv4\.tcp_keepalive_time: wanted 600, found 7/,
  },
  {
    name: "forwarding off",
    node: "@host",
    run: "sysctl -qw net.ipv4.ip_forward=0",
    drift: /sysctl changed: net\.ipv4\.ip_forward/,
  },
  {
    name: "a namespace without its name",
    node: "web",
    run: "true; ip netns delete $(ip netns identify)",
    drift: /web: namespace changed: web name/,
  },
];

test.for(CHANGES)("put back: $name", async (change) => {
  if (change.name === "a namespace without its name")
    execFileSync("ip", ["netns", "delete", `${basename(directory)}.web`]);
  else run(change.node, change.run);
  const { drift, done } = await mend();
  expect(drift.map(renderDrift).join("\n")).toMatch(change.drift);
  expect(done.length).toBeGreaterThan(0);
  await expectClean();
});

test("nothing differs and nothing is done where nobody changed anything", async () => {
  expect(await mend()).toEqual({ drift: [], done: [] });
});

test("a lab whose namespaces were deleted while nobody held them is built again around the others", async () => {
  await executor.detach();
  for (const node of ["host", "a"]) execFileSync("ip", ["netns", "delete", `${basename(directory)}.${node}`]);
  executor = new Executor({ lab: manifest.lab, named: true, manifest });
  const adopted = await executor.adopt(manifest.nodes());
  expect(adopted).not.toContain("@host");
  expect(adopted).toContain("web");
  const { drift } = await mend();
  expect(drift.map(renderDrift)).toEqual(
    expect.arrayContaining(["@host: namespace missing: @host", "a: namespace missing: a"]),
  );
  await expectClean();
});

test("a node that the lab does not want any more is removed", async () => {
  await executor.apply([{ kind: "netns.create", node: "extra" as NodeName }]);
  const { drift } = await mend();
  expect(drift.map(renderDrift)).toEqual(["extra: namespace unexpected: extra"]);
  expect(executor.nodeNames).not.toContain("extra");
});

test("all of it at once", { timeout: 120_000 }, async () => {
  for (const change of CHANGES.filter((c) => c.name !== "a namespace without its name")) {
    try {
      run(change.node, change.run);
    } catch {
      // what one change broke, the next may not find
    }
  }
  await mend();
  await expectClean();
});
