/** What costs four times as much for four times as much: work is counted, not timed (test/support/work.ts). */
import { describe, expect, test } from "vitest";
import { HOST } from "../../src/net/name.ts";
import { type Port, portKey } from "../../src/net/port.ts";
import { compareNode } from "../../src/observe/drift.ts";
import { checksOf } from "../../src/plan/check/checks.ts";
import { matrixOf } from "../../src/plan/check/matrix.ts";
import { renderRestore } from "../../src/plan/firewall/restore.ts";
import { renderSpec } from "../../src/plan/firewall/rule.ts";
import { firewallsOf } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../src/plan/machine.ts";
import type { Op } from "../../src/plan/op.ts";
import { planLab } from "../../src/plan/plan.ts";
import { removeContainer } from "../../src/state/container.ts";
import { resolveState } from "../../src/state/resolve.ts";
import type { State } from "../../src/state/state.ts";
import { labOf, specOf } from "../support/ranges.ts";
import { newDaemon } from "../support/state.ts";
import { countWork } from "../support/work.ts";

const TIMES = 4;
/** Of what is linear, with some for what V8 joins when it counts; of a square it would be 16. */
const LINEAR = 4.6;

/** @param work for a size. @returns how much more is done for four times as much */
function growth(size: number, work: (size: number) => () => unknown): number {
  const [one, four] = [countWork(work(size)), countWork(work(TIMES * size))];
  expect(one).toBeGreaterThan(size);
  return four / one;
}

/** What a file becomes, without the reading of it. */
function resolving(...services: readonly string[]): () => unknown {
  const spec = specOf(...services);
  return () => resolveState(spec);
}

const rangeOf = (ports: number, proto = "udp"): string =>
  `a: { image: x, ports: ["10000-${9999 + ports}:10000-${9999 + ports}/${proto}"] }`;

test("the counter sees a square", () => {
  const square = (n: number) => () => {
    let same = 0;
    for (let a = 1; a <= n; a++)
      for (let b = 1; b <= n; b++) if (portKey(a as Port, "tcp") === portKey(b as Port, "udp")) same++;
    return same;
  };
  expect(growth(50, square)).toBeGreaterThan(8);
});

describe("a published range", () => {
  test("is read", () => {
    expect(growth(500, (n) => () => specOf(rangeOf(n)))).toBeLessThan(LINEAR);
  });

  test("is bound, and what is said of it", () => {
    expect(growth(500, (n) => resolving(rangeOf(n)))).toBeLessThan(LINEAR);
  });

  test("is bound where host ports are drawn", () => {
    expect(growth(500, (n) => resolving(`a: { image: x, ports: ["1-${n}"] }`))).toBeLessThan(LINEAR);
  });

  test("of one service is not compared with another's", () => {
    const other = (n: number): string => `b: { image: x, ports: ["40000-${39999 + n}:1-${n}/udp"] }`;
    expect(growth(500, (n) => resolving(rangeOf(n), other(n)))).toBeLessThan(LINEAR);
  });

  test("becomes namespaces, rules and listeners", () => {
    const plan = (state: State) => () =>
      planLab(layoutOf(newDaemon(), ORDINARY_MACHINE), layoutOf({ ...state }, ORDINARY_MACHINE));
    expect(growth(500, (n) => plan(labOf(rangeOf(n)).state))).toBeLessThan(LINEAR);
  });

  test("becomes checks", () => {
    const check = (state: State) => () => checksOf({ ...state }, firewallsOf(layoutOf(state, ORDINARY_MACHINE)), []);
    expect(growth(500, (n) => check(labOf(rangeOf(n)).state))).toBeLessThan(LINEAR);
  });

  test("is compared with what the kernel has", () => {
    const compare = (state: State) => {
      const { nodes } = layoutOf(state, ORDINARY_MACHINE);
      const host = nodes.find((n) => n.name === HOST) ?? expect.fail("no host");
      const at = new Map<string, number>();
      const rules = host.rules.rules.map((r) => {
        const position = (at.get(`${r.table} ${r.chain}`) ?? 0) + 1;
        at.set(`${r.table} ${r.chain}`, position);
        return { table: r.table, chain: r.chain, spec: renderSpec(r), packets: 0, bytes: 0, position };
      });
      return () => {
        const drift = compareNode(host, { links: [], routes: [], sysctls: new Map(), rules: rules.slice(1) });
        expect(drift.filter((d) => d.kind === "rule")).toMatchObject([{ problem: "missing" }]);
      };
    };
    expect(growth(500, (n) => compare(labOf(rangeOf(n)).state))).toBeLessThan(LINEAR);
  });

  test("becomes a matrix", () => {
    const plan = (state: State) => () => matrixOf({ ...state }, firewallsOf(layoutOf(state, ORDINARY_MACHINE)));
    expect(growth(500, (n) => plan(labOf(rangeOf(n)).state))).toBeLessThan(LINEAR);
  });

  test("is removed", () => {
    const remove = (state: State) => () => {
      const gone = removeContainer(state, state.containers[0]?.id ?? "", { force: true });
      return planLab(layoutOf(state, ORDINARY_MACHINE), layoutOf(gone, ORDINARY_MACHINE));
    };
    expect(growth(500, (n) => remove(labOf(rangeOf(n)).state))).toBeLessThan(LINEAR);
  });
});

