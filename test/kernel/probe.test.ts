import { describe, expect, test } from "vitest";
import { closeFd } from "../../src/kernel/libc.ts";
import { openTcpListener } from "../../src/kernel/socket/socket.ts";
import { type ProbeRequest, startProbe } from "../../src/kernel/speech/probe.ts";
import { openResponder } from "../../src/kernel/speech/responder.ts";
import { descriptors, ip, openedSince, port, run, TinyNet, waitFor } from "../support/tiny-net.ts";

const SERVER = ip("172.17.0.2");
const web = { service: "web", port: { port: port(80), proto: "tcp" } } as const;
const echo = { service: "echo", port: { port: port(53), proto: "udp" } } as const;

/** Far from the deadline, on a machine that is busy too. */
const AT_ONCE_MS = 5000;

const ask = (net: TinyNet, request: Partial<ProbeRequest>) =>
  startProbe({ ns: net.client, proto: "tcp", address: SERVER, port: port(80), deadlineMs: 20_000, ...request });

describe("a TCP probe", () => {
  test("reaches an open port and is refused at a closed one", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const [open, closed] = await Promise.all([ask(net, {}).result, ask(net, { port: port(81) }).result]);
    expect(open.outcome).toBe("reach");
    expect(closed).toMatchObject({ outcome: "refuse", errno: "ECONNREFUSED" });
    expect(closed.afterMs).toBeLessThan(AT_ONCE_MS);
    await responder.close();
  });

  test("is silent until the deadline when a rule drops it", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    expect((await ask(net, {}).result).outcome).toBe("reach");
    run(net.host, "iptables -A FORWARD -p tcp --dport 80 -j DROP");
    const dropped = await ask(net, { deadlineMs: 400 }).result;
    expect(dropped).toMatchObject({ outcome: "silent" });
    expect(dropped.afterMs).toBeGreaterThanOrEqual(399);
    run(net.host, "iptables -F FORWARD");
    expect((await ask(net, {}).result).outcome).toBe("reach");
    await responder.close();
  });

  test.for([
    ["icmp-host-unreachable", "EHOSTUNREACH"],
    ["icmp-net-unreachable", "ENETUNREACH"],
    ["icmp-admin-prohibited", "EHOSTUNREACH"],
  ])("is unreachable at once when a rule answers %s", async ([type, errno]) => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    expect((await ask(net, {}).result).outcome).toBe("reach");
    run(net.host, `iptables -A FORWARD -p tcp --dport 80 -j REJECT --reject-with ${type}`);
    const reply = await ask(net, {}).result;
    expect(reply).toMatchObject({ outcome: "unreachable", errno });
    expect(reply.afterMs).toBeLessThan(AT_ONCE_MS);
    await responder.close();
  });

  test("is unreachable at once without a route, while a routed one is reached", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    run(net.client, "ip route del default");
    run(net.client, "ip route add 172.17.0.0/16 via 10.1.0.1");
    expect((await ask(net, {}).result).outcome).toBe("reach");
    const probe = ask(net, { address: ip("172.18.0.2") });
    expect(probe.source).toBeUndefined();
    expect(await probe.result).toMatchObject({ outcome: "unreachable", errno: "ENETUNREACH" });
    await responder.close();
  });

  test("is refused, with no errno, by a peer that accepts and closes without a byte", async () => {
    await using net = new TinyNet();
    const { createServer } = await import("node:net");
    const server = createServer((socket) => socket.destroy());
    server.listen({ fd: openTcpListener(net.server, SERVER, 80) });
    expect(await ask(net, {}).result).toMatchObject({ outcome: "refuse", error: "closed without an answer" });
    await new Promise((resolve) => server.close(resolve));
  });

  test("reaches a service that is none of ours, and trusts no answer of it", async () => {
    await using net = new TinyNet();
    const { createServer } = await import("node:net");
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write("SSH-2.0-OpenSSH service=web port=80/tcp from=1.2.3.4:5 to=6.7.8.9:10\n");
    });
    server.listen({ fd: openTcpListener(net.server, SERVER, 80) });
    const reply = await ask(net, {}).result;
    expect(reply.outcome).toBe("reach");
    expect(reply.answer).toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
  });

  test("is silent, and says so, when the peer accepts and says nothing", async () => {
    await using net = new TinyNet();
    const fd = openTcpListener(net.server, SERVER, 80);
    expect(await ask(net, { deadlineMs: 300 }).result).toMatchObject({
      outcome: "silent",
      error: "connected, but no answer came before the deadline",
    });
    closeFd(fd);
  });

  test("may use the same source port again at once", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    for (let i = 0; i < 5; i++) {
      const reply = await ask(net, { sourcePort: port(40000), sourceAddress: ip("10.1.0.2") }).result;
      expect(reply.answer?.from).toEqual({ address: "10.1.0.2", port: 40000 });
    }
    expect(run(net.server, "ss -Htan state time-wait")).toBe("");
    expect(run(net.client, "ss -Htan state time-wait")).toBe("");
    await responder.close();
  });

  test("abort() ends it at once as silent", async () => {
    await using net = new TinyNet();
    run(net.host, "iptables -A FORWARD -p tcp -j DROP");
    const probe = ask(net, { deadlineMs: 60_000 });
    probe.abort();
    probe.abort();
    expect(await probe.result).toMatchObject({ outcome: "silent", error: "aborted" });
  });

  test("a source address that the node has not is an error of the request", async () => {
    await using net = new TinyNet();
    await expect(ask(net, { sourceAddress: ip("10.9.9.9") }).result).rejects.toMatchObject({ code: "KERNEL_REFUSED" });
  });

  test("1000 at once all reach, 1000 at once all stay silent, and no descriptor is left", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const before = descriptors();
    const reached = await Promise.all(Array.from({ length: 1000 }, () => ask(net, { deadlineMs: 60_000 }).result));
    expect(reached.filter((r) => r.answer?.service === "web")).toHaveLength(1000);
    expect(responder.counters.connections).toBe(1000);
    run(net.host, "iptables -A FORWARD -p tcp -j DROP");
    const silent = await Promise.all(Array.from({ length: 1000 }, () => ask(net, { deadlineMs: 500 }).result));
    expect(new Set(silent.map((r) => r.outcome))).toEqual(new Set(["silent"]));
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
    await responder.close();
  });
});

