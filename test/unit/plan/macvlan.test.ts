/** Macvlan networks in the layout, in the plan and in predictions: docker-reference 10.1, drivers/net/macvlan.c. */
import { describe, expect, test } from "vitest";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { Transfer } from "../../../src/net/ftp.ts";
import type { LabName, NodeName } from "../../../src/net/name.ts";
import { checksOf } from "../../../src/plan/check/checks.ts";
import { matrixOf } from "../../../src/plan/check/matrix.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import { invertOp, type Op } from "../../../src/plan/op.ts";
import { planLab } from "../../../src/plan/plan.ts";
import { predict } from "../../../src/plan/predict/predict.ts";
import { walkAddress } from "../../../src/plan/predict/walk-target.ts";
import { renderOp } from "../../../src/plan/shell.ts";
import { stopContainer } from "../../../src/state/lifecycle.ts";
import { removeNetwork } from "../../../src/state/network.ts";
import type { State } from "../../../src/state/state.ts";
import { FakeKernel } from "../../support/fake-kernel.ts";
import { addressNamed, predictTo, rulesOf, verdictOf } from "../../support/predict.ts";
import { containerOf, newDaemon, protoPort, WORLD, withContainer, withNetwork } from "../../support/state.ts";

const layout = (state: State) => layoutOf(state, { ...ORDINARY_MACHINE, ipv6: false });
const stepsOf = (before: State, after: State): Op[] => planLab(layout(before), layout(after));
const shell = (ops: readonly Op[]): string[] => ops.flatMap((op) => renderOp("lab" as LabName, op)).filter((l) => l);

const LAN = { subnet: "192.168.0.0/24", ipRange: "192.168.0.96/27", gateway: "192.168.0.1" };
const lan = (mode = "bridge", parent = "eth0", daemon = newDaemon()): State =>
  withNetwork(daemon, "lan", { ...LAN, macvlan: { parent, macvlan_mode: mode } });

describe("the plan", () => {
  test("a container is made straight on the host's link, without anything of its own on the host", () => {
    const before = lan();
    const after = withContainer(before, "web", { networks: ["lan"] });
    const mac = containerOf(after, "web").endpoints[0]?.mac;
    const steps = shell(stepsOf(before, after)).filter(
      (line) => !/sysctl|iptables|RULES|^[*:]|^COMMIT|^-A|^#/.test(line),
    );
    expect(steps).toEqual([
      "ip netns add lab.web",
      "ip -n lab.web link set lo up",
      "ip -n lab.host link add link eth0 name macvlan-new netns lab.web type macvlan mode bridge",
      `ip -n lab.web link set macvlan-new name eth0 address ${mac}`,
      "ip -n lab.web address add 192.168.0.96/24 broadcast + dev eth0",
      "ip -n lab.web link set eth0 up",
      "ip -n lab.web route add default via 192.168.0.1 dev eth0",
    ]);
  });

  test("a VLAN is made once for all its networks, and goes with the last", () => {
    const one = withNetwork(newDaemon(), "one", { subnet: "10.1.0.0/24", macvlan: { parent: "eth0.10" } });
    const two = withNetwork(one, "two", { subnet: "10.2.0.0/24", macvlan: { parent: "eth0.10" } });
    const made = shell(stepsOf(newDaemon(), one));
    expect(made[0]).toMatch(
      /^ip -n lab\.host link add link eth0 name eth0\.10 address ([0-9a-f]{2}:){5}[0-9a-f]{2} type vlan id 10$/,
    );
    expect(made.slice(1)).toEqual(["ip -n lab.host link set eth0.10 up"]);
    expect(stepsOf(one, two)).toEqual([]);
    expect(stepsOf(two, removeNetwork(two, "one"))).toEqual([]);
    const last = removeNetwork(two, "one");
    expect(shell(stepsOf(last, removeNetwork(last, "two")))).toEqual(["ip -n lab.host link delete eth0.10"]);
  });

  test("without a parent it has a dummy of its own", () => {
    const state = withNetwork(newDaemon(), "n", { macvlan: {} });
    expect(shell(stepsOf(newDaemon(), state))[0]).toMatch(
      /^ip -n lab\.host link add name dm-[0-9a-f]{12} address \S+ type dummy$/,
    );
  });

  test("each step can be taken back; what hangs on a parent goes before it", () => {
    const empty = newDaemon();
    const full = withContainer(lan("bridge", "eth0.10"), "web", { networks: ["lan"] });
    const kernel = new FakeKernel().apply(planLab(undefined, layout(empty)));
    const before = kernel.snapshot();
    const up = stepsOf(empty, full);
    expect(
      kernel
        .apply(up)
        .apply([...up].reverse().map(invertOp))
        .snapshot(),
    ).toEqual(before);
    const down = kernel.apply(up).apply(stepsOf(full, empty)).snapshot();
    expect(down).toEqual(before);
    const order = stepsOf(full, empty).filter((op) => op.kind === "link.delete");
    expect(order.map((op) => `${op.node} ${op.name}`)).toEqual(["web eth0", "@host eth0.10"]);
  });

  test("a macvlan that stops is deleted at once: another may want its parent for itself", () => {
    const state = withContainer(lan("passthru"), "web", { networks: ["lan"] });
    const kinds = stepsOf(state, stopContainer(state, "web", { exitCode: 0 })).map((op) => op.kind);
    expect(kinds).toEqual(["link.delete", "netns.delete"]);
  });
});

