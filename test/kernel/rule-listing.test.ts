/**
 * docknet rules tells what is in the kernel: numbers, order and counters are those of `iptables -L -v -x -n --line-numbers`, texts those of
 * `iptables -S`; what somebody added by hand is foreign, what somebody removed is missing.
 */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  buildLab,
  type ListedChain,
  type ListedRule,
  loadSpec,
  type RuleListing,
  renderRulesJson,
} from "../../src/index.ts";
import { rulesOfSite, rulesOfState } from "../../src/lab/rules.ts";
import { Site } from "../../src/lab/site.ts";
import { walkSite } from "../../src/lab/walk.ts";
import type { LabName, NodeName } from "../../src/net/name.ts";
import { resolveState } from "../../src/state/resolve.ts";
import { labText } from "../support/lab-text.ts";
import { SEED } from "../support/seed-view.ts";
import { run } from "../support/tiny-net.ts";

const schema = JSON.parse(
  readFileSync(new URL("../../src/report/rules.schema.json", import.meta.url), "utf8"),
) as object;
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);

let site: Site;
const onHost = (command: string): string => run(site.netns("@host" as NodeName), command);

beforeAll(async () => {
  site = new Site({ lab: "test" as LabName });
  await site.become(resolveState(loadSpec(labText(SEED))).state);
  for (const [from, to] of [
    ["a", "@internet:80"],
    ["@neighbour", "@host:8080"],
    ["@neighbour", "web:80"],
    ["c", "db:5432"],
  ] as const)
    await walkSite(site, from, to);
});
afterAll(() => site.close());

function checked(listing: RuleListing): RuleListing {
  expect(validate(JSON.parse(renderRulesJson(listing))) ? [] : validate.errors, "rules.schema.json").toEqual([]);
  return listing;
}

const listHost = async (): Promise<readonly ListedChain[]> => checked(await rulesOfSite(site)).nodes[0]?.chains ?? [];

/** "nat DOCKER 1: 5 packets, 300 bytes, DNAT", by iptables' own listing. */
function byIptables(node: string, tables: readonly string[]): string[] {
  return tables.flatMap((table) => {
    let chain = "";
    return run(site.netns(node as NodeName), `iptables -t ${table} -L -v -x -n --line-numbers`)
      .split("\n")
      .flatMap((line) => {
        chain = /^Chain (\S+)/.exec(line)?.[1] ?? chain;
        const policy = /^Chain \S+ \(policy (\S+) (\d+) packets, (\d+) bytes\)/.exec(line);
        if (policy) return [`${table} ${chain} policy: ${policy[2]} packets, ${policy[3]} bytes, ${policy[1]}`];
        const rule = /^(\d+)\s+(\d+)\s+(\d+)\s+(\S+)/.exec(line);
        return rule ? [`${table} ${chain} ${rule[1]}: ${rule[2]} packets, ${rule[3]} bytes, ${rule[4]}`] : [];
      });
  });
}

const byDocknet = (chains: readonly ListedChain[]): string[] =>
  chains.flatMap(({ table, name, policy, packets, bytes, rules }) => [
    ...(policy ? [`${table} ${name} policy: ${packets} packets, ${bytes} bytes, ${policy}`] : []),
    ...rules.map((r) => `${table} ${name} ${r.number}: ${r.packets} packets, ${r.bytes} bytes, ${r.target}`),
  ]);

/**
 * What iptables says before and after `list`, once both are the same: a kernel sends of itself (IGMP reports of a new bridge, for one),
 * and what is counted between two readings is nobody's fault.
 */
async function unmoved<T>(node: string, tables: readonly string[], list: () => Promise<T>): Promise<[T, string[]]> {
  for (let tries = 0; tries < 20; tries++) {
    const before = byIptables(node, tables);
    const listed = await list();
    const after = byIptables(node, tables);
    if (before.join() === after.join()) return [listed, after.sort()];
  }
  throw new Error(`the counters of ${node} never stood still`);
}

test("numbers, order, counters, targets and policies are iptables' own", async () => {
  const [chains, expected] = await unmoved("@host", ["raw", "nat", "filter"], listHost);
  expect(expected.filter((line) => !line.includes(" 0 packets")).length).toBeGreaterThan(10);
  expect(byDocknet(chains).sort()).toEqual(expected);
});

test("texts are those of iptables -S, and every rule has its words and its owner", async () => {
  const chains = await listHost();
  for (const table of ["raw", "nat", "filter"]) {
    const shown = onHost(`iptables -t ${table} -S`)
      .split("\n")
      .filter((line) => line.startsWith("-A "));
    const listed = chains.filter((c) => c.table === table).flatMap((c) => c.rules.map((r) => r.text));
    expect([...listed].sort()).toEqual(shown.sort());
  }
  expect(chains.flatMap((c) => c.rules).filter((r) => !r.words || !r.owner || r.foreign || r.missing)).toEqual([]);
});

