import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOST, type NodeName } from "../../../src/net/name.ts";
import { type Link, type Node, nodeOf } from "../../../src/plan/layout.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { type MachineFacts, ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import type { State } from "../../../src/state/state.ts";
import { stateAfter } from "../../support/commands.ts";
import { driverOptions, newDaemon, withContainer, withNetwork } from "../../support/state.ts";

function node(state: State, name: string, facts: MachineFacts = ORDINARY_MACHINE): Node {
  const found = nodeOf(layoutOf(state, facts), name as NodeName);
  if (!found) throw new Error(`no node ${name}`);
  return found;
}
const link = (n: Node, name: string | RegExp): Link | undefined =>
  n.links.find((l) => (typeof name === "string" ? l.name === name : name.test(l.name)));
const sysctls = (of: Pick<Node, "sysctls"> | undefined): Record<string, string> =>
  Object.fromEntries(of?.sysctls.map((s) => [s.key, s.value]) ?? []);
const web = (state: State): State => withContainer(state, "web", { publish: ["8080:80"] });

describe("a container", () => {
  test("has eth0 with its address, IPv6 off, and a default route by its gateway", () => {
    const web1 = node(web(newDaemon()), "web");
    expect(link(web1, "eth0")).toMatchObject({
      kind: "peer",
      addresses: ["172.17.0.2/16"],
      sysctls: [{ key: "net.ipv6.conf.eth0.disable_ipv6", value: "1" }],
    });
    expect(web1.routes).toEqual([{ to: "0.0.0.0/0", via: "172.17.0.1", link: "eth0" }]);
  });

  test("has its own sysctls after those of every namespace, link-local addresses with /16, endpoint sysctls", () => {
    const networks = [
      {
        network: "bridge",
        linkLocal: ["169.254.8.8" as never],
        driverOpts: driverOptions({ "endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1" }),
      },
    ];
    const c = node(withContainer(newDaemon(), "web", { networks, sysctls: { "net.core.somaxconn": "7" } }), "web");
    expect(c.sysctls.at(-1)).toEqual({ key: "net.core.somaxconn", value: "7" });
    expect(link(c, "eth0")?.addresses).toEqual(["172.17.0.2/16", "169.254.8.8/16"]);
    expect(sysctls(link(c, "eth0"))["net.ipv4.conf.eth0.log_martians"]).toBe("1");
  });

  test("of an internal network has no route but the connected one", () => {
    const state = withContainer(withNetwork(newDaemon(), "n", { internal: true }), "db", { networks: ["n"] });
    expect(node(state, "db").routes).toEqual([]);
  });

  test("on none has lo alone; in host mode or in another's sandbox it has no node", () => {
    let state = withContainer(web(newDaemon()), "lonely", { mode: "none" });
    state = withContainer(withContainer(state, "agent", { mode: "host" }), "side", { mode: "container:web" });
    expect(node(state, "lonely")).toMatchObject({ links: [], routes: [] });
    expect(layoutOf(state, ORDINARY_MACHINE).nodes.map((n) => n.name)).toEqual([
      "@lan",
      "@router",
      "@neighbour",
      "@internet",
      "@host",
      "web",
      "lonely",
    ]);
  });
});

