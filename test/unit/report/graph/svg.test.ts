/** The picture: in random labs no box covers another, no text leaves its box or meets another, no wire crosses a box; and it is one safe file. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Graph } from "../../../../src/observe/graph.ts";
import { renderGraphSvg } from "../../../../src/report/graph/svg.ts";
import { ASCENT, type Box, DESCENT, type Drawing, type TextLine } from "../../../../src/report/graph/svg-card.ts";
import { layOut } from "../../../../src/report/graph/svg-layout.ts";
import { expectGolden } from "../../../support/golden.ts";
import { GRAPH_LAB, graphOfText } from "../../../support/graph-lab.ts";
import { renderTopology, topology } from "../../../support/topology.ts";

interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const overlap = (a: Rect, b: Rect): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const inside = (a: Rect, b: Rect): boolean =>
  a.x >= b.x && a.y >= b.y && a.x + a.width <= b.x + b.width && a.y + a.height <= b.y + b.height;
const rectOf = ({ x, y, width }: TextLine): Rect => ({ x, y: y - ASCENT, width, height: ASCENT + DESCENT });
const pairsOf = <T>(items: readonly T[]): [T, T][] =>
  items.flatMap((a, i) => items.slice(i + 1).map((b): [T, T] => [a, b]));

/** What is wrong with a drawing, in words. */
function faults({ width, height, boxes, texts, wires }: Drawing): string[] {
  const page = { x: 0, y: 0, width, height };
  const host = boxes.find((b) => b.kind === "host");
  const solid = boxes.filter((b) => b !== host);
  const rects = texts.map(rectOf);
  const name = (box: Box): string => (box.tip ?? "").split("\n")[0] ?? "";
  const isInHost = (box: Box): boolean => ["bridge", "parent", "published"].includes(box.kind);
  return [
    ...boxes.filter((b) => !inside(b, page)).map((b) => `${name(b)} leaves the page`),
    ...pairsOf(solid).flatMap(([a, b]) => (overlap(a, b) ? [`${name(a)} covers ${name(b)}`] : [])),
    ...solid.filter((b) => host && overlap(b, host) && !inside(b, host)).map((b) => `${name(b)} is half in the host`),
    ...solid.filter((b) => isInHost(b) && host && !inside(b, host)).map((b) => `${name(b)} is not in the host`),
    ...pairsOf(rects).flatMap(([a, b]) => (overlap(a, b) ? ["a text covers another"] : [])),
    ...rects.flatMap((rect, i) => {
      const touched = boxes.filter((b) => overlap(rect, b));
      const held = touched.filter((b) => inside(rect, b));
      return held.length === 0 || held.length < touched.length ? [`"${texts[i]?.text}" is not in one box`] : [];
    }),
    ...wires.flatMap(({ points, tip }) =>
      points.slice(1).flatMap(([x, y], i) => {
        const [fromX, fromY] = points[i] ?? [x, y];
        const line = {
          x: Math.min(x, fromX),
          y: Math.min(y, fromY),
          width: Math.abs(x - fromX),
          height: Math.abs(y - fromY),
        };
        return [
          ...(line.width > 0 && line.height > 0 ? [`wire ${tip} is aslant`] : []),
          ...solid.filter((b) => overlap(line, b)).map((b) => `wire ${tip} crosses ${name(b)}`),
          ...rects.filter((r) => overlap(line, r)).map(() => `wire ${tip} crosses a text`),
          ...(inside(line, page) ? [] : [`wire ${tip} leaves the page`]),
        ];
      }),
    ),
  ];
}

/** Wires that run on top of each other for a while cannot be told apart. */
function merged({ wires }: Drawing): number {
  const segments = wires.flatMap((w, of) =>
    w.points.slice(1).map(([x, y], i) => {
      const [fromX, fromY] = w.points[i] ?? [x, y];
      return { of, vertical: x === fromX, at: x === fromX ? x : y, ends: x === fromX ? [fromY, y] : [fromX, x] };
    }),
  );
  return pairsOf(segments).filter(([a, b]) => {
    if (a.of === b.of || a.vertical !== b.vertical || a.at !== b.at) return false;
    return Math.max(Math.min(...a.ends), Math.min(...b.ends)) < Math.min(Math.max(...a.ends), Math.max(...b.ends));
  }).length;
}

