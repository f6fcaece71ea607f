/** The resolver's rules that docknet writes in process are those of iptables-restore, to iptables, to nft, to packets, and to the next change. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { DisposerStack } from "../../src/dispose.ts";
import { loadSpec, resolveState } from "../../src/index.ts";
import { Executor } from "../../src/kernel/executor.ts";
import { dumpChains, dumpRules } from "../../src/kernel/firewall/nft-batch.ts";
import { readResolver } from "../../src/kernel/firewall/nft-listing.ts";
import { commitResolver } from "../../src/kernel/firewall/nft-resolver.ts";
import { iptablesIsNft } from "../../src/kernel/firewall/nft-support.ts";
import { commitRules, readTables, type TablesReading } from "../../src/kernel/firewall/rules.ts";
import { readLab } from "../../src/kernel/lab-reading.ts";
import { readMachine } from "../../src/kernel/machine.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../src/kernel/netlink/netlink.ts";
import { dumpTables } from "../../src/kernel/netlink/rtnetlink-read.ts";
import { Netns } from "../../src/kernel/netns.ts";
import type { LabName, NodeName } from "../../src/net/name.ts";
import type { Port } from "../../src/net/port.ts";
import { type ResolverPorts, resolverRuleset } from "../../src/plan/firewall/embedded-dns.ts";
import { renderRestore } from "../../src/plan/firewall/restore.ts";
import { EMPTY_RULESET, type Ruleset, renderSpec } from "../../src/plan/firewall/rule.ts";
import { diffRulesets } from "../../src/plan/firewall/rule-diff.ts";
import type { RuleEdit } from "../../src/plan/firewall/rule-edit.ts";
import type { Layout } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { planLab } from "../../src/plan/plan.ts";
import { labText } from "../support/lab-text.ts";

const PORTS: ResolverPorts = { udp: 21_000 as Port, tcp: 21_001 as Port };
const OTHER_PORTS: ResolverPorts = { udp: 31_000 as Port, tcp: 31_001 as Port };
const rulesAt = (ports: ResolverPorts): Ruleset => resolverRuleset(ports, { kind: "endpoint", label: "DNS of c1" });
const RULES = rulesAt(PORTS);
const CREATION = diffRulesets(EMPTY_RULESET, RULES);

// on a machine with another iptables all of this would be done by iptables-restore, and prove nothing
beforeAll(async () => expect(await iptablesIsNft()).toBe(true));

const run = (ns: Netns, file: string, args: readonly string[], input = ""): string =>
  ns.enter(() => execFileSync(file, args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] }));

const restore = (ns: Netns, edits: readonly RuleEdit[]): string =>
  run(ns, "iptables-restore", ["--noflush"], renderRestore(edits));

/** What the tools say, and the kernel's own bytes, handles included. */
function listing(ns: Netns): Record<string, unknown> {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    return {
      save: run(ns, "iptables-save", ["-c"]).replaceAll(/^#.*\n/gm, ""),
      specs: run(ns, "iptables", ["-t", "nat", "-S"]),
      list: run(ns, "iptables", ["-t", "nat", "-L", "-n", "-v"]),
      nft: run(ns, "nft", ["-a", "list", "ruleset"]),
      json: run(ns, "nft", ["-j", "list", "ruleset"]),
      kernel: [dumpTables, dumpChains, dumpRules].map((dump) =>
        socket.query(dump).map(({ body }) => body.subarray(4).toString("hex")),
      ),
    };
  } finally {
    socket.close();
  }
}

function read(ns: Netns, wanted: Ruleset = RULES): TablesReading | undefined {
  const socket = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    return readResolver(socket, socket.query(dumpTables), wanted);
  } finally {
    socket.close();
  }
}

