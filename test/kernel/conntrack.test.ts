/**
 * docknet conntrack tells what is in the kernel: its tuples and states are those of `conntrack -L`, an independent reader, for every kind of
 * NAT that a lab has; and its changes as they happen.
 */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { loadSpec, type NatEvent, type NatRow, type NatTable, renderNatTableJson } from "../../src/index.ts";
import { conntrackOfSite, watchSite } from "../../src/lab/conntrack.ts";
import { Site } from "../../src/lab/site.ts";
import type { Ipv4 } from "../../src/net/address.ts";
import type { LabName, NodeName } from "../../src/net/name.ts";
import type { Port } from "../../src/net/port.ts";
import { renderEnd } from "../../src/report/conntrack.ts";
import { resolveState } from "../../src/state/resolve.ts";
import { labText } from "../support/lab-text.ts";
import { run } from "../support/tiny-net.ts";
import { waitFor } from "../support/wait-for.ts";

/** Without the userland proxy a container that calls its own published port is translated, too. */
const LAB = `
services:
  a: { image: busybox, network_mode: bridge }
  b: { image: busybox, network_mode: bridge }
  web: { image: nginx, network_mode: bridge, ports: ["8080:80"], x-docknet: { serve: ["80"] } }
  c: { image: busybox, networks: [second] }
networks: { second: { name: second } }
x-docknet:
  engine: { userland-proxy: false }
  world: { router: { forwards: ["8080"] } }
`;

const schema = JSON.parse(readFileSync(new URL("../../src/report/conntrack.schema.json", import.meta.url), "utf8")) as {
  readonly $id?: string;
};
const ajv = new Ajv2020({ strict: true, allErrors: true }).addSchema({ ...schema, $id: "conntrack" });
const validate = ajv.getSchema("conntrack");
const validateEvent = ajv.getSchema("conntrack#/$defs/event");

let site: Site;
const netns = (node: string) => site.netns(node as NodeName);

beforeAll(async () => {
  site = new Site({ lab: "test" as LabName });
  await site.become(resolveState(loadSpec(labText(LAB))).state);
  // else a connection that was reset is forgotten after 10 s, and a ping after 30 s, which a busy machine may take
  for (const node of ["@host", "@router"])
    for (const kind of ["tcp_timeout_close", "udp_timeout", "udp_timeout_stream", "icmp_timeout"])
      netns(node).writeSysctl(`net.netfilter.nf_conntrack_${kind}`, "600");
});
afterAll(() => site.close());

/** Sends, and waits for the answer. @param to "203.0.113.80:80", "203.0.113.53:53/udp", "203.0.113.80" for a ping */
async function send(from: string, to: string, sourcePort?: number): Promise<void> {
  const [, address = "", port, proto = port ? "tcp" : "icmp"] = /^([\d.]+)(?::(\d+))?(?:\/(udp))?$/.exec(to) ?? [];
  const instruments = site.instruments();
  const { outcome } = await instruments.probe({
    node: from as NodeName,
    proto: proto as "tcp" | "udp" | "icmp",
    address: address as Ipv4,
    ...(port ? { port: Number(port) as Port } : {}),
    ...(sourcePort ? { sourcePort: sourcePort as Port } : {}),
    deadlineMs: 20_000,
  }).result;
  expect(outcome, `${from} to ${to}`).toBe("reach");
}

function tableOf(node: string, proto?: string): readonly NatRow[] {
  const table: NatTable = conntrackOfSite(site, { node, all: true, ...(proto ? { proto } : {}) });
  const json: unknown = JSON.parse(renderNatTableJson(table));
  expect(validate?.(json) ? [] : validate?.errors, "conntrack.schema.json").toEqual([]);
  return table.nodes[0]?.rows ?? [];
}

/** Of others, as IGMP that the kernel sends by itself, conntrack(8) has no name. */
const NAMED = ["tcp", "udp", "icmp"];

