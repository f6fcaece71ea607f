/** The embedded server on the real kernel: asked at 127.0.0.11:53 through Docker's nat rules, by sockets in the container's namespace. */
import { execFile, execFileSync } from "node:child_process";
import type { Socket } from "node:net";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { DisposerStack } from "../../src/dispose.ts";
import { answerEmbedded, type NameView } from "../../src/dns/embedded.ts";
import { closeFd, recv, send } from "../../src/kernel/libc.ts";
import { Netns } from "../../src/kernel/netns.ts";
import { Pool } from "../../src/kernel/pool.ts";
import { watchReadiness } from "../../src/kernel/readiness.ts";
import {
  adoptConnection,
  openTcpConnection,
  openUdpConnection,
  openUdpSocket,
} from "../../src/kernel/socket/socket.ts";
import { type Datagram, readDatagrams } from "../../src/kernel/socket/udp.ts";
import {
  type EmbeddedDns,
  type EmbeddedDnsOptions,
  type ForwardServer,
  openEmbeddedDns,
} from "../../src/kernel/speech/embedded-dns.ts";
import { openNameServer } from "../../src/kernel/speech/name-server.ts";
import { queryOf, RD, readAnswer } from "../support/dns-message.ts";
import { descriptors, fdCount, ip, openedSince, port, run, TinyNet, waitFor } from "../support/tiny-net.ts";

const UDP = port(21_000);
const TCP = port(21_001);
const RESOLVER = ip("127.0.0.11");
/** In the server's namespace, reached from the container through the host. */
const UPSTREAM = ip("172.17.0.2");
const DEADLINE_MS = 30_000;

const WEB: NameView = {
  lookup: (name) => (name.toLowerCase() === "web" ? [ip("172.18.0.2"), ip("172.18.0.3")] : undefined),
  reverse: (address) => (address === "172.18.0.2" ? "web.front" : undefined),
  ndotsSet: false,
};

/** Docker's rules of the namespace (docker-reference 6.1), as dockerd 28.5.2 has them. */
const RULES = `*nat
:DOCKER_OUTPUT - [0:0]
:DOCKER_POSTROUTING - [0:0]
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:${TCP}
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:${UDP}
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p tcp -m tcp --sport ${TCP} -j SNAT --to-source :53
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p udp -m udp --sport ${UDP} -j SNAT --to-source :53
COMMIT
`;

function openFor(
  ns: Netns,
  servers: readonly ForwardServer[],
  limits: EmbeddedDnsOptions["limits"] = {},
  pools?: EmbeddedDnsOptions["pools"],
): EmbeddedDns {
  return openEmbeddedDns(ns, {
    ...(pools ? { pools } : {}),
    udpPort: UDP,
    tcpPort: TCP,
    answer: (query, transport) => answerEmbedded(WEB, query, transport, (items) => items),
    servers: () => servers,
    limits,
  });
}

const addRules = (ns: Netns): void =>
  void ns.enter(() =>
    execFileSync("iptables-restore", ["--noflush"], { input: RULES, stdio: ["pipe", "pipe", "pipe"] }),
  );

/** A container (the client), its server, and an upstream; all closed with the stack. */
async function withContainer(
  servers: (net: TinyNet) => readonly ForwardServer[],
  limits: EmbeddedDnsOptions["limits"],
  work: (container: Netns, dns: EmbeddedDns, net: TinyNet, stack: DisposerStack) => Promise<void>,
): Promise<void> {
  await using stack = new DisposerStack();
  const net = stack.use("net", new TinyNet());
  addRules(net.client);
  const dns = stack.use("dns", openFor(net.client, servers(net), limits));
  await work(net.client, dns, net, stack);
}

const fromContainer =
  (...addresses: string[]) =>
  (net: TinyNet): ForwardServer[] =>
    addresses.map((address) => ({ address: ip(address), port: port(53), ns: net.client }));

