/** A walk as text does no harm to a terminal, and breaks to its width. */
import { expect, test } from "vitest";
import type { Walk } from "../../../src/observe/walk/walk.ts";
import { renderWalk, renderWalkJson } from "../../../src/report/walk.ts";

const HOSTILE = "web\u001b[31m\u202e";
const on = (link: string) => ({ link, src: "172.17.0.2", sport: 40000, dst: "172.17.0.3", dport: 80, ttl: 64 });
const walk: Walk = {
  schema: 1,
  docknet: "0",
  lab: "lab",
  from: HOSTILE,
  to: "db:80",
  address: "172.17.0.3",
  port: 80,
  proto: "tcp",
  verdict: "drop",
  reason: `filter FORWARD takes it: ${HOSTILE}`,
  rule: { node: "@host", table: "filter", chain: "FORWARD", rule: "policy DROP", verdict: "DROP" },
  ways: [
    {
      kind: "request",
      packet: "tcp SYN",
      hops: [
        { node: HOSTILE, action: "send", out: on("eth0"), steps: [] },
        {
          node: "@host",
          action: "drop",
          in: on("docker0"),
          steps: [{ kind: "chain", table: "filter", chain: "FORWARD", verdict: "DROP", policy: true, rules: [] }],
          because: "a word ".repeat(40),
        },
      ],
    },
  ],
  conntrack: [],
  warnings: [],
};

const HARMFUL = ["\u001b", "\u202e"];
const OPTIONS = { colour: false, width: 80 };

test("what a name holds reaches no terminal", () => {
  const texts = [renderWalk(walk, OPTIONS), renderWalk(walk, { ...OPTIONS, brief: true }), renderWalkJson(walk)];
  for (const text of texts) expect(HARMFUL.filter((character) => text.includes(character))).toEqual([]);
  expect(JSON.parse(renderWalkJson(walk))).toEqual(walk);
});

test("the story fits its width, and a policy reads as iptables takes it", () => {
  const lines = renderWalk(walk, OPTIONS).split("\n");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines).toContain("  rule      -t filter -P FORWARD DROP  (on @host)");
  expect(lines).toContain("      filter FORWARD    no rule matches: policy DROP");
});

test("colour is only where it is asked for", () => {
  expect(renderWalk(walk, { ...OPTIONS, colour: true })).toContain("\u001b[31m");
});

test("what NAT made of a packet is told from link to link, also on a narrow terminal", () => {
  const rule = {
    node: "@host",
    table: "nat",
    chain: "DOCKER",
    rule: "-A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.3:80",
    verdict: "DNAT",
    owner: "port 8080:80/tcp of db",
    at: { file: "compose.yaml", line: 3, column: 5 },
  };
  const translated: Walk = {
    ...walk,
    ways: [
      {
        kind: "request",
        packet: "tcp SYN",
        hops: [
          { node: "web", action: "send", out: { ...on("eth0"), dst: "192.168.0.10", dport: 8080 }, steps: [] },
          {
            node: "@host",
            action: "forward",
            in: { ...on("docker0"), dst: "192.168.0.10", dport: 8080 },
            out: on("docker0"),
            steps: [
              { kind: "chain", table: "nat", chain: "PREROUTING", verdict: "ACCEPT", policy: false, rules: [rule] },
              {
                kind: "translation",
                before: "172.17.0.2:40000 -> 192.168.0.10:8080",
                after: "172.17.0.2:40000 -> 172.17.0.3:80",
                by: "nat DOCKER DNAT",
              },
            ],
          },
          { node: "db", action: "receive", in: on("eth0"), steps: [] },
        ],
      },
    ],
  };
  const storyOf = (width: number): string[] => {
    const lines = renderWalk(translated, { colour: false, width }).split("\n");
    const start = lines.indexOf("What NAT made of it on its way");
    return lines.slice(start + 1, lines.indexOf("", start));
  };
  expect(storyOf(100)).toEqual([
    "  web > @host                 172.17.0.2:40000 -> 192.168.0.10:8080",
    "      @host changes the destination by nat DOCKER DNAT (port 8080:80/tcp of db), compose.yaml:3:5",
    "  @host > db                  172.17.0.2:40000 -> 172.17.0.3:80",
  ]);
  expect(storyOf(60)).toEqual([
    "  web > @host",
    "    172.17.0.2:40000 -> 192.168.0.10:8080",
    "      @host changes the destination by nat DOCKER DNAT (port",
    "      8080:80/tcp of db), compose.yaml:3:5",
    "  @host > db",
    "    172.17.0.2:40000 -> 172.17.0.3:80",
  ]);
});