test("each node has its own: the router, a container's way to its DNS server, the host's for who uses its network", async () => {
  const [listing, expected] = await unmoved("@router", ["nat", "filter"], () => rulesOfSite(site, { node: "@router" }));
  expect(byDocknet(checked(listing).nodes[0]?.chains ?? []).sort()).toEqual(expected);
  const db = checked(await rulesOfSite(site, { node: "db" })).nodes[0];
  expect(db?.chains.flatMap((c) => c.rules.map((r) => r.owner?.split(",")[0]))).toEqual(Array(6).fill("DNS of db"));
  expect((await rulesOfSite(site, { node: "agent" })).nodes[0]?.node).toBe("@host");
  expect((await rulesOfSite(site, { node: "a" })).nodes).toEqual([{ node: "a", chains: [], beyond: [] }]);
});

test("all nodes that have rules, and no other", async () => {
  const { nodes } = checked(await rulesOfSite(site, { all: true }));
  const withTables = site.layout.nodes
    .map((n) => n.name)
    .filter((name) => run(site.netns(name), "iptables-save") !== "");
  expect(nodes.map((n) => n.node)).toEqual(withTables);
  expect(nodes.map((n) => n.node)).toEqual(expect.arrayContaining(["@host", "@router", "c", "db"]));
});

test("what was changed by hand is named: rules, policies, chains, tables; and nothing else", async () => {
  const changes: readonly (readonly [string, string])[] = [
    ["iptables -I DOCKER-USER -s 192.168.0.20 -j DROP", "iptables -D DOCKER-USER 1"],
    ["iptables -P FORWARD ACCEPT", "iptables -P FORWARD DROP"],
    ["iptables -N MINE", "iptables -X MINE"],
    ["iptables -t mangle -A FORWARD -j MARK --set-mark 1", "iptables -t mangle -F"],
    ["nft add table inet mine", "nft delete table inet mine"],
    [
      "iptables -t nat -D DOCKER 1",
      "iptables -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80",
    ],
  ];
  for (const [change] of changes) onHost(change);
  const node = checked(await rulesOfSite(site)).nodes[0];
  const chains = node?.chains ?? [];
  const named = (what: "foreign" | "missing") => {
    const isNamed = (t: ListedChain | ListedRule): boolean => t[what] === true;
    return [
      ...chains.filter(isNamed).map((c) => c.name),
      ...chains
        .flatMap((c) => c.rules)
        .filter(isNamed)
        .map((r) => r.text),
    ];
  };
  expect(named("foreign").sort()).toEqual([
    "-A DOCKER-USER -s 192.168.0.20/32 -j DROP",
    "-A FORWARD -j MARK --set-xmark 0x1/0xffffffff",
    "MINE",
  ]);
  expect(named("missing")).toEqual([
    "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80",
  ]);
  expect(chains.filter((c) => c.wantedPolicy).map((c) => [c.name, c.policy, c.wantedPolicy])).toEqual([
    ["FORWARD", "ACCEPT", "DROP"],
  ]);
  expect(node?.beyond).toEqual(["table inet mine"]);
  for (const [, back] of changes) onHost(back);
  const after = await listHost();
  expect(after.filter((c) => c.foreign || c.missing || c.wantedPolicy || c.reordered)).toEqual([]);
  expect(after.flatMap((c) => c.rules).filter((r) => r.foreign || r.missing)).toEqual([]);
});

test("a table that nft changed so that iptables cannot read it is named", async () => {
  onHost("nft add chain ip raw strange { type filter hook prerouting priority -310 ; }");
  onHost("nft add rule ip raw strange tcp dport 1-3 counter accept");
  const node = checked(await rulesOfSite(site)).nodes[0];
  expect(node?.beyond).toEqual(["table ip raw"]);
  onHost("nft delete chain ip raw strange");
  expect((await rulesOfSite(site)).nodes[0]?.beyond).toEqual([]);
});

test("what is planned is what a lab that was built has", async () => {
  // iptables adds built-in chains, empty ones, as it likes
  const textsOf = (l: RuleListing): string[] =>
    l.nodes.flatMap((n) =>
      n.chains
        .filter((c) => c.rules.length > 0)
        .map((c) => `${n.node} ${c.table} ${c.name}: ${c.rules.map((r) => r.text).join("; ")}`),
    );
  const planned = checked(rulesOfState(site.state, { all: true }));
  expect(textsOf(planned)).toEqual(textsOf(await rulesOfSite(site, { all: true })));
  expect(textsOf(await rulesOfSite(site, { planned: true }))).toEqual(textsOf(rulesOfState(site.state)));
  expect(planned.counted).toBe(false);
});

test("a lab of the library lists; what is not there is said", async () => {
  await using lab = await buildLab(loadSpec(labText(SEED)));
  expect((await lab.rules({ hit: true })).nodes[0]?.chains.flatMap((c) => c.rules)).toEqual([]);
  await expect(lab.rules({ node: "nobody" })).rejects.toThrow('No service, container or node "nobody" in lab test');
  await expect(lab.rules({ chain: "NONE" })).rejects.toThrow("No chain NONE in @host of lab test");
});
