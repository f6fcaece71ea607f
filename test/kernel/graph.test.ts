/**
 * A graph says of every link what `ip link`, `ip address`, `ip route` and `bridge link` say in the same namespace, after every change
 * of the lab and after changes by hand.
 */
import { afterEach, describe, expect, test } from "vitest";
import { buildLab, labFile, loadSpec } from "../../src/index.ts";
import { graphSite } from "../../src/lab/graph.ts";
import { Site } from "../../src/lab/site.ts";
import { HOST, LAN, type LabName, type NodeName } from "../../src/net/name.ts";
import type { Graph } from "../../src/observe/graph.ts";
import { connectContainer, disconnectContainer } from "../../src/state/attachment.ts";
import { resolveState } from "../../src/state/resolve.ts";
import { GRAPH_LAB, stateOf } from "../support/graph-lab.ts";
import { labText } from "../support/lab-text.ts";
import { run } from "../support/tiny-net.ts";

/** What `ip -j -d address` and `ip -j -d link` tell of a link. */
interface Told {
  readonly ifindex: number;
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly master?: string;
  readonly link_index?: number;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
}

let site: Site | undefined;
afterEach(async () => {
  await site?.close();
  site = undefined;
});

async function build(state: ReturnType<typeof stateOf>): Promise<Site> {
  site = new Site({ lab: state.lab as LabName });
  await site.become(state);
  return site;
}

const json = <T>(on: Site, node: string, command: string): T[] =>
  (JSON.parse(run(on.netns(node as NodeName), command) || "[]") as T[]).filter(
    (row) => Object.keys(row as object).length > 0,
  );

/** Each link of each namespace, in the words of the tools. */
function toldByTools(on: Site): unknown[] {
  return on.layout.nodes.flatMap(({ name }) =>
    json<Told>(on, name, "ip -j -d address show")
      .filter((l) => l.ifname !== "lo")
      .map((l) => ({
        node: name,
        name: l.ifname,
        index: l.ifindex,
        kind: l.linkinfo?.info_kind,
        mac: l.address,
        mtuBytes: l.mtu,
        up: l.flags.includes("UP"),
        master: l.master,
        peerIndex: l.link_index,
        addresses: (l.addr_info ?? []).filter((a) => a.family === "inet").map((a) => `${a.local}/${a.prefixlen}`),
      })),
  );
}

function toldByGraph({ nodes }: Graph): unknown[] {
  return nodes.flatMap((node) =>
    node.links
      .filter((l) => l.drift !== "missing")
      .map(({ name, index, kind, mac, mtuBytes, up, master, peer, parent, addresses }) => {
        const peerIndex = (peer ?? parent)?.index;
        return { node: node.name, name, index, kind, mac, mtuBytes, up, master, peerIndex, addresses };
      }),
  );
}

const sorted = (rows: unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

/** All that is said of links, ports, pairs and default routes. @returns the graph */
function agree(on: Site): Graph {
  const graph = graphSite(on);
  expect(sorted(toldByGraph(graph))).toEqual(sorted(toldByTools(on)));
  for (const node of [HOST, LAN]) {
    const ports = json<{ ifname: string; master: string }>(on, node, "bridge -j link show");
    expect(sorted(graph.ports.filter((p) => p.node === node))).toEqual(
      sorted(ports.map((p) => ({ node, bridge: p.master, link: p.ifname }))),
    );
  }
  for (const { name } of on.layout.nodes) {
    const [route] = json<{ gateway: string; dev: string }>(on, name, "ip -j route show default");
    const gateway = graph.nodes.find((n) => n.name === name)?.gateway;
    expect(gateway, name).toEqual(route && { via: route.gateway, link: route.dev });
  }
  for (const { ends } of graph.pairs) {
    const [a, b] = ends.map(({ node, link }) => json<Told>(on, node, `ip -j link show dev ${link}`)[0]);
    expect([a?.link_index, b?.link_index]).toEqual([b?.ifindex, a?.ifindex]);
  }
  return graph;
}

const endsOf = (graph: Graph, node: string): string[] =>
  graph.pairs.flatMap((p) => (p.ends.some((e) => e.node === node) ? [p.ends.map((e) => e.node).join(" ")] : []));

describe("docknet graph and the kernel's own tools agree", () => {
  test("on the first lab", async () => {
    const spec = loadSpec({ files: [labFile("seed")], cwd: "/", env: {} });
    const graph = agree(await build(resolveState(spec).state));
    expect(graph.pairs.length).toBe(9);
    expect(graph.nodes.flatMap((n) => n.links).every((l) => l.index !== undefined && l.drift === undefined)).toBe(true);
  });

  test("on a lab with containers on several networks, and after connect and disconnect", async () => {
    const state = stateOf(GRAPH_LAB);
    const lab = await build(state);
    const before = agree(lab);
    expect(endsOf(before, "gateway").length).toBe(2);
    const db = state.containers.find((c) => c.node === "db")?.name ?? "";

    const connected = connectContainer(state, db, { network: "test_front" });
    await lab.become(connected);
    expect(endsOf(agree(lab), "db")).toEqual(["@host db", "@host db"]);

    await lab.become(disconnectContainer(connected, db, "test_front"));
    expect(endsOf(agree(lab), "db")).toEqual(["@host db"]);
  });

  test("on macvlans, which hang on their parent", async () => {
    const spec = loadSpec({ files: [labFile("macvlan")], cwd: "/", env: {} });
    const graph = agree(await build(resolveState(spec).state));
    const stations = graph.nodes.flatMap((n) => n.links.filter((l) => l.kind === "macvlan"));
    expect(stations.map((l) => `${l.parent?.node} ${l.parent?.link}`)).toEqual(Array(5).fill("@host eth0"));
  });

  test("after changes by hand, which it names", async () => {
    const lab = await build(stateOf("services: { web: { image: nginx } }\n"));
    const host = lab.netns(HOST);
    run(host, "ip link add mine type bridge");
    run(host, "ip address add 10.9.0.1/24 dev mine");
    run(host, "ip link set docker0 mtu 1400");
    run(lab.netns("web" as NodeName), "ip link set eth0 down");
    const graph = agree(lab);
    const link = (node: string, name: string) =>
      graph.nodes.find((n) => n.name === node)?.links.find((l) => l.name === name);
    expect(link(HOST, "mine")).toMatchObject({ drift: "foreign", kind: "bridge", addresses: ["10.9.0.1/24"] });
    expect(link(HOST, "docker0")?.mtuBytes).toBe(1400);
    expect(link("web", "eth0")?.up).toBe(false);

    run(lab.netns("web" as NodeName), "ip link delete eth0");
    const less = agree(lab);
    expect(less.nodes.flatMap((n) => n.links.flatMap((l) => (l.drift === "missing" ? [n.name] : [])))).toEqual([
      HOST,
      "web",
    ]);
    expect(endsOf(less, "web")).toEqual([]);
  });
});

test("a lab of the library is drawn, as a whole or a part", async () => {
  await using lab = await buildLab(loadSpec(labText(GRAPH_LAB)));
  expect(lab.graph().measured).toBe(true);
  const part = lab.graph({ only: ["db"], planned: true });
  expect(part.nodes.map((n) => n.name)).toEqual(["@internet", "@router", "@lan", "@host", "db"]);
  expect(part.measured).toBe(false);
});