describe("who reaches whom", () => {
  const full = (mode: string): State => {
    const networks = withNetwork(lan(mode), "front");
    const web = withContainer(networks, "web", { networks: ["lan"], serves: ["80"] });
    const db = withContainer(web, "db", { networks: ["lan"], serves: ["80", "53/udp"] });
    return withContainer(db, "app", { networks: ["front"], serves: ["80"] });
  };

  test.for<[string, string, string, string]>([
    // machines of the LAN, at their own addresses
    ["@neighbour", "web", "80", "reach as 192.168.0.20 by web"],
    ["@neighbour", "db", "53/udp", "reach as 192.168.0.20 by db"],
    ["@router", "web", "ping", "reach as 192.168.0.1 by web"],
    ["web", "neighbour", "ping", "reach as 192.168.0.96 by @neighbour"],
    ["web", "router", "ping", "reach as 192.168.0.96 by @router"],
    // one NAT, the router's
    ["web", "www", "80", "reach as 203.0.113.91 by @internet"],
    // the host and its own children
    ["@host", "web", "80", "unreachable at @host"],
    ["@host", "web", "ping", "unreachable at @host"],
    ["web", "host", "ping", "unreachable at web"],
    ["app", "web", "80", "unreachable at @host"],
    // no way back in, and no address of the bridge's world on the LAN
    ["web", "app", "80", "unreachable: router-private"],
    ["web", "db", "80", "reach as 192.168.0.96 by db"],
    ["web", "db", "81", "refuse at db"],
    ["web", "192.168.0.77", "80", "unreachable at web"],
  ])("mode bridge: %s to %s %s: %s", ([from, to, port, verdict]) => {
    expect(verdictOf(predictTo(full("bridge"), from, to, port))).toBe(verdict);
  });

  test.for(["private", "vepa"])("mode %s: the LAN reaches each, none reaches another", (mode) => {
    const state = full(mode);
    expect(verdictOf(predictTo(state, "@neighbour", "web", "80"))).toBe("reach as 192.168.0.20 by web");
    expect(verdictOf(predictTo(state, "web", "db", "80"))).toBe("unreachable at web");
    expect(predictTo(state, "web", "db", "80").because).toContain(mode);
    expect(verdictOf(predictTo(state, "web", "www", "80"))).toBe("reach as 203.0.113.91 by @internet");
  });

  test("why the host does not, in words", () => {
    expect(predictTo(full("bridge"), "@host", "web", "80").because).toBe(
      "frames from the parent are not handed to its own children, and web is one of @host's eth0",
    );
    expect(predictTo(full("bridge"), "web", "host", "ping").because).toBe(
      "frames of a macvlan are not handed to its own parent: @host does not hear who asks for 192.168.0.10",
    );
  });

  test("its frames are seen on the parent too", () => {
    const legs = (from: string, to: string): string[] =>
      predictTo(full("bridge"), from, to, "80").legs.map((l) => `${l.node} ${l.link} ${l.direction}`);
    expect(legs("@neighbour", "web")).toEqual(["@neighbour eth0 out", "@host eth0 in", "web eth0 in"]);
    expect(legs("web", "db")).toEqual(["web eth0 out", "@host eth0 in", "db eth0 in"]);
    expect(legs("web", "www")).toEqual([
      "web eth0 out",
      "@host eth0 out",
      "@router lan0 in",
      "@router wan0 out",
      "@internet eth0 in",
    ]);
    expect(legs("web", "host")).toEqual([]);
  });

  test("in mode passthru the container has the link, and the host hears nothing of the LAN", () => {
    const state = withContainer(lan("passthru"), "web", { networks: ["lan"], serves: ["80"] });
    expect(verdictOf(predictTo(state, "@neighbour", "web", "80"))).toBe("reach as 192.168.0.20 by web");
    expect(verdictOf(predictTo(state, "@neighbour", "host", "ping"))).toBe("unreachable at web");
    expect(verdictOf(predictTo(state, "@host", "neighbour", "ping"))).toBe("unreachable at @host");
    expect(verdictOf(predictTo(state, "@host", "www", "80"))).toBe("unreachable at @host");
  });

  test("a subnet that is a part of the LAN's answers to nobody outside it: its gateway is nobody", () => {
    const part = withNetwork(newDaemon(), "part", { subnet: "192.168.0.128/25", macvlan: { parent: "eth0" } });
    const state = withContainer(part, "web", { networks: ["part"], serves: ["80"] });
    const prediction = predictTo(state, "@neighbour", "web", "80");
    expect(prediction.outcome).toBe("drop");
    expect(prediction.because).toBe(
      "the answer of web to 192.168.0.20 is lost: nobody has the address 192.168.0.129: ARP is not answered",
    );
  });

  test("on a VLAN there are only its own containers", () => {
    const vlan = withNetwork(newDaemon(), "v", { ...LAN, macvlan: { parent: "eth0.10" } });
    const one = withContainer(vlan, "web", { networks: ["v"], serves: ["80"] });
    const state = withContainer(one, "db", { networks: ["v"], serves: ["80"] });
    expect(verdictOf(predictTo(state, "web", "db", "80"))).toBe("reach as 192.168.0.96 by db");
    expect(verdictOf(predictTo(state, "web", "neighbour", "ping"))).toBe("unreachable at web");
    expect(verdictOf(predictTo(state, "@neighbour", "web", "80"))).toBe("unreachable at @neighbour");
  });

  test("a container that is on a bridge too answers the LAN past the host's NAT", () => {
    const networks = withNetwork(lan(), "front");
    const state = withContainer(networks, "web", {
      networks: [{ network: "front", gwPriority: 1 }, "lan"],
      publish: ["8080:80"],
    });
    const lost = predictTo(state, "@neighbour", "host", "8080");
    expect(lost.outcome).toBe("drop");
    expect(lost.because).toBe("web answers 192.168.0.20 over network lan, past the NAT that changed the address");
    expect(verdictOf(predictTo(state, "@host", "web@front", "80"))).toBe("reach as 172.18.0.1 by web");
  });

  test("two macvlans of one container on one link: either may answer ARP, so neither is promised", () => {
    const two = withNetwork(lan(), "other", { subnet: "10.1.0.0/24", macvlan: { parent: "eth0" } });
    const state = withContainer(two, "web", { networks: ["lan", "other"], serves: ["80"] });
    const { legs, unsure, outcome } = predictTo(state, "@neighbour", "web@lan", "80");
    expect(outcome).toBe("reach");
    expect(legs.at(-1)).toMatchObject({ node: "@host", link: "eth0" });
    expect(unsure).toEqual([
      { node: "web", link: "eth0" },
      { node: "web", link: "eth1" },
    ]);
  });
});