describe("through the nat rules of the container", () => {
  test.for(["udp", "tcp"] as const)("a name is answered over %s, from 127.0.0.11:53", async (transport) => {
    await withContainer(fromContainer(), {}, async (container, dns) => {
      // the client's socket is connected: an answer from another port would never be heard
      const said = readAnswer(await ask[transport](container, queryOf({ name: "Web", flags: RD })));
      expect(said).toMatchObject({
        status: "NOERROR",
        flags: "rd ra",
        answers: ["Web 600 A 172.18.0.2", "Web 600 A 172.18.0.3"],
      });
      expect(dns.counters).toEqual({ queries: 1, answers: 1, forwards: 0 });
    });
  });

  test.skipIf(!hasDig())("dig hears what it hears from Docker", async () => {
    await withContainer(fromContainer(), {}, async (container) => {
      const dig = promisify(execFile);
      const asked = (...args: string[]) =>
        container.enter(() => ({ said: dig("dig", ["@127.0.0.11", "+tries=1", "+time=20", ...args]) })).said;
      expect((await asked("+short", "web")).stdout).toBe("172.18.0.2\n172.18.0.3\n");
      expect((await asked("+short", "+tcp", "-x", "172.18.0.2")).stdout).toBe("web.front.\n");
      const { stdout } = await asked("AAAA", "web");
      expect(stdout).toContain("status: NOERROR");
      expect(stdout).toContain("flags: qr rd ra; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0");
      expect(stdout).toContain("SERVER: 127.0.0.11#53(127.0.0.11) (UDP)");
      const failed = (await asked("elsewhere.test")).stdout;
      expect(failed).toContain("status: SERVFAIL");
      expect(failed).toContain("flags: qr rd; QUERY: 1, ANSWER: 0");
    });
  });

  test("2,000 queries from 20 namespaces, 200 at a time, are all answered, half of them by the upstream", async () => {
    await using stack = new DisposerStack();
    const net = stack.use("net", new TinyNet());
    const upstream = stack.use("upstream", openNameServer(net.server, UPSTREAM, replyWith("10.9.9.9")));
    // asked in the server's own namespace, as a host's server is: these containers have no network but lo
    const servers = [{ address: UPSTREAM, port: port(53), ns: net.server }];
    const containers = Array.from({ length: 20 }, (_, i) => {
      const ns = stack.use(`c${i}`, Netns.create(`c${i}`));
      run(ns, "ip link set lo up");
      addRules(ns);
      return { ns, dns: stack.use("dns", openFor(ns, servers)) };
    });
    // 200 at a time: the upstream's socket holds no more than some 270 datagrams while this one thread asks and answers
    const asked = await Promise.all(
      containers.flatMap(({ ns }, c) =>
        Array.from({ length: 10 }, async (_, asker) => {
          const heard: string[] = [];
          for (let i = 10 * asker; i < 10 * asker + 10; i++) {
            const id = 100 * c + i;
            const name = i % 2 === 0 ? "web" : `n${id}.test`;
            const answer = await ask[i % 10 === 9 ? "tcp" : "udp"](ns, queryOf({ id, name }));
            heard.push(`${answer.readUInt16BE(0)} ${readAnswer(answer).answers[0]}`);
          }
          return heard;
        }),
      ),
    );
    const wanted = Array.from({ length: 2000 }, (_, id) =>
      id % 2 === 0 ? `${id} web 600 A 172.18.0.2` : `${id} n${id}.test 60 A 10.9.9.9`,
    );
    expect(asked.flat()).toEqual(wanted);
    expect(containers.map(({ dns }) => dns.counters)).toEqual(
      containers.map(() => ({ queries: 100, answers: 100, forwards: 50 })),
    );
    expect(upstream.counters.queries).toBe(1000);
  });
});

