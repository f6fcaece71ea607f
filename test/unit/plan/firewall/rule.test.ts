import { expect, test } from "vitest";
import type { Ipv4, Subnet } from "../../../../src/net/address.ts";
import type { IfName } from "../../../../src/net/name.ts";
import type { Port } from "../../../../src/net/port.ts";
import { explainRule, type Match, type Rule, renderRule, type Target } from "../../../../src/plan/firewall/rule.ts";

const base = { table: "filter", chain: "C", purpose: "jump", owner: { kind: "engine", label: "test" } } as const;
const rule = (match: Match, target: Target): Rule => ({ ...base, match, target });
const ip = "10.0.0.2" as Ipv4;
const net = "10.0.0.0/24" as Subnet;
const br0 = "br0" as IfName;
const eth0 = "eth0" as IfName;
const ACCEPT = { kind: "ACCEPT" } as const;

// the order of options, and what stands by itself, are those of iptables-save
test.for<[string, Match, Target, string]>([
  ["nothing to match", {}, { kind: "JUMP", chain: "DOCKER" }, "-A C -j DOCKER"],
  ["an address gets its length", { source: ip }, ACCEPT, "-A C -s 10.0.0.2/32 -j ACCEPT"],
  ["a subnet keeps its own", { destination: net }, { kind: "DROP" }, "-A C -d 10.0.0.0/24 -j DROP"],
  [
    "a negation stands before its option",
    { source: { not: net }, out: br0 },
    { kind: "DROP" },
    "-A C ! -s 10.0.0.0/24 -o br0 -j DROP",
  ],
  [
    "all of it, in order",
    {
      source: net,
      destination: { not: ip },
      in: { not: br0 },
      out: eth0,
      proto: "tcp",
      sport: 1 as Port,
      dport: 80 as Port,
    },
    ACCEPT,
    "-A C -s 10.0.0.0/24 ! -d 10.0.0.2/32 ! -i br0 -o eth0 -p tcp -m tcp --sport 1 --dport 80 -j ACCEPT",
  ],
  ["a protocol without ports loads no module", { out: br0, proto: "icmp" }, ACCEPT, "-A C -o br0 -p icmp -j ACCEPT"],
  [
    "states",
    { ctstate: ["RELATED", "ESTABLISHED"] },
    ACCEPT,
    "-A C -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
  ],
  [
    "kinds of address, source first",
    { srcType: "LOCAL", dstType: "LOCAL" },
    ACCEPT,
    "-A C -m addrtype --src-type LOCAL --dst-type LOCAL -j ACCEPT",
  ],
  [
    "DNAT",
    { proto: "sctp", dport: 9 as Port },
    { kind: "DNAT", to: ip, port: 90 as Port },
    "-A C -p sctp -m sctp --dport 9 -j DNAT --to-destination 10.0.0.2:90",
  ],
  ["SNAT", { source: net }, { kind: "SNAT", to: ip }, "-A C -s 10.0.0.0/24 -j SNAT --to-source 10.0.0.2"],
])("%s", ([, match, target, want]) => {
  expect(renderRule(rule(match, target))).toBe(want);
});

test("a rule in words says what it is for, and for whom", () => {
  const owner = { kind: "port", label: "port 8080:80/tcp of web" } as const;
  expect(explainRule({ purpose: "open-port", owner })).toBe("the published port is open (port 8080:80/tcp of web)");
});
