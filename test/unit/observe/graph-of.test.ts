/** A graph joins what the lab wants with what the kernel has, and a part of it is what a name hangs on. */
import { describe, expect, test } from "vitest";
import { HOST, type NodeName } from "../../../src/net/name.ts";
import type { Graph } from "../../../src/observe/graph.ts";
import { graphOf } from "../../../src/observe/graph-of.ts";
import { selectGraph } from "../../../src/observe/graph-select.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { bridgesOf } from "../../../src/state/state.ts";
import { GRAPH_LAB, graphOfText, plannedGraph, stateOf, wiringOf } from "../../support/graph-lab.ts";
import { errorOf, newDaemon, withContainer } from "../../support/state.ts";

const nodeIn = (graph: Graph, name: string) => graph.nodes.find((n) => n.name === name);
const linkIn = (graph: Graph, node: string, link: string) => nodeIn(graph, node)?.links.find((l) => l.name === link);
const graph = graphOfText(GRAPH_LAB);
const WEB = `services: { web: { image: nginx, networks: [n] } }\nnetworks: { n: {} }\n`;

describe("graphOf()", () => {
  test("both ends of a pair show each other's index, as ip link does", () => {
    const eth0 = linkIn(graph, "gateway", "eth0");
    const port = linkIn(graph, HOST, eth0?.peer?.link ?? "");
    expect([eth0?.peer?.index, port?.peer?.index]).toEqual([port?.index, eth0?.index]);
    expect(port).toMatchObject({ network: "test_front", peer: { node: "gateway", link: "eth0" } });
  });

  test("each pair is told once, each bridge port once", () => {
    const ends = graph.pairs.flatMap((p) => p.ends.map((e) => `${e.node} ${e.link}`));
    expect(new Set(ends).size).toBe(ends.length);
    const veths = graph.nodes.flatMap((n) =>
      n.links.filter((l) => l.kind === "veth").map((l) => `${n.name} ${l.name}`),
    );
    expect(new Set(ends)).toEqual(new Set(veths));
    expect(graph.ports.filter((p) => p.node === "@lan").map((p) => p.link)).toEqual(["host", "router", "neighbour"]);
  });

  test("planned, it is the same but for the indexes", () => {
    const strip = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value, (key, v) => (key === "index" || key === "measured" ? undefined : v)));
    const planned = plannedGraph(stateOf(GRAPH_LAB));
    expect(planned.measured).toBe(false);
    expect(JSON.stringify(planned)).not.toContain('"index"');
    expect(strip(planned)).toEqual(strip(graph));
  });

  test("whose network a container has", () => {
    const of = (name: string) => [nodeIn(graph, name)?.sandbox, nodeIn(graph, name)?.sharedWith];
    expect([of("db"), of("side"), of("agent"), of("lonely")]).toEqual([
      ["own", undefined],
      ["shared", "gateway"],
      ["host", undefined],
      ["none", undefined],
    ]);
  });

  test("a sharer whose owner is gone has nobody's network; one that has exited keeps its place", () => {
    let state = withContainer(newDaemon(), "owner");
    state = withContainer(state, "guest", { mode: "container:owner" });
    const containers = state.containers.map((c) =>
      c.name === "owner" ? { ...c, status: "exited" as const, sandboxId: "", endpoints: [], bindings: [] } : c,
    );
    const { nodes } = plannedGraph({ ...state, containers });
    expect(nodes.slice(-2)).toMatchObject([
      { name: "owner", status: "exited", links: [] },
      { name: "guest", sandbox: "shared", links: [] },
    ]);
    expect(nodes.at(-1)).not.toHaveProperty("sharedWith");
  });

  test("what somebody removed is missing, and its other end with it", () => {
    const less = graphOfText(WEB, (wiring) => {
      const port = wiring.get(HOST)?.links.find((l) => l.peer?.node === "web");
      for (const [name, link] of [
        [HOST, port?.name],
        ["web" as NodeName, "eth0"],
      ] as const) {
        const links = wiring.get(name)?.links ?? [];
        wiring.set(name, { links: links.filter((l) => l.name !== link) });
      }
    });
    expect(linkIn(less, "web", "eth0")).toMatchObject({ drift: "missing", up: false });
    expect(linkIn(less, "web", "eth0")).not.toHaveProperty("peer");
    expect(less.pairs.some((p) => p.ends.some((e) => e.node === "web"))).toBe(false);
    expect(less.ports.some((p) => p.node === HOST)).toBe(false);
    expect(nodeIn(less, "web")).not.toHaveProperty("gateway");
  });

  test("what somebody added is foreign, and belongs to the network whose bridge it is plugged into", () => {
    const state = stateOf(WEB);
    const layout = layoutOf(state, { ipv6: false, bridgeNetfilter: false, maxGid: 1 });
    const wiring = wiringOf(layout);
    const bridge = bridgesOf(state).find((n) => n.name === "test_n")?.bridge ?? "";
    const mine = { index: 99, name: "mine", kind: "dummy", mac: "", mtuBytes: 9000, up: false, addresses: [] };
    wiring.set(HOST, { links: [...(wiring.get(HOST)?.links ?? []), { ...mine, master: bridge }] });
    const found = linkIn(graphOf("0", state, layout, wiring), HOST, "mine");
    expect(found).toEqual({ ...mine, master: bridge, network: "test_n", drift: "foreign" });
  });

  test("addresses, MTU and the default route are the kernel's", () => {
    const other = graphOfText(WEB, (wiring) => {
      const links = wiring.get("web" as NodeName)?.links ?? [];
      wiring.set("web" as NodeName, {
        links: links.map((l) => ({ ...l, addresses: ["10.0.0.9/8"], mtuBytes: 1400, up: false })),
        gateway: { via: "10.0.0.1", link: "eth0" },
      });
    });
    expect(linkIn(other, "web", "eth0")).toMatchObject({ addresses: ["10.0.0.9/8"], mtuBytes: 1400, up: false });
    expect(nodeIn(other, "web")?.gateway).toEqual({ via: "10.0.0.1", link: "eth0" });
  });
});

