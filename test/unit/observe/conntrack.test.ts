/** Conntrack entries in the words of NAT: who is inside, as whom the outside knows it, and whose rule did it. */
import { expect, test } from "vitest";
import type { ConntrackEntry } from "../../../src/kernel/netlink/conntrack.ts";
import type { Ipv4 } from "../../../src/net/address.ts";
import { HOST, type NodeName, ROUTER } from "../../../src/net/name.ts";
import { type NatRow, natRow, natRows, natView } from "../../../src/observe/conntrack.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import { renderEnd } from "../../../src/report/conntrack.ts";
import { conntrackEntry as entry } from "../../support/conntrack-entry.ts";
import { seedLayout, seedRules, seedState } from "../../support/seed-view.ts";
import { newDaemon, withNetwork } from "../../support/state.ts";

const host = natView(seedState, seedLayout, HOST);
const router = natView(seedState, seedLayout, ROUTER);

const told = ({ kind, direction, insideLocal, insideGlobal, outsideGlobal, outsideLocal, by }: NatRow) => ({
  kind: `${kind} ${direction}`,
  inside: renderEnd(insideLocal),
  outside: renderEnd(insideGlobal),
  remote: renderEnd(outsideGlobal),
  seenAs: renderEnd(outsideLocal),
  by: by.map((b) => b.owner),
});

test("a container calls the internet: the host's address is its global one", () => {
  expect(told(natRow(host, entry("172.17.0.2:40000 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:40000")))).toEqual({
    kind: "MASQUERADE out",
    inside: "a 172.17.0.2:40000",
    outside: "@host 192.168.0.10:40000",
    remote: "@internet 203.0.113.80:80",
    seenAs: "@internet 203.0.113.80:80",
    by: ["network bridge"],
  });
});

test("the same connection at the home router", () => {
  expect(
    told(natRow(router, entry("192.168.0.10:40000 203.0.113.80:80", "203.0.113.80:80 203.0.113.91:1024"))),
  ).toMatchObject({
    kind: "MASQUERADE out",
    inside: "@host 192.168.0.10:40000",
    outside: "@router 203.0.113.91:1024",
    by: ["home router"],
  });
});

test("a published port: the container is inside, its published address is the global one", () => {
  const row = natRow(host, entry("192.168.0.20:50000 192.168.0.10:8080", "172.17.0.4:80 192.168.0.20:50000"));
  expect(told(row)).toEqual({
    kind: "DNAT in",
    inside: "web 172.17.0.4:80",
    outside: "@host 192.168.0.10:8080",
    remote: "@neighbour 192.168.0.20:50000",
    seenAs: "@neighbour 192.168.0.20:50000",
    by: ["port 8080:80/tcp of web"],
  });
  expect(row.by[0]?.at).toMatchObject({ file: "compose.yaml" });
});

test("from another network by the published port: both ends change, and it is no hairpin", () => {
  const row = natRow(host, entry("172.18.0.2:50000 192.168.0.10:8080", "172.17.0.4:80 172.17.0.1:50000"));
  expect(told(row)).toMatchObject({
    kind: "DNAT+MASQUERADE in",
    remote: "c 172.18.0.2:50000",
    seenAs: "@host 172.17.0.1:50000",
    by: ["port 8080:80/tcp of web", "network second"],
  });
  expect(row.hairpin).toBeUndefined();
});

test("back into its own network by the host is a hairpin", () => {
  const row = natRow(host, entry("172.17.0.4:50000 192.168.0.10:8080", "172.17.0.4:80 172.17.0.1:50000"));
  expect(row).toMatchObject({ hairpin: true, kind: "DNAT+SNAT" });
});

test("an echo request has an id in place of ports, which NAT may change", () => {
  const row = natRow(host, entry("icmp 172.17.0.2:7 203.0.113.80:7", "203.0.113.80:9 192.168.0.10:9"));
  expect(told(row)).toMatchObject({
    kind: "MASQUERADE out",
    inside: "a 172.17.0.2 id 7",
    outside: "@host 192.168.0.10 id 9",
  });
  const plain = entry("icmp 172.17.0.2:7 172.18.0.2:7", "172.18.0.2:7 172.17.0.2:7");
  expect(natRow(host, plain).kind).toBe("none");
});