describe("forwarding", () => {
  const query = queryOf({ id: 77, name: "example.test", flags: RD });

  test.for(["udp", "tcp"] as const)(
    "asks over %s when asked over it, from the container's address",
    async (transport) => {
      await withContainer(fromContainer(UPSTREAM), {}, async (container, dns, net, stack) => {
        const heard: string[] = [];
        const upstream = openNameServer(net.server, UPSTREAM, (asked, over) => {
          heard.push(`${over} ${asked.toString()}`);
          return replyWith("10.9.9.9")(asked, over);
        });
        stack.use("upstream", upstream);
        const answer = await ask[transport](container, query);
        expect(readAnswer(answer)).toMatchObject({
          status: "NOERROR",
          flags: "rd ra",
          answers: ["example.test 60 A 10.9.9.9"],
        });
        expect(answer.readUInt16BE(0)).toBe(77);
        expect(heard).toEqual([`${transport} ${query.toString()}`]);
        expect(dns.counters).toEqual({ queries: 1, answers: 1, forwards: 1 });
      });
    },
  );

  test("its datagrams come from a port of their own, each time another", async () => {
    await withContainer(fromContainer(UPSTREAM), {}, async (container, _dns, net, stack) => {
      const from: string[] = [];
      openScripted(net.server, stack, (datagram) => {
        from.push(`${datagram.from.address} ${datagram.from.port}`);
        datagram.reply(replyWith("10.9.9.9")(datagram.data, "udp") ?? Buffer.alloc(0));
      });
      for (let i = 0; i < 8; i++) await ask.udp(container, query);
      expect(from.every((peer) => peer.startsWith("10.1.0.2 "))).toBe(true);
      expect(new Set(from).size).toBeGreaterThan(4);
    });
  });

  test("a server of the host is asked in the host's namespace, where 127.0.0.53 is the host's", async () => {
    const inHost = (net: TinyNet) => [{ address: ip("127.0.0.53"), port: port(53), ns: net.host }];
    await withContainer(inHost, {}, async (container, _dns, net, stack) => {
      stack.use("upstream", openNameServer(net.host, ip("127.0.0.53"), replyWith("10.9.9.9")));
      run(container, "ip route del default");
      expect(readAnswer(await ask.udp(container, query)).answers).toEqual(["example.test 60 A 10.9.9.9"]);
      expect(readAnswer(await ask.tcp(container, query)).answers).toEqual(["example.test 60 A 10.9.9.9"]);
    });
  });

  test.for(["udp", "tcp"] as const)(
    "over %s a dead server costs its deadline, a closed port and a missing route nothing",
    async (transport) => {
      // nobody has 10.1.0.77 on the wire; 172.18.0.2 has no server; the container has no way to the third
      const servers = fromContainer("10.1.0.77", "172.18.0.2", UPSTREAM);
      await withContainer(servers, { exchangeMs: 2000 }, async (container, _dns, net, stack) => {
        const upstream = stack.use("upstream", openNameServer(net.server, UPSTREAM, replyWith("10.9.9.9")));
        const startedAt = performance.now();
        expect(readAnswer(await ask[transport](container, query)).answers).toEqual(["example.test 60 A 10.9.9.9"]);
        const took = performance.now() - startedAt;
        expect(took).toBeGreaterThan(1990);
        expect(took).toBeLessThan(3900);
        run(container, "ip route del default");
        expect(readAnswer(await ask[transport](container, query))).toMatchObject({ status: "SERVFAIL", flags: "rd" });
        expect(upstream.counters.queries).toBe(1);
      });
    },
  );

  test.for(["udp", "tcp"] as const)(
    "SERVFAIL and REFUSED over %s lead to the next server, a fourth is never asked",
    async (transport) => {
      const addresses = ["127.0.0.61", "127.0.0.62", "127.0.0.63", "127.0.0.64"];
      await withContainer(fromContainer(...addresses), {}, async (container, _dns, _net, stack) => {
        const rcodes = [2, 5, 2, 0];
        const servers = addresses.map((address, i) => {
          const server = openNameServer(container, ip(address), (asked) => refuse(asked, rcodes[i] as number));
          stack.use("upstream", server);
          return server;
        });
        const counts = () => servers.map(({ counters }) => counters.queries);
        expect(readAnswer(await ask[transport](container, query))).toMatchObject({ status: "SERVFAIL", flags: "rd" });
        expect(counts()).toEqual([1, 1, 1, 0]);
        rcodes[1] = 3;
        expect(readAnswer(await ask[transport](container, query))).toMatchObject({ status: "NXDOMAIN", flags: "rd" });
        expect(counts()).toEqual([2, 2, 1, 0]);
      });
    },
  );

  test("its own address is no server, and does not count as one of three", async () => {
    const servers = fromContainer(RESOLVER, "172.18.0.2", "172.18.0.2", UPSTREAM);
    await withContainer(servers, {}, async (container, dns, net, stack) => {
      stack.use("upstream", openNameServer(net.server, UPSTREAM, replyWith("10.9.9.9")));
      expect(readAnswer(await ask.udp(container, query)).answers).toEqual(["example.test 60 A 10.9.9.9"]);
      expect(dns.counters.queries).toBe(1);
    });
  });

  test("what is not the answer is not believed, and the answer after it is", async () => {
    await withContainer(fromContainer(UPSTREAM), {}, async (container, _dns, net, stack) => {
      openScripted(net.server, stack, ({ data, reply }) => {
        reply(replyWith("6.6.6.6")(queryOf({ id: 78, name: "example.test" }), "udp") as Buffer);
        reply(replyWith("6.6.6.6")(queryOf({ id: 77, name: "other.test" }), "udp") as Buffer);
        reply(data);
        reply(replyWith("10.9.9.9")(data, "udp") as Buffer);
      });
      expect(readAnswer(await ask.udp(container, query)).answers).toEqual(["example.test 60 A 10.9.9.9"]);
    });
  });

  test("a truncated answer is passed on, and the client's second try goes over TCP", async () => {
    await withContainer(fromContainer(UPSTREAM), {}, async (container, _dns, net, stack) => {
      stack.use(
        "upstream",
        openNameServer(net.server, UPSTREAM, (asked, over) =>
          over === "udp" ? refuse(asked, 0, 0x0200) : many(asked, 100),
        ),
      );
      expect(readAnswer(await ask.udp(container, query))).toMatchObject({ flags: "tc rd", answers: [] });
      const whole = await ask.tcp(container, query);
      expect(readAnswer(whole).answers).toHaveLength(100);
      // 100 records of a name in full are 2,800 bytes
      expect(whole.length).toBe(12 + 18 + 100 * 16);
    });
  });

  test("no more than the limit is asked at a time; who waits too long, or behind too many, is REFUSED", async () => {
    const limits = { exchanges: 4, waiting: 2, exchangeMs: 6000, turnMs: 3000 };
    await withContainer(fromContainer(UPSTREAM), limits, async (container, dns, net, stack) => {
      const seen: number[] = [];
      openScripted(net.server, stack, ({ data }) => void seen.push(data.readUInt16BE(0)));
      const startedAt = performance.now();
      const asked = Array.from({ length: 7 }, async (_, id) => {
        const { status } = readAnswer(await ask.udp(container, queryOf({ id, name: "x.test" })));
        return { status, ms: performance.now() - startedAt };
      });
      const answers = await Promise.all(asked);
      const of = (status: string) =>
        answers
          .filter((a) => a.status === status)
          .map((a) => a.ms)
          .sort((a, b) => a - b);
      expect(seen).toHaveLength(4);
      expect(of("SERVFAIL")).toHaveLength(4);
      const [first = 0, second = 0, third = 0, ...more] = of("REFUSED");
      expect(more).toEqual([]);
      expect(first).toBeLessThan(2990);
      expect(second).toBeGreaterThan(2990);
      expect(third).toBeLessThan(5990);
      expect(of("SERVFAIL")[0]).toBeGreaterThan(5990);
      expect(dns.counters).toEqual({ queries: 7, answers: 7, forwards: 7 });
    });
  });

  test("a turn that is given back goes to who waits", async () => {
    await withContainer(fromContainer(UPSTREAM), { exchanges: 1 }, async (container, _dns, net, stack) => {
      let open = 0;
      let most = 0;
      openScripted(net.server, stack, ({ data, reply }) => {
        open += 1;
        most = Math.max(most, open);
        setImmediate(() => {
          open -= 1;
          reply(replyWith("10.9.9.9")(data, "udp") as Buffer);
        });
      });
      const asked = Array.from({ length: 50 }, (_, id) => ask.udp(container, queryOf({ id, name: "x.test" })));
      const ids = (await Promise.all(asked)).map((answer) => answer.readUInt16BE(0));
      expect(ids).toEqual(Array.from({ length: 50 }, (_, id) => id));
      expect(most).toBe(1);
    });
  });
});

