import { describe, expect, test } from "vitest";
import { DocknetError } from "../../src/errors.ts";
import { startProbe } from "../../src/kernel/speech/probe.ts";
import { openResponder } from "../../src/kernel/speech/responder.ts";
import { descriptors, ip, openedSince, port, run, TinyNet, waitFor } from "../support/tiny-net.ts";

const web = { service: "web", port: { port: port(80), proto: "tcp" } } as const;
const echo = { service: "echo", port: { port: port(5353), proto: "udp" } } as const;

describe("TCP responder", () => {
  test("tells the source address that it saw and the address it was asked under", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const probe = startProbe({
      ns: net.client,
      proto: "tcp",
      address: ip("172.18.0.2"),
      port: port(80),
      deadlineMs: 20_000,
    });
    const reply = await probe.result;
    expect(reply.answer).toEqual({ service: "web", from: probe.source, to: { address: "172.18.0.2", port: 80 } });
    expect(probe.source?.address).toBe("10.1.0.2");
    expect(responder.counters).toEqual({ connections: 1, datagrams: 0 });
    await responder.close();
  });

  test("tells the translated source after MASQUERADE", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    run(net.host, "iptables -t nat -A POSTROUTING -o veth1 -j MASQUERADE");
    const probe = startProbe({
      ns: net.client,
      proto: "tcp",
      address: ip("172.17.0.2"),
      port: port(80),
      deadlineMs: 20_000,
    });
    expect((await probe.result).answer?.from.address).toBe("172.17.0.1");
    await responder.close();
  });

  test("answers curl with HTTP 1.1 and exactly one line", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const { spawn } = await import("node:child_process");
    const curl = net.client.enter(
      () => spawn("curl", ["-s", "-m", "60", "http://172.17.0.2/"], { stdio: ["ignore", "pipe", "ignore"] }) as object,
    );
    const child = curl as import("node:child_process").ChildProcessByStdio<null, import("node:stream").Readable, null>;
    const out = await child.stdout.toArray();
    expect(Buffer.concat(out).toString()).toMatch(
      /^service=web port=80\/tcp from=10\.1\.0\.2:\d+ to=172\.17\.0\.2:80\n$/,
    );
    await responder.close();
  });

  test("a port that is taken is a CONFLICT, and leaves no descriptor", async () => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, web);
    const before = descriptors();
    expect(() => openResponder(net.server, web)).toThrow(DocknetError);
    expect(openedSince(before)).toEqual([]);
    await responder.close();
  });

  test("close() closes open connections and leaves no descriptor", async () => {
    await using net = new TinyNet();
    const before = descriptors();
    const responder = openResponder(net.server, web);
    const { openTcpConnection } = await import("../../src/kernel/socket/socket.ts");
    const { closeFd } = await import("../../src/kernel/libc.ts");
    const fd = openTcpConnection(net.client, ip("172.17.0.2"), 80);
    await waitFor("the connection is accepted", () => responder.counters.connections === 1);
    await responder.close();
    await responder.close();
    closeFd(fd);
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
  });
});

describe("UDP responder", () => {
  test.for(["172.17.0.2", "172.18.0.2"])("answers from %s when it was asked there", async (address) => {
    await using net = new TinyNet();
    const responder = openResponder(net.server, echo);
    const probe = startProbe({
      ns: net.client,
      proto: "udp",
      address: ip(address),
      port: port(5353),
      deadlineMs: 20_000,
      token: "hi",
    });
    // The probe's socket is connected: an answer from another address would never come.
    expect(await probe.result).toMatchObject({
      outcome: "reach",
      answer: { service: "echo", from: probe.source, to: { address, port: 5353 } },
    });
    expect(responder.counters).toEqual({ connections: 0, datagrams: 1 });
    await responder.close();
  });
});
