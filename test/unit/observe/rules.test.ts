/** What the kernel has beside what the lab wants: nothing by hand goes unnamed, and chains stand as a packet meets them. */
import { expect, test } from "vitest";
import {
  chooseRules,
  type FoundTables,
  type ListedChain,
  listChains,
  type RuleListing,
} from "../../../src/observe/rules.ts";
import { renderSpec } from "../../../src/plan/firewall/rule.ts";
import { seedRules } from "../../support/seed-view.ts";

const PLANNED = seedRules("@host");

/** What a kernel has in which nothing was changed; each rule has counted its place among all. */
const asBuilt = (): { chains: FoundTables["chains"][number][]; rules: FoundTables["rules"][number][] } => ({
  chains: PLANNED.chains.map((c) => ({ ...c, packets: 1, bytes: 60 })),
  rules: PLANNED.rules.map((r, i) => ({
    table: r.table,
    chain: r.chain,
    spec: renderSpec(r),
    packets: i,
    bytes: i * 60,
  })),
});

const chainNamed = (chains: readonly ListedChain[], key: string): ListedChain => {
  const found = chains.find((c) => `${c.table} ${c.name}` === key);
  if (!found) throw new Error(`no ${key} among ${chains.map((c) => `${c.table} ${c.name}`).join(", ")}`);
  return found;
};

const listing = (chains: readonly ListedChain[]): RuleListing => ({
  schema: 1,
  docknet: "0",
  lab: "test",
  counted: true,
  nodes: [{ node: "@host", chains, beyond: [] }],
});

test("chains stand as a packet meets them, each chain of Docker's after the first that leads to it", () => {
  expect(listChains(PLANNED, asBuilt()).map((c) => `${c.table} ${c.name}`)).toEqual([
    "raw PREROUTING",
    "nat PREROUTING",
    "nat DOCKER",
    "filter INPUT",
    "nat INPUT",
    "filter FORWARD",
    "filter DOCKER-USER",
    "filter DOCKER-FORWARD",
    "filter DOCKER-CT",
    "filter DOCKER-INTERNAL",
    "filter DOCKER-BRIDGE",
    "filter DOCKER",
    "raw OUTPUT",
    "nat OUTPUT",
    "filter OUTPUT",
    "nat POSTROUTING",
  ]);
  expect(chainNamed(listChains(PLANNED, asBuilt()), "nat DOCKER").from).toEqual(["PREROUTING", "OUTPUT"]);
});

test("where nothing was changed every rule has its words and its owner, and nothing is marked", () => {
  const chains = listChains(PLANNED, asBuilt());
  const rules = chains.flatMap((c) => c.rules);
  expect(rules).toHaveLength(PLANNED.rules.length);
  expect(rules.filter((r) => !r.words || !r.owner || r.foreign || r.missing)).toEqual([]);
  expect(chains.filter((c) => c.foreign || c.missing || c.reordered || c.wantedPolicy || !c.about)).toEqual([]);
  const dnat = chainNamed(chains, "nat DOCKER").rules[0];
  expect(dnat).toMatchObject({
    number: 1,
    text: "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80",
    target: "DNAT",
    words: "the host's port leads to the container's port",
    owner: "port 8080:80/tcp of web",
  });
});

test("as planned, nothing is counted", () => {
  const chains = listChains(PLANNED);
  expect(chains.flatMap((c) => c.rules).map((r) => r.packets)).toEqual(PLANNED.rules.map(() => undefined));
  expect(chains.map((c) => c.name)).toEqual(listChains(PLANNED, asBuilt()).map((c) => c.name));
});

test("a rule by hand is foreign, also a second one of ours", () => {
  const found = asBuilt();
  const [first] = found.rules.filter((r) => r.chain === "DOCKER-CT");
  const user = { table: "filter", chain: "DOCKER-USER", spec: "-s 172.17.0.2/32 -j DROP", packets: 7, bytes: 420 };
  const chains = listChains(PLANNED, { ...found, rules: [...found.rules, user, ...(first ? [first] : [])] });
  expect(chainNamed(chains, "filter DOCKER-USER").rules).toEqual([
    {
      number: 1,
      packets: 7,
      bytes: 420,
      text: "-A DOCKER-USER -s 172.17.0.2/32 -j DROP",
      target: "DROP",
      foreign: true,
    },
  ]);
  expect(chainNamed(chains, "filter DOCKER-CT").rules.map((r) => r.foreign ?? false)).toEqual([false, false, true]);
});

test("a rule that was removed is missing, at its place and without a number", () => {
  for (const doomed of [0, 1, 2]) {
    const found = asBuilt();
    const rules = found.rules.filter(
      (r) =>
        r.chain !== "DOCKER-FORWARD" ||
        found.rules.indexOf(r) !== found.rules.findIndex((f) => f.chain === "DOCKER-FORWARD") + doomed,
    );
    const { rules: listed, reordered } = chainNamed(listChains(PLANNED, { ...found, rules }), "filter DOCKER-FORWARD");
    expect(listed.map((r) => r.missing ?? false).indexOf(true)).toBe(doomed);
    expect(listed.map((r) => r.number ?? 0)).toEqual(
      [0, 1, 2, 3, 4].map((n) => (n === doomed ? 0 : n < doomed ? n + 1 : n)),
    );
    expect(reordered).toBeUndefined();
  }
});