describe("of two containers", () => {
  const pools = () => ({ exchanges: new Pool(8), waiting: new Pool(80), connections: new Pool(8) });

  test("one that floods a silent server has half of what there is, and the other its answers", async () => {
    await using stack = new DisposerStack();
    const net = stack.use("net", new TinyNet());
    const seen: number[] = [];
    openScripted(net.server, stack, ({ data }) => void seen.push(data.readUInt16BE(0)));
    stack.use("upstream", openNameServer(net.host, ip("127.0.0.53"), replyWith("10.9.9.9")));
    const shared = pools();
    for (const [ns, server] of [
      [net.client, { address: UPSTREAM, port: port(53), ns: net.client }],
      [net.host, { address: ip("127.0.0.53"), port: port(53), ns: net.host }],
    ] as const) {
      addRules(ns);
      stack.use("dns", openFor(ns, [server], { exchangeMs: 10_000, turnMs: 10_000 }, shared));
    }
    const flood = Array.from({ length: 20 }, (_, id) => ask.udp(net.client, queryOf({ id, name: "x.test" })));
    await waitFor("half are asked", () => seen.length === 4);
    let ended = 0;
    for (const asked of flood) void asked.finally(() => ended++);
    const others = Array.from({ length: 20 }, (_, id) => ask.udp(net.host, queryOf({ id, name: "x.test" })));
    const heard = (await Promise.all(others)).map((answer) => readAnswer(answer).answers);
    expect(heard).toEqual(Array.from({ length: 20 }, () => ["x.test 60 A 10.9.9.9"]));
    expect(ended, "of the flood").toBe(0);
    expect(seen).toHaveLength(4);
    const ends = (await Promise.all(flood)).map((answer) => readAnswer(answer).status).sort();
    expect(ends).toEqual([...Array(16).fill("REFUSED"), ...Array(4).fill("SERVFAIL")]);
  });

  test("one that opens connections without end leaves some to the other", async () => {
    await using stack = new DisposerStack();
    const net = stack.use("net", new TinyNet());
    const shared = pools();
    for (const ns of [net.client, net.host]) {
      addRules(ns);
      stack.use("dns", openFor(ns, [], {}, shared));
    }
    const sockets = await Promise.all(Array.from({ length: 8 }, () => connected(net.client)));
    await waitFor("half stand", () => shared.connections.free === 4);
    expect(readAnswer(await ask.tcp(net.host, queryOf({ name: "web" }))).status).toBe("NOERROR");
    for (const socket of sockets) socket.destroy();
    await waitFor("all are free again", () => shared.connections.free === 8);
  });
});

