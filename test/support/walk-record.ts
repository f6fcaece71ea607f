/** What a walk's observer would have recorded, in few words: frames, traces and routes of a host with one bridge. */

import type { KernelRule } from "../../src/kernel/firewall/rules.ts";
import type { RouteAnswer } from "../../src/kernel/netlink/route-query.ts";
import type { Ipv4 } from "../../src/net/address.ts";
import type { Frame, Ipv4Packet } from "../../src/net/frame.ts";
import type { Mac } from "../../src/net/mac.ts";
import { HOST, type NodeName } from "../../src/net/name.ts";
import {
  type NodeFacts,
  type NodeTrace,
  placeOf,
  ruleKey,
  type WalkLink,
  type WalkRecord,
} from "../../src/observe/walk/record.ts";
import { EMPTY_RULESET } from "../../src/plan/firewall/rule.ts";

export const WEB = "web" as NodeName;
const MAC = (n: number): Mac => `02:00:00:00:00:0${n}` as Mac;

/** web eth0 -- veth1 of docker0 on the host -- eth0 of the host -- the rest of the world */
const LINKS: Readonly<Record<string, readonly WalkLink[]>> = {
  [WEB]: [{ index: 2, name: "eth0", mac: MAC(1), isBridge: false, isUp: true }],
  [HOST]: [
    { index: 2, name: "eth0", mac: MAC(2), isBridge: false, isUp: true },
    { index: 3, name: "docker0", mac: MAC(3), isBridge: true, isUp: true },
    { index: 4, name: "veth1", mac: MAC(4), isBridge: false, isUp: true, master: "docker0" },
    { index: 5, name: "veth2", mac: MAC(5), isBridge: false, isUp: true, master: "docker0" },
  ],
};

export interface PacketText {
  readonly src: string;
  readonly dst: string;
  readonly ttl?: number;
  /** tcp flags: "S", "SA", "A", "R"; "S" unless said. */
  readonly flags?: string;
  readonly id?: number;
}

/** "172.17.0.2:40000" */
export function packet({ src, dst, ttl = 64, flags = "S", id = 7 }: PacketText): Ipv4Packet {
  const [from, to] = [src, dst].map((end) => end.split(":")) as [string[], string[]];
  const has = (flag: string): boolean => flags.includes(flag);
  const seq = has("S") ? (has("A") ? 900 : 100) : 101;
  return {
    src: from[0] as Ipv4,
    dst: to[0] as Ipv4,
    ttl,
    id,
    proto: 6,
    length: 60,
    tcp: {
      srcPort: Number(from[1]),
      dstPort: Number(to[1]),
      seq,
      ack: has("A") ? (has("S") ? 101 : 901) : has("R") ? 101 : 0,
      flags: { syn: has("S"), ack: has("A") || has("R"), fin: false, rst: has("R"), psh: false },
      length: 0,
    },
  };
}

export class RecordBuilder {
  private readonly packets: WalkRecord["packets"][number][] = [];
  private readonly traces: NodeTrace[] = [];
  private readonly rules = new Map<string, KernelRule>();
  private readonly routes = new Map<NodeName, RouteAnswer>();

  /** @param link "eth0 in" */
  see(node: NodeName, link: string, ip: Ipv4Packet, dstMac?: Mac): this {
    const [name = "", direction = ""] = link.split(" ");
    const own = LINKS[node]?.find((l) => l.name === name)?.mac as Mac;
    const frame: Frame = {
      srcMac: MAC(9),
      dstMac: dstMac ?? (direction === "in" ? own : MAC(9)),
      etherType: 0x800,
      length: 74,
      ip,
    };
    const order = this.packets.length;
    this.packets.push({
      node,
      link: name,
      direction: direction as "in" | "out",
      order,
      frame,
    });
    return this;
  }

  arp(node: NodeName, link: string, target: string): this {
    const arp = {
      operation: 1,
      senderMac: MAC(1),
      senderIp: "172.17.0.2" as Ipv4,
      targetMac: MAC(0),
      targetIp: target as Ipv4,
    };
    const order = this.packets.length;
    const frame: Frame = { srcMac: MAC(1), dstMac: "ff:ff:ff:ff:ff:ff" as Mac, etherType: 0x806, length: 42, arp };
    this.packets.push({ node, link, direction: "out", order, frame });
    return this;
  }

  /** A base chain's run in the host: "nat POSTROUTING", and the rule that decides, or its policy. @param links numbers of links */
  run(
    chain: string,
    ip: Ipv4Packet,
    links: { iif?: number; oif?: number; id?: number },
    rule?: string,
    policy: "ACCEPT" | "DROP" = "ACCEPT",
  ): this {
    const [table = "", name = ""] = chain.split(" ");
    const handle = this.rules.size + 1;
    if (rule) {
      this.rules.set(ruleKey(table, handle), { table, chain: name, spec: rule, packets: 0, bytes: 0, position: 1 });
      const verdict = { kind: /-j (DROP|REJECT)/.test(rule) ? "DROP" : "ACCEPT" } as const;
      this.traces.push({ node: HOST, table, chain: name, kind: "rule", handle, verdict, ip, ...links });
    } else
      this.traces.push({ node: HOST, table, chain: name, kind: "policy", verdict: { kind: policy }, ip, ...links });
    return this;
  }

  /** A rule that decides about a run that began earlier: by the run's id, what other packets met may stand between. */
  decide(id: number, chain: string, rule: string): this {
    const [table = "", name = ""] = chain.split(" ");
    const handle = this.rules.size + 1;
    this.rules.set(ruleKey(table, handle), { table, chain: name, spec: rule, packets: 0, bytes: 0, position: 1 });
    this.traces.push({ node: HOST, table, chain: name, kind: "rule", handle, verdict: { kind: "DROP" }, id });
    return this;
  }

  /** A run's head whose rules come later. */
  begin(id: number, chain: string, ip: Ipv4Packet, links: { iif?: number; oif?: number }): this {
    const [table = "", name = ""] = chain.split(" ");
    const verdict = { kind: "JUMP", chain: "DOCKER-USER" } as const;
    this.traces.push({ node: HOST, table, chain: name, kind: "rule", verdict, id, ip, ...links });
    return this;
  }

  route(node: NodeName, answer: RouteAnswer): this {
    this.routes.set(node, answer);
    return this;
  }

  build(): WalkRecord {
    const peers = new Map([
      [placeOf(WEB, "eth0"), [placeOf(HOST, "veth1")]],
      [placeOf(HOST, "veth1"), [placeOf(WEB, "eth0")]],
    ]);
    const facts = (node: NodeName): NodeFacts => ({
      links: LINKS[node] ?? [],
      rules: node === HOST ? this.rules : new Map(),
      planned: EMPTY_RULESET,
      route: () => this.routes.get(node) ?? { type: "none", errno: "ENETUNREACH" },
      forwards: () => true,
      neighbours: [],
    });
    return {
      packets: this.packets,
      traces: this.traces,
      nodes: new Map([WEB, HOST].map((n) => [n, facts(n)])),
      peers,
    };
  }
}
