import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Graph } from "../../../../src/observe/graph.ts";
import { graphOf } from "../../../../src/observe/graph-of.ts";
import { layoutOf } from "../../../../src/plan/layout-of.ts";
import { renderGraphJson } from "../../../../src/report/graph/json.ts";
import { expectGolden } from "../../../support/golden.ts";
import { GRAPH_LAB, graphOfText, plannedGraph, stateOf } from "../../../support/graph-lab.ts";
import { renderTopology, topology } from "../../../support/topology.ts";

const file = new URL("../../../../src/report/graph/graph.schema.json", import.meta.url);
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(
  JSON.parse(readFileSync(file, "utf8")) as object,
);
const problems = (value: unknown): unknown[] =>
  validate(JSON.parse(JSON.stringify(value))) ? [] : (validate.errors ?? []);
const graph = graphOfText(GRAPH_LAB);

describe("renderGraphJson()", () => {
  test("golden", () => expectGolden("graph/lab.json", renderGraphJson(graph)));
  test("nothing is lost, and what a terminal would obey is escaped", () => {
    const hostile: Graph = { ...graph, networks: graph.networks.map((n) => ({ ...n, name: "a\u001b\u009b\u202e" })) };
    const text = renderGraphJson(hostile);
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(hostile)));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
  });
});

describe("graph.schema.json", () => {
  test("takes every graph, planned or measured", () => {
    fc.assert(
      fc.property(topology, (lab) => {
        const text = renderTopology(lab);
        expect(problems(graphOfText(text))).toEqual([]);
        expect(problems(plannedGraph(stateOf(text)))).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  test("takes what drifted", () => {
    const state = stateOf(GRAPH_LAB);
    const layout = layoutOf(state, { ipv6: true, bridgeNetfilter: true, maxGid: 1 });
    const foreign = { index: 9, name: "x", kind: "", mac: "", mtuBytes: 0, up: false, addresses: [] };
    const wiring = new Map(layout.nodes.map((n) => [n.name, { links: [foreign] }]));
    const drifted = graphOf("0", state, layout, wiring);
    expect(new Set(drifted.nodes.flatMap((n) => n.links.map((l) => l.drift)))).toEqual(new Set(["missing", "foreign"]));
    expect(problems(drifted)).toEqual([]);
  });

  test.for([
    ["an unknown field", { ...graph, extra: 1 }],
    ["another version", { ...graph, schema: 2 }],
    ["a missing field", { ...graph, pairs: undefined }],
    ["a pair with one end", { ...graph, pairs: [{ ends: [{ node: "a", link: "b" }] }] }],
  ] as const)("refuses %s", ([, value]) => expect(problems(value)).not.toEqual([]));
});
