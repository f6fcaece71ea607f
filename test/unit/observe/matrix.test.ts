/** Measuring a matrix over a network that is only said: what each answer makes of its cell, what proves a silence, and what is one cause. */
import { describe, expect, test } from "vitest";
import type { Probe, ProbeReply } from "../../../src/kernel/speech/probe.ts";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { MatrixCell, MatrixWalk } from "../../../src/observe/matrix.ts";
import { causesOf, countWalks, isRepeated } from "../../../src/observe/matrix-cause.ts";
import {
  type MatrixInstruments,
  type MatrixTable,
  measureMatrix,
  predictMatrix,
} from "../../../src/observe/matrix-run.ts";
import type { Walk } from "../../../src/observe/walk/walk.ts";
import { type MatrixPlan, matrixOf } from "../../../src/plan/check/matrix.ts";
import type { Prediction } from "../../../src/plan/predict/prediction.ts";
import { rulesOf } from "../../support/predict.ts";
import { newDaemon, withContainer, withNetwork } from "../../support/state.ts";

type Asked = Parameters<MatrixInstruments["probe"]>[0];
/** undefined: as predicted. */
type Said = (asked: Asked) => ProbeReply | "fails" | undefined;

const SILENT: ProbeReply = { outcome: "silent", afterMs: 1 };

function planOf(): MatrixPlan {
  let state = withNetwork(newDaemon(), "n1");
  state = withContainer(state, "web", { publish: ["8080:80"] });
  state = withContainer(state, "agent", { mode: "host", serves: ["9100"] });
  state = withContainer(state, "db", { networks: ["n1"], serves: ["5432", "36412/sctp"] });
  return matrixOf(state, rulesOf(state));
}

/** A network that does what is predicted, but for what `said` says. */
function measure(plan: MatrixPlan, said: Said = () => undefined, unresolved = false) {
  const predictions = new Map<string, Prediction>();
  const key = (node: string, address: string, port: number | undefined): string => `${node} ${address} ${port}`;
  for (const planned of [...plan.cells, ...plan.columns.map((c) => c.control)]) {
    if (!planned || "none" in planned) continue;
    predictions.set(key(planned.probe.from, planned.probe.address, planned.probe.port), planned.predicted);
  }
  const asked: Asked[] = [];
  const probe = (request: Asked): Probe => {
    asked.push(request);
    const prediction = predictions.get(key(request.node, request.address, request.port));
    const reply = said(request) ?? replyOf(request, prediction);
    const result = reply === "fails" ? Promise.reject(new Error("no descriptors left")) : Promise.resolve(reply);
    return { result, abort: () => {} };
  };
  const instruments: MatrixInstruments = { probe, forgetNeighbours: () => {}, isUnresolved: () => unresolved };
  const measured = measureMatrix(instruments, plan, { answerDeadlineMs: 50, silenceMs: 1 });
  return measured.then((table) => ({ table, asked }));
}

function replyOf(request: Asked, prediction: Prediction | undefined): ProbeReply {
  if (!prediction || prediction.outcome === "drop") return SILENT;
  if (prediction.outcome !== "reach") return { outcome: prediction.outcome, afterMs: 1 };
  return answer(prediction.server ?? "?", prediction.seenAs as Ipv4, request);
}

function answer(service: string, from: Ipv4, { address, port }: Asked): ProbeReply {
  return {
    outcome: "reach",
    afterMs: 1,
    answer: { service, from: { address: from, port: 40000 }, to: { address, port: port ?? 0 } },
  };
}

const cellAt = ({ cells }: MatrixTable, from: string, to: string): MatrixCell | undefined =>
  cells.find((c) => c.from === from && c.to === to);

const WEB = "web:80/tcp";
const PUBLISHED = "0.0.0.0:8080->80/tcp of web";

