/** Mermaid's text: golden, and no name can end a label. The real Mermaid is tried by hand: it needs a browser. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOST, type NodeName } from "../../../../src/net/name.ts";
import { renderGraphMermaid } from "../../../../src/report/graph/mermaid.ts";
import { expectGolden } from "../../../support/golden.ts";
import { GRAPH_LAB, graphOfText } from "../../../support/graph-lab.ts";

const graph = graphOfText(GRAPH_LAB);

describe("renderGraphMermaid()", () => {
  test("golden", () => expectGolden("graph/lab.mmd", renderGraphMermaid(graph)));

  test("an edge for each veth pair, an arrow for each published port", () => {
    const text = renderGraphMermaid(graph);
    expect(text.match(/ --- /g)?.length).toBe(graph.pairs.length + graph.networks.length);
    expect(text.match(/ \.-> /g)?.length).toBe(4);
  });

  test("every end of an edge is a box that was made, once", () => {
    const cut = graphOfText(GRAPH_LAB, (wiring) => {
      const { links = [] } = wiring.get(HOST) ?? {};
      wiring.set(HOST, { links: links.filter((l) => l.peer?.node !== "plain") });
      wiring.set("plain" as NodeName, { links: [] });
    });
    for (const drawn of [graph, cut]) {
      const text = renderGraphMermaid(drawn);
      const made = [...text.matchAll(/^ +(\w+)(?:\[|\()/gm)].map(([, id]) => id);
      const ends = [...text.matchAll(/^ +(\w+) -.*- ?>? (\w+)$/gm)].flatMap(([, a, b]) => [a, b]);
      expect(new Set(made).size).toBe(made.length);
      expect(ends.length).toBeGreaterThan(20);
      expect(ends.filter((id) => !made.includes(id))).toEqual([]);
    }
  });

  test("every line has the shape of the same line with a harmless name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (name) => {
        expect(shape(renderGraphMermaid(named(name)))).toEqual(shape(renderGraphMermaid(named("x"))));
      }),
    );
  });

  test.for([
    "end",
    'a"]; click n0 "javascript:alert(1)"',
    "style x:#y;",
    "classDef x:#y;",
    "`md`",
    "&quot;#quot;",
    "%%{init}%%",
  ])("%s is only text", (name) => {
    const text = renderGraphMermaid(named(name));
    expect(shape(text)).toEqual(shape(renderGraphMermaid(named("x"))));
    // the pattern by which Mermaid loses a ";"
    expect(text).not.toMatch(/(style|classDef)[^\n]*:\S*#[^\n]*;/);
    expect(decode(text)).toContain(name);
  });
});

const named = (name: string) => ({
  ...graph,
  networks: graph.networks.map((n) => ({ ...n, name: `n${name}` })),
  nodes: graph.nodes.map((n) => ({ ...n, ...(n.image ? { image: `i${name}` } : {}) })),
});

/** Labels taken out: what is left is Mermaid's own. */
const shape = (text: string): string[] => text.split("\n").map((line) => line.replaceAll(/"[^"]*"/g, '""'));
const decode = (text: string): string => text.replaceAll(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));
