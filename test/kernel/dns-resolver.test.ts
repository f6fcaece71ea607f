/**
 * Names that are forwarded: to servers that the lab's world does not have, and to name servers that are containers of the lab. What is
 * predicted from the file must be what questions from inside the containers find.
 */
import { describe, expect, test } from "vitest";
import { buildLab, type Lab, loadSpec, type Report } from "../../src/index.ts";
import { exchange } from "../../src/kernel/speech/exchange.ts";
import type { Site } from "../../src/lab/site.ts";
import type { NodeName } from "../../src/net/name.ts";
import { queryOf, readAnswer } from "../support/dns-message.ts";
import { labText } from "../support/lab-text.ts";
import { descriptors, ip, openedSince, waitFor } from "../support/tiny-net.ts";

const NET = "networks: { n: { ipam: { config: [ { subnet: 172.30.5.0/24 } ] } } }";
const EXTERNAL = "www.example.test";

async function verified(yaml: string): Promise<Report> {
  await using lab = await buildLab(loadSpec(labText(yaml)));
  return await lab.verify();
}

/** Of the check by which a container asks for a name of the internet. */
function external(report: Report, from: string) {
  const found = report.checks.find((c) => c.id === `name/${from}/${EXTERNAL}`);
  if (!found) throw new Error(`no check of ${from} for ${EXTERNAL}`);
  const { claim, verdict, predicted, observed, control } = found;
  return { claim, verdict, because: predicted.because, seen: observed.server ?? observed.outcome, control };
}

const troubles = (report: Report) =>
  report.checks.filter((c) => c.verdict !== "PASS").map(({ id, reasons }) => ({ id, reasons }));

describe("a server that is not there", () => {
  test.for([
    ["an address that nobody has", "10.99.0.53", "the lab's world has no such address"],
    ["one of the real internet", "1.1.1.1", "the lab's world has no such address"],
    ["the router", "192.168.0.1", "nothing serves port 53 there"],
    ["the host", "192.168.0.10", "nothing serves port 53 there"],
    ["the neighbour", "192.168.0.20", "nothing serves port 53 there"],
    ["a container without a name server", "172.30.5.9", "nothing serves port 53 there"],
    ["nobody on the own network", "172.30.5.77", "the lab's world has no such address"],
    ["the container itself", "127.0.0.1", "nothing serves port 53 there"],
    ["IPv6", '"2001:db8::53"', "the lab has no IPv6"],
  ] as const)("%s: predicted and observed without an answer, and warned of once", async ([, server, why]) => {
    const report = await verified(`
services:
  app: { image: nginx, dns: ${server}, networks: [n] }
  two: { image: nginx, dns: ${server}, networks: [n] }
  db: { image: postgres, networks: { n: { ipv4_address: 172.30.5.9 } } }
${NET}
`);
    expect(troubles(report)).toEqual([]);
    const asked = external(report, "app");
    expect(asked).toMatchObject({ claim: `app does not resolve ${EXTERNAL}`, verdict: "PASS" });
    expect(asked.seen).toMatch(/^(drop|SERVFAIL)$/);
    expect(asked.control).toBe("name/app/test-two-1");
    expect(report.warnings.map((w) => w.message)).toEqual([
      `DNS server ${server.replaceAll('"', "")} of app and two answers nothing here: ${why}`,
    ]);
  });

  test("a refusal is said at once, silence is not", async () => {
    const report = await verified(`
services:
  refused: { image: nginx, dns: 192.168.0.20, networks: [n] }
  silent: { image: nginx, dns: 1.1.1.1, networks: [n] }
${NET}
`);
    expect(external(report, "refused").seen).toBe("SERVFAIL");
    expect(external(report, "silent").seen).toBe("drop");
    // whether the question gets there is a check of its own, with its packets
    const way = report.checks.filter((c) => c.id.startsWith("dns/"));
    expect(way.map(({ id, verdict, observed }) => [id, verdict, observed.outcome])).toEqual([
      ["dns/refused/192.168.0.20", "PASS", "refuse"],
      ["dns/silent/1.1.1.1", "PASS", "drop"],
    ]);
    expect(way[1]?.evidence.hops.map((h) => h.node)).toContain("@internet");
  });

  test("the next one is asked after four seconds of silence, or at once after a refusal; of four, the last is not asked", async () => {
    const report = await verified(`
services:
  late: { image: nginx, dns: [1.1.1.1, 203.0.113.53], networks: [n] }
  soon: { image: nginx, dns: ["2001:db8::1", 192.168.0.20, 203.0.113.53], networks: [n] }
  never: { image: nginx, dns: ["2001:db8::1", "2001:db8::2", 192.168.0.20, 203.0.113.53], networks: [n] }
${NET}
`);
    expect(troubles(report)).toEqual([]);
    expect(external(report, "late").claim).toContain("resolves www.example.test to 203.0.113.80");
    expect(external(report, "soon").claim).toContain("resolves www.example.test to 203.0.113.80");
    expect(external(report, "never").seen).toBe("SERVFAIL");
    const late = report.checks.find((c) => c.id === `name/late/${EXTERNAL}`);
    expect(late?.observed.afterMs).toBeGreaterThan(3900);
  });

  test("a name of a container elsewhere is not found either way: the internet refuses it, who is not there does not answer, and with ndots it is not forwarded", async () => {
    const report = await verified(`
services:
  well: { image: nginx, networks: [n] }
  ill: { image: nginx, dns: 192.168.0.20, networks: [n] }
  kept: { image: nginx, dns: 192.168.0.20, dns_opt: ["ndots:1"], networks: [n] }
  other: { image: nginx, networks: [m] }
networks: { n: {}, m: {} }
`);
    expect(troubles(report)).toEqual([]);
    const seen = ["well", "ill", "kept"].map(
      (from) => report.checks.find((c) => c.id === `name/${from}/test-other-1`)?.observed.server,
    );
    expect(seen).toEqual(["SERVFAIL", "SERVFAIL", "no such name"]);
  });
});

