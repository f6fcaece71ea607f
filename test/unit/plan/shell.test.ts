import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IfAddr, Ipv4, Subnet } from "../../../src/net/address.ts";
import type { IfName, LabName, NodeName } from "../../../src/net/name.ts";
import type { Port } from "../../../src/net/port.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import type { Op } from "../../../src/plan/op.ts";
import { planLab } from "../../../src/plan/plan.ts";
import { namespacesOf, renderOp, renderScript } from "../../../src/plan/shell.ts";
import { stateAfter } from "../../support/commands.ts";
import { expectGolden } from "../../support/golden.ts";
import { newDaemon, withContainer, withNetwork } from "../../support/state.ts";

const lab = "lab" as LabName;
const node = "web" as NodeName;
const eth0 = "eth0" as IfName;
const br0 = "br0" as IfName;
const owner = { kind: "port", label: "port 8080:80/tcp of web" } as const;
const route = { to: "0.0.0.0/0" as Subnet, via: "172.17.0.1" as Ipv4, link: eth0 };
const proxy = {
  proto: "tcp",
  hostIp: "0.0.0.0" as Ipv4,
  hostPort: 8080 as Port,
  containerIp: "172.17.0.2" as Ipv4,
  containerPort: 80 as Port,
  owner,
} as const;

describe("each step is the command that a person would type", () => {
  test.for<[string, Op, readonly string[]]>([
    [
      "a namespace, lo up",
      { kind: "netns.create", node },
      ["", "# --- web", "ip netns add lab.web", "ip -n lab.web link set lo up"],
    ],
    ["a namespace that goes", { kind: "netns.delete", node: "@host" as NodeName }, ["ip netns delete lab.host"]],
    [
      "a sysctl",
      { kind: "sysctl.set", node, key: "net.ipv4.ip_forward", value: "1" },
      ["ip netns exec lab.web sysctl -qw net.ipv4.ip_forward=1"],
    ],
    [
      "a sysctl with a space",
      { kind: "sysctl.set", node, key: "net.ipv4.ping_group_range", value: "0 1" },
      ["ip netns exec lab.web sysctl -qw 'net.ipv4.ping_group_range=0 1'"],
    ],
    [
      "a bridge",
      { kind: "bridge.create", node, name: br0, mtuBytes: 1400 },
      ["ip -n lab.web link add name br0 mtu 1400 type bridge"],
    ],
    [
      "a pair, its far end straight in its namespace",
      {
        kind: "veth.create",
        node: "@host" as NodeName,
        end: { name: "veth1" as IfName },
        peerNode: node,
        peer: { name: eth0 },
      },
      ["ip -n lab.host link add name veth1 type veth peer name eth0 netns lab.web"],
    ],
    [
      "a bridge port",
      { kind: "port.join", node, name: eth0, bridge: br0, hairpin: false },
      ["ip -n lab.web link set eth0 master br0"],
    ],
    [
      "a hairpin port",
      { kind: "port.join", node, name: eth0, bridge: br0, hairpin: true },
      ["ip -n lab.web link set eth0 master br0", "ip netns exec lab.web bridge link set dev eth0 hairpin on"],
    ],
    [
      "a port that leaves",
      { kind: "port.leave", node, name: eth0, bridge: br0, hairpin: false },
      ["ip -n lab.web link set eth0 nomaster"],
    ],
    ["up", { kind: "link.up", node, name: eth0 }, ["ip -n lab.web link set eth0 up"]],
    ["down", { kind: "link.down", node, name: eth0 }, ["ip -n lab.web link set eth0 down"]],
    [
      "an address with its broadcast",
      { kind: "address.add", node, link: eth0, address: "10.0.0.2/24" as IfAddr },
      ["ip -n lab.web address add 10.0.0.2/24 broadcast + dev eth0"],
    ],
    [
      "an address of a /31, which has no broadcast",
      { kind: "address.add", node, link: eth0, address: "10.0.0.2/31" as IfAddr },
      ["ip -n lab.web address add 10.0.0.2/31 dev eth0"],
    ],
    [
      "an address that goes",
      { kind: "address.delete", node, link: eth0, address: "10.0.0.2/24" as IfAddr },
      ["ip -n lab.web address delete 10.0.0.2/24 dev eth0"],
    ],
    [
      "the default route",
      { kind: "route.add", node, route },
      ["ip -n lab.web route add default via 172.17.0.1 dev eth0"],
    ],
    [
      "a route without a link",
      { kind: "route.delete", node, route: { to: "10.0.0.0/8" as Subnet, via: route.via } },
      ["ip -n lab.web route delete 10.0.0.0/8 via 172.17.0.1"],
    ],
    [
      "a listener, which only a program can be",
      { kind: "proxy.open", node: "@host" as NodeName, proxy },
      [
        "# docknet listens here itself, where Docker runs: docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80",
      ],
    ],
  ])("%s", ([, op, want]) => {
    expect(renderOp(lab, op)).toEqual(want);
  });
});

test.for(["a b", "it's", "$(reboot)", "`reboot`", "a;b", "a\nb", "", "*", "~", '"', "\\", "&", "a#b", "!x"])(
  "a shell reads %j back as it was",
  (value) => {
    const [line = ""] = renderOp(lab, { kind: "sysctl.set", node, key: "k", value });
    expect(wordsOf(line)).toEqual(["ip", "netns", "exec", "lab.web", "sysctl", "-qw", `k=${value}`]);
  },
);

test("a shell reads any value back as it was", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme-ascii", maxLength: 12 }).filter((s) => !s.includes("\0")),
      (value) => {
        const [line = ""] = renderOp(lab, { kind: "sysctl.set", node, key: "k", value });
        expect(wordsOf(line).at(-1)).toBe(`k=${value}`);
      },
    ),
    { numRuns: 25 },
  );
});

test("the script of a tiny lab is this one", () => {
  const state = withContainer(newDaemon(), "web", { publish: ["8080:80"] });
  expectGolden("plan/tiny.sh", renderScript(lab, planLab(undefined, layoutOf(state, ORDINARY_MACHINE))));
});

test("any plan is a script that sh can read", () => {
  fc.assert(
    fc.property(stateAfter(10), (state) => {
      const script = renderScript(lab, planLab(undefined, layoutOf(state, ORDINARY_MACHINE)));
      execFileSync("sh", ["-n"], { input: script });
    }),
    { numRuns: 10 },
  );
});

test("the namespaces of a plan are named as ip netns shows them", () => {
  const state = withContainer(withNetwork(newDaemon(), "n"), "web", { networks: ["n"] });
  expect(namespacesOf(lab, planLab(undefined, layoutOf(state, ORDINARY_MACHINE)))).toEqual([
    "lab.lan",
    "lab.router",
    "lab.neighbour",
    "lab.internet",
    "lab.host",
    "lab.web",
  ]);
});

/** The words that sh makes of a command line. */
function wordsOf(line: string): string[] {
  const out = execFileSync("sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" });
  return out.split("\0").slice(0, -1);
}
