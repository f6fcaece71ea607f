/** 1:1 NAT at the home router: what the router is told, who reaches whom by it, and what is checked of it. */
import { expect, test } from "vitest";
import type { Ipv4 } from "../../../../src/net/address.ts";
import { ROUTER } from "../../../../src/net/name.ts";
import type { Port } from "../../../../src/net/port.ts";
import { checksOf } from "../../../../src/plan/check/checks.ts";
import { renderRule } from "../../../../src/plan/firewall/rule.ts";
import { nodeOf } from "../../../../src/plan/layout.ts";
import { layoutOf } from "../../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../../src/plan/machine.ts";
import type { State } from "../../../../src/state/state.ts";
import { predictTo, rulesOf, verdictOf } from "../../../support/predict.ts";
import { newDaemon, WORLD, withContainer } from "../../../support/state.ts";

type Row = readonly [claim: string, from: string, to: string, port: string, verdict: string];

const check =
  (state: State) =>
  ([, from, to, port, want]: Row): void =>
    expect(verdictOf(predictTo(state, from, to, port))).toBe(want);

const place = { file: "f", line: 1, column: 1 };
const mapping = (outer: string, inner: string) => ({ public: outer as Ipv4, to: inner as Ipv4, at: place });
const router = {
  ...WORLD.router,
  forwards: [{ publicPort: 8000 as Port, proto: "tcp", to: WORLD.host, toPort: 8080 as Port, at: place } as const],
  static: [mapping("203.0.113.92", WORLD.host), mapping("203.0.113.93", "192.168.0.99")],
};
const both = {
  ...router,
  static: [mapping("203.0.113.92", WORLD.host), mapping("203.0.113.93", WORLD.neighbour)],
};
const lab = (r: typeof router) =>
  withContainer(
    withContainer(newDaemon({}, { router: r }), "a", { publish: ["8080:80", "127.0.0.1:8081:80"], serves: ["80"] }),
    "agent",
    { mode: "host", serves: ["9100"] },
  );

test.for<Row>([
  ["a published port that nobody forwards", "@internet", "203.0.113.92", "8080", "reach as 203.0.113.80 by a"],
  ["a service of the host", "@internet", "203.0.113.92", "9100", "reach as 203.0.113.80 by agent"],
  ["a port published on 127.0.0.1", "@internet", "203.0.113.92", "8081", "refuse at @host"],
  ["the forward's port, at the other address", "@internet", "203.0.113.92", "8000", "refuse at @host"],
  ["the forward, at the router's", "@internet", "public", "8000", "reach as 203.0.113.80 by a"],
  ["UDP of a port that nothing has", "@internet", "203.0.113.92", "9/udp", "refuse at @host"],
  ["ping", "@internet", "203.0.113.92", "ping", "reach as 203.0.113.80 by @host"],
  ["ping of the neighbour", "@internet", "203.0.113.93", "ping", "reach as 203.0.113.80 by @neighbour"],
  ["a port of the neighbour", "@internet", "203.0.113.93", "80", "refuse at @neighbour"],
  ["a public address that nobody has", "@internet", "203.0.113.94", "80", "unreachable at @internet"],
  ["out, the host", "@host", "www", "80", "reach as 203.0.113.92 by @internet"],
  ["out, the neighbour", "@neighbour", "www", "ping", "reach as 203.0.113.93 by @internet"],
  ["out, a container: behind the host's", "a", "www", "80", "reach as 203.0.113.92 by @internet"],
  ["out, the router itself", "@router", "www", "80", "reach as 203.0.113.91 by @internet"],
  ["from the LAN: the router itself", "@neighbour", "203.0.113.92", "8080", "refuse at @router"],
  ["from the LAN, ping", "@neighbour", "203.0.113.92", "ping", "reach as 192.168.0.20 by @router"],
  ["the machine's own public address", "@host", "203.0.113.92", "8080", "refuse at @router"],
  ["a container, its host's public address", "a", "203.0.113.92", "ping", "reach as 192.168.0.10 by @router"],
  ["the router, one of its own", "@router", "203.0.113.92", "ping", "reach as 203.0.113.92 by @router"],
])("%s", check(lab(both)));