test("verify asks what surprises people: host and container, both ways, beside the neighbour who may", () => {
  const state = withContainer(lan(), "web", { networks: ["lan"], serves: ["80"] });
  const checks = checksOf(state, rulesOf(state), []);
  const told = (id: string): unknown => {
    const check = checks.find((c) => c.id === id);
    return check && [check.claim, check.expected.outcome, check.control];
  };
  const address: Ipv4 = "192.168.0.96" as Ipv4;
  expect(told(`direct/web/${address}:80/tcp`)).toEqual([
    "@neighbour reaches web directly at 192.168.0.96:80/tcp",
    "reach",
    undefined,
  ]);
  expect(told(`direct/web/${address}/icmp/@host`)).toEqual([
    "@host cannot ping web at 192.168.0.96",
    "unreachable",
    "control/@neighbour/192.168.0.96:icmp",
  ]);
  expect(told("direct/web/@host/icmp")).toEqual([
    "web cannot ping @host at 192.168.0.10",
    "unreachable",
    "control/@neighbour/192.168.0.10:icmp",
  ]);
});

describe("what is asked of a container that is on a bridge too", () => {
  const state = withContainer(withNetwork(lan(), "front"), "web", {
    networks: [{ network: "front", gwPriority: 1 }, "lan"],
    serves: ["80"],
  });

  test.for([
    ["@host", "172.18.0.2"],
    ["@neighbour", "192.168.0.96"],
    ["@internet", "192.168.0.96"],
  ] as const)("%s knows it by %s", ([from, address]) => {
    expect(walkAddress(state, from as NodeName, "web")).toBe(address);
  });

  test("a matrix asks there too", () => {
    const { rows, cells } = matrixOf(state, rulesOf(state));
    const told = cells.map((cell, i) =>
      "none" in cell ? cell.none : `${rows[i]?.node} ${cell.probe.address} ${cell.predicted.outcome}`,
    );
    expect(told).toEqual([
      "web 127.0.0.1 reach",
      "@host 172.18.0.2 reach",
      "@neighbour 192.168.0.96 reach",
      "@internet 192.168.0.96 unreachable",
    ]);
  });
});

