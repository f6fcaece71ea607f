/** The matrix of who reaches what, by prediction: which rows and columns there are, where each packet goes, what the model says of it. */
import { describe, expect, test } from "vitest";
import type { Ipv4 } from "../../../../src/net/address.ts";
import { checksOf } from "../../../../src/plan/check/checks.ts";
import { type MatrixChoice, type MatrixPlan, matrixOf } from "../../../../src/plan/check/matrix.ts";
import { stopContainer } from "../../../../src/state/lifecycle.ts";
import type { State } from "../../../../src/state/state.ts";
import { rulesOf } from "../../../support/predict.ts";
import { errorOf, newDaemon, withContainer, withNetwork } from "../../../support/state.ts";

const planned = (state: State, choice?: MatrixChoice): MatrixPlan => matrixOf(state, rulesOf(state), choice);

/** "a > web:80  172.17.0.2:80 reach" */
function linesOf({ rows, columns, cells }: MatrixPlan): string[] {
  return cells.map((cell, i) => {
    const [row, column] = [rows[Math.floor(i / columns.length)], columns[i % columns.length]];
    const ends = `${row?.node} > ${column?.name}`;
    if ("none" in cell) return `${ends}  none: ${cell.none}`;
    return `${ends}  ${cell.probe.address}:${cell.probe.port} ${cell.predicted.outcome}`;
  });
}

const shop = (): State => {
  let state = withNetwork(newDaemon(), "front");
  state = withNetwork(state, "back", { internal: true });
  state = withContainer(state, "web", { networks: ["front"], publish: ["8080:80", "127.0.0.1:8081:80"] });
  return withContainer(state, "db", { networks: ["back"], serves: ["5432"] });
};

test("a row for each container and for the world, a column for each served port and each binding", () => {
  const { rows, columns } = planned(shop());
  expect(rows.map((r) => r.node)).toEqual(["web", "db", "@host", "@neighbour", "@internet"]);
  expect(columns.map((c) => [c.kind, c.name, c.label])).toEqual([
    ["service", "web:80", "web:80/tcp"],
    ["service", "db:5432", "db:5432/tcp"],
    ["published", "@host:8080", "0.0.0.0:8080->80/tcp of web"],
    ["published", "127.0.0.1:8081", "127.0.0.1:8081->80/tcp of web"],
  ]);
});

test("each packet goes where its sender would send it", () => {
  expect(linesOf(planned(shop()))).toEqual([
    "web > web:80  127.0.0.1:80 reach",
    "web > db:5432  172.19.0.2:5432 drop",
    "web > @host:8080  192.168.0.10:8080 reach",
    "web > 127.0.0.1:8081  192.168.0.10:8081 refuse",
    "db > web:80  172.18.0.2:80 unreachable",
    "db > db:5432  127.0.0.1:5432 reach",
    "db > @host:8080  192.168.0.10:8080 unreachable",
    "db > 127.0.0.1:8081  192.168.0.10:8081 unreachable",
    "@host > web:80  172.18.0.2:80 reach",
    "@host > db:5432  172.19.0.2:5432 reach",
    "@host > @host:8080  192.168.0.10:8080 reach",
    "@host > 127.0.0.1:8081  127.0.0.1:8081 reach",
    "@neighbour > web:80  172.18.0.2:80 drop",
    "@neighbour > db:5432  172.19.0.2:5432 drop",
    "@neighbour > @host:8080  192.168.0.10:8080 reach",
    "@neighbour > 127.0.0.1:8081  192.168.0.10:8081 refuse",
    "@internet > web:80  172.18.0.2:80 unreachable",
    "@internet > db:5432  172.19.0.2:5432 unreachable",
    "@internet > @host:8080  203.0.113.91:8080 refuse",
    "@internet > 127.0.0.1:8081  203.0.113.91:8081 refuse",
  ]);
});

test("the internet uses the router's forward, by its public port", () => {
  const world = { router: { ...newDaemon().world.router, forwards: [] } };
  const { host } = newDaemon().world;
  const forward = { publicPort: 80, to: host, toPort: 8080, proto: "tcp" };
  const state = withContainer(newDaemon({}, { router: { ...world.router, forwards: [forward] } } as never), "web", {
    publish: ["8080:80"],
  });
  expect(linesOf(planned(state, { from: ["@internet"], to: ["@host"] }))).toEqual([
    "@internet > @host:8080  203.0.113.91:80 reach",
  ]);
});

test("without a forward the internet uses the host's own public address, when it has one", () => {
  const state = shop();
  const { router } = state.world;
  const at = { file: "compose.yaml", line: 1, column: 1 };
  const own = { public: "203.0.113.92" as Ipv4, to: state.world.host, at };
  const world = { ...state.world, router: { ...router, static: [own] } };
  const lines = linesOf(planned({ ...state, world }, { from: ["@internet"], to: ["@host"] }));
  expect(lines).toEqual([
    "@internet > @host:8080  203.0.113.92:8080 reach",
    "@internet > 127.0.0.1:8081  203.0.113.92:8081 refuse",
  ]);
});