describe("over TCP", () => {
  test("queries in one segment and in many are answered in order, forwarded ones too", async () => {
    await withContainer(fromContainer(UPSTREAM), {}, async (container, _dns, net, stack) => {
      stack.use("upstream", openNameServer(net.server, UPSTREAM, replyWith("10.9.9.9")));
      const socket = await connected(container);
      const frames = Buffer.concat(["web", "x.test", "web"].map((name, id) => frameOf(queryOf({ id, name }))));
      socket.write(frames);
      for (const byte of frames) socket.write(Buffer.from([byte]));
      socket.end(frames.subarray(0, 9));
      const answers = unframe(Buffer.concat(await socket.toArray())).map((answer) => readAnswer(answer).answers[0]);
      const once = ["web 600 A 172.18.0.2", "x.test 60 A 10.9.9.9", "web 600 A 172.18.0.2"];
      expect(answers).toEqual([...once, ...once]);
    });
  });

  test("what is no query is passed over, and the next one answered", async () => {
    await withContainer(fromContainer(), {}, async (container) => {
      const socket = await connected(container);
      const response = queryOf({ name: "web", flags: 0x8000 });
      socket.end(
        Buffer.concat([
          frameOf(Buffer.alloc(0)),
          frameOf(Buffer.from("abc")),
          frameOf(response),
          frameOf(queryOf({ name: "web" })),
        ]),
      );
      expect(unframe(Buffer.concat(await socket.toArray()))).toHaveLength(1);
    });
  });

  test("128 queries are the most of one connection", async () => {
    await withContainer(fromContainer(), {}, async (container, dns) => {
      const socket = await connected(container);
      for (let id = 0; id < 128; id++) socket.write(frameOf(queryOf({ id, name: "web" })));
      expect(unframe(Buffer.concat(await socket.toArray()))).toHaveLength(128);
      expect(dns.counters.queries).toBe(128);
    });
  });

  test("a client has 2 s for its first query, 8 s for the next, and none while others are waited for", async () => {
    // here a quarter of it
    const limits = { firstQueryMs: 500, idleMs: 2000, exchangeMs: 2500 };
    await withContainer(fromContainer("10.1.0.77"), limits, async (container) => {
      const life = async (...frames: Buffer[]): Promise<{ ms: number; answers: number }> => {
        const startedAt = performance.now();
        const socket = await connected(container);
        for (const frame of frames) socket.write(frame);
        const answers = unframe(Buffer.concat(await socket.toArray()));
        return { ms: performance.now() - startedAt, answers: answers.length };
      };
      const web = frameOf(queryOf({ name: "web" }));
      const [silent, half, one, forwarded] = await Promise.all([
        life(),
        life(web.subarray(0, 9)),
        life(web),
        life(frameOf(queryOf({ name: "x.test" }))),
      ]);
      expect([silent, half, one, forwarded].map(({ answers }) => answers)).toEqual([0, 0, 1, 1]);
      for (const [{ ms }, least] of [
        [silent, 495],
        [half, 495],
        [one, 1995],
        [forwarded, 4495],
      ] as const) {
        expect(ms).toBeGreaterThan(least);
        expect(ms).toBeLessThan(least + 1450);
      }
    });
  });

  test("one connection too many is closed, and there is room again when another goes", async () => {
    await withContainer(fromContainer(), { connections: 3 }, async (container) => {
      const sockets = [await connected(container), await connected(container), await connected(container)];
      const refused = await connected(container);
      expect(await refused.toArray().catch(() => [])).toEqual([]);
      sockets[0]?.end();
      await sockets[0]?.toArray();
      expect(readAnswer(await ask.tcp(container, queryOf({ name: "web" }))).status).toBe("NOERROR");
      for (const socket of sockets) socket.destroy();
    });
  });
});

