/**
 * docknet walk tells what really happened: the rules that it names are those whose counters moved, by iptables itself; its hops are
 * those that tcpdump saw; its text is golden. And it leaves nothing behind.
 */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeQuestion } from "../../src/dns/question.ts";
import { buildLab, loadSpec, renderWalk, renderWalkJson, resolveState, type Walk } from "../../src/index.ts";
import { openStimulus } from "../../src/kernel/speech/stimulus.ts";
import { Site } from "../../src/lab/site.ts";
import { type WalkOptions, walkSite } from "../../src/lab/walk.ts";
import type { LabName, NodeName } from "../../src/net/name.ts";
import type { Port } from "../../src/net/port.ts";
import { expectGolden } from "../support/golden.ts";
import { labText } from "../support/lab-text.ts";
import { ip, run } from "../support/tiny-net.ts";
import { movedBetween, readCounters, Tcpdump, WALK_LAB } from "../support/walk-lab.ts";

interface Situation {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly verdict: Walk["verdict"];
  /** Where the kernel's choice would not be known by its length: the id of a ping. */
  readonly sourcePort?: number;
  /** Done before, as root in a node. */
  readonly first?: { readonly node: NodeName; readonly command: string };
}

const SITUATIONS: readonly Situation[] = [
  { name: "same bridge", from: "a", to: "b:80", verdict: "reach" },
  { name: "other bridge", from: "c", to: "a:80", verdict: "drop" },
  { name: "published, from the neighbour", from: "@neighbour", to: "@host:8080", verdict: "reach" },
  { name: "published, from the host's loopback", from: "@host", to: "127.0.0.1:8080", verdict: "reach" },
  { name: "published, from another container", from: "c", to: "@host:8080", verdict: "reach" },
  { name: "published, from the same container", from: "web", to: "@host:8080", verdict: "reach" },
  { name: "published, from the internet", from: "@internet", to: "@router:8080", verdict: "reach" },
  { name: "1 to 1, from the internet", from: "@internet", to: "203.0.113.92", verdict: "reach" },
  { name: "1 to 1, outbound", from: "@neighbour", to: "@internet:80", verdict: "reach" },
  { name: "outbound, two NATs", from: "a", to: "@internet:80", verdict: "reach" },
  { name: "ping to the internet", from: "a", to: "@internet", verdict: "reach", sourcePort: 40_017 },
  { name: "internal, out", from: "quiet", to: "@internet:80", verdict: "unreachable" },
  { name: "internal, in", from: "a", to: "quiet:80", verdict: "drop" },
  { name: "icc off", from: "x", to: "y:80", verdict: "drop" },
  { name: "direct access from the LAN", from: "@neighbour", to: "web:80", verdict: "drop" },
  { name: "unpublished", from: "@neighbour", to: "@host:5432", verdict: "refuse" },
  { name: "host mode", from: "@neighbour", to: "agent:9100", verdict: "reach" },
  { name: "no network", from: "lonely", to: "@internet:80", verdict: "unreachable" },
  { name: "DNS query", from: "c", to: "127.0.0.11:53/udp", verdict: "reach" },
  { name: "closed port", from: "a", to: "b:81", verdict: "refuse" },
  { name: "closed port, udp", from: "a", to: "b:81/udp", verdict: "refuse" },
  { name: "private address on the internet", from: "a", to: "10.99.0.1:80", verdict: "unreachable" },
  {
    name: "wrong gateway",
    from: "b",
    to: "@internet:80",
    verdict: "unreachable",
    first: { node: "b" as NodeName, command: "ip route replace default via 172.17.0.99" },
  },
];

const schema = JSON.parse(
  readFileSync(new URL("../../src/report/walk.schema.json", import.meta.url), "utf8"),
) as object;
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);

let site: Site;
const walkTo = (from: string, to: string, options?: WalkOptions): Promise<Walk> => walkSite(site, from, to, options);
const dumps = new Map<string, Tcpdump>();

beforeAll(async () => {
  site = new Site({ lab: "test" as LabName });
  await site.become(resolveState(loadSpec(labText(WALK_LAB))).state);
  for (const { name } of site.layout.nodes) dumps.set(name, new Tcpdump(site.netns(name)));
  await Promise.all([...dumps.values()].map((d) => d.ready()));
});

afterAll(async () => {
  await Promise.all([...dumps.values()].map((d) => d.close()));
  await site.close();
});

