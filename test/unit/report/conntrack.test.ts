/** NAT tables as text: columns where they fit, blocks where not, one line for a change; harmless to a terminal. */
import { expect, test } from "vitest";
import { HOST } from "../../../src/net/name.ts";
import { type NatEvent, type NatTable, natRow, natRows, natView } from "../../../src/observe/conntrack.ts";
import {
  renderNatEvent,
  renderNatEventJson,
  renderNatTable,
  renderNatTableJson,
} from "../../../src/report/conntrack.ts";
import { conntrackEntry as entry } from "../../support/conntrack-entry.ts";
import { expectGolden } from "../../support/golden.ts";
import { seedLayout, seedState } from "../../support/seed-view.ts";

const view = natView(seedState, seedLayout, HOST);
const counters = { original: { packets: 5, bytes: 400 }, reply: { packets: 4, bytes: 800 } };
const ENTRIES = [
  entry("172.17.0.2:40000 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:40000", { counters }),
  entry("172.17.0.3:40000 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:1024", { state: "SYN_SENT", replied: false }),
  entry("192.168.0.20:50000 192.168.0.10:8080", "172.17.0.4:80 192.168.0.20:50000"),
  entry("172.18.0.2:50000 192.168.0.10:8080", "172.17.0.4:80 172.17.0.1:50000", { state: "TIME_WAIT" }),
  entry("172.17.0.4:50000 192.168.0.10:8080", "172.17.0.4:80 172.17.0.1:50000"),
  entry("icmp 172.17.0.2:7 203.0.113.80:7", "203.0.113.80:9 192.168.0.10:9", { replied: true }),
  entry("192.168.0.10:5 203.0.113.80:80", "203.0.113.80:80 192.168.0.10:5"),
];
const tableOf = (all: boolean, entries = ENTRIES): NatTable => ({
  schema: 1,
  docknet: "0",
  lab: "test",
  nodes: [
    { node: HOST, ...natRows(view, entries, { all }) },
    { node: "@router", rows: [], untranslated: 0 },
  ],
});
const event: NatEvent = {
  time: "2026-11-22T10:46:58.264Z",
  change: "NEW",
  node: HOST,
  row: natRow(
    view,
    entry("172.18.0.2:50000 192.168.0.10:8080", "172.17.0.4:80 172.17.0.1:50000", { state: "SYN_SENT" }),
  ),
};

test("without a terminal all columns, however long the lines", () => {
  expectGolden("nat-table/piped.txt", renderNatTable(tableOf(false), { colour: false }));
});

test("a terminal that is too narrow for the owners, and one that is too narrow for columns", () => {
  const [wide, middle, narrow] = [220, 180, 80].map((width) => renderNatTable(tableOf(true), { colour: false, width }));
  expect(wide).toContain("WANTED BY");
  expect(middle).not.toContain("WANTED BY");
  expect(middle).toContain("INSIDE");
  expectGolden("nat-table/narrow.80.txt", narrow ?? "");
  for (const [text, width] of [
    [wide, 220],
    [middle, 180],
    [narrow, 80],
  ] as const)
    expect(text?.split("\n").filter((line) => line.length > width)).toEqual([]);
});

test("colours change no column", () => {
  const plain = renderNatTable(tableOf(true), { colour: false });
  const coloured = renderNatTable(tableOf(true), { colour: true });
  expect(coloured).toContain("\u001b[");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  expect(coloured.replaceAll(/\u001b\[\d*m/g, "")).toBe(plain);
});

test("a change is one line", () => {
  expect(renderNatEvent(event, { colour: false })).toBe(
    "10:46:58.264  NEW      @host  tcp DNAT+MASQUERADE in  inside web 172.17.0.4:80  outside @host 192.168.0.10:8080  remote c 172.18.0.2:50000  seen as @host 172.17.0.1:50000  SYN_SENT",
  );
  expect(renderNatEvent({ ...event, change: "DESTROY" }, { colour: false })).not.toContain("SYN_SENT");
  expect(JSON.parse(renderNatEventJson(event))).toEqual(event);
});

test("what a name holds reaches no terminal", () => {
  const row = { ...event.row, insideLocal: { ...event.row.insideLocal, node: "we\u001b[31mb\u202e" } };
  const hostile: NatTable = { ...tableOf(false), nodes: [{ node: HOST, rows: [row], untranslated: 0 }] };
  const texts = [
    renderNatTable(hostile, { colour: false }),
    renderNatTable(hostile, { colour: false, width: 80 }),
    renderNatTableJson(hostile),
    renderNatEvent({ ...event, row }, { colour: false }),
    renderNatEventJson({ ...event, row }),
  ];
  for (const text of texts) expect(["\u001b", "\u202e"].filter((c) => text.includes(c))).toEqual([]);
});
