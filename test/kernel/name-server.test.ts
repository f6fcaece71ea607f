/** The internet's name server is asked by containers through both NATs, and by hand over its two transports. */
import { describe, expect, test } from "vitest";
import { buildLab, type Lab, loadSpec } from "../../src/index.ts";
import { closeFd, recv, send } from "../../src/kernel/libc.ts";
import { readConntrack } from "../../src/kernel/netlink/conntrack.ts";
import type { Netns } from "../../src/kernel/netns.ts";
import { watchReadiness } from "../../src/kernel/readiness.ts";
import {
  adoptConnection,
  localAddressOf,
  openTcpConnection,
  openUdpConnection,
} from "../../src/kernel/socket/socket.ts";
import { openNameServer } from "../../src/kernel/speech/name-server.ts";
import type { Site } from "../../src/lab/site.ts";
import type { NodeName } from "../../src/net/name.ts";
import { queryOf, readAnswer } from "../support/dns-message.ts";
import { labText } from "../support/lab-text.ts";
import { descriptors, ip, openedSince, TinyNet, waitFor } from "../support/tiny-net.ts";

const LAB = `
services:
  web: { image: nginx, networks: [front] }
  api: { image: nginx, networks: [front, back] }
  job: { image: busybox, networks: [other] }
  db: { image: postgres, networks: [back] }
networks:
  front: {}
  other: {}
  back: { internal: true }
`;
const DNS = ip("203.0.113.53");
const DEADLINE_MS = 20_000;

describe("in a lab", () => {
  test.for(["udp", "tcp"] as const)("a container asks over %s through both NATs", async (transport) => {
    await using lab = await buildLab(loadSpec(labText(LAB)));
    const { answer, port } = await ask[transport](netnsOf(lab, "web"), queryOf({ name: "www.example.test" }));
    expect(readAnswer(answer)).toMatchObject({
      status: "NOERROR",
      flags: "aa",
      answers: ["www.example.test 300 A 203.0.113.80"],
    });
    // the host hides the container, the router hides the host
    const web = lab.state.containers.find((c) => c.node === "web")?.endpoints[0]?.address;
    expect(seenBy(lab, "@host", transport)).toEqual([{ src: web, srcPort: port, answeredTo: "192.168.0.10" }]);
    expect(seenBy(lab, "@router", transport)).toMatchObject([{ src: "192.168.0.10", answeredTo: "203.0.113.91" }]);
  });

  test("a name outside its zones is REFUSED, one that is not there NXDOMAIN", async () => {
    await using lab = await buildLab(loadSpec(labText(LAB)));
    const job = netnsOf(lab, "job");
    const status = async (name: string) => readAnswer((await ask.udp(job, queryOf({ name }))).answer).status;
    expect(await status("www.example.com")).toBe("REFUSED");
    expect(await status("nobody.example.test")).toBe("NXDOMAIN");
    expect(await status("router.example.test")).toBe("NOERROR");
  });

  test("200 queries of several containers are all answered, each with its own answer", async () => {
    await using lab = await buildLab(loadSpec(labText(LAB)));
    const nodes = ["web", "api", "job", "@neighbour", "@host"].map((node) => netnsOf(lab, node));
    const asked = Array.from({ length: 200 }, (_, id) => {
      const node = nodes[id % nodes.length] as Netns;
      return ask[id % 4 === 3 ? "tcp" : "udp"](node, queryOf({ id, name: `n${id}.example.test` }));
    });
    const ids = (await Promise.all(asked)).map(({ answer }) => ({
      id: answer.readUInt16BE(0),
      status: readAnswer(answer).status,
    }));
    expect(ids).toEqual(Array.from({ length: 200 }, (_, id) => ({ id, status: "NXDOMAIN" })));
  });

  test("an internal network has no way to it", async () => {
    await using lab = await buildLab(loadSpec(labText(LAB)));
    expect(() => openUdpConnection(netnsOf(lab, "db"), DNS, 53)).toThrow("ENETUNREACH");
    expect(readAnswer((await ask.udp(netnsOf(lab, "api"), queryOf({ name: "example.test" }))).answer).status).toBe(
      "NOERROR",
    );
  });

  test("a check of its ports is predicted and observed alike, with the address that it sees", async () => {
    const checks = `
x-docknet:
  checks:
    - { from: web, to: "@internet:53/udp", seen-as: 203.0.113.91 }
    - { from: web, to: "@internet:53", seen-as: 203.0.113.91 }
    - { from: "@neighbour", to: "203.0.113.53:53/udp", seen-as: 203.0.113.91 }
    - { from: "@router", to: "203.0.113.53:53" }
    - { from: web, to: "203.0.113.80:53/udp", expect: refuse }
    - { from: web, to: "203.0.113.80:53", expect: refuse }
    - { from: db, to: "@internet:53/udp", expect: unreachable }
`;
    await using lab = await buildLab(loadSpec(labText(LAB + checks)));
    const report = await lab.verify();
    const own = report.checks.filter((r) => r.group === "explicit");
    expect(own.map(({ verdict, reasons }) => ({ verdict, reasons }))).toEqual(
      Array.from({ length: 7 }, () => ({ verdict: "PASS", reasons: [] })),
    );
    expect(own.slice(0, 2).map((r) => r.observed.server)).toEqual(["@internet", "@internet"]);
  });

  test("closes with the lab, and leaves no descriptor", async () => {
    await buildLab(loadSpec(labText(LAB))).then((lab) => lab.close()); // what stays open for the process is open now
    const before = descriptors();
    const lab = await buildLab(loadSpec(labText(LAB)));
    await ask.tcp(netnsOf(lab, "web"), queryOf({ name: "example.test" }));
    await lab.close();
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
  });
});