describe("closing", () => {
  test("ends what is pending at once, says nothing any more, and leaves no descriptor", async () => {
    await using net = new TinyNet();
    await using stack = new DisposerStack();
    addRules(net.client);
    const seen: number[] = [];
    openScripted(net.server, stack, ({ data }) => void seen.push(data.readUInt16BE(0)));
    const before = descriptors();
    const servers = fromContainer(UPSTREAM, "10.1.0.77")(net);
    const dns = openFor(net.client, servers, { exchanges: 20 });
    const clients = Array.from({ length: 30 }, (_, id) => {
      const fd = openUdpConnection(net.client, RESOLVER, 53);
      send(fd, queryOf({ id, name: "x.test" }));
      return fd;
    });
    const tcp = await connected(net.client);
    tcp.write(frameOf(queryOf({ name: "x.test" })));
    await waitFor("20 are asked, 10 wait", () => seen.length >= 19 && dns.counters.forwards === 31);
    const startedAt = performance.now();
    await dns.close();
    await dns.close();
    // to wait for what is pending would take 4 s
    expect(performance.now() - startedAt).toBeLessThan(2000);
    await tcp.toArray().catch(() => {});
    tcp.destroy();
    expect(dns.counters).toEqual({ queries: 31, answers: 0, forwards: 31 });
    for (const fd of clients) {
      expect(() => recv(fd, Buffer.alloc(512))).toThrow("EAGAIN");
      closeFd(fd);
    }
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
  });

  test("a thousand servers are two thousand descriptors and no timer, and each answers", async () => {
    await using stack = new DisposerStack();
    const ns = stack.use("crowd", Netns.create("crowd"));
    run(ns, "ip link set lo up");
    const before = { fds: fdCount(), timers: timers() };
    const servers = Array.from({ length: 1000 }, (_, i) => {
      return stack.use(
        "dns",
        openEmbeddedDns(ns, {
          udpPort: port(10_000 + 2 * i),
          tcpPort: port(10_001 + 2 * i),
          answer: (query, transport) => answerEmbedded(WEB, query, transport, (items) => items),
          servers: () => [],
        }),
      );
    });
    expect({ fds: fdCount(), timers: timers() }).toEqual({ ...before, fds: before.fds + 2000 });
    for (let i = 0; i < 1000; i++) await ask.udp(ns, queryOf({ id: i, name: "web" }), 10_000 + 2 * i);
    expect(servers.every(({ counters }) => counters.answers === 1)).toBe(true);
    await waitFor("timers as before", () => timers() <= before.timers);
  });

  test.for([
    ["udp", UDP],
    ["tcp", TCP],
  ] as const)("a %s port that is taken is a CONFLICT, and leaves no descriptor", async ([proto, taken]) => {
    await using net = new TinyNet();
    const first = openFor(net.client, []);
    const other = proto === "udp" ? { udpPort: UDP, tcpPort: port(3) } : { udpPort: port(2), tcpPort: TCP };
    const before = descriptors();
    expect(() =>
      openEmbeddedDns(net.client, { ...other, answer: () => ({ kind: "drop" }), servers: () => [] }),
    ).toThrow(`Cannot open the DNS server of client on 127.0.0.11:${taken}/${proto}: address already in use`);
    expect(openedSince(before)).toEqual([]);
    await first.close();
  });
});

