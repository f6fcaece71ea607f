import { describe, expect, test } from "vitest";
import type { Netns } from "../../src/kernel/netns.ts";
import {
  type Capture,
  type CapturedFrame,
  type CaptureOptions,
  openCapture,
} from "../../src/kernel/packets/capture.ts";
import { startProbe } from "../../src/kernel/speech/probe.ts";
import { openResponder } from "../../src/kernel/speech/responder.ts";
import { renderFrame } from "../../src/net/frame.ts";
import { descriptors, ifName, ip, link, openedSince, port, run, TinyNet, waitFor } from "../support/tiny-net.ts";

const SERVER = ip("172.17.0.2");
const web = { service: "web", port: { port: port(80), proto: "tcp" } } as const;

function watch(
  ns: Netns,
  name: string,
  options: Partial<CaptureOptions> = {},
): { capture: Capture; seen: CapturedFrame[] } {
  const seen: CapturedFrame[] = [];
  return { seen, capture: openCapture(ns, ifName(name), { onFrame: (s) => seen.push(s), ...options }) };
}

function interfaceCounters(ns: Netns, name: string): { rx: number; tx: number } {
  const [{ stats64 }] = JSON.parse(run(ns, `ip -s -j link show ${name}`));
  return { rx: stats64.rx.packets, tx: stats64.tx.packets };
}