test("a network that does what is predicted agrees in every cell but those of sctp", async () => {
  const { table } = await measure(planOf());
  expect(table.cells.filter((c) => c.verdict !== "PASS" && c.proto !== "sctp")).toEqual([]);
  expect(table.columns.map((c) => [c.name, c.control])).toEqual([
    ["web:80", "PASS"],
    ["agent:9100", "PASS"],
    ["db:5432", "PASS"],
    ["db:36412/sctp", undefined],
    ["@host:8080", "PASS"],
  ]);
  expect(cellAt(table, "web", "db:36412/sctp")).toMatchObject({ reasons: ["docknet sends no sctp"] });
  expect(table.counts).toEqual({ cells: 30, pass: 24, fail: 0, inconclusive: 0, notSent: 6 });
});

test("senders of one network stack send each packet once; sctp is not sent", async () => {
  const plan = planOf();
  const { asked } = await measure(plan);
  const keys = asked.map((a) => `${a.node === "agent" ? "@host" : a.node} ${a.address} ${a.port}`);
  expect(keys.length).toBe(new Set(keys).size);
  expect(asked.filter((a) => a.proto === "sctp")).toEqual([]);
});

test("nothing is sent for a prediction", () => {
  const table = predictMatrix(planOf());
  expect(table.cells.filter((c) => c.verdict || c.observed)).toEqual([]);
  expect(cellAt(table, "@neighbour", PUBLISHED)?.predicted).toEqual({
    outcome: "reach",
    seenAs: "192.168.0.20",
    server: "web",
    because: "the port is published",
  });
  expect(cellAt(table, "@neighbour", WEB)?.predicted?.rule).toMatchObject({ table: "raw", chain: "PREROUTING" });
});

describe("a cell is otherwise than predicted", () => {
  const only = (from: string, port: number, reply: ProbeReply | "fails"): Said => {
    return (asked) => (asked.node === from && asked.port === port ? reply : undefined);
  };
  const fromNeighbour = (service: string, source: string): ProbeReply =>
    answer(service, source as Ipv4, { address: "192.168.0.10", port: 8080 } as Asked);

  test.for([
    ["no answer", SILENT, "FAIL", "met with silence, not answered"],
    [
      "a refusal",
      { outcome: "refuse", errno: "ECONNREFUSED", afterMs: 1 },
      "FAIL",
      "refused (ECONNREFUSED), not answered",
    ],
    [
      "another source",
      fromNeighbour("web", "172.17.0.1"),
      "FAIL",
      /^the server saw 172.17.0.1 as the sender, not 192.168.0.20/,
    ],
    ["another server", fromNeighbour("db", "192.168.0.20"), "FAIL", "db answered, not web"],
    ["another program", { outcome: "reach", afterMs: 1 }, "FAIL", "something answered, but not the lab's responder"],
    ["no probe", "fails", "INCONCLUSIVE", "the probe could not be made: no descriptors left"],
  ] as const)("%s", async ([, reply, verdict, reason]) => {
    const { table } = await measure(planOf(), only("@neighbour", 8080, reply));
    const cell = cellAt(table, "@neighbour", PUBLISHED);
    expect(cell?.verdict).toBe(verdict);
    expect(cell?.reasons).toEqual([typeof reason === "string" ? reason : expect.stringMatching(reason)]);
    expect(table.counts).toMatchObject(verdict === "FAIL" ? { fail: 1 } : { inconclusive: 1 });
  });

  test("but not when asked again: then it is not known", async () => {
    let asked = 0;
    const { table } = await measure(planOf(), (a) =>
      a.node === "@neighbour" && a.port === 8080 && asked++ === 0 ? SILENT : undefined,
    );
    expect(asked).toBe(2);
    expect(cellAt(table, "@neighbour", PUBLISHED)).toMatchObject({
      verdict: "INCONCLUSIVE",
      reasons: [expect.stringMatching(/^met with silence, not answered; but as predicted when asked again:/)],
    });
  });

  test("an answer where there should be silence is a fault if it comes only once", async () => {
    let asked = 0;
    const { table } = await measure(planOf(), (a) =>
      a.node === "@neighbour" && a.port === 5432 && asked++ === 0 ? answer("db", "192.168.0.20" as Ipv4, a) : undefined,
    );
    expect(asked).toBe(1);
    expect(cellAt(table, "@neighbour", "db:5432/tcp")).toMatchObject({
      verdict: "FAIL",
      reasons: ["answered, not met with silence"],
    });
  });

  test("ARP that nobody answers is no way, not silence", async () => {
    const { table } = await measure(planOf(), only("@neighbour", 8080, SILENT), true);
    expect(cellAt(table, "@neighbour", PUBLISHED)).toMatchObject({
      observed: { outcome: "unreachable" },
      reasons: ["without a way (nobody answers ARP), not answered"],
    });
  });

  test("a silence is not proven by a listener that is dead", async () => {
    const { table } = await measure(planOf(), only("web", 80, { outcome: "refuse", afterMs: 1 }));
    expect(table.columns[0]?.control).toBe("FAIL");
    expect(cellAt(table, "@neighbour", WEB)).toMatchObject({
      verdict: "INCONCLUSIVE",
      reasons: ["silence proves nothing: its listener does not answer in its own namespace either"],
    });
    expect(cellAt(table, "web", WEB)?.verdict).toBe("FAIL");
  });
});

