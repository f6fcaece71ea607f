/**
 * The kernel has one table of MAC addresses for all namespaces, of 1024 entries (gc_thresh3). Forty services that all ask each other are
 * 1560 pairs' entries: a lab so big is verified like a small one, whether they may talk or not.
 */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { buildLab, loadSpec } from "../../src/index.ts";
import { forgetNeighbours, readNeighbours } from "../../src/kernel/netlink/neighbours.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../../src/kernel/netlink/netlink.ts";
import { labText } from "../support/lab-text.ts";
import { run, TinyNet } from "../support/tiny-net.ts";

const services = (networks: string): string =>
  `services:\n${Array.from({ length: 40 }, (_, i) => `  s${i}: { image: nginx, networks: [n] }\n`).join("")}networks:\n  n: ${networks}\n`;

test.for([
  ["where all may talk", "{}"],
  ["with icc=false", '{ driver_opts: { com.docker.network.bridge.enable_icc: "false" } }'],
])("forty services on one network %s", { timeout: 240_000 }, async ([, network = ""]) => {
  await using lab = await buildLab(loadSpec(labText(services(network))));
  const { checks, verdict } = await lab.verify();
  expect(checks.length).toBeGreaterThan(1560);
  const wrong = checks.filter((c) => c.verdict !== "PASS");
  expect({ verdict, wrong: wrong.slice(0, 5).map((c) => [c.id, ...c.reasons]) }).toEqual({
    verdict: "PASS",
    wrong: [],
  });
  const { counts } = await lab.matrix();
  expect(counts).toMatchObject({ fail: 0, inconclusive: 0 });
});

test("who is forgotten is asked again; who does not answer, and who was written there, is not forgotten", async () => {
  await using net = new TinyNet();
  const socket = new NetlinkSocket(net.host, NETLINK_ROUTE);
  try {
    expect(run(net.host, "ping -n -c 1 172.17.0.2")).toContain("1 received");
    net.host.enter(() => spawnSync("ping", ["-n", "-c", "1", "-W", "1", "172.17.0.77"]));
    const link = run(net.host, "ip -o route get 172.17.0.2").match(/dev (\S+)/)?.[1];
    run(net.host, `ip neigh add 172.17.0.66 lladdr 02:00:00:00:00:66 dev ${link} nud permanent`);
    const addresses = (): string[] =>
      readNeighbours(socket)
        .map((n) => n.address)
        .filter((a) => a.startsWith("172.17."))
        .sort();
    expect(addresses()).toEqual(["172.17.0.2", "172.17.0.66", "172.17.0.77"]);
    forgetNeighbours(socket);
    expect(addresses()).toEqual(["172.17.0.66", "172.17.0.77"]);
    expect(run(net.host, "ping -n -c 1 172.17.0.2")).toContain("1 received");
    expect(addresses()).toContain("172.17.0.2");
  } finally {
    socket.close();
  }
});
