/** Messages of the kernel about conntrack: whatever comes, only whole IPv4 entries are told, and nothing is read past the end. */
import { expect, test } from "vitest";
import { decodeEvents } from "../../../../src/kernel/netlink/conntrack-events.ts";
import { attribute, nested } from "../../../../src/kernel/netlink/netlink.ts";

const [NEW, DELETE] = [0x100, 0x102];
const NLM_F_CREATE = 0x400;

const be16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const be32 = (n: number): Buffer => Buffer.from([(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
const be64 = (n: number): Buffer => Buffer.concat([be32(0), be32(n)]);
const address = (text: string): Buffer => Buffer.from(text.split(".").map(Number));

const tuple = (type: number, src: string, dst: string, sport: number, dport: number): Buffer =>
  nested(
    type,
    nested(1, attribute(1, address(src)), attribute(2, address(dst))),
    nested(2, attribute(1, Buffer.from([6])), attribute(2, be16(sport)), attribute(3, be16(dport))),
  );

function message(type: number, flags: number, family = 2, ...more: Buffer[]): Buffer {
  const body = Buffer.concat([
    Buffer.from([family, 0, 0, 0]),
    tuple(1, "172.17.0.2", "203.0.113.80", 40000, 80),
    tuple(2, "203.0.113.80", "192.168.0.10", 80, 40001),
    attribute(3, be32(2 | 4 | 16)),
    nested(4, nested(1, attribute(1, Buffer.from([3])))),
    attribute(7, be32(432000)),
    ...more,
  ]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  return Buffer.concat([header, body]);
}

test("new, changed, gone", () => {
  const bytes = Buffer.concat([message(NEW, NLM_F_CREATE), message(NEW, 0), message(DELETE, 0)]);
  const events = decodeEvents(bytes);
  expect(events.map((e) => e.change)).toEqual(["NEW", "UPDATE", "DESTROY"]);
  expect(events[0]?.entry).toEqual({
    proto: "tcp",
    original: { src: "172.17.0.2", dst: "203.0.113.80", srcPort: 40000, dstPort: 80 },
    reply: { src: "203.0.113.80", dst: "192.168.0.10", srcPort: 80, dstPort: 40001 },
    state: "ESTABLISHED",
    replied: true,
    assured: true,
    srcNat: true,
    dstNat: false,
    timeoutSeconds: 432000,
  });
});

test("counters, where they are kept", () => {
  const counted = (type: number, packets: number, bytes: number) =>
    nested(type, attribute(1, be64(packets)), attribute(2, be64(bytes)));
  const [event] = decodeEvents(message(NEW, 0, 2, counted(9, 3, 180), counted(10, 2, 120)));
  expect(event?.entry.counters).toEqual({ original: { packets: 3, bytes: 180 }, reply: { packets: 2, bytes: 120 } });
});

test("other families and messages are not told", () => {
  const bytes = Buffer.concat([message(NEW, 0, 10), message(0x101, 0), message(0x200, 0), message(NEW, 0)]);
  expect(decodeEvents(bytes)).toHaveLength(1);
});

test("bytes that were cut or spoiled anywhere are no harm", () => {
  const bytes = Buffer.concat([message(NEW, 0), message(DELETE, 0)]);
  for (let end = 0; end < bytes.length; end++) expect(decodeEvents(bytes.subarray(0, end)).length).toBeLessThan(2);
  for (let at = 0; at < bytes.length; at++) {
    const spoiled = Buffer.from(bytes);
    spoiled.writeUInt8(255, at);
    expect(() => decodeEvents(spoiled)).not.toThrow();
  }
});
