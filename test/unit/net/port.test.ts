import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isPort,
  parsePort,
  parsePortRange,
  parseProto,
  parseProtoPort,
  portsOf,
  renderPortRange,
  renderProtoPort,
} from "../../../src/net/port.ts";

test.for([
  ["1", 1],
  ["80", 80],
  ["65535", 65535],
] as const)("%s is a port", ([text, want]) => {
  expect(parsePort(text)).toBe(want);
});

test.for([
  "0",
  "65536",
  "70000",
  "99999",
  "100000",
  "080",
  "+80",
  "-1",
  "8e1",
  "0x50",
  "80 ",
  " 80",
  "80\n",
  "8.0",
  "foo",
  "",
])("%j is no port, and the message names what it should be", (text) => {
  expect(() => parsePort(text, "hostPort")).toThrow(`invalid hostPort: ${text}`);
});

test("exactly the integers from 1 to 65535 are ports, as numbers and as text", () => {
  fc.assert(
    fc.property(fc.integer({ min: -10, max: 70_000 }), (n) => {
      const want = n >= 1 && n <= 65535;
      expect(isPort(n)).toBe(want);
      if (want) expect(parsePort(String(n))).toBe(n);
      else expect(() => parsePort(String(n))).toThrow();
    }),
  );
  expect(isPort(80.5)).toBe(false);
});

describe("ranges", () => {
  test.for([
    ["8000", { first: 8000, last: 8000 }],
    ["8000-8010", { first: 8000, last: 8010 }],
    ["8000-8000", { first: 8000, last: 8000 }],
    ["1-65535", { first: 1, last: 65535 }],
  ] as const)("%s is one", ([text, want]) => {
    expect(parsePortRange(text)).toEqual(want);
  });

  test("one that goes backwards is refused whole", () => {
    expect(() => parsePortRange("8010-8000", "hostPort")).toThrow("invalid hostPort: 8010-8000");
  });

  test.for(["8000-", "-8010", "1-2-3", "0-10", "8000-70000", "a-b"])("%s is refused", (text) => {
    expect(() => parsePortRange(text)).toThrow("invalid port: ");
  });

  test("parse after render is the range, and every port of it is listed once, in order", () => {
    const port = fc.integer({ min: 1, max: 65535 });
    fc.assert(
      fc.property(port, fc.integer({ min: 0, max: 300 }), (first, more) => {
        const range = { first, last: Math.min(first + more, 65535) } as ReturnType<typeof parsePortRange>;
        expect(parsePortRange(renderPortRange(range))).toEqual(range);
        const ports = portsOf(range);
        expect([ports[0], ports.at(-1), ports.length]).toEqual([range.first, range.last, range.last - range.first + 1]);
      }),
    );
  });
});

describe("protocols", () => {
  test.for(["tcp", "udp", "sctp", "TCP"])("%s is one", (text) => {
    expect(parseProto(text)).toBe(text.toLowerCase());
  });

  test.for(["icmp", "", "tcp ", "tcp4"])("%j is refused in Docker's words", (text) => {
    expect(() => parseProto(text)).toThrow(`invalid proto: ${text}`);
  });

  test.for([
    ["80", "80/tcp"],
    ["53/udp", "53/udp"],
    ["36412/SCTP", "36412/sctp"],
  ] as const)("container port %s is %s", ([text, want]) => {
    expect(renderProtoPort(parseProtoPort(text))).toBe(want);
  });

  test.for(["80/", "80/tcp/udp", "/tcp", "80-81"])("container port %s is refused", (text) => {
    expect(() => parseProtoPort(text)).toThrow(/^invalid (port|proto): /);
  });
});