describe("layOut()", () => {
  test("in any lab everything has its place", () => {
    fc.assert(
      fc.property(topology, (lab) => {
        const graph = graphOfText(renderTopology(lab));
        const drawing = layOut(graph);
        expect(faults(drawing)).toEqual([]);
        expect(merged(drawing)).toBe(0);
        expect(drawing.wires.filter((w) => w.kind === "veth").length).toBe(graph.pairs.length);
        const names = drawing.texts.filter((t) => t.kind === "name").map((t) => t.text);
        const boxed = graph.nodes.filter((n) => n.kind !== "container" || n.links.length > 0 || n.sandbox === "host");
        for (const { name } of boxed) expect(names.filter((n) => n === name).length, name).toBe(1);
      }),
      { numRuns: 100 },
    );
  });

  test("a drawing with faults is found out", () => {
    const { boxes, ...rest } = layOut(graphOfText(GRAPH_LAB));
    const moved = boxes.map((b) => (b.tip?.startsWith("db") ? { ...b, x: b.x - 30, y: b.y - 60 } : b));
    const found = faults({ ...rest, boxes: moved });
    for (const fault of ["api covers db", "crosses db", "is not in one box"])
      expect(
        found.filter((f) => f.includes(fault)),
        fault,
      ).not.toEqual([]);
  });

  test("thirty services on one network stand in columns", () => {
    const services = Array.from({ length: 30 }, (_, i) => `  s${i}: { image: nginx }`).join("\n");
    const drawing = layOut(graphOfText(`services:\n${services}\n`));
    expect(faults(drawing)).toEqual([]);
    expect(new Set(drawing.boxes.filter((b) => b.kind === "container").map((b) => b.x)).size).toBe(5);
  });
});

describe("renderGraphSvg()", () => {
  const graph = graphOfText(GRAPH_LAB);

  test("golden", () => expectGolden("graph/lab.svg", renderGraphSvg(graph)));

  test("says what it shows to those who do not see it", () => {
    const svg = renderGraphSvg(graph);
    expect(svg).toContain('role="img" aria-labelledby="docknet-title docknet-desc"');
    expect(svg).toMatch(
      /<title id="docknet-title">Network of lab test<\/title>\n<desc id="docknet-desc">8 containers, 4 networks/,
    );
  });

  test("asks for nothing from outside, and runs nothing", () => {
    const svg = renderGraphSvg(graph).replace('xmlns="http://www.w3.org/2000/svg"', "");
    expect(svg).not.toMatch(/https?:|url\(|@import|@font-face|<script|<image|<use|<foreignObject|href|\son\w+=/i);
  });

  test.for([
    ["markup", `</text><script>alert(1)</script>"'&amp;<!--`],
    ["a cdata end", "]]>"],
    ["control characters", "a\u001b[31m\u0000\u000b\ufffe\uffff\ud800b"],
    ["a long name", "x".repeat(400)],
  ])("names cannot break it: %s", ([, name]) => {
    const svg = renderGraphSvg(named(graph, name ?? ""));
    expect(tagsOf(svg)).toEqual(tagsOf(renderGraphSvg(named(graph, "x".repeat(400)))));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML cannot hold them
    expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u);
    expect(faults(layOut(named(graph, name ?? "")))).toEqual([]);
  });
});

/** All networks, images and one container are called so. */
const named = (graph: Graph, name: string): Graph => ({
  ...graph,
  networks: graph.networks.map((n) => ({ ...n, name })),
  nodes: graph.nodes.map((n) => ({
    ...n,
    ...(n.image ? { image: name } : {}),
    ...(n.name === "lonely" ? { name } : {}),
  })),
});

/** A strict reader of XML: everything between tags is text without "<" and without bare "&"; every element is closed. */
function tagsOf(svg: string): string[] {
  const open: string[] = [];
  const tags: string[] = [];
  for (const [, text = "", close, name = "", attributes = "", empty] of svg.matchAll(
    /([^<]*)(?:<(\/?)([a-z]+)((?:\s+[a-zA-Z:-]+="[^"<]*")*)\s*(\/?)>|$)/g,
  )) {
    expect(`${text}${attributes}`.replaceAll(/&(amp|lt|gt|quot|apos);/g, "")).not.toContain("&");
    if (name === "") continue;
    tags.push(`${close}${name}`);
    if (close) expect(open.pop()).toBe(name);
    else if (!empty) open.push(name);
  }
  expect(open).toEqual([]);
  expect(svg.match(/</g)?.length).toBe(tags.length);
  return tags;
}