test.each(SITUATIONS)("$name: $from to $to", async ({ name, from, to, verdict, first, sourcePort }) => {
  if (first) run(site.netns(first.node), first.command);
  const tabled = site.layout.nodes.filter((n) => n.rules.rules.length > 0).map((n) => n.name);
  const before = readCounters(site, tabled);
  const walk = await walkTo(from, to, { reply: true, second: true, ...(sourcePort ? { sourcePort } : {}) });
  const moved = movedBetween(before, readCounters(site, tabled));
  expect(walk.warnings).toEqual([]);
  expect(validate(JSON.parse(renderWalkJson(walk))) ? [] : validate.errors, "walk.schema.json").toEqual([]);
  expect(`${walk.verdict}: ${walk.reason}`).toMatch(new RegExp(`^${verdict}: `));
  expect(new Set(moved), "rules by iptables -L -v -x, rules of the walk").toEqual(new Set(rulesOf(walk)));
  for (const { node, on, direction } of linksOf(walk)) {
    // libpcap shows each packet of lo once, as it comes in
    if (on.link === "lo" && direction === "out") continue;
    await dumps.get(node)?.saw({ ...on, link: on.port ?? on.link, direction });
  }
  expectGolden(
    `walk/${name.replaceAll(/[', ]+/g, "-")}.txt`,
    normalise(renderWalk(walk, { colour: false, width: 120 })),
  );
});

test("a rule that somebody added by hand is named as it stands, and nobody's", async () => {
  const host = site.netns("@host" as NodeName);
  run(host, "iptables -I DOCKER-USER -s 172.17.0.2 -p tcp --dport 80 -j DROP");
  const walk = await walkTo("a", "@internet:80");
  run(host, "iptables -D DOCKER-USER 1");
  expect(walk.verdict).toBe("drop");
  expect(walk.rule).toEqual({
    node: "@host",
    table: "filter",
    chain: "DOCKER-USER",
    rule: "-A DOCKER-USER -s 172.17.0.2/32 -p tcp -m tcp --dport 80 -j DROP",
    verdict: "DROP",
  });
});

describe("when NAT takes another source port than the sender's", () => {
  test.each([
    { proto: "tcp", to: "203.0.113.80:80", port: 40_001 },
    { proto: "udp", to: "203.0.113.53:53/udp", port: 40_002 },
    { proto: "icmp", to: "203.0.113.80", port: 4003 },
  ] as const)("of two senders with one $proto port the second is followed to the end, and back", async (way) => {
    const { proto, to, port: sourcePort } = way;
    const [address = "", port] = to.split(/[:/]/);
    const request = { proto, address: ip(address), payload: encodeQuestion(7, "example.test"), sourcePort };
    const first = openStimulus(site.netns("c" as NodeName), {
      ...request,
      sourcePort: sourcePort as Port,
      ...(port ? { port: Number(port) as Port } : {}),
    });
    expect(await first.fire()).toEqual({ kind: "answer" });
    const walk = await walkTo("a", to, { reply: true, second: true, sourcePort });
    first.close();
    // conntrack -L shows that it was given another port
    const host = site.netns("@host" as NodeName);
    const entry = run(host, `conntrack -L -p ${proto} -s 172.17.0.2 -d ${address}`).split("\n");
    const given = [...(entry.find((l) => l.includes(`=${sourcePort} `)) ?? "").matchAll(/(?:dport|id)=(\d+)/g)].at(-1);
    expect(Number(given?.[1])).toBeGreaterThan(0);
    expect(Number(given?.[1])).not.toBe(sourcePort);
    const plain = await walkTo("a", to, { reply: true, second: true });
    expect(walk.verdict).toBe("reach");
    expect(outlineOf(walk)).toEqual(outlineOf(plain));
    expect(walk.conntrack.map((c) => c.node)).toEqual(["@host", "@router"]);
  });

  test("rules of a MASQUERADE --random-fully and of those behind it are told", async () => {
    const host = site.netns("@host" as NodeName);
    run(host, "iptables -t nat -I POSTROUTING -s 172.17.0.0/16 -o eth0 -j MASQUERADE --random-fully");
    const walk = await walkTo("a", "@internet:80", { reply: true });
    run(host, "iptables -t nat -D POSTROUTING 1");
    expect(walk.verdict).toBe("reach");
    const chainsOf = (way: number, node: string) =>
      walk.ways[way]?.hops
        .find((h) => h.node === node)
        ?.steps.flatMap((s) => (s.kind === "chain" ? [`${s.table} ${s.chain}`] : []));
    expect(chainsOf(0, "@router")).toEqual(["nat PREROUTING", "filter FORWARD", "nat POSTROUTING"]);
    expect(chainsOf(1, "@host")).toEqual(["raw PREROUTING", "filter FORWARD"]);
  });
});

