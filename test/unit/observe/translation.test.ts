import { describe, expect, test } from "vitest";
import { encodeFrame, type Frame, type Ipv4Packet } from "../../../src/net/frame.ts";
import type { Mac } from "../../../src/net/mac.ts";
import type { IfName, NodeName } from "../../../src/net/name.ts";
import type { Port } from "../../../src/net/port.ts";
import { TranslationWatch } from "../../../src/observe/translation.ts";
import type { Match, Rule, Target } from "../../../src/plan/firewall/rule.ts";

const rule = (chain: string, match: object, target: object, label: string): Rule => ({
  table: "nat",
  chain,
  match: match as Match,
  target: target as Target,
  purpose: "dnat",
  owner: { kind: "port", label },
});

const HOST = {
  node: "@host" as NodeName,
  rules: [
    rule("POSTROUTING", { source: "172.17.0.0/16", out: { not: "docker0" } }, { kind: "MASQUERADE" }, "network bridge"),
    rule(
      "DOCKER",
      { proto: "tcp", dport: 8080, in: { not: "docker0" } },
      { kind: "DNAT", to: "172.17.0.2", port: 80 as Port },
      "port 8080:80/tcp of web",
    ),
  ],
  addresses: ["192.168.0.10", "172.17.0.1"] as never,
};

function frame(from: string, to: string, options: { ttl?: number; seq?: number; id?: number } = {}): Buffer {
  const [[src, sport], [dst, dport]] = [from.split(":"), to.split(":")];
  const flags = { syn: true, ack: false, fin: false, rst: false, psh: false };
  const tcp = { srcPort: Number(sport), dstPort: Number(dport), seq: options.seq ?? 7, ack: 0, flags, length: 0 };
  const ip = { src, dst, ttl: options.ttl ?? 64, id: options.id ?? 1, proto: 6, length: 40, tcp } as Ipv4Packet;
  const mac = "02:00:00:00:00:01" as Mac;
  return Buffer.from(encodeFrame({ srcMac: mac, dstMac: mac, etherType: 0x0800, length: 54, ip } as Frame));
}

const at = (node: string, link: string) => ({ node: node as NodeName, link: link as IfName });

describe("a packet that is seen on one link after the other", () => {
  test("is told to have been masqueraded, and its answer to have come back", () => {
    const watch = new TranslationWatch([HOST]);
    expect(watch.see(frame("172.17.0.2:1000", "203.0.113.80:80"), at("@host", "docker0"), 0)).toBeUndefined();
    expect(watch.see(frame("192.168.0.10:1000", "203.0.113.80:80", { ttl: 63 }), at("@host", "eth0"), 1)).toBe(
      "SNAT 172.17.0.2:1000 -> 192.168.0.10:1000 by nat POSTROUTING MASQUERADE (network bridge)",
    );
    watch.see(frame("203.0.113.80:80", "192.168.0.10:1000", { seq: 9 }), at("@host", "eth0"), 2);
    expect(watch.see(frame("203.0.113.80:80", "172.17.0.2:1000", { seq: 9, ttl: 63 }), at("@host", "docker0"), 3)).toBe(
      "SNAT undone for the reply: 192.168.0.10:1000 -> 172.17.0.2:1000",
    );
  });

  test("is told to have come to a published port, and its answer to have left from there", () => {
    const watch = new TranslationWatch([HOST]);
    watch.see(frame("192.168.0.20:5", "192.168.0.10:8080"), at("@host", "eth0"), 0);
    expect(watch.see(frame("192.168.0.20:5", "172.17.0.2:80", { ttl: 63 }), at("@host", "docker0"), 1)).toBe(
      "DNAT 192.168.0.10:8080 -> 172.17.0.2:80 by nat DOCKER (port 8080:80/tcp of web)",
    );
    watch.see(frame("172.17.0.2:80", "192.168.0.20:5", { seq: 9 }), at("@host", "docker0"), 2);
    expect(watch.see(frame("192.168.0.10:8080", "192.168.0.20:5", { seq: 9, ttl: 63 }), at("@host", "eth0"), 3)).toBe(
      "DNAT undone for the reply: 172.17.0.2:80 -> 192.168.0.10:8080",
    );
  });

  test("with the same addresses is told nothing", () => {
    const watch = new TranslationWatch([HOST]);
    watch.see(frame("172.17.0.2:1000", "172.17.0.3:80"), at("web", "eth0"), 0);
    expect(watch.see(frame("172.17.0.2:1000", "172.17.0.3:80"), at("@host", "docker0"), 1)).toBeUndefined();
  });

  test("is not taken for another that goes the way anew, is long ago, or has another sequence number", () => {
    const later = [
      [frame("172.17.0.2:1000", "1.1.1.1:80", { ttl: 64 }), 1],
      [frame("172.17.0.2:1000", "1.1.1.1:80", { ttl: 62 }), 2000],
      [frame("172.17.0.2:1000", "1.1.1.1:80", { ttl: 62, seq: 8 }), 1],
    ] as const;
    for (const [packet, ms] of later) {
      const watch = new TranslationWatch([HOST]);
      watch.see(frame("192.168.0.10:1000", "1.1.1.1:80", { ttl: 63 }), at("@host", "eth0"), 0);
      expect(watch.see(packet, at("@host", "docker0"), ms)).toBeUndefined();
    }
  });

  test("whose destination was changed by a rule that the lab has not is told so", () => {
    const watch = new TranslationWatch([HOST]);
    watch.see(frame("192.168.0.20:5", "10.9.9.9:9999"), at("@host", "eth0"), 0);
    expect(watch.see(frame("192.168.0.20:5", "172.17.0.2:80", { ttl: 63 }), at("@host", "docker0"), 1)).toBe(
      "destination 10.9.9.9:9999 -> 172.17.0.2:80 by no rule of the lab",
    );
  });

  test("of any bytes never throws", () => {
    const watch = new TranslationWatch([HOST]);
    const whole = frame("192.168.0.20:5", "10.9.9.9:9999");
    for (let length = 0; length <= whole.length; length++)
      expect(watch.see(whole.subarray(0, length), at("@host", "eth0"), 0)).toBeUndefined();
  });
});