describe("a capture", () => {
  test("sees a TCP exchange on both sides of the NAT, each with its direction", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    run(net.host, "iptables -t nat -A POSTROUTING -o veth1 -j MASQUERADE");
    const outer = watch(net.host, "eth0", { filter: "tcp" });
    const inner = watch(net.server, "eth0", { filter: "tcp" });
    const probe = startProbe({
      ns: net.client,
      proto: "tcp",
      address: SERVER,
      port: port(80),
      deadlineMs: 20_000,
      sourcePort: port(45678),
    });
    expect((await probe.result).outcome).toBe("reach");
    await waitFor("the SYN and its answer on both interfaces", () => outer.seen.length > 1 && inner.seen.length > 1);
    const first = (seen: CapturedFrame[]) => seen.slice(0, 2).map((s) => `${s.direction} ${renderFrame(s.frame)}`);
    expect(first(outer.seen)).toEqual([
      "in 10.1.0.2:45678 > 172.17.0.2:80 tcp SYN ttl 64",
      "out 172.17.0.2:80 > 10.1.0.2:45678 tcp SYN,ACK ttl 63",
    ]);
    expect(first(inner.seen)).toEqual([
      "in 172.17.0.1:45678 > 172.17.0.2:80 tcp SYN ttl 63",
      "out 172.17.0.2:80 > 172.17.0.1:45678 tcp SYN,ACK ttl 64",
    ]);
    await Promise.all([outer.capture.close(), inner.capture.close(), responder.close()]);
  });

  test("counts what the interface counts, and tells that nothing was dropped", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const { capture, seen } = watch(net.server, "eth0");
    const before = interfaceCounters(net.server, "eth0");
    for (let i = 0; i < 20; i++) {
      await startProbe({ ns: net.client, proto: "tcp", address: SERVER, port: port(80), deadlineMs: 20_000 }).result;
    }
    let after = before;
    // the last segments of a connection may still be on their way
    await waitFor("every frame arrived", () => {
      after = interfaceCounters(net.server, "eth0");
      return seen.length === after.rx - before.rx + after.tx - before.tx;
    });
    expect(seen.filter((s) => s.direction === "in")).toHaveLength(after.rx - before.rx);
    expect(capture.stats()).toEqual({ received: seen.length, dropped: 0, delivered: seen.length, downs: 0 });
    expect(capture.stats().received).toBe(seen.length);
    await Promise.all([capture.close(), responder.close()]);
  });

  test("tells how many frames it dropped when the ring was full", async () => {
    await using net = new TinyNet();
    const { capture, seen } = watch(net.server, "eth0", { filter: "udp", bufferBytes: 65536 });
    const probes = Array.from({ length: 300 }, () =>
      startProbe({ ns: net.client, proto: "udp", address: SERVER, port: port(9), deadlineMs: 1000 }),
    );
    await Promise.all(probes.map((p) => p.result));
    await waitFor("300 datagrams received", () => capture.stats().received === 300);
    const stats = capture.stats();
    expect(stats.dropped).toBeGreaterThan(0);
    await waitFor("what was not dropped is delivered", () => seen.length === 300 - stats.dropped);
    await capture.close();
  });

  test("takes the station behind a bridge port for the direction", async () => {
    await using net = new TinyNet();
    const { capture, seen } = watch(net.host, "veth1", { filter: "icmp", peerMac: macOf(net.server, "eth0") });
    await startProbe({ ns: net.client, proto: "icmp", address: SERVER, deadlineMs: 20_000 }).result;
    await waitFor("request and reply", () => seen.length === 2);
    expect(seen.map((s) => s.direction)).toEqual(["out", "in"]);
    await capture.close();
  });

  test("sees a packet on lo once", async () => {
    await using net = new TinyNet();
    const { capture, seen } = watch(net.server, "lo");
    await startProbe({ ns: net.server, proto: "icmp", address: ip("127.0.0.1"), deadlineMs: 20_000 }).result;
    await waitFor("request and reply", () => seen.length === 2);
    expect(seen.map((s) => s.frame.ip?.icmp?.type)).toEqual([8, 0]);
    await capture.close();
  });

  test("lives on when its interface goes down and comes up again, and when it is deleted", async () => {
    await using net = new TinyNet();
    const ping = () => startProbe({ ns: net.host, proto: "icmp", address: SERVER, deadlineMs: 20_000 }).result;
    const { capture, seen } = watch(net.server, "eth0", { filter: "icmp" });
    run(net.server, "ip link set eth0 down");
    await waitFor("the capture noticed", () => capture.stats().downs === 1);
    run(net.server, "ip link set eth0 up");
    expect((await ping()).outcome).toBe("reach");
    await waitFor("frames again", () => seen.length === 2);
    run(net.server, "ip link del eth0");
    await waitFor("the capture noticed", () => capture.stats().downs === 2);
    await capture.close();
  });

  test("of an unknown interface, or with a broken filter, is an error that names both", async () => {
    await using net = new TinyNet();
    expect(() => watch(net.server, "eth9")).toThrow("Cannot capture on eth9 in server: there is no such interface");
    expect(() => watch(net.server, "eth0", { filter: "tcp and and" })).toThrow(/filter "tcp and and"/);
  });

  test("gives no frame after close(), which leaves no descriptor, also after errors", async () => {
    await using net = new TinyNet();
    const before = descriptors();
    expect(() => watch(net.server, "eth9")).toThrow();
    expect(() => watch(net.server, "eth0", { filter: "tcp and and" })).toThrow();
    const { capture, seen } = watch(net.server, "eth0");
    const closing = capture.close();
    await startProbe({ ns: net.client, proto: "icmp", address: SERVER, deadlineMs: 20_000 }).result;
    await Promise.all([closing, capture.close()]);
    expect(seen).toEqual([]);
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
  });

  test("60 at once each see their own traffic", async () => {
    await using net = new TinyNet();
    const names = Array.from({ length: 20 }, (_, i) => `x${i}`);
    for (const [i, name] of names.entries()) link(net.host, name, `10.2.${i}.1/24`, net.server, name, `10.2.${i}.2/24`);
    const captures = [0, 1, 2].flatMap(() => names.map((name) => watch(net.host, name, { filter: "icmp" })));
    await Promise.all(
      names.map(
        (_, i) => startProbe({ ns: net.host, proto: "icmp", address: ip(`10.2.${i}.2`), deadlineMs: 20_000 }).result,
      ),
    );
    await waitFor("two frames each", () => captures.every((c) => c.seen.length === 2));
    await Promise.all(captures.map((c) => c.capture.close()));
  });
});

function macOf(ns: Netns, name: string) {
  const [{ address }] = JSON.parse(run(ns, `ip -j link show ${name}`));
  return address;
}