test("a name is looked up as the sender would, in its own DNS or the internet's", async () => {
  expect((await walkTo("c", "www.example.test:80")).address).toBe("203.0.113.80");
  expect((await walkTo("@neighbour", "www.example.test:80")).verdict).toBe("reach");
});

test("a walk leaves no table behind", async () => {
  await walkTo("a", "@internet:80");
  for (const { name } of site.layout.nodes)
    expect(run(site.netns(name), "nft list tables"), name).not.toContain("docknet-walk");
});

test("one line a hop", async () => {
  const walk = await walkTo("a", "@internet:80");
  expectGolden("walk/brief.txt", normalise(renderWalk(walk, { colour: false, width: 120, brief: true })));
});

test("walks at the same time do not mix", async () => {
  const walks = await Promise.all([walkTo("a", "@internet:80"), walkTo("web", "@internet:80"), walkTo("c", "db:5432")]);
  expect(walks.map((w) => w.verdict)).toEqual(["reach", "reach", "reach"]);
  expect(walks.map((w) => w.ways.length)).toEqual([1, 1, 1]);
  expect(walks.map((w) => w.ways[0]?.hops[0]?.node)).toEqual(["a", "web", "c"]);
});

test("a lab of the library walks", async () => {
  await using lab = await buildLab(loadSpec(labText(WALK_LAB)));
  expect((await lab.walk("c", "db:5432")).verdict).toBe("reach");
});

test("what cannot be found is said", async () => {
  await expect(walkTo("nobody", "web:80")).rejects.toThrow('No service, container or node "nobody" in lab test');
  await expect(walkTo("a", "web:80/icmp")).rejects.toThrow('Cannot walk to "web:80/icmp"');
  await expect(walkTo("a", "lonely:80")).rejects.toThrow("Cannot walk to lonely: it has no address");
});