describe("causes", () => {
  const cell = (from: string, to: string, differs: boolean, observed: "drop" | "refuse" = "drop"): MatrixCell => ({
    from,
    to,
    proto: "tcp",
    predicted: { outcome: "reach", because: "" },
    observed: { outcome: observed, afterMs: 1 },
    verdict: differs ? "FAIL" : "PASS",
    reasons: [],
  });
  /** Rows of "x" (differs) and "." */
  const cells = (...rows: string[]): MatrixCell[] =>
    rows.flatMap((row, r) => [...row].map((mark, c) => cell(`r${r}`, `c${c}`, mark === "x")));
  const told = (all: readonly MatrixCell[], width: number) =>
    causesOf(all, width).map(({ cell: { from, to }, cells: same }) => `${from} ${to} ${same.length}`);

  test.for([
    ["a column", ["..x", "..x", "..x"], ["r0 c2 3"]],
    ["a row", ["...", "xxx"], ["r1 c0 3"]],
    ["a column and a row that cross", ["..x.", "xxxx", "..x."], ["r1 c0 4", "r0 c2 2"]],
    ["one cell", ["...", ".x."], ["r1 c1 1"]],
    ["none", ["...", "..."], []],
  ] as const)("%s", ([, rows, wanted]) => {
    expect(told(cells(...rows), rows[0]?.length ?? 0)).toEqual(wanted);
  });

  test("what fails otherwise has another cause", () => {
    expect(told([cell("r0", "c0", true), cell("r1", "c0", true, "refuse")], 1)).toEqual(["r0 c0 1", "r1 c0 1"]);
  });

  test("walks that one rule ended are told once, for all their cells", () => {
    const walked = (from: string, count: number, rule?: string): MatrixWalk => ({
      from,
      to: "c",
      cells: count,
      repeated: true,
      walk: {
        verdict: "drop",
        ...(rule ? { rule: { node: "@host", table: "filter", chain: "FORWARD", rule, verdict: "DROP" } } : {}),
      } as Walk,
    });
    const walks = [walked("a", 3, "-j DROP"), walked("b", 2, "-j DROP"), walked("c", 1), walked("d", 1)];
    expect(countWalks(walks).map(({ from, cells: n }) => [from, n])).toEqual([
      ["a", 5],
      ["c", 1],
      ["d", 1],
    ]);
  });
});

test.each([
  ["drop", "drop", true],
  ["drop", "silent", true],
  ["drop", "unreachable", true],
  ["drop", "reach", false],
  ["drop", "refuse", false],
  ["refuse", "refuse", true],
  ["refuse", "unreachable", false],
  ["unreachable", "unreachable", true],
  ["unreachable", "drop", false],
  ["reach", "reach", true],
  [undefined, "reach", false],
] as const)("a cell that met with %s and a walk that ended with %s fared alike: %s", (observed, verdict, alike) => {
  expect(isRepeated(observed, verdict)).toBe(alike);
});
