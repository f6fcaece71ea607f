import { describe, expect, test } from "vitest";
import type { Port } from "../../../../src/net/port.ts";
import { checksOf } from "../../../../src/plan/check/checks.ts";
import { matrixOf } from "../../../../src/plan/check/matrix.ts";
import { LONGEST_WHOLE_RUN, SAMPLE_SIZE, samplePorts, sampleWarnings } from "../../../../src/plan/check/port-sample.ts";
import { firewallsOf } from "../../../../src/plan/layout.ts";
import { layoutOf } from "../../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../../src/plan/machine.ts";
import type { State } from "../../../../src/state/state.ts";
import { labOf } from "../../../support/ranges.ts";

const firstOf = (state: State) => samplePorts(state.containers[0] ?? expect.fail("no container"));

describe("which ports of a range are proven", () => {
  test("a run of 64 ports is proven whole, and nothing is said of it", () => {
    const { state } = labOf(
      `a: { image: x, ports: ["1000-${1000 + LONGEST_WHOLE_RUN - 1}:1000-${1000 + LONGEST_WHOLE_RUN - 1}"] }`,
    );
    expect(firstOf(state).serves).toHaveLength(LONGEST_WHOLE_RUN);
    expect(sampleWarnings(state)).toEqual([]);
  });

  test("of a longer one the first, the last and some between, the same ports on the host and in the container", () => {
    const { state } = labOf(`a: { image: x, ports: ["10000-19999:20000-29999/udp"] }`);
    const { bindings, serves } = firstOf(state);
    const served = serves.map((s) => s.port);
    expect(served).toHaveLength(SAMPLE_SIZE);
    expect([served[0], served.at(-1)]).toEqual([20000, 29999]);
    expect(bindings.filter((b) => b.hostIp === "0.0.0.0").map((b) => b.hostPort)).toEqual(served.map((p) => p - 10000));
    const steps = served.slice(1).map((p, i) => p - (served[i] ?? (0 as Port)));
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(1);
  });

  test("a report says how many of how many, by which rule, and where the range stands; both families count once", () => {
    const { state } = labOf(`a: { image: x, ports: ["10000-19999:10000-19999/udp"] }`);
    expect(sampleWarnings(state)).toEqual([
      {
        message:
          "of the 10000 published ports 10000-19999/udp of a, 16 are proven: the first, the last and 14 at even distances between, as of every run of more than 64 ports",
        remedy: "Name the ports that must be proven in x-docknet checks",
        at: { file: "compose.yaml", line: 2, column: 26 },
      },
      expect.objectContaining({ message: expect.stringContaining("10000 served ports 10000-19999/udp of a, 16 are") }),
    ]);
  });

  test("ports beside a range, of another protocol or with a gap between are all proven", () => {
    const { state } = labOf(`a: { image: x, ports: ["80:80", "1000-1999:1000-1999", "2001:2001", "1000:1000/udp"] }`);
    const proven = firstOf(state).bindings.map((b) => `${b.hostPort}/${b.proto}`);
    for (const port of ["80/tcp", "1000/tcp", "1999/tcp", "2001/tcp", "1000/udp"]) expect(proven).toContain(port);
  });

  test("ten times the ports are as many checks", () => {
    const checks = (ports: number): number => {
      const { state } = labOf(`a: { image: x, ports: ["10000-${9999 + ports}:10000-${9999 + ports}/udp"] }`);
      return checksOf(state, firewallsOf(layoutOf(state, ORDINARY_MACHINE)), []).length;
    };
    expect(checks(5000)).toBe(checks(500));
  });
});

describe("a matrix of a long range", () => {
  const plan = (to?: readonly string[]) => {
    const { state } = labOf(`a: { image: x, ports: ["10000-19999:10000-19999/udp", "80:80"] }`);
    return matrixOf(state, firewallsOf(layoutOf(state, ORDINARY_MACHINE)), to ? { to } : {});
  };

  test("has a column for each port of the sample, and names what it leaves out", () => {
    const { columns, sampled } = plan();
    expect(columns.map((c) => c.kind)).toHaveLength(2 * (SAMPLE_SIZE + 1));
    expect(columns.map((c) => c.name)).toEqual(expect.arrayContaining(["a:10000/udp", "a:19999/udp", "@host:80"]));
    expect(sampled.map(({ what, length }) => [what, length])).toEqual([
      ["published", 10000],
      ["served", 10000],
    ]);
  });

  test("has the port that was asked for, and then leaves out nothing", () => {
    const { columns, sampled } = plan(["a:10005/udp", "@host:10006/udp"]);
    expect(columns.map((c) => c.name)).toEqual(["a:10005/udp", "@host:10006/udp"]);
    expect(sampled).toEqual([]);
  });

  test("of a whole service has the sample", () => {
    expect(plan(["a"]).columns).toHaveLength(2 * (SAMPLE_SIZE + 1));
    expect(plan(["@host"]).sampled.map(({ what }) => what)).toEqual(["published"]);
  });
});
