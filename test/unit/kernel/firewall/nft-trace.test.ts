/** Trace messages of nf_tables: bytes of the kernel become events, and no bytes do harm. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMessages } from "../../../../src/kernel/firewall/nft-trace.ts";
import { attribute, nested, textAttribute } from "../../../../src/kernel/netlink/netlink.ts";

const TRACE = (10 << 8) | 17;
const be32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

function message(type: number, ...attributes: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([2, 0, 0, 0]), ...attributes]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  return Buffer.concat([header, body]);
}

const jump = (table: string): Buffer[] => [
  textAttribute(1, table),
  textAttribute(2, "FORWARD"),
  attribute(3, Buffer.concat([Buffer.alloc(7), Buffer.from([10])])),
  attribute(4, be32(3)),
  nested(5, attribute(1, be32(-3)), textAttribute(2, "DOCKER-USER")),
  attribute(10, be32(3)),
];

test("a rule that jumps is told with its number and its link", () => {
  expect(decodeMessages(message(TRACE, ...jump("filter")))).toEqual([
    {
      table: "filter",
      chain: "FORWARD",
      kind: "rule",
      handle: 10,
      verdict: { kind: "JUMP", chain: "DOCKER-USER" },
      iif: 3,
    },
  ]);
});

test("events of one packet have its number, and a table of the family inet is told as such", () => {
  const traced = message(TRACE, ...jump("mine"), attribute(6, be32(77)), attribute(15, be32(2)));
  traced.writeUInt8(1, 16);
  expect(decodeMessages(traced)).toMatchObject([{ table: "inet mine", chain: "FORWARD", id: 77 }]);
  const ofIpv6 = message(TRACE, ...jump("mine"), attribute(15, be32(10)));
  ofIpv6.writeUInt8(1, 16);
  expect(decodeMessages(ofIpv6)).toEqual([]);
});

test("a policy decides by its own word", () => {
  const policy = message(
    TRACE,
    textAttribute(1, "filter"),
    textAttribute(2, "FORWARD"),
    attribute(4, be32(1)),
    attribute(16, be32(0)),
  );
  expect(decodeMessages(policy)).toEqual([
    { table: "filter", chain: "FORWARD", kind: "policy", verdict: { kind: "DROP" } },
  ]);
});

test("several messages come in one read; other messages and the walks' own tables are left out", () => {
  const bytes = Buffer.concat([
    message(TRACE, ...jump("docknet-walk-1-1")),
    message(3, ...jump("filter")),
    message(TRACE, ...jump("nat")),
  ]);
  expect(decodeMessages(bytes).map((e) => e.table)).toEqual(["nat"]);
});

test("no bytes make it throw", () => {
  const whole = message(TRACE, ...jump("filter"));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(whole.length), (noise, at) => {
      const damaged = Buffer.from(whole);
      damaged.set(noise.subarray(0, Math.max(0, damaged.length - at)), at);
      expect(Array.isArray(decodeMessages(damaged))).toBe(true);
      expect(Array.isArray(decodeMessages(Buffer.from(noise)))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
