/** A graph in a terminal: golden as a whole, and for random labs as wide as it may be, with everything in it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Graph } from "../../../../src/observe/graph.ts";
import { columnsOf } from "../../../../src/report/graph/columns.ts";
import { renderGraphText } from "../../../../src/report/graph/text.ts";
import { linkLabel } from "../../../../src/report/graph/words.ts";
import { expectGolden } from "../../../support/golden.ts";
import { GRAPH_LAB, graphOfText } from "../../../support/graph-lab.ts";
import { renderTopology, topology } from "../../../support/topology.ts";

const OPTIONS = { colour: false, width: 80 };
const graph = graphOfText(GRAPH_LAB);
const linesOf = (text: string): string[] => text.split("\n").slice(0, -1);
const everyService = (count: number): string =>
  `services:\n${Array.from({ length: count }, (_, i) => `  s${i}: { image: nginx, ports: ["${8000 + i}:80"] }`).join("\n")}\n`;

describe("renderGraphText()", () => {
  test("80 columns", () => expectGolden("graph/80.txt", renderGraphText(graph, OPTIONS)));
  test("60 columns, ASCII", () =>
    expectGolden("graph/60-ascii.txt", renderGraphText(graph, { ...OPTIONS, width: 60, ascii: true })));

  test("ASCII is ASCII", () =>
    expect(renderGraphText(graph, { ...OPTIONS, ascii: true })).toMatch(/^[\n\u0020-\u007e]*$/));

  test("colour is only where it is asked for, and changes no letter", () => {
    const painted = renderGraphText(graph, { ...OPTIONS, colour: true });
    expect(painted).toContain("\u001b[");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
    expect(painted.replaceAll(/\u001b\[\d*m/g, "")).toBe(renderGraphText(graph, OPTIONS));
  });

  test("thirty services stand in order below each other, each with its pair", () => {
    const many = graphOfText(everyService(30));
    const lines = linesOf(renderGraphText(many, OPTIONS));
    expect(overlong(lines, 80)).toEqual([]);
    const rows = many.pairs
      .slice(4)
      .map(({ ends }) => lines.filter((l) => ends.every((e) => l.includes(labelOf(many, e)))));
    expect(rows.map((r) => r.length)).toEqual(Array.from({ length: 30 }, () => 1));
  });

  test("any lab fits any width, and says every name, link and address", () => {
    fc.assert(
      fc.property(topology, fc.constantFrom(60, 80, 120), (lab, width) => {
        const random = graphOfText(renderTopology(lab));
        const lines = linesOf(renderGraphText(random, { ...OPTIONS, width }));
        expect(overlong(lines, width)).toEqual([]);
        const words = new Set(lines.flatMap((l) => l.split(/[\s()─┤├┼│,:]+/)));
        const wanted = random.nodes.flatMap((n) => [n.name, ...n.links.flatMap((l) => l.addresses)]);
        expect(wanted.filter((w) => !words.has(w))).toEqual([]);
        const text = lines.join("\n");
        const labels = random.nodes.flatMap((n) => n.links.map(linkLabel));
        expect(labels.filter((label) => !text.includes(label))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test("what a name holds reaches no terminal, and breaks no box", () => {
    const hostile = hostileGraph();
    const text = renderGraphText(hostile, OPTIONS);
    expect(["\u001b", "\u202e"].filter((c) => text.includes(c))).toEqual([]);
    const lines = linesOf(text);
    expect(overlong(lines, 80)).toEqual([]);
    const right = lines.filter((l) => /[┐┤│┘]$/.test(l) && columnsOf(l) > 60);
    expect(new Set(right.map(columnsOf))).toEqual(new Set([80]));
  });

  test("a port without another end leads nowhere", () => {
    const lines = linesOf(renderGraphText(cutOff(), OPTIONS));
    const [port, ...more] = lines.filter((l) => l.includes("(missing)"));
    expect(port).toMatch(/^ {4}│ └─ veth\w{7} \(missing\) +│$/);
    expect(more).toEqual(["    plain: eth0 (missing)"]);
  });

  test("what is down is said", () => {
    const nodes = graph.nodes.map((n) => ({
      ...n,
      links: n.links.map((l) => (n.name === "db" ? { ...l, up: false } : l)),
    }));
    expect(renderGraphText({ ...graph, nodes }, OPTIONS)).toContain("┤ 2: eth0@if11 172.19.0.4/16 (down)");
  });
});

const overlong = (lines: readonly string[], width: number): string[] => lines.filter((l) => columnsOf(l) > width);

function labelOf(of: Graph, end: Graph["pairs"][number]["ends"][number]): string {
  const link = of.nodes.find((n) => n.name === end.node)?.links.find((l) => l.name === end.link);
  return link ? ` ${linkLabel(link)} ` : "?";
}

/** Somebody has deleted the only veth pair of docker0. */
function cutOff(): Graph {
  return graphOfText(GRAPH_LAB, (wiring) => {
    for (const [node, { links }] of wiring)
      wiring.set(node, { links: links.filter((l) => node !== "plain" && l.peer?.node !== "plain") });
  });
}

/** Names that a lab file cannot give, and one that is as wide as it is long. */
function hostileGraph(): Graph {
  const name = `g\u001b[31m\u202e${"日本".repeat(15)}`;
  const rename = (_: string, value: unknown) => (value === "gateway" ? name : value);
  return JSON.parse(JSON.stringify(graph), rename) as Graph;
}