/** "tcp CLOSE src=172.17.0.2 dst=... sport= dport= src= ... ": without what changes from look to look. */
const byDocknet = (rows: readonly NatRow[]): string[] =>
  rows
    .filter((r) => NAMED.includes(r.proto))
    .map(({ proto, state, original, reply }) => {
      const ends = [original, reply].map(({ src, dst, srcPort, dstPort }) =>
        proto === "icmp"
          ? `src=${src} dst=${dst} id=${srcPort}`
          : `src=${src} dst=${dst} sport=${srcPort} dport=${dstPort}`,
      );
      return `${proto} ${proto === "tcp" ? `${state} ` : ""}${ends.join(" ")}`;
    });

const byConntrack = (node: string): string[] =>
  run(netns(node), "conntrack -L -o extended")
    .split("\n")
    .filter((line) => NAMED.includes(/^ipv4\s+2 (\S+)/.exec(line)?.[1] ?? ""))
    .map((line) => {
      const [, proto = "", state = ""] = /^ipv4\s+2 (\S+)\s+\d+ \d+ ([A-Z_]+ )?/.exec(line) ?? [];
      const words = line.split(" ").filter((w) => /^(src|dst|sport|dport|id)=/.test(w));
      return `${proto} ${state}${words.join(" ")}`;
    });

const told = ({ kind, direction, insideLocal, insideGlobal, outsideGlobal, by }: NatRow): string =>
  `${kind} ${direction}: ${[insideLocal, insideGlobal, outsideGlobal].map(renderEnd).join(" | ")} (${by.map((b) => b.owner).join("; ")})`;

test("every kind of NAT, as conntrack -L has it", async () => {
  await send("a", "203.0.113.80:80", 41001);
  await send("@neighbour", "192.168.0.10:8080", 41002);
  await send("@internet", "203.0.113.91:8080", 41003);
  await send("c", "192.168.0.10:8080", 41004);
  await send("web", "192.168.0.10:8080", 41005);
  await send("a", "203.0.113.53:53/udp", 41006);
  await send("a", "203.0.113.80");
  await send("@host", "192.168.0.1", undefined);
  for (const node of ["@host", "@router"]) {
    // the last segments of a connection may still be on their way
    await vi.waitFor(() => {
      const expected = byConntrack(node);
      expect(expected.length).toBeGreaterThan(3);
      expect([...byDocknet(tableOf(node))].sort()).toEqual(expected.sort());
    }, 20_000);
  }
  const rows = tableOf("@host")
    .filter((r) => r.proto !== "icmp")
    .map(told);
  expect(rows).toEqual(
    expect.arrayContaining([
      "MASQUERADE out: a 172.17.0.2:41001 | @host 192.168.0.10:41001 | @internet 203.0.113.80:80 (network bridge)",
      "DNAT in: web 172.17.0.4:80 | @host 192.168.0.10:8080 | @neighbour 192.168.0.20:41002 (port 8080:80/tcp of web)",
      "DNAT in: web 172.17.0.4:80 | @host 192.168.0.10:8080 | @internet 203.0.113.80:41003 (port 8080:80/tcp of web)",
      "DNAT+MASQUERADE in: web 172.17.0.4:80 | @host 192.168.0.10:8080 | c 172.18.0.2:41004 (port 8080:80/tcp of web; network second)",
      "MASQUERADE out: a 172.17.0.2:41006 | @host 192.168.0.10:41006 | @internet 203.0.113.53:53 (network bridge)",
    ]),
  );
  const hairpin = tableOf("@host").find((r) => r.hairpin);
  expect(hairpin && told(hairpin)).toBe(
    "DNAT+MASQUERADE in: web 172.17.0.4:80 | @host 192.168.0.10:8080 | web 172.17.0.4:41005 (port 8080:80/tcp of web; port 8080:80/tcp of web)",
  );
  expect(hairpin && renderEnd(hairpin.outsideLocal)).toBe("@host 172.17.0.1:41005");
  const [echo] = tableOf("@host", "icmp").filter((r) => r.kind === "MASQUERADE");
  expect(echo).toMatchObject({
    insideLocal: { node: "a" },
    insideGlobal: { node: "@host" },
    outsideGlobal: { node: "@internet" },
  });
  expect(tableOf("@router").map(told)).toEqual(
    expect.arrayContaining([
      "MASQUERADE out: @host 192.168.0.10:41001 | @router 203.0.113.91:41001 | @internet 203.0.113.80:80 (home router)",
      "DNAT in: @host 192.168.0.10:8080 | @router 203.0.113.91:8080 | @internet 203.0.113.80:41003 (router forward 8080/tcp to 192.168.0.10:8080)",
    ]),
  );
});