test("one in host mode is the host, one without a network reaches itself alone", () => {
  let state = withContainer(newDaemon(), "agent", { mode: "host", serves: ["9100"] });
  state = withContainer(state, "lonely", { mode: "none", serves: ["80"] });
  const { rows } = planned(state);
  expect(rows.map((r) => r.sandbox)).toEqual(["@host", "lonely", "@host", "@neighbour", "@internet"]);
  expect(linesOf(planned(state))).toEqual([
    "agent > agent:9100  127.0.0.1:9100 reach",
    "agent > lonely:80  none: lonely has no address",
    "lonely > agent:9100  192.168.0.10:9100 unreachable",
    "lonely > lonely:80  127.0.0.1:80 reach",
    "@host > agent:9100  192.168.0.10:9100 reach",
    "@host > lonely:80  none: lonely has no address",
    "@neighbour > agent:9100  192.168.0.10:9100 reach",
    "@neighbour > lonely:80  none: lonely has no address",
    "@internet > agent:9100  192.168.0.10:9100 unreachable",
    "@internet > lonely:80  none: lonely has no address",
  ]);
});

test("where one port of the host is another's, the cell has nothing to send", () => {
  let state = withContainer(newDaemon(), "a", { publish: ["127.0.0.1:80:80"] });
  state = withContainer(state, "b", { publish: ["192.168.0.10:80:80"] });
  expect(linesOf(planned(state, { from: ["@neighbour"], to: ["@host"] }))).toEqual([
    "@neighbour > 127.0.0.1:80  none: for @neighbour 192.168.0.10:80 is b",
    "@neighbour > 192.168.0.10:80  192.168.0.10:80 reach",
  ]);
});

test("every column whose listener lives has it asked in its own namespace", () => {
  const state = withContainer(shop(), "signal", { networks: ["front"], serves: ["36412/sctp"] });
  expect(planned(state).columns.map((c) => [c.name, c.control?.probe])).toEqual([
    ["web:80", { from: "web", address: "127.0.0.1", port: 80, proto: "tcp" }],
    ["db:5432", { from: "db", address: "127.0.0.1", port: 5432, proto: "tcp" }],
    ["signal:36412/sctp", undefined],
    ["@host:8080", { from: "web", address: "127.0.0.1", port: 80, proto: "tcp" }],
    ["127.0.0.1:8081", { from: "web", address: "127.0.0.1", port: 80, proto: "tcp" }],
  ]);
});

test("what the matrix asks as verify does, both predict alike", () => {
  const state = shop();
  const checks = checksOf(state, rulesOf(state), []);
  const known = new Map(checks.map((c) => [JSON.stringify(c.probe), c.predicted.outcome]));
  const shared = planned(state).cells.flatMap((cell) => {
    if ("none" in cell) return [];
    const outcome = known.get(JSON.stringify(cell.probe));
    return outcome === undefined ? [] : [[outcome, cell.predicted.outcome]];
  });
  expect(shared.length).toBeGreaterThan(8);
  expect(shared.filter(([a, b]) => a !== b)).toEqual([]);
});

describe("a choice", () => {
  const names = (choice: MatrixChoice) => {
    const { rows, columns } = planned(shop(), choice);
    return [rows.map((r) => r.node), columns.map((c) => c.name)];
  };

  test.for([
    [{ from: ["web"], to: ["db"] }, [["web"], ["db:5432"]]],
    [{ from: ["@internet", "web"], to: ["web:80"] }, [["web", "@internet"], ["web:80"]]],
    [{ from: ["db"], to: ["@host:8080"] }, [["db"], ["@host:8080"]]],
    [{ from: ["db"], to: ["@host:8080/tcp", "db:5432/tcp"] }, [["db"], ["db:5432", "@host:8080"]]],
  ] as const)("%j", ([choice, wanted]) => {
    expect(names(choice)).toEqual(wanted);
  });

  test("of what is not there is an error that says what is", () => {
    const error = (choice: MatrixChoice) => errorOf(() => planned(shop(), choice));
    expect(error({ from: ["nobody"] })).toEqual({ code: "NOT_FOUND", message: 'The matrix has no row "nobody"' });
    expect(error({ to: ["web:81"] })).toEqual({ code: "NOT_FOUND", message: 'The matrix has no column "web:81"' });
  });

  test("of who does not run, or serves nothing, is an error that says so", () => {
    const stopped = stopContainer(shop(), "web", { exitCode: 0 });
    const error = (state: State, choice: MatrixChoice) => errorOf(() => planned(state, choice))?.message;
    expect(error(stopped, { from: ["web"] })).toBe('The matrix has no row "web": it does not run');
    expect(error(stopped, { to: ["web"] })).toBe('The matrix has no column "web": it does not run');
    const mute = withContainer(shop(), "mute", { networks: ["front"], serves: [] });
    expect(error(mute, { to: ["mute"] })).toBe('The matrix has no column "mute": it serves and publishes no port');
    expect(planned(mute, { from: ["mute"] }).rows).toHaveLength(1);
  });
});
