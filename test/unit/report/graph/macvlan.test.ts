/** Macvlans in every drawing: each hangs on its parent of the host, and no bridge is drawn for its network. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { HOST, type NodeName } from "../../../../src/net/name.ts";
import type { Graph } from "../../../../src/observe/graph.ts";
import { selectGraph } from "../../../../src/observe/graph-select.ts";
import { renderGraphJson } from "../../../../src/report/graph/json.ts";
import { renderGraphMermaid } from "../../../../src/report/graph/mermaid.ts";
import { layOut } from "../../../../src/report/graph/svg-layout.ts";
import { renderGraphText } from "../../../../src/report/graph/text.ts";
import { graphOfText, plannedGraph, stateOf } from "../../../support/graph-lab.ts";

const LAB = `
services:
  web: { image: nginx, networks: { lan: { ipv4_address: 192.168.0.100 } } }
  guest: { image: nginx, networks: [guests] }
  both: { image: nginx, networks: { front: { gw_priority: 1 }, lan: {} } }
networks:
  lan:
    driver: macvlan
    driver_opts: { parent: eth0 }
    ipam: { config: [{ subnet: 192.168.0.0/24, ip_range: 192.168.0.96/27, gateway: 192.168.0.1 }] }
  guests: { driver: macvlan, driver_opts: { parent: eth0, macvlan_mode: private } }
  front: {}
`;
const graph = graphOfText(LAB);
const linkIn = (of: Graph, node: string, link: string) =>
  of.nodes.find((n) => n.name === node)?.links.find((l) => l.name === link);

describe("the graph", () => {
  test("a macvlan has its parent, and no veth pair", () => {
    const parent = linkIn(graph, HOST, "eth0");
    expect(linkIn(graph, "web", "eth0")).toMatchObject({
      kind: "macvlan",
      network: "test_lan",
      parent: { node: HOST, link: "eth0", index: parent?.index },
    });
    const ends = graph.pairs.flatMap((p) => p.ends.map((e) => e.node));
    expect(ends).not.toContain("web");
    expect(ends).toContain("both");
    expect(linkIn(plannedGraph(stateOf(LAB)), "web", "eth0")).toMatchObject({ parent: { node: HOST, link: "eth0" } });
  });

  test("its network has a driver, a parent and a mode, and takes no NAT of the router's for its own", () => {
    expect(graph.networks.find((n) => n.name === "test_guests")).toMatchObject({
      driver: "macvlan",
      parent: "eth0",
      mode: "private",
    });
    expect(graph.nat.filter((n) => n.network === "test_lan")).toEqual([]);
  });

  test("planned or measured it fits the schema", () => {
    const file = new URL("../../../../src/report/graph/graph.schema.json", import.meta.url);
    const validate = new Ajv2020({ strict: true, allErrors: true }).compile(JSON.parse(readFileSync(file, "utf8")));
    for (const one of [graph, plannedGraph(stateOf(LAB))])
      expect(validate(JSON.parse(renderGraphJson(one))) ? [] : validate.errors).toEqual([]);
  });

  test("one that is gone is missing, and hangs on nothing", () => {
    const less = graphOfText(LAB, (wiring) => {
      wiring.set("web" as NodeName, { links: [] });
    });
    expect(linkIn(less, "web", "eth0")).toMatchObject({ drift: "missing" });
    expect(linkIn(less, "web", "eth0")).not.toHaveProperty("parent");
    expect(renderGraphText(less, { colour: false, width: 100 })).toContain("web: eth0 (missing)");
  });

  test("a part of it: the network's name keeps its containers, the host keeps every network", () => {
    const names = (of: Graph): string[] => of.nodes.filter((n) => n.kind === "container").map((n) => n.name);
    expect(names(selectGraph(graph, ["test_guests"]))).toEqual(["guest"]);
    expect(selectGraph(graph, ["web"]).networks.map((n) => n.name)).toEqual(["test_lan"]);
    expect(selectGraph(graph, [HOST]).networks).toEqual(graph.networks);
  });
});

test("text: the parent is a rail, the containers hang on it", () => {
  const lines = renderGraphText(graph, { colour: false, width: 100 }).split("\n");
  const from = lines.findIndex((l) => l.includes("macvlans on"));
  expect(lines[0]).toContain(`${graph.pairs.length} veth pairs`);
  expect(lines[0]).toContain("3 macvlans");
  const rail = lines.slice(from).join("\n");
  expect(rail).toMatch(/├─ macvlan bridge ─+┼──┤ 2: eth0@if2 192\.168\.0\.100\/24 network test_lan/);
  expect(rail).toContain("default via 192.168.0.1 eth0");
  expect(rail).toMatch(/─ macvlan private ─+┼/);
  expect(rail).toContain("both, its eth");
  expect(rail).not.toContain("br-");
});

test("Mermaid: an edge from the host to each, its network told by its mode", () => {
  const text = renderGraphMermaid(graph);
  const web = `n${graph.nodes.findIndex((n) => n.name === "web")}`;
  const host = `n${graph.nodes.findIndex((n) => n.name === HOST)}`;
  expect(text).toContain(`${host} -- "#64;host 2: eth0#64;if`);
  expect(text).toMatch(new RegExp(`^ {2}${host} -- "[^"]*macvlan bridge<br/>web [^"]*" --- ${web}$`, "m"));
  expect(text).toContain("192.168.0.0/24, macvlan in mode bridge");
  expect(text.match(/:::bridge$/gm)).toHaveLength(3); // @lan, docker0, front
});

test("SVG: a card for the parent, a wire for each macvlan", () => {
  const { boxes, wires } = layOut(graph);
  expect(boxes.filter((b) => b.kind === "parent").map((b) => b.tip?.split("\n")[0])).toEqual(["eth0"]);
  expect(boxes.filter((b) => b.kind === "bridge")).toHaveLength(2);
  expect(wires.filter((w) => w.kind === "macvlan").map((w) => w.tip)).toEqual([
    expect.stringContaining("3: eth1@if2 in both"),
    expect.stringContaining("2: eth0@if2 in web"),
    expect.stringContaining("2: eth0@if2 in guest"),
  ]);
});