describe("1:1 NAT", () => {
  const owner = { kind: "router", label: "router static 203.0.113.92 to 192.168.0.20" } as const;
  const ROUTER = {
    node: "@router" as NodeName,
    rules: [
      {
        ...rule("PREROUTING", { destination: "203.0.113.92", in: "wan0" }, { kind: "DNAT", to: "192.168.0.20" }, ""),
        purpose: "static-in",
        owner,
      },
      {
        ...rule("POSTROUTING", { source: "192.168.0.20", out: "wan0" }, { kind: "SNAT", to: "203.0.113.92" }, ""),
        purpose: "static-out",
        owner,
      },
      rule("POSTROUTING", { out: "wan0" }, { kind: "MASQUERADE" }, "home router"),
    ] as const,
    addresses: ["203.0.113.91", "203.0.113.92", "192.168.0.1"] as never,
  };

  test("is told alike of a flow's packets and of its answers, whoever began", () => {
    const watch = new TranslationWatch([ROUTER]);
    watch.see(frame("203.0.113.80:5", "203.0.113.92:22"), at("@router", "wan0"), 0);
    expect(watch.see(frame("203.0.113.80:5", "192.168.0.20:22", { ttl: 63 }), at("@router", "lan0"), 1)).toBe(
      "1:1 NAT 203.0.113.92:22 -> 192.168.0.20:22 (router static 203.0.113.92 to 192.168.0.20)",
    );
    watch.see(frame("192.168.0.20:22", "203.0.113.80:5", { seq: 9 }), at("@router", "lan0"), 2);
    expect(watch.see(frame("203.0.113.92:22", "203.0.113.80:5", { seq: 9, ttl: 63 }), at("@router", "wan0"), 3)).toBe(
      "1:1 NAT 192.168.0.20:22 -> 203.0.113.92:22 (router static 203.0.113.92 to 192.168.0.20)",
    );
  });

  test("is not told where the port changed too: that is another rule's work", () => {
    const watch = new TranslationWatch([ROUTER]);
    watch.see(frame("203.0.113.80:5", "203.0.113.92:22"), at("@router", "wan0"), 0);
    expect(watch.see(frame("203.0.113.80:5", "192.168.0.20:23", { ttl: 63 }), at("@router", "lan0"), 1)).not.toMatch(
      /^1:1/,
    );
  });
});