describe("over TCP", () => {
  const server = ip("172.17.0.2");

  /** Answers with the query itself; nothing to an empty one. */
  const echo = (query: Uint8Array): Uint8Array | undefined => (query.length > 0 ? query : undefined);

  test("several queries in one segment, and one in many, are answered in order", async () => {
    await using net = new TinyNet();
    const names = openNameServer(net.server, server, echo);
    const socket = adoptConnection(await connected(net.client, server));
    const frames = Buffer.concat(["one", "two", "three"].map(frameOf));
    socket.write(Buffer.concat([frames, frames.subarray(0, 1)]));
    for (const byte of frames.subarray(1)) socket.write(Buffer.from([byte]));
    socket.end();
    expect(Buffer.concat(await socket.toArray())).toEqual(Buffer.concat([frames, frames]));
    expect(names.counters).toEqual({ connections: 1, queries: 6, answers: 6 });
    await names.close();
  });

  test("what it has no answer for ends the connection", async () => {
    await using net = new TinyNet();
    const names = openNameServer(net.server, server, echo);
    const socket = adoptConnection(await connected(net.client, server));
    socket.write(Buffer.concat([frameOf("one"), frameOf("")]));
    expect(Buffer.concat(await socket.toArray())).toEqual(frameOf("one"));
    expect(names.counters).toEqual({ connections: 1, queries: 2, answers: 1 });
    await names.close();
  });

  test("a client that fetches nothing is not answered without end, and gets everything once it does", async () => {
    await using net = new TinyNet();
    const names = openNameServer(net.server, server, echo);
    const socket = adoptConnection(await connected(net.client, server));
    const count = 400;
    const frame = frameOf("x".repeat(60_000));
    for (let i = 0; i < count; i++) socket.write(frame);
    socket.end();
    // nobody reads yet: the kernel's buffers fill, then the server's 64 KiB, then it stops reading
    let seen = -1;
    await waitFor("the server stops", () => {
      const still = seen === names.counters.queries && seen > 0;
      seen = names.counters.queries;
      return still;
    });
    expect(names.counters.queries).toBeLessThan(count);
    let bytes = 0;
    for await (const chunk of socket) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(count * frame.length);
    expect(names.counters.queries).toBe(count);
    await names.close();
  });

  test("a silent client is cut off after 5 s, and 1,024 are the most at once", async () => {
    await using net = new TinyNet();
    const names = openNameServer(net.server, server, echo);
    const life = async (): Promise<number> => {
      const startedAt = performance.now();
      const socket = adoptConnection(await connected(net.client, server));
      // reset or ended: both are the end of it
      await socket.toArray().catch(() => {});
      socket.destroy();
      return performance.now() - startedAt;
    };
    const lives: Promise<number>[] = [];
    for (const most of [256, 512, 768, 1024]) {
      while (lives.length < most) lives.push(life());
      await waitFor(`${most} stand`, () => names.counters.connections === most);
    }
    const tooMany = await life();
    expect(tooMany).toBeLessThan(4900);
    expect((await Promise.all(lives)).filter((ms) => ms < 4900)).toEqual([]);
    expect(names.counters.connections).toBe(1024);
    await names.close();
  });
});