describe("services", () => {
  const services = (n: number, keys: (i: number) => string): string[] =>
    Array.from({ length: n }, (_, i) => `s${i}: { image: nginx${keys(i)} }`);

  test("are read", () => {
    expect(growth(100, (n) => () => specOf(...services(n, () => "")))).toBeLessThan(LINEAR);
  });

  test.each<[string, (i: number) => string]>([
    ["with nothing", () => ""],
    ["with a published port", (i) => `, ports: ["${20000 + i}:80"]`],
    ["with a host port that is drawn", () => `, ports: ["80"]`],
    ["that share one container's network", (i) => (i > 0 ? `, network_mode: "service:s0"` : "")],
    ["that link and wait for each other", (i) => (i > 0 ? `, links: [s${i - 1}], depends_on: [s0]` : "")],
  ])("%s become containers", (_, keys) => {
    expect(growth(100, (n) => resolving(...services(n, keys)))).toBeLessThan(LINEAR);
  });

  test("that Docker would refuse, half of them, are refused", () => {
    const refused = (n: number) => {
      const spec = specOf(...services(n, (i) => `, ports: ["${20000 + (i % (n / 2))}:80"]`));
      return () => expect(() => resolveState(spec)).toThrow("port is already allocated");
    };
    expect(growth(100, refused)).toBeLessThan(LINEAR);
  });
});

describe("rules of a block", () => {
  const edits = (ops: readonly Op[]) =>
    ops.flatMap((op) => (op.kind === "rules.commit" && op.node === "@host" ? op.edits : []));
  const base = layoutOf(labOf("a: { image: x }").state, ORDINARY_MACHINE);

  /** What iptables passes by from the head of a chain: for an insert its position, for a delete what is not deleted before it. */
  function passedBy(ops: readonly Op[]): number {
    return edits(ops).reduce((sum, e) => {
      if (e.kind === "rule.delete") return sum + e.position;
      return e.kind === "rule.insert" && !e.atEnd ? sum + e.position : sum;
    }, 0);
  }

  test("come and go from its head: what iptables passes by does not grow with the square", () => {
    const [one, four] = [500, TIMES * 500].map((n) => layoutOf(labOf(rangeOf(n)).state, ORDINARY_MACHINE));
    const up = [one, four].map((layout) => passedBy(planLab(base, layout)));
    const down = [one, four].map((layout) => passedBy(planLab(layout, base)));
    for (const [a = 0, b = 0] of [up, down]) {
      expect(a).toBeGreaterThanOrEqual(500);
      expect(b / a).toBeLessThan(LINEAR);
    }
  });

  test("are deleted in the order in which they stand", () => {
    const state = labOf(rangeOf(100, "tcp")).state;
    const text = renderRestore(edits(planLab(layoutOf(state, ORDINARY_MACHINE), base)));
    const ports = [...text.matchAll(/^-D DOCKER .*--dport (\d+) -j DNAT/gm)].map((m) => Number(m[1]));
    expect(ports).toEqual(Array.from({ length: 100 }, (_, i) => 10000 + i));
  });
});
