import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromNumber } from "../../../src/net/address.ts";
import {
  decodeFrame,
  decodeIpv4,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  encodeFrame,
  type Frame,
  type IcmpMessage,
  type Ipv4Packet,
  PROTO_ICMP,
  PROTO_TCP,
  PROTO_UDP,
  renderFrame,
} from "../../../src/net/frame.ts";
import type { Mac } from "../../../src/net/mac.ts";

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));

/** Taken with tcpdump between two namespaces. */
const SYN = bytesOf(`
  0242ac110002 0242ac110001 0800
  4500003c1c46400040069c3bc0a80014ac110002
  a1020050 11223344 00000000 a002faf0 00000000 020405b40402080a000000010000000001030307`);

describe("decodeFrame() of known bytes", () => {
  test("TCP SYN with options", () => {
    expect(decodeFrame(SYN)).toEqual({
      dstMac: "02:42:ac:11:00:02",
      srcMac: "02:42:ac:11:00:01",
      etherType: 0x0800,
      length: 74,
      ip: {
        src: "192.168.0.20",
        dst: "172.17.0.2",
        ttl: 64,
        id: 0x1c46,
        proto: 6,
        length: 60,
        tcp: {
          srcPort: 41218,
          dstPort: 80,
          seq: 0x11223344,
          ack: 0,
          flags: { syn: true, ack: false, fin: false, rst: false, psh: false },
          length: 0,
        },
      },
    });
  });

  test.for<[string, string, string]>([
    ["TCP SYN", Buffer.from(SYN).toString("hex"), "192.168.0.20:41218 > 172.17.0.2:80 tcp SYN ttl 64"],
    [
      "ARP request, padded to 60 bytes",
      `ffffffffffff 0242ac110001 0806 0001080006040001 0242ac110001 ac110001 000000000000 ac110002 ${"00".repeat(18)}`,
      "arp who-has 172.17.0.2 tell 172.17.0.1",
    ],
    [
      "port unreachable quotes the datagram",
      `0242ac110001 0242ac110002 0800 45c00038 00010000 40010000 ac110002 ac110001 0303000000000000
       4500001d 00024000 40110000 ac110001 ac110002 9c400035 00090000`,
      "172.17.0.2 > 172.17.0.1 icmp port unreachable (172.17.0.1:40000 > 172.17.0.2:53 udp length 1 ttl 64) ttl 64",
    ],
    [
      "UDP in a VLAN",
      "0242ac110002 0242ac110001 8100 0064 0800 4500001d 00020000 40110000 0a000001 0a000002 00350036 00090000 ff",
      "10.0.0.1:53 > 10.0.0.2:54 udp length 1 ttl 64",
    ],
    [
      "second fragment has no ports",
      "0242ac110002 0242ac110001 0800 4500001c 00022001 40110000 0a000001 0a000002 0035003600090000",
      "10.0.0.1 > 10.0.0.2 proto 17 fragment 8+ ttl 64",
    ],
    [
      "IPv6 is not decoded",
      "333300000001 0242ac110001 86dd 60000000",
      "02:42:ac:11:00:01 > 33:33:00:00:00:01 ethertype 0x86dd length 18",
    ],
    [
      "too short for Ethernet",
      "0242",
      "00:00:00:00:00:00 > 00:00:00:00:00:00 ethertype 0x0000 length 2 [Ethernet header has 2 of 14 bytes]",
    ],
  ])("%s", ([, hex, text]) => {
    expect(renderFrame(decodeFrame(bytesOf(hex)))).toBe(text);
  });

  test("a frame cut behind its headers says so, and has them", () => {
    const whole = bytesOf(
      "4500ffff 00020000 40060000 0a000001 0a000002 00500051 00000001 00000002 50100000 00000000 6869",
    );
    expect(decodeIpv4(whole)).toMatchObject({ cut: true, length: 65535, tcp: { srcPort: 80, length: 65495 } });
    expect(decodeIpv4(whole)).not.toHaveProperty("problem");
  });

  test("ethernet padding is no payload", () => {
    const padded = bytesOf(
      `0242ac110002 0242ac110001 0800 4500001c 00020000 40110000 0a000001 0a000002 0035003600080000 ${"ff".repeat(18)}`,
    );
    expect(decodeFrame(padded).ip?.udp).toEqual({ srcPort: 53, dstPort: 54, length: 0 });
  });

  test("nothing of a result changes with the buffer", () => {
    const buffer = Uint8Array.from(SYN);
    const frame = decodeFrame(buffer);
    const before = structuredClone(frame);
    buffer.fill(0xff);
    expect(frame).toEqual(before);
  });

  test("an error that quotes an error is followed once", () => {
    const icmp = (inner: Uint8Array): Uint8Array => {
      const bytes = new Uint8Array(28 + inner.length);
      bytes.set([0x45, 0, (28 + inner.length) >>> 8, (28 + inner.length) & 255, 0, 0, 0, 0, 64, 1]);
      bytes.set([3, 1], 20);
      bytes.set(inner, 28);
      return bytes;
    };
    let nested: Uint8Array = new Uint8Array();
    for (let i = 0; i < 2000; i++) nested = icmp(nested);
    expect(decodeIpv4(nested).icmp?.quoted?.icmp).toBeUndefined();
  });
});