/** Page faults of all children that have ended: every process has some (proc(5), /proc/pid/stat, cminflt). */
const faultsOfChildren = (): number =>
  Number(readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ")[8] ?? Number.NaN);

function twoNamespaces(stack: DisposerStack): [Netns, Netns] {
  const [ours, theirs] = ["ours", "theirs"].map((name) => stack.use(name, Netns.create(name)));
  if (!ours || !theirs) throw new Error("no namespaces");
  return [ours, theirs];
}

describe("written in process", () => {
  test("they are what iptables-restore writes, for every tool and in the kernel's own bytes", async () => {
    await using stack = new DisposerStack();
    const [ours, theirs] = twoNamespaces(stack);
    expect(await commitResolver(ours, PORTS)).toBe(true);
    restore(theirs, CREATION);
    const said = listing(ours);
    expect(said).toEqual(listing(theirs));
    expect(said.specs).toContain(
      "-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p udp -m udp --sport 21000 -j SNAT --to-source :53",
    );
  });

  test("no process is started for them, nor to see that they stand", async () => {
    const node = "c1" as NodeName;
    const executor = new Executor({ lab: "t" as LabName, named: false });
    const layout: Layout = {
      lab: "t" as LabName,
      nodes: [{ name: node, sysctls: [], links: [], routes: [], rules: RULES, proxies: [] }],
    };
    try {
      await executor.apply([{ kind: "netns.create", node }]);
      const before = faultsOfChildren();
      await executor.apply([{ kind: "rules.commit", node, edits: CREATION }]);
      const observed = await readLab(executor, layout);
      expect(faultsOfChildren()).toBe(before);
      expect(observed.nodes[0]?.rules.map((r) => r.spec)).toEqual(RULES.rules.map(renderSpec));
      // the way that starts processes is seen by the same count
      await readTables(executor.netns(node));
      expect(faultsOfChildren()).toBeGreaterThan(before);
    } finally {
      await executor.close();
    }
  });

  test("a query to 127.0.0.11:53 arrives at the server's port, and its answer comes from port 53, over UDP and TCP", async () => {
    await using stack = new DisposerStack();
    const [ours] = twoNamespaces(stack);
    run(ours, "ip", ["link", "set", "lo", "up"]);
    expect(await commitResolver(ours, PORTS)).toBe(true);
    const heard = JSON.parse(run(ours, process.execPath, ["-e", ASK, String(PORTS.udp), String(PORTS.tcp)])) as unknown;
    expect(heard).toEqual({ udp: "asked over udp, from 127.0.0.11:53", tcp: "asked over tcp, from 127.0.0.11:53" });
    const { rules = [] } = read(ours) ?? {};
    expect(rules).toEqual((await readTables(ours)).rules);
    // nat sees the first packet of a flow: one flow over each protocol, and the way back needs no rule of its own
    expect(rules.map((r) => r.packets)).toEqual([2, 2, 1, 1, 0, 0]);
  });

  test("iptables takes each rule away by its text, and adds others", async () => {
    await using stack = new DisposerStack();
    const [ours, theirs] = twoNamespaces(stack);
    expect(await commitResolver(ours, PORTS)).toBe(true);
    for (const rule of RULES.rules)
      run(ours, "iptables", ["-t", "nat", "-C", rule.chain, ...renderSpec(rule).split(" ")]);
    await commitRules(ours, diffRulesets(RULES, rulesAt(OTHER_PORTS)));
    restore(theirs, diffRulesets(EMPTY_RULESET, rulesAt(OTHER_PORTS)));
    expect(listing(ours).save).toBe(listing(theirs).save);
    expect(read(ours, rulesAt(OTHER_PORTS))?.rules).toEqual((await readTables(theirs)).rules);
    await commitRules(ours, diffRulesets(rulesAt(OTHER_PORTS), EMPTY_RULESET));
    expect((await readTables(ours)).rules).toEqual([]);
  });

  test("where a table nat stands already, iptables-restore does it", async () => {
    await using stack = new DisposerStack();
    const [ours, theirs] = twoNamespaces(stack);
    for (const ns of [ours, theirs])
      run(ns, "iptables", ["-t", "nat", "-A", "OUTPUT", "-d", "192.0.2.1", "-j", "ACCEPT"]);
    expect(await commitResolver(ours, PORTS)).toBe(false);
    expect(listing(ours), "the refused transaction left nothing").toEqual(listing(theirs));
    await commitRules(ours, CREATION);
    restore(theirs, CREATION);
    expect(listing(ours).save).toBe(listing(theirs).save);
    // the refusal was this namespace's, not the machine's
    const fresh = stack.use("fresh", Netns.create("fresh"));
    expect(await commitResolver(fresh, PORTS)).toBe(true);
  });
});

describe("read in process", () => {
  test.for(["docknet", "iptables-restore"])("rules that %s wrote read as iptables-save reads them", async (writer) => {
    await using stack = new DisposerStack();
    const [ns] = twoNamespaces(stack);
    if (writer === "docknet") expect(await commitResolver(ns, PORTS)).toBe(true);
    else restore(ns, CREATION);
    const { chains, rules, unreadable } = await readTables(ns);
    // iptables-save shows two built-in chains that are not there, and counts what passed a policy
    const there = chains
      .filter((c) => c.name !== "PREROUTING" && c.name !== "INPUT")
      .map(({ table, name, policy }) => ({ table, name, ...(policy ? { policy } : {}) }));
    expect(read(ns)).toEqual({ chains: there, rules, unreadable });
  });

  const nat = "iptables -t nat";
  const changes: Record<string, string> = {
    "a rule less": `${nat} -D DOCKER_OUTPUT 1`,
    "a rule more": `${nat} -A DOCKER_OUTPUT -d 192.0.2.1 -j ACCEPT`,
    "a rule twice": `${nat} -A OUTPUT -d 127.0.0.11 -j DOCKER_OUTPUT`,
    "rules in another order": `${nat} -D DOCKER_OUTPUT 1 && ${nat} -A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:21001`,
    "another port": `${nat} -R DOCKER_OUTPUT 2 -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:21002`,
    "another address": `${nat} -R OUTPUT 1 -d 127.0.0.12/32 -j DOCKER_OUTPUT`,
    "a whole subnet": `${nat} -R OUTPUT 1 -d 127.0.0.0/24 -j DOCKER_OUTPUT`,
    "a negation": `${nat} -R OUTPUT 1 ! -d 127.0.0.11/32 -j DOCKER_OUTPUT`,
    "another target": `${nat} -R OUTPUT 1 -d 127.0.0.11/32 -j RETURN`,
    "an option of a target": `${nat} -R DOCKER_POSTROUTING 1 -s 127.0.0.11/32 -p tcp -m tcp --sport 21001 -j SNAT --to-source :53 --random`,
    "a comment": `${nat} -R OUTPUT 1 -d 127.0.0.11/32 -m comment --comment ours -j DOCKER_OUTPUT`,
    "a policy of DROP": "nft chain ip nat OUTPUT '{ policy drop; }'",
    "a built-in chain more": `${nat} -A PREROUTING -j ACCEPT`,
    "a chain more": `${nat} -N MORE`,
    "another table of iptables": "iptables -A INPUT -j ACCEPT",
    "a rule's comment by nft": "nft insert rule ip nat DOCKER_OUTPUT accept comment x",
    "a set": "nft add set ip nat s '{ type ipv4_addr; }'",
    "a table asleep": "nft add table ip nat '{ flags dormant; }'",
    "nothing left": `${nat} -F && ${nat} -X && nft delete table ip nat`,
  };
  test.for(Object.keys(changes))("not when somebody made it differ: %s", async (name) => {
    await using stack = new DisposerStack();
    const [ns] = twoNamespaces(stack);
    expect(await commitResolver(ns, PORTS)).toBe(true);
    expect(read(ns)).toBeDefined();
    run(ns, "sh", ["-c", changes[name] ?? "false"]);
    expect(read(ns)).toBeUndefined();
  });

  test("tables of other families are nobody's hindrance, and other wanted rules are not these", async () => {
    await using stack = new DisposerStack();
    const [ns] = twoNamespaces(stack);
    expect(await commitResolver(ns, PORTS)).toBe(true);
    run(ns, "nft", ["add", "table", "inet", "own"]);
    expect(read(ns)).toBeDefined();
    expect(read(ns, rulesAt(OTHER_PORTS))).toBeUndefined();
    expect(read(ns, EMPTY_RULESET)).toBeUndefined();
  });

  test("a whole lab reads as by iptables-save, also when a container's rules were changed", async () => {
    const { state } = resolveState(
      loadSpec(labText("services: { a: { image: x }, b: { image: x }, c: { image: x } }")),
    );
    const layout = layoutOf(state, readMachine());
    const executor = new Executor({ lab: layout.lab, named: false });
    try {
      await executor.apply(planLab(undefined, layout));
      const changed = layout.nodes.find((n) => n.rules.chains.some((c) => c.name === "DOCKER_OUTPUT"));
      if (!changed) throw new Error("no container");
      run(executor.netns(changed.name), "iptables", [
        "-t",
        "nat",
        "-I",
        "DOCKER_OUTPUT",
        "-d",
        "192.0.2.1",
        "-j",
        "ACCEPT",
      ]);
      const observed = await readLab(executor, layout);
      expect(observed.nodes.find((n) => n.name === changed.name)?.rules).toHaveLength(7);
      for (const node of observed.nodes)
        expect(node.rules).toEqual((await readTables(executor.netns(node.name))).rules);
    } finally {
      await executor.close();
    }
  });
});

/** A server at the two ports that are its arguments, and a client of 127.0.0.11:53 that says who answered. */
const ASK = `
const [udp, tcp] = process.argv.slice(1).map(Number);
const dgram = require("node:dgram"), net = require("node:net");
const heard = {};
const tell = (key, text) => { heard[key] = text; if (heard.udp && heard.tcp) { console.log(JSON.stringify(heard)); process.exit(0); } };
setTimeout(() => { console.error("no answer"); process.exit(1); }, 30_000);
const server = dgram.createSocket("udp4");
server.on("message", (message, from) => server.send(message, from.port, from.address));
server.bind(udp, "127.0.0.11", () => {
  const client = dgram.createSocket("udp4");
  client.on("message", (message, from) => tell("udp", message + ", from " + from.address + ":" + from.port));
  client.send("asked over udp", 53, "127.0.0.11");
});
net.createServer((socket) => socket.pipe(socket)).listen(tcp, "127.0.0.11", () => {
  const client = net.connect(53, "127.0.0.11", () => client.write("asked over tcp"));
  client.on("data", (message) => tell("tcp", message + ", from " + client.remoteAddress + ":" + client.remotePort));
});
`;
