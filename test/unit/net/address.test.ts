import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DocknetError } from "../../../src/errors.ts";
import {
  addressOf,
  broadcastOf,
  contains,
  containsSubnet,
  fromNumber,
  type Ipv4,
  isIpv4,
  isIpv6,
  isLoopback,
  isPrivate,
  onLink,
  overlaps,
  parseIfAddr,
  parseIpv4,
  parseIpv6,
  parseSubnet,
  prefixLength,
  rangeOf,
  type Subnet,
  subnetOf,
  toBytes,
  toNumber,
} from "../../../src/net/address.ts";

const number = fc.integer({ min: 0, max: 0xffffffff });
const address = number.map(fromNumber);
const subnet = fc.tuple(number, fc.integer({ min: 0, max: 32 })).map(([n, length]) => {
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return `${fromNumber((n & mask) >>> 0)}/${length}` as Subnet;
});

describe("IPv4 addresses", () => {
  test.for(["0.0.0.0", "10.0.0.1", "172.18.0.2", "192.168.255.254", "255.255.255.255"])("%s is one", (text) => {
    expect(parseIpv4(text)).toBe(text);
  });

  test.for([
    ["octal first octet (inet_aton reads 8.0.0.1)", "010.0.0.1"],
    ["leading zero in the last octet", "10.0.0.01"],
    ["two zeros", "10.00.0.1"],
    ["one number (inet_aton)", "3232235777"],
    ["two parts (inet_aton)", "10.1"],
    ["three parts (inet_aton)", "172.16.1"],
    ["hexadecimal (inet_aton)", "0x7f.0.0.1"],
    ["hexadecimal number (inet_aton)", "0x7f000001"],
    ["octet over 255", "256.0.0.1"],
    ["octet of four digits", "1000.0.0.1"],
    ["five octets", "1.2.3.4.5"],
    ["missing octet", "1.2.3."],
    ["leading dot", ".1.2.3.4"],
    ["sign", "-1.2.3.4"],
    ["plus sign", "+1.2.3.4"],
    ["leading space", " 1.2.3.4"],
    ["trailing newline", "1.2.3.4\n"],
    ["prefix", "1.2.3.4/24"],
    ["port", "1.2.3.4:80"],
    ["other digits", "١.2.3.4"],
    ["IPv6", "::1"],
    ["a name", "localhost"],
    ["nothing", ""],
  ] as const)("%s is refused in Docker's words", ([, text]) => {
    expect(isIpv4(text)).toBe(false);
    expect(() => parseIpv4(text)).toThrow(new DocknetError("LAB_FILE", `invalid IPv4 address: ${text}`));
  });

  test("as a number and back is the same address, and the reverse", () => {
    fc.assert(fc.property(number, (n) => toNumber(fromNumber(n)) === n));
    fc.assert(fc.property(fc.ipV4(), (text) => fromNumber(toNumber(text as Ipv4)) === text));
  });

  test("every number is a strict address", () => {
    fc.assert(fc.property(number, (n) => isIpv4(fromNumber(n))));
  });

  test("bytes are the octets in network order", () => {
    expect([...toBytes("192.168.0.10" as Ipv4)]).toEqual([192, 168, 0, 10]);
    fc.assert(fc.property(address, (a) => Buffer.from(toBytes(a)).readUInt32BE() === toNumber(a)));
  });

  test.for([
    ["127.0.0.1", true],
    ["127.255.255.254", true],
    ["128.0.0.1", false],
    ["12.7.0.0", false],
    ["0.0.0.0", false],
  ] as const)("%s: loopback is %s", ([text, want]) => {
    expect(isLoopback(text as Ipv4)).toBe(want);
  });

  test.for([
    ["10.255.0.1", true],
    ["172.15.255.255", false],
    ["172.16.0.0", true],
    ["172.31.255.255", true],
    ["172.32.0.0", false],
    ["192.168.0.1", true],
    ["192.169.0.1", false],
    ["203.0.113.80", false],
  ] as const)("%s: private is %s", ([text, want]) => {
    expect(isPrivate(text as Ipv4)).toBe(want);
  });
});