describe("what was done by hand is the cause that is named", () => {
  const node = (name: string) => site.netns(name as NodeName);
  /** Does it, walks, and puts it back. */
  async function walkAfter(where: string, done: string, undone: string, way = ["@neighbour", "@host:8080"]) {
    run(node(where), done);
    try {
      return await walkTo(way[0] ?? "", way[1] ?? "");
    } finally {
      run(node(where), undone);
    }
  }
  const ending = ({ verdict, reason, rule }: Walk) => ({ verdict, reason, rule: rule?.rule });
  const hostHop = (walk: Walk) => walk.ways[0]?.hops.findLast((h) => h.node === "@host");

  test.each([
    ["icmp-port-unreachable", "refuse"],
    ["icmp-net-unreachable", "unreachable"],
    ["icmp-admin-prohibited", "unreachable"],
    ["tcp-reset", "refuse"],
  ])("a REJECT with %s, though its message meets chains of its own", async (type, verdict) => {
    const rule = `-A DOCKER-USER -p tcp -m tcp --dport 80 -j REJECT --reject-with ${type}`;
    const done = `iptables -I DOCKER-USER -p tcp --dport 80 -j REJECT --reject-with ${type}`;
    const walk = await walkAfter("@host", done, "iptables -D DOCKER-USER 1");
    expect(ending(walk)).toEqual({ verdict, reason: `filter DOCKER-USER takes it: ${rule}`, rule });
  });

  test.each([
    ["tcp-reset", "refuse"],
    ["icmp-port-unreachable", "refuse"],
    ["icmp-host-prohibited", "unreachable"],
  ])(
    "a REJECT with %s of the container, which the userland proxy hears in place of the sender",
    async (type, verdict) => {
      const rule = `-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with ${type}`;
      const done = `iptables -A INPUT -p tcp --dport 80 -j REJECT --reject-with ${type}`;
      const walk = await walkAfter("web", done, "iptables -F INPUT", ["@host", "127.0.0.1:8080"]);
      expect(ending(walk)).toEqual({ verdict, reason: `filter INPUT takes it: ${rule}`, rule });
    },
  );

  test.each(["ip", "inet"])("a table of nftables' own, of the family %s, before all others", async (family) => {
    const host = node("@host");
    const table = family === "ip" ? "mine" : "inet mine";
    run(host, `nft add table ${family} mine`);
    run(host, `nft add chain ${family} mine early { type filter hook prerouting priority -400 ; }`);
    run(host, `nft add rule ${family} mine early tcp dport 8080 counter drop`);
    const walk = await walkTo("@neighbour", "@host:8080");
    const listing = run(host, `nft -a list chain ${family} mine early`);
    run(host, `nft delete table ${family} mine`);
    expect(listing).toContain("counter packets 1 ");
    const handle = /drop # (handle \d+)/.exec(listing)?.[1] ?? "";
    expect(ending(walk)).toEqual({ verdict: "drop", reason: `${table} early takes it: ${handle}`, rule: handle });
    const told = renderWalk(walk, { colour: false, width: 120 });
    expect(told).toContain(`  rule      ${handle}; see: nft -a list chain ${table} early  (on @host)\n`);
  });

  test("a table of nftables' own that lets it pass changes nothing of its way", async () => {
    const host = node("@host");
    run(host, "nft add table inet mine");
    for (const hook of ["prerouting", "forward", "postrouting"])
      run(host, `nft add chain inet mine ${hook} { type filter hook ${hook} priority -160 ; }`);
    const walk = await walkTo("@neighbour", "@host:8080");
    run(host, "nft delete table inet mine");
    const kinds = hostHop(walk)?.steps.map((s) => (s.kind === "chain" ? `${s.table} ${s.chain}` : s.kind));
    expect(walk.verdict).toBe("reach");
    expect(kinds).toEqual([
      "raw PREROUTING",
      "inet mine prerouting",
      "nat PREROUTING",
      "translation",
      "route",
      "inet mine forward",
      "filter FORWARD",
      "inet mine postrouting",
      "nat POSTROUTING",
    ]);
  });

  test("ip_forward is off: DNAT has happened, and the packet goes nowhere", async () => {
    node("@host").writeSysctl("net.ipv4.ip_forward", "0");
    const walk = await walkTo("@neighbour", "@host:8080");
    node("@host").writeSysctl("net.ipv4.ip_forward", "1");
    expect(ending(walk)).toMatchObject({
      verdict: "unreachable",
      reason: "@host routes nothing on: its net.ipv4.ip_forward is 0",
    });
    expect(hostHop(walk)?.steps.find((s) => s.kind === "translation")).toMatchObject({ by: "nat DOCKER DNAT" });
  });

  test("its ttl is used up, as the message says that comes back", async () => {
    const done = "iptables -t mangle -A PREROUTING -p tcp --dport 8080 -j TTL --ttl-set 1";
    const walk = await walkAfter("@host", done, "iptables -t mangle -F PREROUTING");
    expect(ending(walk)).toMatchObject({
      verdict: "unreachable",
      reason: "@host does not route it on: its ttl of 1 is used up",
    });
  });

  test("the host's own way to the sender is another one, and rp_filter is strict", async () => {
    node("@host").writeSysctl("net.ipv4.conf.all.rp_filter", "1");
    const walk = await walkAfter(
      "@host",
      "ip route add 192.168.0.20 dev docker0",
      "ip route del 192.168.0.20 dev docker0",
    );
    node("@host").writeSysctl("net.ipv4.conf.all.rp_filter", "0");
    expect(ending(walk)).toMatchObject({
      verdict: "unreachable",
      reason: "@host takes nothing from 192.168.0.20 that comes in by eth0: its own way there is another (rp_filter)",
    });
  });

  test.each(["blackhole", "unreachable", "prohibit"])("a route that says %s", async (says) => {
    const route = `${says} 203.0.113.0/24`;
    const walk = await walkAfter("@host", `ip route add ${route}`, `ip route del ${route}`, ["a", "@internet:80"]);
    expect(ending(walk)).toMatchObject({
      verdict: "unreachable",
      reason: `the route of @host to 203.0.113.80 says ${says}`,
    });
  });

  test("the answer is dropped where it is made, or has no way back", async () => {
    const dropped = await walkAfter("web", "iptables -P OUTPUT DROP", "iptables -P OUTPUT ACCEPT");
    expect(ending(dropped)).toEqual({
      verdict: "drop",
      reason: "it arrives, but the answer is lost: filter OUTPUT takes it: what no rule accepts is dropped",
      rule: "policy DROP",
    });
    const back = "default via 172.17.0.1";
    const lost = await walkAfter("web", `ip route del ${back}`, `ip route add ${back}`);
    expect(ending(lost)).toMatchObject({
      verdict: "unreachable",
      reason: "it arrives at 80/tcp of web, and web has no route back to 192.168.0.20",
    });
  });

  test("a program that does not read its queue", async () => {
    const rule = "-A DOCKER-USER -p tcp -j NFQUEUE --queue-num 3";
    const done = "iptables -I DOCKER-USER -p tcp -j NFQUEUE --queue-num 3";
    const walk = await walkAfter("@host", done, "iptables -D DOCKER-USER 1");
    expect(ending(walk)).toEqual({ verdict: "drop", reason: `filter DOCKER-USER takes it: ${rule}`, rule });
  });

  test("a mark by which it is routed", async () => {
    const host = node("@host");
    run(host, "ip rule add fwmark 7 lookup 100");
    run(host, "ip route add prohibit default table 100");
    const done = "iptables -t mangle -A PREROUTING -p tcp --dport 8080 -j MARK --set-mark 7";
    const walk = await walkAfter("@host", done, "iptables -t mangle -F PREROUTING");
    run(host, "ip rule del fwmark 7");
    expect(ending(walk)).toMatchObject({
      verdict: "unreachable",
      reason: "the route of @host to 172.17.0.4 says prohibit",
    });
  });

  test("a link is down, or a port is none of its bridge any more", async () => {
    const port = site.layout.nodes
      .find((n) => n.name === "@host")
      ?.links.find((l) => l.kind === "veth" && l.peer.node === "web")?.name;
    // so that the host still knows the MAC
    await walkTo("@neighbour", "@host:8080");
    const down = await walkAfter("@host", `ip link set ${port} down`, `ip link set ${port} up`);
    expect(down.reason).toBe(`it left @host by docker0, and nobody took it: link ${port} of @host is down`);
    const loose = await walkAfter("@host", `ip link set ${port} nomaster`, `ip link set ${port} master docker0`);
    expect(loose.reason).toBe(
      `it left @host by docker0, and nobody took it: ${port}, the way to web, is not a port of it`,
    );
  });

  test("lo is down: nothing is delivered that never came in", async () => {
    const walk = await walkAfter("lonely", "ip link set lo down", "ip link set lo up", ["lonely", "127.0.0.1:80"]);
    expect(walk.ways[0]?.hops.map((h) => h.action)).toEqual(["end"]);
    expect(walk.verdict).toBe("unreachable");
  });
});

