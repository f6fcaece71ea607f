import fc from "fast-check";
import { expect, test } from "vitest";
import type { Ipv4 } from "../../../src/net/address.ts";
import { parseIpv6 } from "../../../src/net/address.ts";
import type { Port, PortRange } from "../../../src/net/port.ts";
import { type PortText, parsePortText, renderPort } from "../../../src/spec/port.ts";

const port = fc.integer({ min: 1, max: 65535 }).map((value) => value as Port);
const range = (length: number) =>
  fc
    .integer({ min: 1, max: 65535 - length })
    .map((first): PortRange => ({ first: first as Port, last: (first + length) as Port }));
const hostIp = fc.option(
  fc.oneof(
    fc.ipV4().map((text) => text as Ipv4),
    fc
      .ipV6()
      .filter((text) => !text.includes("."))
      .map(parseIpv6),
  ),
  { nil: undefined },
);

const portText: fc.Arbitrary<PortText> = fc
  .tuple(fc.integer({ min: 0, max: 20 }), fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const), hostIp)
  .chain(([length, proto, ip]) =>
    fc
      .tuple(
        range(length),
        fc.option(
          length === 0
            ? fc.oneof(
                port.map((p) => ({ first: p, last: p })),
                range(7),
              )
            : range(length),
          { nil: undefined },
        ),
      )
      .map(
        ([target, published]): PortText => ({
          target,
          proto,
          ...(published ? { published } : {}),
          ...(ip === undefined ? {} : { hostIp: ip }),
        }),
      ),
  );

test("parse after render gives the port back", () => {
  fc.assert(
    fc.property(portText, (text) => {
      expect(parsePortText(renderPort(text))).toEqual(text);
    }),
  );
});
