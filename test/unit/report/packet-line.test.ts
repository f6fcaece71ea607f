import { describe, expect, test } from "vitest";
import { renderPacketLine } from "../../../src/report/packet-line.ts";

const line = {
  time: { seconds: 1_700_000_000, nanos: 1_234 },
  place: "web/eth0",
  direction: "in",
  text: "172.17.0.1:45678 > 172.17.0.2:80 tcp SYN ttl 63",
  comment: "DNAT",
} as const;

describe("renderPacketLine()", () => {
  test("is one line: local time in nanoseconds, place, direction, packet, comment", () => {
    expect(renderPacketLine(line, { colour: false, placeWidth: 10, utcOffsetMinutes: -60 })).toBe(
      "23:13:20.000001234  web/eth0    in   172.17.0.1:45678 > 172.17.0.2:80 tcp SYN ttl 63  (DNAT)",
    );
  });

  test.for([
    ["tcp RST,ACK ttl 64", "31"],
    ["icmp port unreachable (x) ttl 64", "31"],
    ["tcp SYN ttl 64", "32"],
    ["tcp SYN,ACK ttl 64", "1"],
  ])("shows %s in colour %s", ([text = "", code]) => {
    const rendered = renderPacketLine(
      { ...line, text: `a > b ${text}` },
      { colour: true, placeWidth: 1, utcOffsetMinutes: 0 },
    );
    expect(rendered).toContain(`\u001b[${code}ma > b ${text}\u001b[0m`);
  });
});
