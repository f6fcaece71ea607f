import { randomBytes } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { closeFd } from "../../src/kernel/libc.ts";
import { adoptConnection, openTcpConnection, openTcpListener, openUdpSocket } from "../../src/kernel/socket/socket.ts";
import { startProbe } from "../../src/kernel/speech/probe.ts";
import { openProxy } from "../../src/kernel/speech/proxy.ts";
import { openResponder } from "../../src/kernel/speech/responder.ts";
import type { Ipv6 } from "../../src/net/address.ts";
import { descriptors, ip, openedSince, port, run, TinyNet, waitFor } from "../support/tiny-net.ts";

const SERVER = ip("172.17.0.2");
const binding = {
  proto: "tcp",
  hostIp: ip("0.0.0.0"),
  hostPort: port(8080),
  containerIp: SERVER,
  containerPort: port(80),
} as const;
const udpBinding = { ...binding, proto: "udp", hostPort: port(5353), containerPort: port(53) } as const;
const web = { service: "web", port: { port: port(80), proto: "tcp" } } as const;
const echo = { service: "echo", port: { port: port(53), proto: "udp" } } as const;

/** Ends its writing side after `data`, and collects what comes until the other side ends. */
async function exchange(socket: Socket, data: Buffer): Promise<Buffer> {
  socket.end(data);
  return readToEnd(socket);
}

/** `toArray()` would destroy the socket at the end, and with it the other direction. */
function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("end", () => resolve(Buffer.concat(chunks)));
  });
}

const tcpHandles = (): number => process.getActiveResourcesInfo().filter((kind) => kind.startsWith("TCP")).length;

describe("the TCP proxy", () => {
  test("shows the container the gateway as source, for clients of 127.0.0.1 and of the host's address", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const proxy = openProxy(net.host, binding);
    for (const [ns, address] of [
      [net.host, "127.0.0.1"],
      [net.client, "10.1.0.1"],
    ] as const) {
      const reply = await startProbe({ ns, proto: "tcp", address: ip(address), port: port(8080), deadlineMs: 20_000 })
        .result;
      expect(reply).toMatchObject({
        outcome: "reach",
        answer: { from: { address: "172.17.0.1" }, to: { address: SERVER, port: 80 } },
      });
    }
    expect(proxy.counters.connections).toBe(2);
    await Promise.all([proxy.close(), responder.close()]);
  });

  test("carries 1 MiB each way, and half close in each order", async () => {
    await using net = new TinyNet();
    const [request, answer] = [randomBytes(1 << 20), randomBytes(1 << 20)];
    let received: Buffer | undefined;
    const server = createServer({ allowHalfOpen: true }, async (socket) => {
      // Answers only when the client has ended its side: needs the half close to come through.
      received = await readToEnd(socket);
      socket.end(answer);
    });
    server.listen({ fd: openTcpListener(net.server, SERVER, 80), exclusive: true });
    const proxy = openProxy(net.host, binding);
    const got = await exchange(adoptConnection(openTcpConnection(net.client, ip("10.1.0.1"), 8080)), request);
    expect(received?.equals(request)).toBe(true);
    expect(got.length).toBe(answer.length);
    expect(got.equals(answer)).toBe(true);
    await waitFor("no client left", () => proxy.clients === 0);
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });

  test("closes the client when the container refuses, while an open container port answers", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const open = openProxy(net.host, binding);
    const refused = openProxy(net.host, { ...binding, hostPort: port(8081), containerPort: port(81) });
    const ask = (hostPort: number) =>
      startProbe({ ns: net.client, proto: "tcp", address: ip("10.1.0.1"), port: port(hostPort), deadlineMs: 20_000 })
        .result;
    expect((await ask(8080)).outcome).toBe("reach");
    expect(await ask(8081)).toMatchObject({ outcome: "refuse", error: "closed without an answer" });
    await waitFor("no client left", () => refused.clients === 0);
    await Promise.all([open.close(), refused.close(), responder.close()]);
  });

  test("says in Docker's words that a port is taken, and that the host has not the address", async () => {
    await using net = new TinyNet();
    const proxy = openProxy(net.host, binding);
    const before = descriptors();
    expect(() => openProxy(net.host, binding)).toThrow(
      "failed to bind host port 0.0.0.0:8080/tcp: address already in use",
    );
    expect(() => openProxy(net.host, { ...binding, hostIp: ip("10.7.7.7") })).toThrow(
      "failed to bind host port 10.7.7.7:8080/tcp: cannot assign requested address",
    );
    expect(openedSince(before)).toEqual([]);
    await proxy.close();
  });

  test("takes IPv6 clients of [::] beside IPv4 clients of 0.0.0.0 on the same port", async () => {
    await using net = new TinyNet();
    net.host.writeSysctl("net.ipv6.conf.lo.disable_ipv6", "0");
    const responder = openResponder(net.server, web);
    const four = openProxy(net.host, binding);
    const six = openProxy(net.host, { ...binding, hostIp: "::" as Ipv6 });
    const curl = (url: string) =>
      import("node:child_process").then(({ spawn }) => {
        const child = net.host.enter(() => ({
          child: spawn("curl", ["-gs", "-m", "60", url], { stdio: ["ignore", "pipe", "ignore"] }),
        })).child;
        return child.stdout.toArray();
      });
    expect(Buffer.concat(await curl("http://[::1]:8080/")).toString()).toContain("from=172.17.0.1:");
    expect([four.counters.connections, six.counters.connections]).toEqual([0, 1]);
    await Promise.all([four.close(), six.close(), responder.close()]);
  });

  test("close() ends standing connections and connections under way, and leaves no descriptor", async () => {
    await using net = new TinyNet();
    const server = createServer(() => {});
    server.listen({ fd: openTcpListener(net.server, SERVER, 80), exclusive: true });
    run(net.host, "iptables -A OUTPUT -p tcp --dport 82 -j DROP");
    await waitFor("the handles of earlier tests are gone", () => tcpHandles() <= 1);
    const handles = tcpHandles() - 1;
    const before = descriptors();
    const proxies = [
      openProxy(net.host, binding),
      openProxy(net.host, { ...binding, hostPort: port(8082), containerPort: port(82) }),
    ];
    const clients = [8080, 8082].map((p) => openTcpConnection(net.client, ip("10.1.0.1"), p));
    await waitFor("both have a client", () => proxies.every((p) => p.clients === 1));
    await Promise.all(proxies.map((p) => p.close()));
    for (const fd of clients) closeFd(fd);
    await waitFor("descriptors of the proxy are gone", () => openedSince(before).length <= 1);
    await new Promise((resolve) => server.close(resolve));
    await waitFor("TCP handles as before", () => tcpHandles() === handles);
  });
});

