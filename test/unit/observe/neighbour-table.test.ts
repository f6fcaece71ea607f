import { describe, expect, test } from "vitest";
import type { IfName, NodeName } from "../../../src/net/name.ts";
import { NeighbourTable } from "../../../src/observe/neighbour-table.ts";
import type { Leg, Prediction } from "../../../src/plan/predict/prediction.ts";

const leg = (node: string, direction: Leg["direction"], link = "eth0"): Leg => ({
  node: node as NodeName,
  link: link as IfName,
  direction,
  src: "172.17.0.2" as Leg["src"],
  dst: "172.17.0.9" as Leg["dst"],
});
const check = (name: string, ...legs: Leg[]) => ({
  name,
  predicted: { outcome: "reach", legs, translations: [], because: "" } as unknown as Prediction,
});
/** From a container straight to another. */
const direct = (from: string, to: string) => check(`${from}-${to}`, leg(from, "out"), leg(to, "in"));

function batchesOf(checks: readonly ReturnType<typeof check>[]): { names: string[][]; forgotten: NodeName[][] } {
  const forgotten: NodeName[][] = [];
  const table = new NeighbourTable({ forgetNeighbours: (nodes) => void forgotten.push([...nodes]) });
  const names = [...table.batches(checks)].map(({ checks }) => checks.map((c) => c.name));
  return { names, forgotten };
}

describe("batches of checks", () => {
  test("few are one batch, and nobody is forgotten", () => {
    const { names, forgotten } = batchesOf([direct("a", "b"), direct("b", "a"), direct("a", "c")]);
    expect(names).toEqual([["a-b", "b-a", "a-c"]]);
    expect(forgotten).toEqual([]);
    expect(batchesOf([]).names).toEqual([]);
  });

  test("many are several, in their order and each once; those of a batch forget each other before the next", () => {
    const nodes = Array.from({ length: 30 }, (_, i) => `n${i}`);
    const all = nodes.flatMap((a) => nodes.filter((b) => b !== a).map((b) => direct(a, b)));
    const { names, forgotten } = batchesOf(all);
    expect(names.flat()).toEqual(all.map((c) => c.name));
    expect(names.length).toBeGreaterThan(3);
    expect(forgotten).toHaveLength(names.length - 1);
    for (const [i, batch] of names.entries()) {
      // 128 pairs at most, whoever of the two begins
      expect(new Set(batch.map((name) => name.split("-").sort().join("-"))).size).toBeLessThanOrEqual(128);
      const met = new Set(batch.flatMap((name) => name.split("-")));
      if (i < forgotten.length) expect(new Set(forgotten[i])).toEqual(met);
    }
  });

  test("on the way through the host each link is a meeting; who is not there is asked for all the same", () => {
    const routed = (i: number) =>
      check(`r${i}`, leg(`n${i}`, "out"), leg("@host", "in", "docker0"), leg("@host", "out"), leg("@router", "in"));
    const nobody = (i: number) => check(`x${i}`, leg(`m${i}`, "out"));
    expect(batchesOf(Array.from({ length: 127 }, (_, i) => routed(i))).names).toHaveLength(1);
    expect(batchesOf(Array.from({ length: 128 }, (_, i) => routed(i))).names).toHaveLength(2);
    const { forgotten } = batchesOf(Array.from({ length: 130 }, (_, i) => nobody(i)));
    expect(forgotten.map((nodes) => nodes.length)).toEqual([128]);
  });

  test("a phase begins where the one before has ended", () => {
    const forgotten: NodeName[][] = [];
    const table = new NeighbourTable({ forgetNeighbours: (nodes) => void forgotten.push([...nodes]) });
    const first = Array.from({ length: 100 }, (_, i) => direct(`a${i}`, `b${i}`));
    const second = Array.from({ length: 50 }, (_, i) => direct(`c${i}`, `d${i}`));
    expect([...table.batches(first)]).toHaveLength(1);
    expect([...table.batches(second)].map((b) => [b.checks.length, b.more])).toEqual([
      [28, true],
      [22, false],
    ]);
    expect(forgotten).toHaveLength(1);
    expect(forgotten[0]).toHaveLength(256);
  });
});