test("another order is told, and no rule marked", () => {
  const found = asBuilt();
  const reversed = listChains(PLANNED, { ...found, rules: found.rules.toReversed() });
  expect(chainNamed(reversed, "filter DOCKER-FORWARD").reordered).toBe(true);
  expect(reversed.flatMap((c) => c.rules).filter((r) => r.foreign || r.missing)).toEqual([]);
});

test("policies and chains: another policy, a chain by hand, a chain that is gone", () => {
  const found = asBuilt();
  const chains = listChains(PLANNED, {
    rules: found.rules.filter((r) => r.chain !== "DOCKER-USER" && !r.spec.includes("DOCKER-USER")),
    chains: [
      ...found.chains
        .filter((c) => c.name !== "DOCKER-USER")
        .map((c) => (c.name === "FORWARD" ? { ...c, policy: "ACCEPT" } : c)),
      { table: "filter", name: "MINE", packets: 0, bytes: 0 },
    ],
  });
  expect(chainNamed(chains, "filter FORWARD")).toMatchObject({ policy: "ACCEPT", wantedPolicy: "DROP", packets: 1 });
  expect(chainNamed(chains, "filter MINE")).toMatchObject({ foreign: true, from: [], rules: [] });
  expect(chainNamed(chains, "filter DOCKER-USER").missing).toBe(true);
  expect(chainNamed(chains, "filter FORWARD").rules[0]).toMatchObject({ missing: true, target: "DOCKER-USER" });
});

test("a table that docknet does not write is listed when there is something in it", () => {
  const found = asBuilt();
  const mangle = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"].map((name) => ({
    table: "mangle",
    name,
    policy: "ACCEPT",
    packets: 0,
    bytes: 0,
  }));
  const withTable = { ...found, chains: [...found.chains, ...mangle] };
  expect(listChains(PLANNED, withTable).filter((c) => c.table === "mangle")).toEqual([]);
  const rule = { table: "mangle", chain: "FORWARD", spec: "-j MARK --set-xmark 0x1/0xffffffff", packets: 0, bytes: 0 };
  const names = listChains(PLANNED, { ...withTable, rules: [...found.rules, rule] }).map((c) => `${c.table} ${c.name}`);
  expect(names.indexOf("mangle FORWARD")).toBe(names.indexOf("filter FORWARD") - 1);
  expect(names.filter((n) => n.startsWith("mangle"))).toHaveLength(5);
});

test("chains that lead to each other, or nowhere, are listed once", () => {
  const rule = (chain: string, spec: string) => ({ table: "filter", chain, spec, packets: 0, bytes: 0 });
  const chains = listChains(
    { chains: [], rules: [] },
    { chains: ["A", "B"].map((name) => ({ table: "filter", name })), rules: [rule("A", "-j B"), rule("B", "-g A")] },
  );
  expect(chains.map((c) => c.name)).toEqual(["A", "B"]);
});

test("what a comment says is no target", () => {
  const comment = '-m comment --comment "then \\" -j ACCEPT" -j DROP';
  const found = { chains: [], rules: [{ table: "filter", chain: "INPUT", spec: comment }] };
  const chains = listChains(
    { chains: [{ table: "filter", name: "INPUT", policy: "ACCEPT" }], rules: [] },
    { ...found, chains: [{ table: "filter", name: "INPUT", policy: "ACCEPT" }] },
  );
  expect(chains[0]?.rules[0]?.target).toBe("DROP");
});

test("a choice keeps what fits", () => {
  const all = listing(listChains(PLANNED, asBuilt()));
  const textsOf = (l: RuleListing): string[] =>
    l.nodes.flatMap((n) => n.chains).flatMap((c) => c.rules.map((r) => r.text));
  const chainsOf = (l: RuleListing): string[] => l.nodes.flatMap((n) => n.chains.map((c) => `${c.table} ${c.name}`));
  expect(new Set(chooseRules(all, { table: "nat" }).nodes.flatMap((n) => n.chains.map((c) => c.table)))).toEqual(
    new Set(["nat"]),
  );
  expect(chainsOf(chooseRules(all, { chain: "DOCKER" }))).toEqual(["nat DOCKER", "filter DOCKER"]);
  expect(chainsOf(chooseRules(all, { owner: "of web" }))).toEqual(["nat DOCKER", "filter DOCKER"]);
  expect(textsOf(chooseRules(all, { hit: true }))).toHaveLength(PLANNED.rules.length - 1);
  expect(chooseRules(all, { owner: "of web" }).nodes[0]?.chains.map((c) => c.leftOut)).toEqual([undefined, 2]);
  const unused = {
    ...all,
    nodes: all.nodes.map((n) => ({ ...n, chains: n.chains.map((c) => ({ ...c, packets: 0, rules: [] })) })),
  };
  expect(chainsOf(chooseRules(unused, { hit: true }))).toEqual([]);
});

test("a chain or an owner that there is not is an error that names those that there are", () => {
  const all = listing(listChains(PLANNED, asBuilt()));
  expect(() => chooseRules(all, { chain: "DOCKR" })).toThrow("No chain DOCKR in @host of lab test");
  expect(() => chooseRules(all, { table: "raw", chain: "DOCKER" })).toThrow("No chain raw DOCKER in @host of lab test");
  expect(() => chooseRules(all, { owner: "nobody" })).toThrow('No rule that "nobody" wants in @host of lab test');
});