function hasDig(): boolean {
  try {
    execFileSync("dig", ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

/** Answers every query with one A record, its name in full. */
function replyWith(address: string): (query: Uint8Array, transport?: "udp" | "tcp") => Buffer {
  return (query) => many(query, 1, address);
}

function many(query: Uint8Array, count: number, address = "10.9.9.9"): Buffer {
  const bytes = Buffer.from(query);
  const question = bytes.subarray(12);
  const record = Buffer.concat([
    question.subarray(0, -4),
    Buffer.from([0, 1, 0, 1, 0, 0, 0, 60, 0, 4]),
    Buffer.from(address.split(".").map(Number)),
  ]);
  const header = Buffer.from(bytes.subarray(0, 12));
  header.writeUInt16BE(0x8080 | bytes.readUInt16BE(2), 2);
  header.writeUInt16BE(count, 6);
  return Buffer.concat([header, question, ...Array.from({ length: count }, () => record)]);
}

/** The query with another header: a response without records. */
function refuse(query: Uint8Array, rcode: number, flags = 0): Buffer {
  const bytes = Buffer.from(query);
  bytes.writeUInt16BE(0x8000 | bytes.readUInt16BE(2) | flags | rcode, 2);
  return bytes;
}

/** A UDP server at the upstream's address that does what the test says. */
function openScripted(ns: Netns, stack: DisposerStack, onDatagram: (datagram: Datagram) => void): void {
  const fd = openUdpSocket(ns, UPSTREAM, 53);
  const reader = readDatagrams(fd, onDatagram);
  stack.defer("scripted server", () => {
    reader.close();
    closeFd(fd);
  });
}

const ask = {
  /** One datagram, one answer: nothing is sent twice. */
  udp(ns: Netns, query: Uint8Array, at = 53): Promise<Buffer> {
    const fd = openUdpConnection(ns, RESOLVER, at);
    send(fd, query);
    return once(fd, "readable", () => {
      const buffer = Buffer.alloc(65_535);
      return Buffer.from(buffer.subarray(0, recv(fd, buffer)));
    }).finally(() => closeFd(fd));
  },

  async tcp(ns: Netns, query: Uint8Array): Promise<Buffer> {
    const socket = await connected(ns);
    socket.end(frameOf(query));
    const [answer = Buffer.alloc(0)] = unframe(Buffer.concat(await socket.toArray()));
    return answer;
  },
};

async function connected(ns: Netns): Promise<Socket> {
  const fd = openTcpConnection(ns, RESOLVER, 53);
  await once(fd, "writable", () => undefined);
  return adoptConnection(fd);
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

function frameOf(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** @throws RangeError when it ends inside a message */
function unframe(stream: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = at + 2 + stream.readUInt16BE(at);
    if (end > stream.length) throw new RangeError("the stream ends inside a message");
    messages.push(stream.subarray(at + 2, end));
    at = end;
  }
  return messages;
}
