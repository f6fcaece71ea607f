import { describe, expect, test } from "vitest";
import { connectContainer, disconnectContainer } from "../../../src/state/attachment.ts";
import { renameContainer } from "../../../src/state/container.ts";
import { stopContainer } from "../../../src/state/lifecycle.ts";
import { dnsNames, lookupName, reverseName } from "../../../src/state/names.ts";
import type { State } from "../../../src/state/state.ts";
import { type ContainerText, containerOf, newDaemon, withContainer, withNetwork } from "../../support/state.ts";

const ask = (state: State, asker: string, name: string) => lookupName(state, containerOf(state, asker), name);
const askBack = (state: State, asker: string, address: string) =>
  reverseName(state, containerOf(state, asker), address);
const on = (network: string, ...aliases: string[]) => ({ network, aliases });

/** The containers and networks on which these answers were recorded from dockerd 28.5.2. */
const lab: State = (
  [
    ["web", { networks: [on("n1")], hostname: "hh" }],
    ["two", { networks: [on("n1", "al"), on("n2")] }],
    ["fqdn", { networks: [on("n1")], hostname: "f.q.dn" }],
    ["dots", { networks: [on("n.dot", "a.b"), on("n1", "a")] }],
    ["s1", { networks: [on("n1", "shared")] }],
    ["s2", { networks: [on("n1", "shared")] }],
    ["s3", { networks: [on("n2", "shared")] }],
    ["inner", { networks: [on("ain", "shared"), on("bin", "shared")] }],
    ["linked", { networks: [{ network: "n1", links: [{ target: "web", alias: "lk" }] }] }],
    ["plain", {}],
  ] as const satisfies readonly (readonly [string, ContainerText])[]
).reduce(
  (s, [name, text]) => withContainer(s, name, text),
  (
    [
      ["n1", { subnet: "10.1.0.0/24" }],
      ["n2", { subnet: "10.2.0.0/24" }],
      ["n.dot", { subnet: "10.3.0.0/24" }],
      ["ain", { subnet: "10.4.0.0/24", internal: true }],
      ["bin", { subnet: "10.5.0.0/24", internal: true }],
    ] as const
  ).reduce((s, [name, text]) => withNetwork(s, name, text), newDaemon()),
);
const shortId = (name: string): string => containerOf(lab, name).id.slice(0, 12);

test("an endpoint is called by container name, aliases, short id, and host name if set, each once", () => {
  expect(dnsNames(containerOf(lab, "web"), { aliases: ["x", "web", "x"] })).toEqual(["web", "x", shortId("web"), "hh"]);
  expect(dnsNames(containerOf(lab, "two"), { aliases: ["al"] })).toEqual(["two", "al", shortId("two")]);
});

describe("who is on n1 and n2", () => {
  test.for<[string, readonly string[] | undefined]>([
    ["web", ["10.1.0.2"]],
    ["WEB", ["10.1.0.2"]],
    ["hh", ["10.1.0.2"]],
    ["hh.n1", ["10.1.0.2"]],
    [shortId("web"), ["10.1.0.2"]],
    [`${shortId("web")}.n1`, ["10.1.0.2"]],
    [shortId("web").slice(0, 11), undefined],
    [containerOf(lab, "web").id, undefined],
    ["web.n1", ["10.1.0.2"]],
    ["WEB.n1", ["10.1.0.2"]],
    ["web.N1", undefined],
    ["web.n2", undefined],
    ["al", ["10.1.0.3"]],
    ["al.n1", ["10.1.0.3"]],
    ["al.n2", undefined],
    ["two", ["10.1.0.3"]],
    ["two.n2", ["10.2.0.2"]],
    ["f.q.dn", ["10.1.0.4"]],
    ["f.q.dn.n1", ["10.1.0.4"]],
    ["f", undefined],
    ["shared", ["10.1.0.6", "10.1.0.7"]],
    ["SHARED", ["10.1.0.6", "10.1.0.7"]],
    ["shared.n2", ["10.2.0.3"]],
    ["a.b", undefined],
    ["a", ["10.1.0.5"]],
    ["lk", undefined],
    ["plain", undefined],
    ["inner", undefined],
    ["nosuch", undefined],
    ["", undefined],
    [".", undefined],
    ["..n1", undefined],
  ])("asks %s", ([name, want]) => {
    expect(ask(lab, "two", name)).toEqual(want);
  });
});

test("dots may stand in names and in networks' names", () => {
  expect(["a.b", "a.b.n.dot", "dots.n.dot", "dots.dot", "dots.n1", "a.n.dot"].map((n) => ask(lab, "dots", n))).toEqual([
    ["10.3.0.2"],
    ["10.3.0.2"],
    ["10.3.0.2"],
    undefined,
    ["10.1.0.5"],
    undefined,
  ]);
});

test("a link's alias is the linking container's alone, spelled exactly, and leads to the name of its target", () => {
  expect(["lk", "lk.n1", "LK", "lk.n2"].map((n) => ask(lab, "linked", n))).toEqual([
    ["10.1.0.2"],
    ["10.1.0.2"],
    undefined,
    undefined,
  ]);
  expect(ask(stopContainer(lab, "web", { exitCode: 0 }), "linked", "lk")).toBeUndefined();
});

test("of several networks the first in gateway order answers: gw-priority, then not internal, then the network's name", () => {
  const shared = (state: State) => ask(state, "me", "shared")?.[0]?.slice(0, 5);
  const join = (state: State, network: string, gwPriority = 0): State =>
    connectContainer(state, "me", { network, gwPriority });
  const inner = join(join(withContainer(lab, "me", { networks: [] }), "bin"), "ain");
  expect(shared(inner)).toBe("10.4.");
  expect(shared(join(inner, "n2"))).toBe("10.2.");
  expect(shared(join(join(inner, "n2"), "n1"))).toBe("10.1.");
  expect(shared(join(join(inner, "n2", 10), "n1"))).toBe("10.2.");
});

test("on the default bridge nobody has a name, also for those who have other networks", () => {
  const both = connectContainer(withContainer(lab, "other"), "plain", { network: "n1" });
  expect([ask(lab, "plain", "plain"), ask(both, "plain", "other"), ask(both, "plain", "other.bridge")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(ask(both, "plain", "web")).toEqual(["10.1.0.2"]);
});

test("names change at once with connect, disconnect, rename and stop", () => {
  const renamed = renameContainer(lab, "two", "new");
  expect([ask(renamed, "web", "two"), ask(renamed, "web", "new")]).toEqual([undefined, ["10.1.0.3"]]);
  expect(ask(stopContainer(lab, "two", { exitCode: 0 }), "web", "two")).toBeUndefined();
  expect(ask(disconnectContainer(lab, "two", "n1"), "web", "two")).toBeUndefined();
  expect(ask(connectContainer(lab, "s3", { network: "n1" }), "web", "s3")).toEqual(["10.1.0.9"]);
});

test.for([
  ["two", "10.1.0.3", "two.n1"],
  ["two", "10.2.0.2", "two.n2"],
  ["two", "10.1.0.2", "web.n1"],
  ["dots", "10.3.0.2", "dots.n.dot"],
  ["inner", "10.4.0.2", "inner.ain"],
  ["two", "10.3.0.2", undefined],
  ["two", "10.1.0.1", undefined],
  ["plain", "172.17.0.2", undefined],
  ["two", "nonsense", undefined],
] as const)("%s asks who %s is: %s", ([asker, address, want]) => {
  expect(askBack(lab, asker, address)).toBe(want);
});