describe("the UDP proxy", () => {
  test.for(["10.1.0.1", "172.17.0.1"])("answers from %s when it was asked there", async (address) => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, echo);
    const proxy = openProxy(net.host, udpBinding);
    const reply = await startProbe({
      ns: net.client,
      proto: "udp",
      address: ip(address),
      port: port(5353),
      deadlineMs: 20_000,
    }).result;
    expect(reply).toMatchObject({
      outcome: "reach",
      answer: { from: { address: "172.17.0.1" }, to: { address: SERVER, port: 53 } },
    });
    expect(proxy.clients).toBe(1);
    await Promise.all([proxy.close(), responder.close()]);
  });

  test("stays silent when the container refuses, and serves the client once the port opens", async () => {
    await using net = new TinyNet();
    const proxy = openProxy(net.host, udpBinding);
    const ask = (deadlineMs: number) =>
      startProbe({
        ns: net.client,
        proto: "udp",
        address: ip("10.1.0.1"),
        port: port(5353),
        sourcePort: port(7777),
        deadlineMs,
      }).result;
    expect((await ask(400)).outcome).toBe("silent");
    const responder = openResponder(net.server, echo);
    expect((await ask(20_000)).outcome).toBe("reach");
    expect(proxy.clients).toBe(1);
    await Promise.all([proxy.close(), responder.close()]);
  });

  test("keeps at most 1024 clients, and close() leaves no descriptor", async () => {
    await using net = new TinyNet();
    const before = descriptors();
    const proxy = openProxy(net.host, udpBinding);
    const probes = Array.from({ length: 1100 }, () =>
      startProbe({ ns: net.client, proto: "udp", address: ip("10.1.0.1"), port: port(5353), deadlineMs: 1500 }),
    );
    await Promise.all(probes.map((p) => p.result));
    expect(proxy.clients).toBeLessThanOrEqual(1024);
    expect(proxy.clients).toBeGreaterThan(100);
    await proxy.close();
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
  });

  test("a UDP port that is taken is a CONFLICT", async () => {
    await using net = new TinyNet();
    const fd = openUdpSocket(net.host, ip("0.0.0.0"), 5353);
    expect(() => openProxy(net.host, udpBinding)).toThrow(
      "failed to bind host port 0.0.0.0:5353/udp: address already in use",
    );
    closeFd(fd);
  });
});