describe("selectGraph()", () => {
  const names = (part: Graph): string[] => part.nodes.map((n) => n.name);
  const WAY_OUT = ["@internet", "@router", "@lan"];

  test.for([
    ["db", [...WAY_OUT, "@host", "db"], ["test_back"]],
    ["gateway", [...WAY_OUT, "@host", "gateway"], ["test_front", "test_back"]],
    ["side", [...WAY_OUT, "@host", "gateway", "side"], ["test_front", "test_back"]],
    ["test_front", [...WAY_OUT, "@host", "gateway"], ["test_front", "test_back"]],
    ["docker0", [...WAY_OUT, "@host", "plain"], ["bridge"]],
    ["lonely", [...WAY_OUT, "@host", "lonely"], []],
    ["@neighbour", [...WAY_OUT, "@neighbour"], []],
    ["@host", [...WAY_OUT, "@host"], ["bridge", "test_front", "test_back", "test_open"]],
  ] as const)("%s and what it hangs on", ([name, nodes, networks]) => {
    const part = selectGraph(graph, [name]);
    expect(names(part)).toEqual(nodes);
    expect(part.networks.map((n) => n.name)).toEqual(networks);
  });

  test("nothing of what stays leads to what does not", () => {
    const part = selectGraph(graph, ["db"]);
    const kept = new Set(names(part));
    const places = new Set(part.nodes.flatMap((n) => n.links.map((l) => `${n.name} ${l.name}`)));
    const peers = part.nodes.flatMap((n) => n.links.flatMap((l) => l.peer ?? []));
    for (const end of [...peers, ...part.pairs.flatMap((p) => p.ends)])
      expect(places).toContain(`${end.node} ${end.link}`);
    for (const { node, bridge } of part.ports) expect(places).toContain(`${node} ${bridge}`);
    expect(part.published).toEqual([]);
    expect(part.nat.every((n) => kept.has(n.node))).toBe(true);
    expect(peers.length).toBeGreaterThan(0);
  });

  test("no names: all of it", () => expect(selectGraph(graph, [])).toBe(graph));

  test("a name that is nothing's is refused with those that there are", () => {
    const error = errorOf(() => selectGraph(graph, ["db", "wbe"]));
    expect(error).toEqual({ code: "NOT_FOUND", message: 'No network, service, container or node "wbe" in lab test' });
  });
});