test("a question to 127.0.0.11 is translated in the container itself", () => {
  const db = natView(seedState, seedLayout, "db" as NodeName);
  const udp = seedRules("db").rules.find((r) => r.match.proto === "udp" && r.target.kind === "DNAT");
  const port = udp?.target.kind === "DNAT" ? udp.target.port : 0;
  const row = natRow(db, entry("udp 127.0.0.1:40000 127.0.0.11:53", `127.0.0.11:${port} 127.0.0.1:40000`));
  expect(told(row)).toMatchObject({
    kind: "DNAT in",
    inside: `db 127.0.0.11:${port}`,
    outside: "db 127.0.0.11:53",
    by: ["DNS of db"],
  });
});

test("what no rule of the lab explains is told without one", () => {
  const row = natRow(host, entry("172.17.0.2:40000 203.0.113.80:80", "203.0.113.80:80 192.168.0.77:40000"));
  expect(told(row)).toMatchObject({ outside: "192.168.0.77:40000" });
  const strange = natRow(host, entry("192.168.0.20:1 192.168.0.10:99", "172.17.0.9:9 192.168.0.20:1"));
  const otherPort = natRow(host, entry("192.168.0.20:50000 192.168.0.10:8080", "172.17.0.4:81 192.168.0.20:50000"));
  expect(told(otherPort)).toMatchObject({ kind: "DNAT in", inside: "web 172.17.0.4:81", by: [] });
  expect(told(strange)).toMatchObject({ kind: "DNAT in", inside: "172.17.0.9:9", by: [] });
});

test("without NAT an end has one address; who began says which way it goes", () => {
  const out = natRow(host, entry("192.168.0.10:5 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:5"));
  expect(told(out)).toMatchObject({ kind: "none out", inside: "@host 192.168.0.10:5" });
  const into = natRow(host, entry("192.168.0.20:5 192.168.0.10:22", "192.168.0.10:22 192.168.0.20:5"));
  expect(told(into)).toMatchObject({
    kind: "none in",
    inside: "@host 192.168.0.10:22",
    remote: "@neighbour 192.168.0.20:5",
  });
});

test("states: TCP's own, else whether it was answered", () => {
  const flow = ["udp 172.17.0.2:1 203.0.113.53:53", "203.0.113.53:53 192.168.0.10:1"] as const;
  const states = [{}, { replied: true }, { replied: true, assured: true }].map(
    (more) => natRow(host, entry(...flow, more)).state,
  );
  expect(states).toEqual(["UNREPLIED", "REPLIED", "ASSURED"]);
});

test("what is not translated is counted, or told with --all; a protocol may be chosen", () => {
  const entries: ConntrackEntry[] = [
    entry("172.17.0.3:40000 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:40001"),
    entry("172.17.0.2:40000 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:40000"),
    entry("192.168.0.10:5 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:5"),
    entry("udp 172.17.0.2:1 203.0.113.53:53", "203.0.113.53:53 192.168.0.10:1"),
  ];
  const inside = (choice: Parameters<typeof natRows>[2]) =>
    natRows(host, entries, choice).rows.map((r) => renderEnd(r.insideLocal));
  expect(inside({})).toEqual(["a 172.17.0.2:40000", "b 172.17.0.3:40000", "a 172.17.0.2:1"]);
  expect(natRows(host, entries, {}).untranslated).toBe(1);
  expect(inside({ all: true })).toHaveLength(4);
  expect(inside({ proto: "udp" })).toEqual(["a 172.17.0.2:1"]);
  expect(natRows(host, [], {})).toEqual({ rows: [], untranslated: 0 });
});

test("a lab with rules for every port leaves nothing to the wrong rule", () => {
  const other = entry("192.168.0.20:50000 192.168.0.10:8081", "172.17.0.4:80 192.168.0.20:50000");
  expect(natRow(host, other).by).toEqual([]);
  const elsewhere = entry("172.17.0.2:1 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:1");
  expect(
    natRow({ ...host, rules: host.rules.filter((r) => r.match.source !== ("172.17.0.0/16" as Ipv4)) }, elsewhere).by,
  ).toEqual([]);
});

test("a macvlan on the LAN makes nobody there an inside end of the host", () => {
  const state = withNetwork(newDaemon(), "lan", { subnet: "192.168.0.0/24", macvlan: { parent: "eth0" } });
  const view = natView(state, layoutOf(state, ORDINARY_MACHINE), HOST);
  const { direction, insideLocal } = natRow(
    view,
    entry("192.168.0.20:40000 192.168.0.10:22", "192.168.0.10:22 192.168.0.20:40000"),
  );
  expect([direction, insideLocal.node]).toEqual(["in", "@host"]);
});
