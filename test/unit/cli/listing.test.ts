/** Tables and columns as docker prints them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ContainerSummary, containerRow } from "../../../src/cli/docker/container-row.ts";
import { formatGoTime } from "../../../src/cli/docker/go/time.ts";
import { compareNatural, ellipsis, humanBytes, humanSize } from "../../../src/cli/docker/human.ts";
import { splitDocuments } from "../../../src/cli/docker/json-stream.ts";
import { compactJson, indentJson } from "../../../src/cli/docker/json-text.ts";
import { renderListing, rowOf } from "../../../src/cli/docker/listing.ts";
import { type PortSummary, renderPorts } from "../../../src/cli/docker/ports.ts";
import { StatusError } from "../../../src/cli/docker/status.ts";
import { alignColumns } from "../../../src/cli/docker/table.ts";
import { humanDuration } from "../../../src/daemon/human-duration.ts";

test("a column is as wide as its widest cell and three, at least ten; the last one is not padded", () => {
  expect(alignColumns("A\tLONG HEADER\tC\n1\t2\t3\n")).toBe("A         LONG HEADER   C\n1         2             3\n");
});

test("only adjoining lines that have the column share its width", () => {
  expect(alignColumns("a\tb\nplain\nlonger than ten\tb\n")).toBe("a         b\nplain\nlonger than ten   b\n");
});

test("alignment takes away tabs and nothing else", () => {
  const cell = fc.stringMatching(/^[a-zé… ]{0,12}$/);
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 6 }), (rows) => {
      const out = alignColumns(rows.map((cells) => cells.join("\t")).join("\n"));
      expect(out).not.toContain("\t");
      expect(out.replaceAll(" ", "")).toBe(
        rows
          .map((cells) => cells.join(""))
          .join("\n")
          .replaceAll(" ", ""),
      );
    }),
  );
});

test.each<[number, string]>([
  [0, "Less than a second"],
  [1000, "1 second"],
  [59_900, "59 seconds"],
  [60_000, "About a minute"],
  [119_000, "About a minute"],
  [120_000, "2 minutes"],
  [3_600_000, "About an hour"],
  [5_500_000, "2 hours"],
  [47 * 3_600_000, "47 hours"],
  [48 * 3_600_000, "2 days"],
  [13 * 86_400_000, "13 days"],
  [14 * 86_400_000, "2 weeks"],
  [60 * 86_400_000, "2 months"],
  [800 * 86_400_000, "2 years"],
])("%d ms are %s", (milliseconds, text) => {
  expect(humanDuration(milliseconds)).toBe(text);
});

test("sizes have units of 1000 or 1024", () => {
  expect([humanSize(0), humanSize(999), humanSize(1000), humanSize(59_000_000, 3), humanSize(1_234_567, 3)]).toEqual([
    "0B",
    "999B",
    "1kB",
    "59MB",
    "1.23MB",
  ]);
  expect(humanBytes(25_276_514_304)).toBe("23.54GiB");
});

test("names are sorted with their numbers as numbers", () => {
  expect(["net10", "net2", "bridge", "net02", "net1a", "Net3"].sort(compareNatural)).toEqual([
    "Net3",
    "bridge",
    "net1a",
    "net2",
    "net02",
    "net10",
  ]);
});

test("natural order is an order", () => {
  const name = fc.stringMatching(/^[a1-3-]{0,6}$/);
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      expect(Math.sign(compareNatural(a, b))).toBe(-Math.sign(compareNatural(b, a)) + 0);
      if (compareNatural(a, b) < 0 && compareNatural(b, c) < 0) expect(compareNatural(a, c)).toBeLessThan(0);
    }),
  );
});

test("a long command ends with an ellipsis within its length", () => {
  expect([ellipsis("sleep 36000", 20), ellipsis("/docker-entrypoint.sh nginx", 20)]).toEqual([
    "sleep 36000",
    "/docker-entrypoint.…",
  ]);
});

test("times print as Go's Time.String", () => {
  expect(formatGoTime("2026-11-22T07:39:26.842562993Z")).toBe("2026-11-22 07:39:26.842562993 +0000 UTC");
  expect(formatGoTime("2026-11-22T07:39:26.100000000+01:00")).toBe("2026-11-22 07:39:26.1 +0100 +0100");
});

const tcp = (PrivatePort: number, PublicPort?: number, IP?: string): PortSummary => ({
  PrivatePort,
  Type: "tcp",
  ...(PublicPort ? { PublicPort } : {}),
  ...(IP ? { IP } : {}),
});

test.each<[string, readonly PortSummary[], string]>([
  ["nothing", [], ""],
  ["an exposed port", [tcp(74)], "74/tcp"],
  ["a range of exposed ports", [tcp(72), tcp(70), tcp(71)], "70-72/tcp"],
  ["two ranges", [tcp(70), tcp(71), tcp(80)], "70-71/tcp, 80/tcp"],
  ["a port under its own number", [tcp(94, 94, "0.0.0.0")], "0.0.0.0:94->94/tcp"],
  ["a published range", [tcp(90, 90, "0.0.0.0"), tcp(91, 91, "0.0.0.0")], "0.0.0.0:90-91->90-91/tcp"],
  [
    "what docker printed",
    [tcp(80, 84, "::"), tcp(80, 84, "0.0.0.0"), tcp(94, 94, "0.0.0.0"), tcp(94, 94, "::"), tcp(74)],
    "74/tcp, 0.0.0.0:94->94/tcp, [::]:94->94/tcp, 0.0.0.0:84->80/tcp, [::]:84->80/tcp",
  ],
])("PORTS of %s", (_, ports, text) => {
  expect(renderPorts(ports)).toBe(text);
});

const NOW = new Date("2026-11-22T08:00:00Z");
const container: ContainerSummary = {
  Id: `sha256:${"ab".repeat(32)}`,
  Names: ["/other/alias", "/web"],
  Image: "docker.io/library/nginx:1.27@sha256:".concat("c".repeat(64)),
  ImageID: `sha256:${"d".repeat(64)}`,
  Command: 'nginx -g "daemon off;" --more',
  Created: NOW.getTime() / 1000 - 180,
  Ports: [],
  Labels: { b: "2", a: "1" },
  State: "running",
  Status: "Up 3 minutes (Paused)",
  SizeRw: 1090,
  SizeRootFs: 59_000_000,
  NetworkSettings: { Networks: { front: {}, back: {} } },
  Mounts: [{ Name: "a-volume-with-a-long-name", Source: "/x", Driver: "local" }, { Source: "/etc" }],
};
const cell = (name: string, truncates = true): string =>
  renderListing({ format: `{{.${name}}}`, headers: {}, rows: [containerRow(container, truncates, NOW)] }).slice(0, -1);

test.each([
  ["ID", "abababababab"],
  ["Names", "web"],
  ["Image", "nginx:1.27"],
  ["Command", '"nginx -g \\"daemon of…"'],
  ["RunningFor", "3 minutes ago"],
  ["Status", "Up 3 minutes (Paused)"],
  ["State", "running"],
  ["Size", "1.09kB (virtual 59MB)"],
  ["Labels", "a=1,b=2"],
  ['Label "b"', "2"],
  ['Label "c"', ""],
  ["Networks", "front,back"],
  ["Mounts", "a-volume-with-…,/etc"],
  ["LocalVolumes", "1"],
  ["Platform", "<nil>"],
])("ps shows %s as %s", (name, text) => {
  expect(cell(name)).toBe(text);
});

test("--no-trunc shows all names, the whole id and the whole command", () => {
  expect([cell("ID", false), cell("Names", false), cell("Command", false)]).toEqual([
    container.Id,
    "other/alias,web",
    '"nginx -g \\"daemon off;\\" --more"',
  ]);
});

const row = rowOf("*network.networkContext", { ID: () => "1", Name: () => "a<b" }, { "tier-name": "x" });
const list = (format: string): string =>
  renderListing({ format, headers: { ID: "NETWORK ID", Name: "NAME" }, rows: [row] });

test("a table has a header and columns; functions leave the header alone", () => {
  expect(list("table {{.ID}}\\t{{upper .Name}}")).toBe("NETWORK ID   NAME\n1            A<B\n");
  expect(list('table {{.Label "com.example.tier-name"}}')).toBe("tier name\n\n");
});

test("json escapes what HTML would misread, as Go's Marshal does", () => {
  expect(list("json")).toBe('{"ID":"1","Name":"a\\u003cb"}\n');
});

test("an unknown column is refused, but only when there is a row", () => {
  const message = `template parsing error: template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *network.networkContext`;
  expect(() => list("{{.Foo}}")).toThrow(new StatusError(message));
  expect(renderListing({ format: "{{.Foo}}", headers: {}, rows: [] })).toBe("");
});

test("JSON is laid out as json.Indent does it, with numbers and order kept", () => {
  const json = '{ "b":12345678901234567890,"a":[ ], "c":{"d":[1,{"e":"x, {y}\\""}]},"f":{}}';
  expect(indentJson(json, "  ")).toBe(
    '{\n  "b": 12345678901234567890,\n  "a": [],\n  "c": {\n    "d": [\n      1,\n      {\n        "e": "x, {y}\\""\n      }\n    ]\n  },\n  "f": {}\n}',
  );
  expect(compactJson(json)).toBe('{"b":12345678901234567890,"a":[],"c":{"d":[1,{"e":"x, {y}\\""}]},"f":{}}');
});

test("for values that JavaScript keeps, indentation is JSON.stringify's", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const text = JSON.stringify(value);
      expect(JSON.parse(indentJson(text, "    "))).toEqual(JSON.parse(text));
      expect(compactJson(indentJson(text, "    "))).toBe(text);
    }),
  );
});

test("documents are found in a stream however it is cut", async () => {
  const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(objects, fc.nat({ max: 40 }), async (values, size) => {
      const bytes = Buffer.from(values.map((v) => JSON.stringify(v)).join("\n"));
      async function* cut(): AsyncIterable<Buffer> {
        for (let at = 0; at < bytes.length; at += size + 1) yield bytes.subarray(at, at + size + 1);
      }
      const found: unknown[] = [];
      for await (const text of splitDocuments(cut())) found.push(JSON.parse(text));
      expect(found).toEqual(JSON.parse(JSON.stringify(values)));
    }),
    { numRuns: 50 },
  );
});
