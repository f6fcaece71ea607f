import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { Mac } from "../../../src/net/mac.ts";
import {
  encodeEnhancedPackets,
  encodeInterfaceDescription,
  encodeInterfaceStatistics,
  encodeNameResolution,
  encodeSectionHeader,
} from "../../../src/report/pcapng.ts";

const hex = (text: string): string => text.replaceAll(/\s/g, "");
const shown = (bytes: Buffer): string => bytes.toString("hex");

describe("bytes of a pcapng block, as the draft draws them", () => {
  test("section header", () => {
    expect(shown(encodeSectionHeader({ hardware: "x64", os: "Linux", application: "docknet" }))).toBe(
      hex(`0a0d0d0a 40000000 4d3c2b1a 0100 0000 ffffffffffffffff
           0200 0300 78363400
           0300 0500 4c696e7578000000
           0400 0700 646f636b6e657400
           0000 0000 40000000`),
    );
  });

  test("interface description, with nanoseconds, a filter and a MAC", () => {
    const bytes = encodeInterfaceDescription({
      name: "web/eth0",
      description: "web",
      filter: "tcp",
      mac: "02:42:ac:11:00:02" as Mac,
      snapBytes: 96,
    });
    expect(shown(bytes)).toBe(
      hex(`01000000 48000000 0100 0000 60000000
           0200 0800 7765622f65746830
           0300 0300 77656200
           0600 0600 0242ac1100020000
           0900 0100 09000000
           0b00 0400 00746370
           0000 0000 48000000`),
    );
  });

  test("enhanced packet, padded, with time, comment and direction", () => {
    const bytes = encodeEnhancedPackets([
      {
        interfaceId: 1,
        seconds: 1_700_000_000,
        nanos: 123_456_789,
        length: 100,
        data: Uint8Array.of(1, 2, 3, 4, 5),
        direction: "in",
        reception: "unicast",
        comment: "hé",
      },
    ]);
    // 1700000000123456789 is 0x17979cfe3d85cd15
    expect(shown(bytes)).toBe(
      hex(`06000000 3c000000 01000000 fe9c9717 15cd853d 05000000 64000000
           0102030405000000
           0100 0300 68c3a900
           0200 0400 05000000
           0000 0000 3c000000`),
    );
  });

  test("a packet without options has none at all", () => {
    const bytes = encodeEnhancedPackets([{ interfaceId: 0, seconds: 0, nanos: 1, length: 4, data: Buffer.alloc(4) }]);
    expect(shown(bytes)).toBe(hex("06000000 24000000 00000000 00000000 01000000 04000000 04000000 00000000 24000000"));
  });

  test("name resolution", () => {
    const bytes = encodeNameResolution([{ address: "172.17.0.2" as Ipv4, name: "web" }]);
    expect(shown(bytes)).toBe(hex("04000000 1c000000 0100 0800 ac110002 77656200 0000 0000 1c000000"));
  });

  test("interface statistics", () => {
    const at = { seconds: 0, nanos: 7 };
    const bytes = encodeInterfaceStatistics({
      interfaceId: 2,
      at,
      start: at,
      end: at,
      received: 9,
      dropped: 1,
      delivered: 8,
    });
    expect(shown(bytes)).toBe(
      hex(`05000000 58000000 02000000 00000000 07000000
           0200 0800 0000000007000000
           0300 0800 0000000007000000
           0400 0800 0900000000000000
           0500 0800 0100000000000000
           0800 0800 0800000000000000
           0000 0000 58000000`),
    );
  });
});

/** What a strict reader finds in one block's options. */
function readOptions(bytes: Buffer): { code: number; value: Buffer }[] {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const [code, length] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)];
    const value = bytes.subarray(at + 4, at + 4 + length);
    expect(value).toHaveLength(length);
    const end = at + 4 + length;
    at = (end + 3) & ~3;
    expect(bytes.subarray(end, at).every((b) => b === 0)).toBe(true);
    if (code === 0) {
      expect(at).toBe(bytes.length);
      return found;
    }
    found.push({ code, value });
  }
  return found;
}

test("whatever packets are written, a strict reader reads the same", () => {
  const packet = fc.record({
    interfaceId: fc.nat({ max: 5000 }),
    seconds: fc.nat({ max: 2 ** 32 - 1 }),
    nanos: fc.nat({ max: 999_999_999 }),
    length: fc.nat({ max: 70_000 }),
    data: fc.uint8Array({ maxLength: 200 }),
    direction: fc.constantFrom("in" as const, "out" as const),
    comment: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 5 }), (packets) => {
      let rest = encodeEnhancedPackets(packets);
      for (const { interfaceId, seconds, nanos, length, data, direction, comment } of packets) {
        const size = rest.readUInt32LE(4);
        expect([rest.readUInt32LE(0), size % 4, rest.readUInt32LE(size - 4)]).toEqual([6, 0, size]);
        const time = (BigInt(rest.readUInt32LE(12)) << 32n) + BigInt(rest.readUInt32LE(16));
        expect(time).toBe(BigInt(seconds) * 1_000_000_000n + BigInt(nanos));
        expect([rest.readUInt32LE(8), rest.readUInt32LE(20), rest.readUInt32LE(24)]).toEqual([
          interfaceId,
          data.length,
          length,
        ]);
        expect(rest.subarray(28, 28 + data.length)).toEqual(Buffer.from(data));
        const options = readOptions(rest.subarray((28 + data.length + 3) & ~3, size - 4));
        expect(options.map((o) => o.code)).toEqual([1, 2]);
        expect(options[0]?.value.toString("utf8")).toBe(Buffer.from(comment).toString("utf8"));
        expect((options[1]?.value.readUInt32LE(0) ?? 0) & 3).toBe(direction === "in" ? 1 : 2);
        rest = rest.subarray(size);
      }
      expect(rest).toHaveLength(0);
    }),
  );
});

test("a text that is too long is cut between characters", () => {
  const bytes = encodeSectionHeader({ comment: "é".repeat(40_000) });
  const [comment] = readOptions(bytes.subarray(24, bytes.length - 4));
  expect(comment?.value.toString("utf8")).toBe("é".repeat(32_767));
});