describe("a UDP probe", () => {
  test("reaches a responder, is refused at a closed port, and silent behind a drop", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, echo);
    run(net.host, "iptables -A FORWARD -p udp --dport 55 -j DROP");
    const probe = ask(net, { proto: "udp", port: port(53) });
    expect((await probe.result).answer).toEqual({
      service: "echo",
      from: probe.source,
      to: { address: SERVER, port: 53 },
    });
    expect(await ask(net, { proto: "udp", port: port(54) }).result).toMatchObject({
      outcome: "refuse",
      errno: "ECONNREFUSED",
    });
    expect(await ask(net, { proto: "udp", port: port(55), deadlineMs: 300 }).result).toMatchObject({
      outcome: "silent",
    });
    await responder.close();
  });

  test("sends exactly one datagram", async () => {
    await using net = new TinyNet();
    run(net.host, "iptables -A FORWARD -p udp -j DROP");
    await ask(net, { proto: "udp", port: port(53), deadlineMs: 700 }).result;
    expect(run(net.host, "iptables -nvxL FORWARD")).toMatch(/^\s+1\s+35\s+DROP/m);
  });

  test("is unreachable when a rule answers host unreachable, and silent behind its own OUTPUT drop", async () => {
    await using net = new TinyNet();
    run(net.host, "iptables -A FORWARD -p udp -j REJECT --reject-with icmp-host-unreachable");
    expect(await ask(net, { proto: "udp" }).result).toMatchObject({ outcome: "unreachable", errno: "EHOSTUNREACH" });
    run(net.client, "iptables -A OUTPUT -p udp -j DROP");
    expect(await ask(net, { proto: "udp" }).result).toMatchObject({ outcome: "silent", errno: "EPERM" });
  });
});

describe("an ICMP probe", () => {
  test("reaches, with its echo id as port; is silent behind a drop; unreachable without a neighbour", async () => {
    await using net = new TinyNet();
    const probe = ask(net, { proto: "icmp" });
    expect(probe.source?.port).toBeGreaterThan(0);
    expect((await probe.result).outcome).toBe("reach");
    const chosen = ask(net, { proto: "icmp", sourcePort: port(4711) });
    expect(chosen.source).toEqual({ address: "10.1.0.2", port: 4711 });
    expect((await chosen.result).outcome).toBe("reach");
    const nobody = ask(net, { proto: "icmp", address: ip("10.1.0.77"), deadlineMs: 60_000 });
    run(net.host, "iptables -A FORWARD -p icmp -j DROP");
    expect((await ask(net, { proto: "icmp", deadlineMs: 300 }).result).outcome).toBe("silent");
    expect(await nobody.result).toMatchObject({ outcome: "unreachable", errno: "EHOSTUNREACH" });
  });
});

test("an SCTP probe rejects with KERNEL_FEATURE where the kernel has no SCTP", async () => {
  await using net = new TinyNet();
  const result = await ask(net, { proto: "sctp" }).result.catch((error: { code: string; remedy: string }) => error);
  // On a kernel that has SCTP the closed port refuses.
  if ("outcome" in result) expect(result.outcome).toBe("refuse");
  else expect(result).toMatchObject({ code: "KERNEL_FEATURE", remedy: "Run `modprobe sctp`" });
});
