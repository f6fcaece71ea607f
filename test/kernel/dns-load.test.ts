/** Fifty containers ask at once, and nothing is lost, mixed up, or held up by one of them that asks without end. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reverseName } from "../../src/dns/zone.ts";
import { buildLab, type Lab, loadSpec } from "../../src/index.ts";
import { closeFd, recv, SystemError, send } from "../../src/kernel/libc.ts";
import type { Netns } from "../../src/kernel/netns.ts";
import { openUdpConnection } from "../../src/kernel/socket/socket.ts";
import type { Site } from "../../src/lab/site.ts";
import type { NodeName } from "../../src/net/name.ts";
import type { Container, Endpoint } from "../../src/state/state.ts";
import { askTcp, askUdp } from "../support/dns-client.ts";
import { queryOf, RD, readAnswer } from "../support/dns-message.ts";
import { labText } from "../support/lab-text.ts";
import { fdCount, ip } from "../support/tiny-net.ts";

const NETWORKS = ["front", "back", "data", "vault"];
const INTERNAL = "vault";
const CONTAINERS = 50;
/** Of a container at the same time, and each one after the other. */
const ASKERS = 4;
const QUERIES = 50;
const A = 1;
const PTR = 12;
const AAAA = 28;

/** Every container on one network, each fifth on the next one too; the last asks a server that is silent (no such address on the internet). */
const LAB = [
  "services:",
  ...Array.from({ length: CONTAINERS }, (_, i) => {
    const own = [NETWORKS[i % 4], ...(i % 5 === 0 ? [NETWORKS[(i + 1) % 4]] : [])];
    const networks = own.map((n) => `${n}: { aliases: [alias${i}, pool] }`).join(", ");
    return `  c${i}: { image: busybox, networks: { ${networks} } }`;
  }),
  "  flooder: { image: busybox, networks: [front], dns: [192.0.2.1] }",
  "networks:",
  ...NETWORKS.map((n) => `  ${n}: { internal: ${n === INTERNAL} }`),
].join("\n");

interface Asking {
  readonly name: string;
  readonly type: number;
  /** status, flags, and the answers in order of their text */
  readonly wanted: string;
}

let lab: Lab;
beforeAll(async () => {
  lab = await buildLab(loadSpec(labText(LAB)));
});
afterAll(() => lab.close());

test("10,000 queries from 50 containers, 200 at a time, UDP and TCP: each is answered, as the state says", {
  timeout: 300_000,
}, async () => {
  const containers = lab.state.containers.filter((c) => c.node !== "flooder");
  expect(containers).toHaveLength(CONTAINERS);
  let asked = 0;
  const wrong: string[] = [];
  await Promise.all(
    containers.flatMap((container, c) => {
      const ns = netnsOf(container.node);
      const askings = askingsOf(container);
      return Array.from({ length: ASKERS }, async (_, asker) => {
        for (let i = 0; i < QUERIES; i++) {
          const id = (c * ASKERS + asker) * QUERIES + i;
          const asking = askings[(7 * asker + i) % askings.length] as Asking;
          const query = queryOf({ id, name: asking.name, type: asking.type, flags: RD });
          const answer = await (id % 5 === 4 ? askTcp : askUdp)(ns, query);
          asked += 1;
          const heard = `${answer.readUInt16BE(0)} ${render(answer)}`;
          if (heard !== `${id} ${asking.wanted}`) wrong.push(`${container.node}: ${asking.name}: ${heard}`);
        }
      });
    }),
  );
  expect(wrong).toEqual([]);
  expect(asked).toBe(10_000);
});