const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((b) => Buffer.from(b).toString("hex").match(/../g)?.join(":") as Mac);
const address = fc.nat({ max: 0xffffffff }).map(fromNumber);
const u16 = fc.nat({ max: 0xffff });
const u32 = fc.nat({ max: 0xffffffff });
const payload = fc.nat({ max: 1400 });
const ends = { srcPort: u16, dstPort: u16 };
const flags = fc.record({
  syn: fc.boolean(),
  ack: fc.boolean(),
  fin: fc.boolean(),
  rst: fc.boolean(),
  psh: fc.boolean(),
});
const head = { src: address, dst: address, ttl: fc.nat({ max: 255 }), id: u16 };

const tcpPacket = fc
  .tuple(fc.record(head), fc.record({ ...ends, seq: u32, ack: u32, flags, length: payload }))
  .map(([h, tcp]): Ipv4Packet => ({ ...h, proto: PROTO_TCP, length: 40 + tcp.length, tcp }));
const udpPacket = fc
  .tuple(fc.record(head), fc.record({ ...ends, length: payload }))
  .map(([h, udp]): Ipv4Packet => ({ ...h, proto: PROTO_UDP, length: 28 + udp.length, udp }));
const echo: fc.Arbitrary<IcmpMessage> = fc.record({
  type: fc.constantFrom(0, 8),
  code: fc.nat({ max: 255 }),
  id: u16,
  seq: u16,
});
const icmpError = fc
  .tuple(fc.constantFrom(3, 11), fc.nat({ max: 15 }), udpPacket)
  .map(([type, code, quoted]): IcmpMessage => ({ type, code, quoted }));
const icmpPacket = fc
  .tuple(fc.record(head), fc.oneof(echo, icmpError))
  .map(([h, icmp]): Ipv4Packet => ({ ...h, proto: PROTO_ICMP, length: 28 + (icmp.quoted?.length ?? 0), icmp }));
const laterFragment = fc.tuple(fc.record(head), fc.integer({ min: 1, max: 0x1fff }), fc.boolean(), payload).map(
  ([h, unit, more, size]): Ipv4Packet => ({
    ...h,
    proto: PROTO_UDP,
    length: 20 + size,
    fragment: { offsetBytes: unit * 8, more },
  }),
);
const vlanOrNot = fc.option(fc.nat({ max: 0xfff }), { nil: undefined });
const ipFrame = fc.tuple(mac, mac, vlanOrNot, fc.oneof(tcpPacket, udpPacket, icmpPacket, laterFragment)).map(
  ([srcMac, dstMac, vlan, ip]): Frame => ({
    srcMac,
    dstMac,
    etherType: ETHERTYPE_IPV4,
    ...(vlan === undefined ? {} : { vlan }),
    length: 14 + (vlan === undefined ? 0 : 4) + ip.length,
    ip,
  }),
);
const arpFrame = fc
  .tuple(mac, mac, fc.record({ operation: u16, senderMac: mac, senderIp: address, targetMac: mac, targetIp: address }))
  .map(([srcMac, dstMac, arp]): Frame => ({ srcMac, dstMac, etherType: ETHERTYPE_ARP, length: 42, arp }));
const frame = fc.oneof(ipFrame, arpFrame);

describe("properties", () => {
  test("decode(encode(frame)) is the frame", () => {
    fc.assert(
      fc.property(frame, (f) => {
        expect(decodeFrame(encodeFrame(f))).toEqual(f);
      }),
    );
  });

  test("no bytes make it throw, and every result renders", () => {
    const ethernet = fc
      .constantFrom(0x0800, 0x0806, 0x8100)
      .chain((type) =>
        fc
          .uint8Array({ maxLength: 80 })
          .map((rest) => Uint8Array.from([...new Uint8Array(12), type >>> 8, type & 255, ...rest])),
      );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), ethernet), (bytes) => {
        expect(typeof renderFrame(decodeFrame(bytes))).toBe("string");
        decodeIpv4(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test("a truncated frame has a problem or is cut, and reads nothing behind its end", () => {
    fc.assert(
      fc.property(frame, fc.nat(), (f, n) => {
        const whole = encodeFrame(f);
        const length = n % whole.length;
        const zeros = new Uint8Array(whole.length);
        const ones = new Uint8Array(whole.length).fill(0xff);
        zeros.set(whole.subarray(0, length));
        ones.set(whole.subarray(0, length));
        const decoded = decodeFrame(zeros.subarray(0, length));
        // What lies behind the end must not matter.
        expect(decodeFrame(ones.subarray(0, length))).toEqual(decoded);
        expect(decoded.problem ?? decoded.ip?.problem ?? decoded.ip?.cut).toBeDefined();
      }),
    );
  });
});