test.for<Row>([
  ["a machine that is not there", "@internet", "203.0.113.93", "80", "unreachable at @router"],
  ["the neighbour, not mapped", "@neighbour", "www", "80", "reach as 203.0.113.91 by @internet"],
])("%s", check(lab(router)));

test("each translation names its rule", () => {
  const told = (from: string, to: string, port: string) =>
    predictTo(lab(both), from, to, port).translations.map(({ node, kind, rule }) => [
      node,
      kind,
      rule && renderRule(rule),
    ]);
  expect(told("@internet", "203.0.113.92", "8080")).toEqual([
    ["@router", "DNAT", "-A PREROUTING -d 203.0.113.92/32 -i wan0 -j DNAT --to-destination 192.168.0.10"],
    ["@host", "DNAT", "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"],
  ]);
  expect(told("@neighbour", "www", "80")).toEqual([
    ["@router", "SNAT", "-A POSTROUTING -s 192.168.0.20/32 -o wan0 -j SNAT --to-source 203.0.113.93"],
  ]);
  expect(told("a", "www", "80").map(([node, kind]) => `${kind} ${node}`)).toEqual(["MASQUERADE @host", "SNAT @router"]);
});

test("the router bears the addresses, and its 1:1 rules stand before N:1", () => {
  const node = nodeOf(layoutOf(lab(both), ORDINARY_MACHINE), ROUTER);
  expect(node?.links.find((l) => l.name === "wan0")?.addresses).toEqual([
    "203.0.113.91/24",
    "203.0.113.92/32",
    "203.0.113.93/32",
  ]);
  expect(node?.rules.rules.filter((r) => r.table === "nat").map(renderRule)).toEqual([
    "-A PREROUTING -d 203.0.113.91/32 -i wan0 -p tcp -m tcp --dport 8000 -j DNAT --to-destination 192.168.0.10:8080",
    "-A PREROUTING -d 203.0.113.92/32 -i wan0 -j DNAT --to-destination 192.168.0.10",
    "-A PREROUTING -d 203.0.113.93/32 -i wan0 -j DNAT --to-destination 192.168.0.20",
    "-A POSTROUTING -s 192.168.0.10/32 -o wan0 -j SNAT --to-source 203.0.113.92",
    "-A POSTROUTING -s 192.168.0.20/32 -o wan0 -j SNAT --to-source 203.0.113.93",
    "-A POSTROUTING -o wan0 -j MASQUERADE",
  ]);
});

test("derived: out with its own port, ping in, and every port of the host from the internet", () => {
  const state = lab(both);
  const ids = checksOf(state, rulesOf(state), [])
    .filter((c) => c.group === "static" || c.probe.address === "203.0.113.92")
    .map((c) => [c.id, c.expected]);
  expect(Object.fromEntries(ids)).toEqual({
    "publish/a:80/@internet/203.0.113.92:8080/tcp": { outcome: "reach", seenAs: "203.0.113.80" },
    "publish/a:80/@internet/203.0.113.92:8081/tcp": { outcome: "refuse" },
    "publish/agent:9100/@internet/203.0.113.92:9100/tcp": { outcome: "reach", seenAs: "203.0.113.80" },
    "static/@host/out": { outcome: "reach", seenAs: "203.0.113.92", seenPort: 20_000 },
    "static/@host/in": { outcome: "reach", seenAs: "203.0.113.80" },
    "static/@neighbour/out": { outcome: "reach", seenAs: "203.0.113.93", seenPort: 20_000 },
    "static/@neighbour/in": { outcome: "reach", seenAs: "203.0.113.80" },
  });
});

test("derived: a source port that nothing of the host listens on; of an address that no machine has, that nobody is found", () => {
  const state = withContainer(lab(router), "b", { publish: ["20000:80", "20001:81"] });
  const probes = checksOf(state, rulesOf(state), []).filter((c) => c.group === "static");
  expect(probes.map((c) => [c.id, c.probe.sourcePort])).toEqual([
    ["static/@host/out", 20_002],
    ["static/@host/in", undefined],
    ["static/203.0.113.93/in", undefined],
  ]);
});