/** What each namespace did, without ports. */
const outlineOf = ({ ways }: Walk) =>
  ways.map(({ kind, hops }) => ({
    kind,
    hops: hops.map(({ node, action, steps }) => ({
      node,
      action,
      chains: steps.flatMap((s) =>
        s.kind === "chain" ? [`${s.table} ${s.chain}: ${s.rules.map((r) => r.rule).join("; ")}`] : [],
      ),
    })),
  }));

function rulesOf(walk: Walk): string[] {
  return walk.ways
    .flatMap((w) => w.hops)
    .flatMap((hop) => hop.steps)
    .flatMap((step) => (step.kind === "chain" ? step.rules : []))
    .map(({ node, table, rule }) => `${node} ${table} ${rule.replace(/^-A /, "")}`);
}

function linksOf(walk: Walk) {
  return walk.ways
    .flatMap((w) => w.hops)
    .flatMap(({ node, in: came, out }) => [
      ...(came ? [{ node, on: came, direction: "in" as const }] : []),
      ...(out ? [{ node, on: out, direction: "out" as const }] : []),
    ]);
}

/** Ephemeral ports, echo ids and generated link names, numbered by their first appearance. */
function normalise(text: string): string {
  const names = new Map<string, string>();
  const named = (kind: string, value: string): string => {
    const known = names.get(value);
    if (known) return known;
    const count = [...names.values()].filter((n) => n.startsWith(`<${kind}`)).length;
    const name = `<${kind}${count + 1}>`;
    names.set(value, name);
    return name;
  };
  return (
    text
      .replace(/\bveth[0-9a-f]{7}\b/g, (v) => named("veth", v))
      .replace(/\bbr-[0-9a-f]{12}\b/g, (v) => named("br", v))
      // the id of an echo may have fewer digits than an ephemeral port
      .replace(/: icmp .*/g, (line) => line.replace(/(?<=:)\d+\b/g, (v) => named("port", v)))
      .replace(/(?<=:|port )\d{5}\b/g, (v) => named("port", v))
  );
}
