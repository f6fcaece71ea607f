import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromNumber } from "../../../src/net/address.ts";
import {
  type DataEnd,
  parseExtendedPassiveReply,
  parseExtendedPort,
  parseFtpCommand,
  parseHostPort,
  parsePassiveReply,
  renderHostPort,
  takeReply,
} from "../../../src/net/ftp.ts";
import type { Port } from "../../../src/net/port.ts";

const end = (address: string, port: number): DataEnd => ({ address, port }) as DataEnd;
const anyEnd = fc
  .tuple(fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 65535 }))
  .map(([address, port]): DataEnd => ({ address: fromNumber(address), port: port as Port }));

describe("an address for a data connection", () => {
  test("of RFC 959: the port's two bytes come last", () => {
    expect(renderHostPort(end("172.18.0.2", 43121))).toBe("172,18,0,2,168,113");
    expect(parseHostPort("172,18,0,2,168,113")).toEqual(end("172.18.0.2", 43121));
  });

  test("what is rendered is parsed, in PORT and EPRT and in both passive replies", () => {
    fc.assert(
      fc.property(anyEnd, fc.constantFrom("|", "!", "~"), (at, d) => {
        expect(parseHostPort(renderHostPort(at))).toEqual(at);
        expect(parsePassiveReply(`Entering Passive Mode (${renderHostPort(at)}).`)).toEqual(at);
        expect(parsePassiveReply(`=${renderHostPort(at)}`)).toEqual(at);
        expect(parseExtendedPort([d, 1, d, at.address, d, at.port, d].join(""))).toEqual(at);
        expect(parseExtendedPassiveReply(`Entering Extended Passive Mode (${d}${d}${d}${at.port}${d})`)).toBe(at.port);
      }),
    );
  });

  test.for([
    "",
    "1,2,3,4,5",
    "1,2,3,4,5,6,7",
    "1,2,3,256,5,6",
    "1,2,3,4,0,0",
    "1,2,3,4,256,0",
    "1,2,3,4,-1,5",
    "1,2,3,4,+1,5",
    " 1,2,3,4,5,6",
    "1,2,3,4,5,6 ",
    "01,2,3,4,5,6",
    "0x1,2,3,4,5,6",
    "1,,3,4,5,6",
    "1.2.3.4.5.6",
  ])("%j is none", (text) => {
    expect(parseHostPort(text)).toBeUndefined();
  });

  test.for([
    "",
    "|1|1.2.3.4|80",
    "1|1.2.3.4|80|",
    "|1|1.2.3.4|0|",
    "|1|1.2.3.4|65536|",
    "|1|1.2.3|80|",
    "|1|1.2.3.4|80||",
    "|x|1.2.3.4|80|",
    "||1.2.3.4|80|",
    "|1|1.2.3.4|8 0|",
    "11111.2.3.41801",
    " 1 1.2.3.4 80 ",
  ])("%j is none for EPRT", (text) => {
    expect(parseExtendedPort(text)).toBeUndefined();
  });

  test("EPRT for IPv6 is well formed, and not ours", () => {
    expect(parseExtendedPort("|2|1080::8:800:200C:417A|5282|")).toBe("another family");
  });

  test.for(["(|||0|)", "(|||65536|)", "(||5|)", "(||||)", "|||5|", "(|1||5|)", "(|||5!)", "((((5()", "(|||5 |)"])(
    "%j is no 229 reply's port",
    (text) => {
      expect(parseExtendedPassiveReply(text)).toBeUndefined();
    },
  );

  test.for(["", "Entering Passive Mode", "(1,2,3,4,5)", "(1,2,3,4,5,6,7)", "(1,2,3,4,5,666)", "11,2,3,4,5,6666"])(
    "%j has no 227 reply's address",
    (text) => {
      expect(parsePassiveReply(text)).toBeUndefined();
    },
  );
});

describe("a reply", () => {
  test.for([
    ["220 hello\r\n", { reply: { code: 220, text: "hello" }, rest: "" }],
    ["220 hello\nrest", { reply: { code: 220, text: "hello" }, rest: "rest" }],
    ["200 \r\n", { reply: { code: 200, text: "" }, rest: "" }],
    [
      "211-Features:\r\n EPRT\r\n 211 no end\r\n211-still\r\n211 End\r\nx",
      { reply: { code: 211, text: "End" }, rest: "x" },
    ],
    ["220-a\r\n331 b\r\n220 c\r\n", { reply: { code: 220, text: "c" }, rest: "" }],
  ] as const)("%j is whole", ([said, want]) => {
    expect(takeReply(said)).toEqual(want);
  });

  test.for(["", "2", "22", "220", "220 hel", "220-a\r\n", "220-a\r\n220", "220-a\r\nHTTP"])("%j is not yet", (said) => {
    expect(takeReply(said)).toBeUndefined();
  });

  test.for([
    "HTTP/1.1 200 OK\r\n",
    "H",
    "\r\n",
    "020 a\r\n",
    "620 a\r\n",
    "220a\r\n",
    "2200 a\r\n",
    "\0\0",
    " 220 a\r\n",
  ])("%j is no FTP", (said) => {
    expect(takeReply(said)).toBe("not FTP");
  });

  test("whatever comes, piece by piece or at once, is read as the same", () => {
    const text = fc.oneof(fc.string({ unit: fc.constantFrom(..."2201-\r\n aF") }), fc.string({ unit: "binary-ascii" }));
    fc.assert(
      fc.property(text, (said) => {
        const whole = takeReply(said);
        const firsts = Array.from(said, (_, i) => takeReply(said.slice(0, i))).filter((r) => r !== undefined);
        const [first] = firsts;
        if (first === "not FTP") expect(whole).toBe("not FTP");
        else if (first) expect(whole).toMatchObject({ reply: first.reply });
      }),
      { numRuns: 500 },
    );
  });
});

describe("a command", () => {
  test.for([
    ["QUIT", { verb: "QUIT", argument: "" }],
    ["retr a b", { verb: "RETR", argument: "a b" }],
    ["TYPE ", { verb: "TYPE", argument: "" }],
    ["PWD", { verb: "PWD", argument: "" }],
  ] as const)("%j", ([line, want]) => {
    expect(parseFtpCommand(line)).toEqual(want);
  });

  test.for(["", " ", "A", "GE", "QUITS", "RETR\ta", "RETR a\0", "RETR \x7f", "RETR \xff", "Host:", "RE1R a"])(
    "%j is none",
    (line) => {
      expect(parseFtpCommand(line)).toBeUndefined();
    },
  );
});