describe("the host", () => {
  test("forwards, and has docker0 with its address and a port for each endpoint", () => {
    const host = node(web(newDaemon()), HOST);
    expect(sysctls(host)["net.ipv4.ip_forward"]).toBe("1");
    expect(link(host, "docker0")).toMatchObject({ kind: "bridge", addresses: ["172.17.0.1/16"] });
    expect(link(host, /^veth/)).toMatchObject({ kind: "veth", master: "docker0", peer: { node: "web", name: "eth0" } });
    expect(sysctls(link(host, "docker0"))).toEqual({ "net.ipv6.conf.docker0.accept_ra": "0" });
  });

  // docker-reference 1.3 steps 9 and 11, and the bridge ports after them
  test.for([
    ["the proxy on", {}, {}, { nf: "0", hairpin: false, localnet: undefined }],
    ["the proxy off", { userlandProxy: false }, {}, { nf: "1", hairpin: true, localnet: "1" }],
    [
      "a network without icc",
      {},
      { options: { "bridge.enable_icc": "false" } },
      { nf: "1", hairpin: false, localnet: undefined },
    ],
  ] as const)("with %s: bridge netfilter, hairpin ports, route_localnet", ([, engine, text, want]) => {
    const host = node(web(withNetwork(newDaemon(engine), "n", text)), HOST);
    expect({
      nf: sysctls(host)["net.bridge.bridge-nf-call-iptables"],
      hairpin: link(host, /^veth/)?.hairpin,
      localnet: sysctls(link(host, "docker0"))["net.ipv4.conf.docker0.route_localnet"],
    }).toEqual(want);
  });

  test("has no address on a bridge that is isolated or told to have none", () => {
    const isolated = { internal: true, options: { "bridge.gateway_mode_ipv4": "isolated", "bridge.name": "br0" } };
    const inhibited = { options: { "bridge.inhibit_ipv4": "true", "bridge.name": "br1" } };
    const host = node(withNetwork(withNetwork(newDaemon(), "a", isolated), "b", inhibited), HOST);
    expect([link(host, "br0")?.addresses, link(host, "br1")?.addresses]).toEqual([[], []]);
  });

  test("has a network's MTU on the bridge and on both ends", () => {
    const state = withContainer(
      withNetwork(newDaemon(), "n", { options: { "driver.mtu": "1400", "bridge.name": "br0" } }),
      "web",
      { networks: ["n"] },
    );
    const host = node(state, HOST);
    expect([link(host, "br0"), link(host, /^veth/), link(node(state, "web"), "eth0")].map((l) => l?.mtuBytes)).toEqual([
      1400, 1400, 1400,
    ]);
  });

  test("listens where docker-proxy would: one per binding, IPv6 where the machine has it, none with the proxy off or for routed networks", () => {
    const listeners = (state: State, facts?: MachineFacts): string[] =>
      node(state, HOST, facts).proxies.map((p) => `${p.hostIp} ${p.hostPort} ${p.containerIp} ${p.containerPort}`);
    const routed = withNetwork(newDaemon(), "r", { options: { "bridge.gateway_mode_ipv4": "routed" } });
    expect(listeners(web(newDaemon()))).toEqual(["0.0.0.0 8080 172.17.0.2 80", ":: 8080 172.17.0.2 80"]);
    expect(listeners(web(newDaemon()), { ...ORDINARY_MACHINE, ipv6: false })).toEqual(["0.0.0.0 8080 172.17.0.2 80"]);
    expect(listeners(web(newDaemon({ userlandProxy: false })))).toEqual([]);
    expect(listeners(withContainer(routed, "web", { networks: ["r"], publish: ["8080:80"] }))).toEqual([]);
  });
});

test("without IPv6 on the machine no IPv6 sysctl is set, without br_netfilter none of its", () => {
  const facts = { maxGid: 0, bridgeNetfilter: false, ipv6: false };
  const keys = layoutOf(web(newDaemon()), facts).nodes.flatMap((n) =>
    [n, ...n.links].flatMap((x) => x.sysctls.map((s) => s.key)),
  );
  expect(keys.filter((k) => k.startsWith("net.ipv6.") || k.startsWith("net.bridge."))).toEqual([]);
});

test("the neighbour routes every container subnet through the host: it is the attacker", () => {
  const routes = node(withNetwork(newDaemon(), "n", { internal: true }), "@neighbour").routes.map(
    (r) => `${r.to} ${r.via}`,
  );
  expect(routes).toEqual(["0.0.0.0/0 192.168.0.1", "172.17.0.0/16 192.168.0.10", "172.18.0.0/16 192.168.0.10"]);
});

test("in any layout, names are unique in their place, every port has its bridge and every pair both ends", () => {
  fc.assert(
    fc.property(stateAfter(20), (state) => {
      const layout = layoutOf(state, ORDINARY_MACHINE);
      expect(new Set(layout.nodes.map((n) => n.name)).size).toBe(layout.nodes.length);
      // a VLAN has its link's address, and so has who has a parent to itself
      const isTwin = (l: Link): boolean => l.kind === "vlan" || (l.kind === "macvlan" && l.mode === "passthru");
      const macs = layout.nodes.flatMap((n) => n.links.filter((l) => !isTwin(l)).map((l) => l.mac));
      expect(new Set(macs).size).toBe(macs.length);
      for (const { links } of layout.nodes) {
        expect(new Set(links.map((l) => l.name)).size).toBe(links.length);
        for (const l of links) {
          if (l.master) expect(links.find((b) => b.name === l.master)?.kind).toBe("bridge");
          if (l.kind === "veth")
            expect(nodeOf(layout, l.peer.node)?.links.find((p) => p.name === l.peer.name)?.kind).toBe("peer");
          if (l.kind === "macvlan")
            expect(nodeOf(layout, l.parent.node)?.links.some((p) => p.name === l.parent.name)).toBe(true);
        }
      }
    }),
  );
});