describe("a name server in a container", () => {
  const RESOLVER = "resolver: { image: pihole/pihole, networks: { n: { ipv4_address: 172.30.5.2 } } }";

  test("answers through the internet's, from its own address, and shows who asked it", async () => {
    await using lab = await buildLab(
      loadSpec(
        labText(`
services:
  ${RESOLVER}
  app: { image: nginx, dns: 172.30.5.2, networks: [n] }
${NET}
`),
      ),
    );
    const report = await lab.verify();
    expect(troubles(report)).toEqual([]);
    expect(report.warnings).toEqual([]);
    expect(external(report, "app").claim).toBe("app resolves www.example.test to 203.0.113.80, asked of resolver");
    const served = report.checks.filter(
      (c) => c.id === "service/app/resolver:53/udp" || c.id === "service/app/resolver:53/tcp",
    );
    expect(served.map((c) => [c.observed.server, c.observed.seenAs?.split(":")[0]])).toEqual([
      ["resolver", "172.30.5.3"],
      ["resolver", "172.30.5.3"],
    ]);
    // containers' names are Docker's alone
    const ask = (name: string) => asked(lab, "app", "172.30.5.2", queryOf({ name }));
    expect((await ask("app")).status).toBe("SERVFAIL");
    expect((await ask(EXTERNAL)).answers).toEqual(["www.example.test 300 A 203.0.113.80"]);
  });

  test("on an internal network it has nobody to ask", async () => {
    const report = await verified(`
services:
  resolver: { image: coredns/coredns, networks: { n: { ipv4_address: 172.30.5.2 } } }
  app: { image: nginx, dns: 172.30.5.2, networks: [n] }
networks: { n: { internal: true, ipam: { config: [ { subnet: 172.30.5.0/24 } ] } } }
`);
    expect(troubles(report)).toEqual([]);
    expect(["app", "resolver"].map((from) => external(report, from).seen)).toEqual(["SERVFAIL", "SERVFAIL"]);
  });

  test("published, it speaks DNS to the outside as well, over both transports", async () => {
    const report = await verified(`
services:
  resolver: { image: mvance/unbound, ports: ["53:53/udp", "53:53/tcp", "5353:53/udp"], networks: [n] }
  app: { image: nginx, dns: 192.168.0.10, networks: [n] }
  echo: { image: busybox, ports: ["54:5454/udp"], networks: [n] }
${NET}
x-docknet: { world: { router: { forwards: ["53/udp"] } } }
`);
    expect(troubles(report)).toEqual([]);
    expect(report.warnings).toEqual([]);
    expect(external(report, "app").claim).toContain("asked of resolver");
    const outside = report.checks.filter((c) => c.group === "publish" && c.from === "@neighbour");
    expect(outside.map((c) => [c.to, c.observed.server, c.observed.seenAs?.split(":")[0]])).toEqual(
      expect.arrayContaining([
        ["192.168.0.10:53/udp", "resolver", "192.168.0.20"],
        ["192.168.0.10:53/tcp", "resolver", "192.168.0.20"],
        ["192.168.0.10:5353/udp", "resolver", "192.168.0.20"],
        ["192.168.0.10:54/udp", "echo", "192.168.0.20"],
      ]),
    );
  });

  test("in host mode, in a sandbox that is shared, and for itself", async () => {
    const report = await verified(`
services:
  onhost: { image: pihole/pihole, network_mode: host }
  app: { image: nginx, dns: 192.168.0.10, networks: [n] }
  vpn: { image: busybox, networks: [n], dns: 127.0.0.1 }
  inside: { image: mvance/unbound, network_mode: "service:vpn" }
${NET}
`);
    expect(troubles(report)).toEqual([]);
    expect(external(report, "app").claim).toContain("asked of onhost");
    expect(external(report, "vpn").claim).toContain("asked of inside");
  });

  test("what only listens on another port of 53's number does not speak DNS", async () => {
    const report = await verified(`
services:
  echo: { image: busybox, ports: ["53:5353/udp"], networks: [n] }
  app: { image: nginx, dns: 192.168.0.10, networks: [n] }
${NET}
`);
    expect(troubles(report)).toEqual([]);
    expect(external(report, "app")).toMatchObject({
      claim: "app does not resolve www.example.test",
      because: "echo answers at 192.168.0.10:53, but does not speak DNS",
    });
  });

  test("two that ask each other, and one that asks itself by way of the host, end with SERVFAIL at once", async () => {
    await using lab = await buildLab(
      loadSpec(
        labText(`
services:
  one: { image: pihole/pihole, dns: 172.30.5.3, networks: { n: { ipv4_address: 172.30.5.2 } } }
  two: { image: pihole/pihole, dns: 172.30.5.2, networks: { n: { ipv4_address: 172.30.5.3 } } }
  self: { image: pihole/pihole, dns: 192.168.0.10, ports: ["53:53/udp"], networks: { n: { ipv4_address: 172.30.5.4 } } }
  way: { image: pihole/pihole, dns: [172.30.5.2, 203.0.113.53], networks: { n: { ipv4_address: 172.30.5.5 } } }
  a: { image: nginx, dns: 172.30.5.2, dns_opt: ["timeout:1"], networks: [n] }
  b: { image: nginx, dns: 172.30.5.4, networks: [n] }
  c: { image: nginx, dns: 172.30.5.5, networks: [n] }
${NET}
`),
      ),
    );
    const report = await lab.verify();
    expect(troubles(report)).toEqual([]);
    expect(["a", "b"].map((from) => external(report, from).seen)).toEqual(["SERVFAIL", "SERVFAIL"]);
    expect(external(report, "a").because).toContain("the question runs in a circle");
    expect(external(report, "c").claim).toContain("resolves www.example.test");
    for (const server of ["172.30.5.2", "172.30.5.4"]) {
      const { status, afterMs } = await asked(lab, "a", server, queryOf({ id: 77, name: "loop.example.test" }));
      expect(status).toBe("SERVFAIL");
      expect(afterMs).toBeLessThan(3000);
    }
  });

  test("closes with the lab, and leaves no descriptor", async () => {
    const text = labText(`
services:
  ${RESOLVER}
  app: { image: nginx, dns: 172.30.5.2, networks: [n] }
${NET}
`);
    await buildLab(loadSpec(text)).then((lab) => lab.close()); // what stays open for the process is open now
    const before = descriptors();
    const lab = await buildLab(loadSpec(text));
    await asked(lab, "app", "172.30.5.2", queryOf({ name: EXTERNAL }));
    await lab.close();
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
  });
});