describe("while one container asks a silent server 5,000 questions", () => {
  test("another's 100 names of containers are answered long before, and names of the internet are answered too", async () => {
    const flooder = netnsOf("flooder");
    const neighbour = lab.state.containers.find((c) => c.node === "c4") as Container;
    const ns = netnsOf(neighbour.node);
    const before = fdCount();
    const fd = openUdpConnection(flooder, ip("127.0.0.11"), 53);
    try {
      for (let id = 0; id < 5000; id++) {
        send(fd, queryOf({ id, name: `n${id}.example.test`, flags: RD }));
        // its own socket holds no more than some thousand
        if (id % 250 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const names = Array.from({ length: 100 }, async (_, id) => {
        const i = 4 * (id % 12);
        const heard = render(await askUdp(ns, queryOf({ id, name: `c${i}`, flags: RD })));
        return { heard, wanted: `NOERROR rd ra: c${i} 600 A ${addressOn(`c${i}`, "front")}` };
      });
      const outside = Array.from({ length: 20 }, async (_, id) => {
        const ask = id % 2 === 0 ? askUdp : askTcp;
        const heard = render(await ask(ns, queryOf({ id, name: "www.example.test", flags: RD })));
        return { heard, wanted: "NOERROR aa rd: www.example.test 300 A 203.0.113.80" };
      });
      const inside = await Promise.all(names);
      const [underway, ended] = [fdCount() - before, whatCame(fd)];
      expect(inside.filter(({ heard, wanted }) => heard !== wanted)).toEqual([]);
      // a server that is silent costs 4 s: all of the flood is still under way, hundreds at a time
      expect(underway).toBeGreaterThan(500);
      expect(ended).toBe("nothing");
      expect((await Promise.all(outside)).filter(({ heard, wanted }) => heard !== wanted)).toEqual([]);
    } finally {
      closeFd(fd);
    }
  });
});

function whatCame(fd: number): string {
  try {
    return `${recv(fd, Buffer.alloc(512))} bytes`;
  } catch (error) {
    if (error instanceof SystemError && error.code === "EAGAIN") return "nothing";
    throw error;
  }
}

/** Of every kind: names, aliases, reverse names, other types, names of others' networks, unknown and external ones. */
function askingsOf(container: Container): Asking[] {
  const found = (name: string, type: string, ...data: string[]): string =>
    `NOERROR rd ra: ${data
      .map((d) => `${name} 600 ${type} ${d}`)
      .sort()
      .join(", ")}`;
  const leadsOut = container.endpoints.some((e) => networkOf(e) !== INTERNAL);
  const none = "SERVFAIL rd: ";
  const outside = (name: string, said: string): Asking => ({ name, type: A, wanted: leadsOut ? said : none });
  return [
    ...container.endpoints.flatMap((endpoint): Asking[] => {
      const network = networkOf(endpoint);
      const [full] = lab.state.networks.filter((n) => n.id === endpoint.network).map((n) => n.name);
      const on = lab.state.containers.filter((c) => c.endpoints.some((e) => e.network === endpoint.network));
      // one that is on no other network of the asker: of several networks the first by name answers
      const peers = on.filter((c) => c !== container && c.endpoints.length === 1 && c.node !== "flooder");
      const pool = on.filter((c) => c.node !== "flooder").map((c) => addressOn(c.node, network));
      return [
        ...peers.slice(0, 6).flatMap((peer): Asking[] => {
          const address = addressOn(peer.node, network);
          const alias = peer.node.replace("c", "alias");
          const reverse = reverseName(ip(address));
          return [
            { name: peer.node, type: A, wanted: found(peer.node, "A", address) },
            { name: peer.name, type: A, wanted: found(peer.name, "A", address) },
            { name: alias.toUpperCase(), type: A, wanted: found(alias.toUpperCase(), "A", address) },
            { name: peer.id.slice(0, 12), type: A, wanted: found(peer.id.slice(0, 12), "A", address) },
            { name: peer.node, type: AAAA, wanted: found(peer.node, "AAAA") },
            { name: reverse, type: PTR, wanted: found(reverse, "PTR", `${peer.name}.${full}`) },
          ];
        }),
        { name: `pool.${full}`, type: A, wanted: found(`pool.${full}`, "A", ...pool) },
      ];
    }),
    { name: strangerOf(container).name, type: A, wanted: none },
    { name: `nobody-${container.node}`, type: A, wanted: none },
    outside("www.example.test", "NOERROR aa rd: www.example.test 300 A 203.0.113.80"),
    outside("router.example.test", "NOERROR aa rd: router.example.test 300 A 203.0.113.91"),
    outside(`${container.node}.example.test`, "NXDOMAIN aa rd: "),
  ];
}

/** Someone who shares no network with it. */
function strangerOf(container: Container): Container {
  const networks = new Set(container.endpoints.map((e) => e.network));
  return lab.state.containers.find((c) => !c.endpoints.some((e) => networks.has(e.network))) as Container;
}

function render(answer: Uint8Array): string {
  const { status, flags, answers } = readAnswer(answer);
  return `${status} ${flags}: ${[...answers].sort().join(", ")}`;
}

/** Its key in the file. */
const networkOf = (endpoint: Endpoint): string =>
  lab.state.networks.find((n) => n.id === endpoint.network)?.name.replace(/^test_/, "") ?? "";

function addressOn(node: string, network: string): string {
  const container = lab.state.containers.find((c) => c.node === node);
  return container?.endpoints.find((e) => networkOf(e) === network)?.address ?? "nowhere";
}

const netnsOf = (node: string): Netns =>
  (lab as unknown as { readonly parts: { readonly site: Site } }).parts.site.netns(node as NodeName);
