/** Frames, traces and routes joined into one story. */
import { expect, test } from "vitest";
import type { Ipv4 } from "../../../../src/net/address.ts";
import { HOST } from "../../../../src/net/name.ts";
import { joinWalk, type WalkCourse } from "../../../../src/observe/walk/join.ts";
import type { WalkHop } from "../../../../src/observe/walk/walk.ts";
import { packet, RecordBuilder, WEB } from "../../../support/walk-record.ts";

const OUT = { src: "172.17.0.2:40000", dst: "203.0.113.80:80" };
const MASKED = { src: "192.168.0.10:40000", dst: "203.0.113.80:80", ttl: 63 };
const via = (address: string, oif: number) => ({ type: "unicast", via: address as Ipv4, oif }) as const;

const course = (more: Partial<WalkCourse> = {}): WalkCourse => ({
  sender: WEB,
  address: "203.0.113.80",
  port: 80,
  proto: "tcp",
  sport: 40000,
  host: HOST,
  proxies: [],
  reply: false,
  second: false,
  ...more,
});

/** web -> host, which routes it out by its eth0. */
function outbound(): RecordBuilder {
  return new RecordBuilder()
    .route(WEB, via("172.17.0.1", 2))
    .route(HOST, via("192.168.0.1", 2))
    .see(WEB, "eth0 out", packet(OUT))
    .see(HOST, "veth1 in", packet(OUT))
    .see(HOST, "docker0 in", packet(OUT))
    .run("nat PREROUTING", packet(OUT), { iif: 3 })
    .run("filter FORWARD", packet({ ...OUT, ttl: 63 }), { iif: 3, oif: 2 }, "-i docker0 -j ACCEPT")
    .run(
      "nat POSTROUTING",
      packet({ ...OUT, ttl: 63 }),
      { iif: 3, oif: 2 },
      "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
    )
    .see(HOST, "eth0 out", packet(MASKED));
}

const kinds = (hop: WalkHop | undefined): string[] =>
  hop?.steps.map((s) => (s.kind === "chain" ? `${s.table} ${s.chain}` : s.kind)) ?? [];

test("a hop is told in the order in which the kernel did it", () => {
  const { ways } = joinWalk(outbound().build(), course());
  const [sender, host] = ways[0]?.hops ?? [];
  expect(ways[0]?.packet).toBe("tcp SYN");
  expect(sender).toMatchObject({ node: "web", action: "send", out: { link: "eth0", ttl: 64, sport: 40000 } });
  expect(host).toMatchObject({
    action: "forward",
    in: { link: "docker0", port: "veth1" },
    out: { link: "eth0", src: "192.168.0.10", ttl: 63 },
  });
  expect(kinds(host)).toEqual(["nat PREROUTING", "route", "filter FORWARD", "nat POSTROUTING", "translation"]);
  expect(host?.steps.at(-1)).toEqual({
    kind: "translation",
    before: "172.17.0.2:40000 -> 203.0.113.80:80",
    after: "192.168.0.10:40000 -> 203.0.113.80:80",
    by: "nat POSTROUTING MASQUERADE",
  });
});

test("the second packet is translated by conntrack, without the nat table", () => {
  const [out, masked] = [
    { ...OUT, flags: "A", id: 8 },
    { ...MASKED, flags: "A", id: 8 },
  ];
  const record = outbound()
    .see(WEB, "eth0 out", packet(out))
    .see(HOST, "veth1 in", packet(out))
    .see(HOST, "docker0 in", packet(out))
    .run("filter FORWARD", packet({ ...out, ttl: 63 }), { iif: 3, oif: 2 }, "-i docker0 -j ACCEPT")
    .see(HOST, "eth0 out", packet(masked))
    .build();
  const second = joinWalk(record, course({ second: true })).ways.find((w) => w.kind === "second");
  expect(kinds(second?.hops[1])).toEqual(["route", "filter FORWARD", "translation"]);
  expect(second?.hops[1]?.steps.at(-1)).toMatchObject({ by: "conntrack" });
});

test("the rule that drops it is named, and nothing is told of routing that never was", () => {
  const record = new RecordBuilder()
    .route(WEB, via("172.17.0.1", 2))
    .route(HOST, via("192.168.0.1", 2))
    .see(WEB, "eth0 out", packet(OUT))
    .see(HOST, "veth1 in", packet(OUT))
    .see(HOST, "docker0 in", packet(OUT))
    .run("raw PREROUTING", packet(OUT), { iif: 3 }, "-d 203.0.113.80/32 -j DROP")
    .build();
  const story = joinWalk(record, course());
  expect(story.verdict).toBe("drop");
  expect(story.rule).toMatchObject({ node: "@host", table: "raw", rule: "-A PREROUTING -d 203.0.113.80/32 -j DROP" });
  expect(kinds(story.ways[0]?.hops[1])).toEqual(["raw PREROUTING"]);
  expect(story.ways[0]?.hops[1]?.out).toBeUndefined();
});

