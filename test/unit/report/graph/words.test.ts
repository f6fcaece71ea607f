import { describe, expect, test } from "vitest";
import type { GraphPublished } from "../../../../src/observe/graph.ts";
import { columnsOf, cutText } from "../../../../src/report/graph/columns.ts";
import { publishedPorts, servedText } from "../../../../src/report/graph/words.ts";

const binding = (hostIp: string, hostPort: number | undefined, port: number, proto = "tcp"): GraphPublished => ({
  hostIp,
  ...(hostPort === undefined ? {} : { hostPort }),
  proto,
  container: "web",
  address: "172.17.0.2",
  port,
});
const to = { container: "web", address: "172.17.0.2" };

describe("publishedPorts()", () => {
  test("addresses that lead to one port are one arrow", () =>
    expect(publishedPorts([binding("0.0.0.0", 8080, 80), binding("::", 8080, 80)])).toEqual([
      { ...to, from: ["0.0.0.0:8080", "[::]:8080"], port: "80/tcp" },
    ]));

  test("ports in a row are one arrow; others, other protocols and gaps are not", () =>
    expect(
      publishedPorts([
        binding("0.0.0.0", 3000, 3000),
        binding("0.0.0.0", 3001, 3001),
        binding("0.0.0.0", 3003, 3002),
        binding("0.0.0.0", 3002, 3002, "udp"),
      ]),
    ).toEqual([
      { ...to, from: ["0.0.0.0:3000-3001"], port: "3000-3001/tcp" },
      { ...to, from: ["0.0.0.0:3003"], port: "3002/tcp" },
      { ...to, from: ["0.0.0.0:3002"], port: "3002/udp" },
    ]));

  test("one port published twice is one arrow from both", () =>
    expect(publishedPorts([binding("0.0.0.0", 80, 80), binding("0.0.0.0", 81, 80)])).toEqual([
      { ...to, from: ["0.0.0.0:80", "0.0.0.0:81"], port: "80/tcp" },
    ]));

  test("routed: nothing on the host leads there", () =>
    expect(publishedPorts([binding("0.0.0.0", undefined, 80)])).toEqual([{ ...to, from: [], port: "80/tcp" }]));
});

test("servedText() folds ports in a row", () => {
  expect(servedText(["80/tcp", "3000/tcp", "3001/tcp", "3001/udp"])).toBe("serves 80/tcp, 3000-3001/tcp, 3001/udp");
  expect(servedText([])).toBe("");
});

test("columnsOf() counts what a terminal shows", () =>
  expect(["web", "日本", "é", "e\u0301", "😀"].map(columnsOf)).toEqual([3, 4, 1, 1, 2]));

test.for([
  ["short", 5, "short"],
  ["too long", 5, "too …"],
  ["日本日本", 5, "日本…"],
] as const)("cutText(%s, %i)", ([text, columns, cut]) => expect(cutText(text, columns)).toBe(cut));