test("two senders with one source port have two ports outside (NAPT)", async () => {
  await send("a", "203.0.113.80:80", 42000);
  await send("b", "203.0.113.80:80", 42000);
  const rows = tableOf("@host").filter((r) => r.insideLocal.port === 42000);
  expect(rows.map((r) => r.insideLocal.node).sort()).toEqual(["a", "b"]);
  expect(new Set(rows.map((r) => r.insideGlobal.address))).toEqual(new Set(["192.168.0.10"]));
  expect(new Set(rows.map((r) => r.insideGlobal.port)).size).toBe(2);
});

test("what is not translated is counted, and told with --all", async () => {
  await send("@host", "203.0.113.80:80", 43000);
  const [host] = conntrackOfSite(site).nodes;
  expect(host?.rows.filter((r) => r.kind === "none")).toEqual([]);
  expect(host?.untranslated).toBeGreaterThan(0);
  expect(tableOf("@host").filter((r) => r.kind === "none" && r.insideLocal.port === 43000)).toHaveLength(1);
  expect(conntrackOfSite(site).nodes.map((n) => n.node)).toEqual(["@host", "@router"]);
});

test("packets and bytes of each direction, where they are counted", async () => {
  netns("@host").writeSysctl("net.netfilter.nf_conntrack_acct", "1");
  await send("a", "203.0.113.80:80", 44000);
  // the last segments of the connection may still be on their way
  await vi.waitFor(() => {
    const row = tableOf("@host").find((r) => r.insideLocal.port === 44000);
    const line = run(netns("@host"), "conntrack -L -p tcp --orig-port-src 44000");
    const counted = [...line.matchAll(/packets=(\d+) bytes=(\d+)/g)].map(([, packets, bytes]) => [
      Number(packets),
      Number(bytes),
    ]);
    expect(counted).toHaveLength(2);
    expect([row?.counters?.original, row?.counters?.reply].map((c) => [c?.packets, c?.bytes])).toEqual(counted);
  }, 20_000);
  netns("@host").writeSysctl("net.netfilter.nf_conntrack_acct", "0");
});

test("a watch tells what begins, changes and ends", async () => {
  const events: NatEvent[] = [];
  const watch = watchSite(site, { node: "@host" }, (event) => events.push(event));
  const of = (port: number) => events.filter((e) => e.row.insideLocal.port === port).map((e) => e.change);
  try {
    await send("a", "203.0.113.80:80", 45000);
    await waitFor("NEW and UPDATE", 20_000, () => of(45000).includes("NEW") && of(45000).includes("UPDATE"));
    // untranslated: not told unless asked for
    await send("@host", "203.0.113.80:80", 45001);
    run(netns("@host"), "conntrack -D -p tcp --orig-port-src 45000");
    await waitFor("DESTROY", 20_000, () => of(45000).includes("DESTROY"));
    expect(of(45000)[0]).toBe("NEW");
    expect(of(45001)).toEqual([]);
    const first = events.find((e) => e.row.insideLocal.port === 45000);
    expect(validateEvent?.(JSON.parse(JSON.stringify(first))) ? [] : validateEvent?.errors).toEqual([]);
    expect(first && told(first.row)).toBe(
      "MASQUERADE out: a 172.17.0.2:45000 | @host 192.168.0.10:45000 | @internet 203.0.113.80:80 (network bridge)",
    );
  } finally {
    watch.close();
  }
  const before = events.length;
  await send("a", "203.0.113.80:80", 45002);
  expect(events).toHaveLength(before);
});

test("what is not there is said, and nothing stays open", () => {
  expect(() => conntrackOfSite(site, { node: "nobody" })).toThrow('No service, container or node "nobody" in lab test');
  expect(() => watchSite(site, { node: "nobody" }, () => {})).toThrow('No service, container or node "nobody"');
});