test("a policy drops as a rule does, a REJECT tells the sender", () => {
  const before = () =>
    new RecordBuilder()
      .route(WEB, via("172.17.0.1", 2))
      .route(HOST, via("192.168.0.1", 2))
      .see(WEB, "eth0 out", packet(OUT))
      .see(HOST, "docker0 in", packet(OUT));
  const policy = before().run("filter FORWARD", packet(OUT), { iif: 3, oif: 2 }, undefined, "DROP").build();
  expect(joinWalk(policy, course())).toMatchObject({
    verdict: "drop",
    rule: { rule: "policy DROP", chain: "FORWARD" },
  });
  const reject = before()
    .run("filter FORWARD", packet(OUT), { iif: 3, oif: 2 }, "-j REJECT --reject-with icmp-port-unreachable")
    .build();
  expect(joinWalk(reject, course({ reaction: { kind: "errno", errno: "ECONNREFUSED" } })).verdict).toBe("refuse");
  expect(joinWalk(reject, course({ reaction: { kind: "errno", errno: "ENETUNREACH" } })).verdict).toBe("unreachable");
});

test("what a REJECT's own message meets is not taken for what the packet met", () => {
  const message = packet({ src: "203.0.113.80:80", dst: OUT.src, flags: "R", id: 0 });
  const record = new RecordBuilder()
    .route(WEB, via("172.17.0.1", 2))
    .route(HOST, via("192.168.0.1", 2))
    .see(WEB, "eth0 out", packet(OUT))
    .see(HOST, "docker0 in", packet(OUT))
    .begin(1, "filter FORWARD", packet(OUT), { iif: 3, oif: 2 })
    .run("filter OUTPUT", message, { oif: 3, id: 2 })
    .decide(1, "filter DOCKER-USER", "-p tcp -j REJECT --reject-with tcp-reset")
    .see(HOST, "docker0 out", message)
    .build();
  expect(joinWalk(record, course({ reaction: { kind: "errno", errno: "ECONNREFUSED" } }))).toMatchObject({
    verdict: "refuse",
    rule: { chain: "DOCKER-USER", rule: "-A DOCKER-USER -p tcp -j REJECT --reject-with tcp-reset" },
  });
});

test("a reset of the last namespace is a refusal", () => {
  const record = new RecordBuilder()
    .route(WEB, via("172.17.0.1", 2))
    .route(HOST, { type: "local" })
    .see(WEB, "eth0 out", packet(OUT))
    .see(HOST, "docker0 in", packet(OUT))
    .see(HOST, "docker0 out", packet({ src: OUT.dst, dst: OUT.src, flags: "R", id: 0 }))
    .build();
  const story = joinWalk(record, course({ reaction: { kind: "errno", errno: "ECONNREFUSED" } }));
  expect(story.verdict).toBe("refuse");
  expect(story.reason).toBe("nothing listens on 80/tcp of @host at 203.0.113.80: its kernel answers RST");
  expect(story.ways[0]?.hops.at(-1)).toMatchObject({ action: "receive", because: story.reason });
});

test("an answer that has arrived is one, though the sender has not read it yet; one that has not is lost", () => {
  const answer = packet({ src: OUT.dst, dst: OUT.src, flags: "SA", id: 0 });
  const record = () =>
    new RecordBuilder()
      .route(HOST, { type: "local" })
      .see(WEB, "eth0 out", packet(OUT))
      .see(HOST, "docker0 in", packet(OUT))
      .see(HOST, "docker0 out", answer);
  const arrived = record().route(WEB, { type: "local" }).see(WEB, "eth0 in", answer).build();
  expect(joinWalk(arrived, course()).verdict).toBe("reach");
  const lost = record().route(WEB, via("172.17.0.1", 2)).build();
  expect(joinWalk(lost, course())).toMatchObject({
    verdict: "drop",
    reason: expect.stringMatching(/^it arrives, but the answer is lost: /),
  });
});

test("nobody answers ARP: the packet never left", () => {
  const record = new RecordBuilder().route(WEB, via("172.17.0.99", 2)).arp(WEB, "eth0", "172.17.0.99").build();
  const story = joinWalk(record, course());
  expect(story).toMatchObject({
    verdict: "unreachable",
    reason: "web asks on eth0 who has the gateway 172.17.0.99, and nobody answers ARP",
  });
});

test("no route is told as such", () => {
  const story = joinWalk(new RecordBuilder().build(), course({ reaction: { kind: "errno", errno: "ENETUNREACH" } }));
  expect(story).toMatchObject({ verdict: "unreachable", reason: "web has no route to 203.0.113.80" });
});

test("a flooded frame is not taken for the way", () => {
  const record = outbound()
    .see(WEB, "eth0 in", packet(OUT), "02:00:00:00:00:08" as never)
    .build();
  expect(joinWalk(record, course()).ways[0]?.hops.map((h) => h.node)).toEqual(["web", "@host"]);
});

test("packets of other flows are no part of it", () => {
  const other = packet({ src: "172.17.0.2:40001", dst: "203.0.113.80:80", id: 9 });
  const record = outbound().see(WEB, "eth0 out", other).run("raw PREROUTING", other, { iif: 3 }, "-j DROP").build();
  expect(joinWalk(record, course()).verdict).not.toBe("drop");
});