describe("the home router's NAT leads straight to a macvlan", () => {
  const at = { file: "f", line: 1, column: 1 };
  const [own, web] = ["203.0.113.92" as Ipv4, "192.168.0.96" as Ipv4];
  const ftp = { publicPort: protoPort("21").port, proto: "tcp", to: web, toPort: protoPort("21").port, at } as const;
  const served = (router: Partial<State["world"]["router"]>): State =>
    withContainer(lan("bridge", "eth0", newDaemon({}, { router: { ...WORLD.router, ...router } })), "web", {
      networks: ["lan"],
      serves: ["21"],
    });
  const statics = served({ static: [{ public: own, to: web, at }] });
  const forwarded = served({ forwards: [ftp] });

  test("with an address of its own it leaves with that, and is checked as a machine of the LAN", () => {
    expect(verdictOf(predictTo(statics, "web", "www", "80"))).toBe("reach as 203.0.113.92 by @internet");
    expect(verdictOf(predictTo(statics, "@internet", own, "ping"))).toBe("reach as 203.0.113.80 by web");
    const ids = checksOf(statics, rulesOf(statics), []).map((c) => c.id);
    expect(ids).toEqual(expect.arrayContaining(["static/web/out", "static/web/in"]));
  });

  test.for<[string, State, string, string, Transfer, string]>([
    ["a machine of the LAN", forwarded, "@neighbour", "web", "active", "reach as 192.168.0.20 by web"],
    ["a machine of the LAN", forwarded, "@neighbour", "web", "passive", "reach as 192.168.0.20 by web"],
    ["the host", forwarded, "@host", "web", "passive", "unreachable at @host"],
    ["the internet by a forward", forwarded, "@internet", "public", "active", "reach as 203.0.113.80 by web"],
    ["the internet by a forward", forwarded, "@internet", "public", "passive", "unreachable at @internet"],
    ["the internet by a forward", forwarded, "@internet", "public", "extended-passive", "refuse at @router"],
    ["the internet by 1:1 NAT", statics, "@internet", own, "extended-passive", "reach as 203.0.113.80 by web"],
  ])("a file for %s: %4$s", ([, state, from, to, transfer, verdict]) => {
    const probe = { from: from as NodeName, address: addressNamed(state, to), ...protoPort("21"), transfer };
    expect(verdictOf(predict(state, probe, rulesOf(state)))).toBe(verdict);
  });
});