describe("IPv6 addresses", () => {
  test.for([
    ["::", "::"],
    ["::1", "::1"],
    ["FD00:0:0::1", "fd00::1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ] as const)("%s is written %s", ([text, want]) => {
    expect(parseIpv6(text)).toBe(want);
  });

  test.for([
    ["a zone", "fe80::1%eth0"],
    ["a prefix", "fd00::/64"],
    ["brackets", "[::1]"],
    ["two gaps", "1::2::3"],
    ["nine groups", "1:2:3:4:5:6:7:8:9"],
    ["five digits", "12345::"],
    ["IPv4", "1.2.3.4"],
    ["a colon", ":"],
    ["nothing", ""],
  ] as const)("%s is refused", ([, text]) => {
    expect(isIpv6(text)).toBe(false);
    expect(() => parseIpv6(text)).toThrow(`invalid IPv6 address: ${text}`);
  });
});

describe("subnets", () => {
  test.for(["0.0.0.0/0", "10.0.0.0/8", "172.18.0.0/16", "10.0.0.4/30", "10.0.0.4/31", "10.0.0.5/32"])(
    "%s is one",
    (text) => {
      expect(parseSubnet(text)).toBe(text);
    },
  );

  test.for([
    ["10.90.0.1/24", "invalid subnet 10.90.0.1/24: it should be 10.90.0.0/24"],
    ["10.0.0.1/0", "invalid subnet 10.0.0.1/0: it should be 0.0.0.0/0"],
    ["10.0.0.3/31", "invalid subnet 10.0.0.3/31: it should be 10.0.0.2/31"],
    ["foo", "invalid subnet foo: invalid CIDR block notation"],
    ["", "invalid subnet : invalid CIDR block notation"],
    ["10.0.0.0", "invalid subnet 10.0.0.0: invalid CIDR block notation"],
    ["10.0.0.0/", "invalid subnet 10.0.0.0/: invalid CIDR block notation"],
    ["10.0.0.0/33", "invalid subnet 10.0.0.0/33: invalid CIDR block notation"],
    ["10.0.0.0/-1", "invalid subnet 10.0.0.0/-1: invalid CIDR block notation"],
    ["10.0.0.0/08", "invalid subnet 10.0.0.0/08: invalid CIDR block notation"],
    ["10.0.0.0/8/8", "invalid subnet 10.0.0.0/8/8: invalid CIDR block notation"],
    ["10.0.0.0/255.0.0.0", "invalid subnet 10.0.0.0/255.0.0.0: invalid CIDR block notation"],
    ["10.0.0.0/8 ", "invalid subnet 10.0.0.0/8 : invalid CIDR block notation"],
    ["010.0.0.0/8", "invalid subnet 010.0.0.0/8: invalid CIDR block notation"],
    ["10/8", "invalid subnet 10/8: invalid CIDR block notation"],
    ["fd00::/64", "invalid subnet fd00::/64: invalid CIDR block notation"],
  ] as const)("%s is refused in Docker's words", ([text, message]) => {
    expect(() => parseSubnet(text)).toThrow(new DocknetError("LAB_FILE", message));
  });

  test("an ip-range is refused under its own name", () => {
    expect(() => parseSubnet("10.0.0.1/25", "ip-range")).toThrow(
      "invalid ip-range 10.0.0.1/25: it should be 10.0.0.0/25",
    );
  });

  test("parse takes every subnet as it is written", () => {
    fc.assert(fc.property(subnet, (s) => parseSubnet(s) === s));
  });

  test.for([
    ["172.18.0.0/16", "172.18.0.0", "172.18.255.255"],
    ["10.0.0.4/30", "10.0.0.4", "10.0.0.7"],
    ["10.0.0.4/31", "10.0.0.4", "10.0.0.5"],
    ["10.0.0.5/32", "10.0.0.5", "10.0.0.5"],
    ["0.0.0.0/0", "0.0.0.0", "255.255.255.255"],
    ["128.0.0.0/1", "128.0.0.0", "255.255.255.255"],
  ] as const)("%s goes from %s to %s", ([text, first, last]) => {
    const { first: a, last: b } = rangeOf(text as Subnet);
    expect([fromNumber(a), fromNumber(b)]).toEqual([first, last]);
    expect(broadcastOf(text as Subnet)).toBe(last);
  });

  test("an address is contained exactly when it lies between first and last", () => {
    fc.assert(
      fc.property(subnet, address, (s, a) => {
        const { first, last } = rangeOf(s);
        expect(contains(s, a)).toBe(first <= toNumber(a) && toNumber(a) <= last);
      }),
    );
  });

  test("both ends are contained, their outer neighbours are not", () => {
    fc.assert(
      fc.property(subnet, (s) => {
        const { first, last } = rangeOf(s);
        expect(contains(s, fromNumber(first)) && contains(s, fromNumber(last))).toBe(true);
        if (first > 0) expect(contains(s, fromNumber(first - 1))).toBe(false);
        if (last < 0xffffffff) expect(contains(s, fromNumber(last + 1))).toBe(false);
      }),
    );
  });

  test("overlapping is symmetric, and means that one contains the other", () => {
    fc.assert(
      fc.property(subnet, subnet, (a, b) => {
        expect(overlaps(a, b)).toBe(overlaps(b, a));
        expect(overlaps(a, b)).toBe(containsSubnet(a, b) || containsSubnet(b, a));
      }),
    );
  });

  test.for([
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.0.0.0/24", "10.0.1.0/24", false],
    ["0.0.0.0/0", "203.0.113.0/24", true],
    ["10.0.0.0/31", "10.0.0.1/32", true],
  ] as const)("%s and %s: overlap is %s", ([a, b, want]) => {
    expect(overlaps(a as Subnet, b as Subnet)).toBe(want);
  });
});

describe("addresses on a link", () => {
  test("keep their host bits, which a subnet must not have", () => {
    expect(parseIfAddr("172.18.0.2/16")).toBe("172.18.0.2/16");
    expect(() => parseSubnet("172.18.0.2/16")).toThrow("it should be 172.18.0.0/16");
  });

  test.for(["172.18.0.2", "172.18.0.2/33", "172.18.0.2/016", "::1/64"])("%s is refused", (text) => {
    expect(() => parseIfAddr(text)).toThrow(`invalid address ${text}: invalid CIDR block notation`);
  });

  test("know their address, length and subnet", () => {
    fc.assert(
      fc.property(subnet, (s) => {
        const a = fromNumber(rangeOf(s).last);
        const on = onLink(a, s);
        expect([addressOf(on), prefixLength(on), subnetOf(on)]).toEqual([a, prefixLength(s), s]);
      }),
    );
  });
});