test("a port that is taken is a CONFLICT, and leaves no descriptor", async () => {
  await using net = new TinyNet();
  const names = openNameServer(net.server, ip("172.17.0.2"), () => undefined);
  const before = descriptors();
  expect(() => openNameServer(net.server, ip("172.17.0.2"), () => undefined)).toThrow(
    "Cannot open a name server on 172.17.0.2:53 in server: address already in use",
  );
  expect(openedSince(before)).toEqual([]);
  await names.close();
  await names.close();
});

/** A lab shows its namespaces to programs (`exec`) only; sockets of this process need the handle. */
function netnsOf(lab: Lab, node: string): Netns {
  return (lab as unknown as { parts: { site: Site } }).parts.site.netns(node as NodeName);
}

/** Who asked the name server, as a node's conntrack has it, and where the answers were sent. */
function seenBy(lab: Lab, node: string, proto: string) {
  return readConntrack(netnsOf(lab, node))
    .filter((e) => e.proto === proto && e.original.dst === DNS && e.original.dstPort === 53 && e.replied)
    .map(({ original, reply }) => ({ src: original.src, srcPort: original.srcPort, answeredTo: reply.dst }));
}

interface Asked {
  readonly answer: Buffer;
  /** That it was asked from. */
  readonly port: number;
}

const ask = {
  /** One datagram, one answer: nothing is sent twice. */
  udp(ns: Netns, query: Uint8Array): Promise<Asked> {
    const fd = openUdpConnection(ns, DNS, 53);
    const { port } = localAddressOf(fd);
    send(fd, query);
    return once(fd, "readable", () => {
      const buffer = Buffer.alloc(4096);
      return { answer: buffer.subarray(0, recv(fd, buffer)), port };
    }).finally(() => closeFd(fd));
  },

  async tcp(ns: Netns, query: Uint8Array): Promise<Asked> {
    const fd = await connected(ns, DNS);
    const { port } = localAddressOf(fd);
    const socket = adoptConnection(fd);
    socket.end(frameOf(query));
    const answer = Buffer.concat(await socket.toArray());
    expect(answer.readUInt16BE(0)).toBe(answer.length - 2);
    return { answer: answer.subarray(2), port };
  },
};

async function connected(ns: Netns, address: typeof DNS): Promise<number> {
  const fd = openTcpConnection(ns, address, 53);
  await once(fd, "writable", () => undefined);
  return fd;
}

/** @throws Error when the descriptor is not ready before the deadline */
function once<T>(fd: number, interest: "readable" | "writable", work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      watch.close();
      settle();
    };
    const timer = setTimeout(
      () => finish(() => reject(new Error(`not ${interest} after ${DEADLINE_MS} ms`))),
      DEADLINE_MS,
    );
    const watch = watchReadiness(fd, interest, () => {
      try {
        const value = work();
        finish(() => resolve(value));
      } catch (error) {
        finish(() => reject(error));
      }
    });
  });
}

function frameOf(message: string | Uint8Array): Buffer {
  const bytes = Buffer.from(message as Uint8Array);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