describe("names", () => {
  test("that no label holds are not found, and their containers are by their short ids", async () => {
    const long = "ingest-consumer-of-events-and-transactions-of-the-second-priority-lane";
    const report = await verified(`
services:
  web: { image: nginx, networks: { default: { aliases: ["${"h".repeat(64)}"] } } }
  ${long}: { image: nginx }
`);
    expect(troubles(report)).toEqual([]);
    const [service] = report.checks.filter((c) => c.id === `name/web/${long}`);
    expect(service?.observed.server).toBe("FORMERR");
    const control = report.checks.find((c) => c.id === service?.control);
    expect(control?.to).toMatch(/^[0-9a-f]{12}$/);
    expect(new Set(report.checks.map((c) => c.id)).size).toBe(report.checks.length);
    expect(report.warnings.map((w) => w.message)).toEqual([
      `nobody resolves the name ${"h".repeat(64)} of web: it has a label of 64 bytes, and a DNS label has at most 63`,
      `nobody resolves the name ${long} of ${long} (and 1 more of its names): it has a label of 70 bytes, and a DNS label has at most 63`,
    ]);
  });

  test("that a link's alias hides are not found", async () => {
    const report = await verified(`
services:
  app: { image: nginx, external_links: ["elsewhere:db"] }
  db: { image: postgres }
`);
    expect(troubles(report)).toEqual([]);
    expect(report.warnings.map((w) => w.message)).toEqual([
      'external link "elsewhere:db" is not emulated: only containers of this lab can be linked',
    ]);
  });
});

async function asked(lab: Lab, from: string, server: string, query: Buffer) {
  const ns = (lab as unknown as { readonly parts: { readonly site: Site } }).parts.site.netns(from as NodeName);
  const reply = await exchange(ns, { address: ip(server), port: 53 }, query, {
    deadlineMs: 10_000,
    accept: () => true,
  });
  if (reply.outcome !== "answer") throw new Error(`${server} gave no answer: ${reply.outcome}`);
  return { ...readAnswer(Buffer.from(reply.data)), afterMs: reply.afterMs };
}
