import { describe, expect, test } from "vitest";
import { joinPortRuns } from "../../../src/report/port-runs.ts";

const numbers = (first: number, length: number): number[] => Array.from({ length }, (_, i) => first + i);

describe("lists of ports for people", () => {
  test("a long run is one item, in the place of its first port", () => {
    const ports = ["80/tcp", ...numbers(10000, 10001).map((p) => `${p}/udp`), "443/tcp"];
    expect(joinPortRuns(ports)).toEqual(["80/tcp", "10000-20000/udp", "443/tcp"]);
  });

  test("bindings of two families that alternate are two runs", () => {
    const bindings = numbers(8000, 20).flatMap((p) => [`0.0.0.0:${p}->${p - 1000}/tcp`, `[::]:${p}->${p - 1000}/tcp`]);
    expect(joinPortRuns(bindings)).toEqual(["0.0.0.0:8000-8019->7000-7019/tcp", "[::]:8000-8019->7000-7019/tcp"]);
  });

  test("without host ports", () => {
    expect(joinPortRuns(numbers(1, 9).map((p) => `0.0.0.0:->${p}/sctp`))).toEqual(["0.0.0.0:->1-9/sctp"]);
  });

  test("a short run, a gap, another protocol, another distance and other words stay", () => {
    const short = numbers(1, 8).map((p) => `${p}/tcp`);
    const gap = [...numbers(20, 5), ...numbers(26, 5)].map((p) => `${p}/tcp`);
    const protos = numbers(40, 10).map((p) => `${p}/${p % 2 ? "tcp" : "udp"}`);
    const shifted = numbers(60, 10).map((p) => `0.0.0.0:${2 * p}->${p}/tcp`);
    const words = ["203.0.113.92<->192.168.0.10"];
    for (const list of [short, gap, protos, shifted, words]) expect(joinPortRuns(list)).toEqual(list);
  });
});
