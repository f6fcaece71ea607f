import { decode } from "dns-packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerQuery, EDNS_UDP_BYTES } from "../../../src/dns/authority.ts";
import { worldZones, type Zone } from "../../../src/dns/zone.ts";
import type { Ipv4 } from "../../../src/net/address.ts";
import {
  AD,
  type Asked,
  CD,
  headerOf,
  type Opt,
  optOf,
  QR,
  queryOf,
  questionOf,
  RD,
  readAnswer,
  type Said,
} from "../../support/dns-message.ts";
import { WORLD } from "../../support/state.ts";

const ZONES = worldZones(WORLD);
const SOA = "SOA ns.example.test hostmaster.example.test 1 3600 600 86400 60";
const REVERSE = "113.0.203.in-addr.arpa";
const NOTHING = { opcode: 0, question: "", answers: [], authorities: [] };
const FORMERR: Said = { status: "FORMERR", flags: "" };
const REFUSED: Said = { status: "REFUSED", flags: "" };

const found = (...answers: string[]): Said => ({ status: "NOERROR", flags: "aa", answers });
/** Kept for the SOA's minimum, which is less than its TTL. */
const absent = (status: "NOERROR" | "NXDOMAIN", zone: string): Said => ({
  status,
  flags: "aa",
  authorities: [`${zone} 60 ${SOA}`],
});

describe("answerQuery()", () => {
  test.for<[claim: string, query: Asked, answer: Said]>([
    ["the web server", { name: "www.example.test" }, found("www.example.test 300 A 203.0.113.80")],
    ["the zone's own name", { name: "example.test" }, found("example.test 300 A 203.0.113.80")],
    ["the name server", { name: "dns.example.test" }, found("dns.example.test 300 A 203.0.113.53")],
    [
      "the name server, as the NS record names it",
      { name: "ns.example.test" },
      found("ns.example.test 300 A 203.0.113.53"),
    ],
    ["the router's public side", { name: "router.example.test" }, found("router.example.test 300 A 203.0.113.91")],
    ["NS", { name: "example.test", type: 2 }, found("example.test 300 NS ns.example.test")],
    ["SOA", { name: "example.test", type: 6 }, found(`example.test 300 ${SOA}`)],
    [
      "ANY: every record of the name",
      { name: "example.test", type: 255 },
      found(`example.test 300 ${SOA}`, "example.test 300 NS ns.example.test", "example.test 300 A 203.0.113.80"),
    ],
    [
      "PTR",
      { name: "80.113.0.203.in-addr.arpa", type: 12 },
      found("80.113.0.203.in-addr.arpa 300 PTR www.example.test"),
    ],
    [
      "PTR of the name server",
      { name: "53.113.0.203.in-addr.arpa", type: 12 },
      found("53.113.0.203.in-addr.arpa 300 PTR dns.example.test"),
    ],
    [
      "PTR of the router",
      { name: "91.113.0.203.in-addr.arpa", type: 12 },
      found("91.113.0.203.in-addr.arpa 300 PTR router.example.test"),
    ],
    [
      "capitals match, and the spelling comes back in question and answer",
      { name: "wWw.ExAmPlE.TesT" },
      found("wWw.ExAmPlE.TesT 300 A 203.0.113.80"),
    ],
    ["AAAA of a name with A: no data", { name: "www.example.test", type: 28 }, absent("NOERROR", "example.test")],
    ["a type that nobody knows: no data", { name: "www.example.test", type: 65280 }, absent("NOERROR", "example.test")],
    ["PTR zone, A of an address: no data", { name: "80.113.0.203.in-addr.arpa" }, absent("NOERROR", REVERSE)],
    ["unknown name", { name: "nobody.example.test" }, absent("NXDOMAIN", "example.test")],
    ["unknown name below a known one", { name: "a.www.example.test" }, absent("NXDOMAIN", "example.test")],
    ["unknown address", { name: "1.113.0.203.in-addr.arpa", type: 12 }, absent("NXDOMAIN", REVERSE)],
    ["a dot inside a label is not a border of labels", { labels: ["www.example", "test"] }, REFUSED],
    [
      "nor is a dot before the zone's name",
      { labels: ["evil.", "example", "test"] },
      absent("NXDOMAIN", "example.test"),
    ],
    ["bytes beyond ASCII", { labels: ["\xff\xe9", "example", "test"] }, absent("NXDOMAIN", "example.test")],
    ["a name outside", { name: "example.com" }, REFUSED],
    ["a name that only ends like the zone", { name: "notexample.test" }, REFUSED],
    ["the parent of the zone", { name: "test" }, REFUSED],
    ["the root", { labels: [] }, REFUSED],
    ["another reverse zone", { name: "1.0.17.172.in-addr.arpa", type: 12 }, REFUSED],
    ["class CH", { name: "www.example.test", class: 3 }, REFUSED],
    ["class ANY", { name: "www.example.test", class: 255 }, REFUSED],
    ["a zone transfer", { name: "example.test", type: 252 }, REFUSED],
    ["an incremental one", { name: "example.test", type: 251 }, REFUSED],
    [
      "RD and CD are copied, RA and AD never set",
      { name: "nobody.example.com", flags: RD | AD | CD },
      { status: "REFUSED", flags: "rd cd" },
    ],
    [
      "EDNS is answered with EDNS",
      { name: "www.example.test", opt: { udpBytes: 4096 } },
      { ...found("www.example.test 300 A 203.0.113.80"), edns: "version 0 udp 1232" },
    ],
    [
      "DO is copied; options are ignored",
      { name: "example.com", opt: { udpBytes: 1232, dnssecOk: true, options: [0, 10, 0, 2, 1, 2] } },
      { status: "REFUSED", flags: "", edns: "version 0 udp 1232 do" },
    ],
    [
      "EDNS version 1: BADVERS",
      { name: "www.example.test", opt: { udpBytes: 1232, version: 1 } },
      { status: "BADVERS", flags: "", edns: "version 0 udp 1232" },
    ],
  ])("%s", ([, asked, said]) => {
    const query = queryOf(asked);
    const expected = { question: query.subarray(12, 12 + questionOf(asked).length).toString("latin1"), ...said };
    for (const transport of ["udp", "tcp"] as const) {
      expect(readAnswer(answerQuery(ZONES, query, transport))).toEqual({ ...NOTHING, ...expected });
    }
  });

  const www = questionOf({ name: "www.example.test" });
  const opt = optOf({ udpBytes: 1232 });
  test.for<[claim: string, query: Uint8Array, said: Said]>([
    ["a header alone", headerOf({ questions: 0 }), FORMERR],
    ["a header that promises a question", headerOf({}), FORMERR],
    ["two questions", Buffer.concat([headerOf({ questions: 2 }), www, www]), FORMERR],
    ["no question but an OPT", Buffer.concat([headerOf({ questions: 0, additionals: 1 }), opt]), FORMERR],
    ["a name that ends too early", Buffer.concat([headerOf({}), www.subarray(0, 9)]), FORMERR],
    ["a question without its class", Buffer.concat([headerOf({}), www.subarray(0, -2)]), FORMERR],
    ["bytes after the message", Buffer.concat([headerOf({}), www, Buffer.from([0])]), FORMERR],
    ["a pointer as the question", Buffer.concat([headerOf({}), hex("c00c 0001 0001")]), FORMERR],
    ["label type 01", Buffer.concat([headerOf({}), hex("41 61 00 0001 0001")]), FORMERR],
    ["a name of 256 bytes", Buffer.concat([headerOf({}), nameOf(256), hex("0001 0001")]), FORMERR],
    ["two OPT records", Buffer.concat([headerOf({ additionals: 2 }), www, opt, opt]), FORMERR],
    ["an OPT record among the answers", Buffer.concat([headerOf({ answers: 1 }), www, opt]), FORMERR],
    [
      "an OPT record with a name",
      Buffer.concat([headerOf({ additionals: 1 }), www, hex("0161 00"), opt.subarray(1)]),
      FORMERR,
    ],
    [
      "an EDNS option longer than its record",
      Buffer.concat([headerOf({ additionals: 1 }), www, optOf({ udpBytes: 512, options: [0, 10, 0, 9, 1] })]),
      FORMERR,
    ],
    [
      "a record longer than the message",
      Buffer.concat([headerOf({ additionals: 1 }), www, hex("00 0001 0001 00000000 0004 7f")]),
      FORMERR,
    ],
    [
      "a record whose name points forwards",
      Buffer.concat([headerOf({ additionals: 1 }), www, hex("c0ff 0001 0001 00000000 0000")]),
      FORMERR,
    ],
    ["opcode STATUS", Buffer.concat([headerOf({ flags: 2 << 11 }), www]), { status: "NOTIMP", flags: "", opcode: 2 }],
    ["opcode 15, nothing else", headerOf({ flags: 15 << 11 }), { status: "NOTIMP", flags: "", opcode: 15 }],
  ])("malformed or not a query: %s", ([, query, said]) => {
    expect(readAnswer(answerQuery(ZONES, query, "udp"))).toEqual({ ...NOTHING, ...said });
  });

  test("a name of 255 bytes is the longest", () => {
    const query = Buffer.concat([headerOf({}), nameOf(255), hex("0001 0001")]);
    expect(readAnswer(answerQuery(ZONES, query, "udp"))).toMatchObject({ status: "REFUSED" });
  });

  test("records that are not asked about do not disturb, compressed or not", () => {
    const query = Buffer.concat([
      headerOf({ answers: 1, additionals: 1 }),
      questionOf({ name: "www.example.test" }),
      hex("c00c 0001 0001 0000003c 0004 01020304"),
      hex("00 0001 0001 0000003c 0000"),
    ]);
    expect(readAnswer(answerQuery(ZONES, query, "udp"))).toMatchObject({ status: "NOERROR", flags: "aa" });
  });

  test.for<[string, Uint8Array]>([
    ["no bytes", Buffer.alloc(0)],
    ["eleven bytes", Buffer.alloc(11)],
    ["a response", Buffer.concat([headerOf({ flags: QR }), www])],
    ["a response with an opcode", headerOf({ flags: QR | (4 << 11) })],
  ])("says nothing to %s", ([, query]) => {
    expect(answerQuery(ZONES, query, "udp")).toBeUndefined();
    expect(answerQuery(ZONES, query, "tcp")).toBeUndefined();
  });

  test("is, byte by byte, what RFC 1035 section 4 draws", () => {
    const query = hex(
      "beef 0100 0001 0000 0000 0001 03 777777 07 6578616d706c65 04 74657374 00 0001 0001 00 0029 04d0 00000000 0000",
    );
    expect(Buffer.from(answerQuery(ZONES, query, "udp") ?? []).toString("hex")).toBe(
      hex(`beef 8500 0001 0001 0000 0001
        03 777777 07 6578616d706c65 04 74657374 00 0001 0001
        03 777777 07 6578616d706c65 04 74657374 00 0001 0001 0000012c 0004 cb007150
        00 0029 04d0 00000000 0000`).toString("hex"),
    );
  });

  test("addresses in two /24 networks have two reverse zones", () => {
    const zones = worldZones({ ...WORLD, internet: { ...WORLD.internet, www: "198.51.100.7" as Ipv4 } });
    expect(zones.map(({ origin }) => origin)).toEqual([
      "example.test",
      "100.51.198.in-addr.arpa",
      "113.0.203.in-addr.arpa",
    ]);
    const query = queryOf({ name: "7.100.51.198.in-addr.arpa", type: 12 });
    expect(readAnswer(answerQuery(zones, query, "udp")).answers).toEqual([
      "7.100.51.198.in-addr.arpa 300 PTR www.example.test",
    ]);
  });

  test("a name with nothing but longer names below it exists (RFC 8020)", () => {
    const zone: Zone = { ...manyRecords(0), records: [{ name: "a.b.many.test", type: "A", data: "10.0.0.1" as Ipv4 }] };
    const ask = (name: string): Said => readAnswer(answerQuery([zone], queryOf({ name }), "udp"));
    expect(["a.b.many.test", "b.many.test", "many.test", "c.many.test"].map((name) => ask(name).status)).toEqual([
      "NOERROR",
      "NOERROR",
      "NOERROR",
      "NXDOMAIN",
    ]);
  });

  test("of a zone and the one below it, the lower answers, in whatever order they stand", () => {
    const upper = manyRecords(1);
    const lower: Zone = { ...upper, origin: "sub.many.test", records: [] };
    for (const zones of [
      [upper, lower],
      [lower, upper],
    ]) {
      const answer = readAnswer(answerQuery(zones, queryOf({ name: "x.sub.many.test" }), "udp"));
      expect(answer.authorities).toEqual([`sub.many.test 60 ${SOA}`]);
    }
  });
});

describe("truncation", () => {
  const full = (zone: Zone): number => answerQuery([zone], queryOf({ name: "many.test" }), "tcp")?.length ?? 0;

  test.for<[claim: string, records: number, opt: Opt | undefined, truncated: boolean]>([
    ["30 records fit in 512 bytes? no", 30, undefined, true],
    ["15 do", 15, undefined, false],
    ["30 fit in the 1232 of EDNS", 30, { udpBytes: 1232 }, false],
    ["a client that can take less than 512 means 512", 15, { udpBytes: 0 }, false],
    ["a client that can take more than 1232 is not sent more", 60, { udpBytes: 65_535 }, true],
  ])("%s", ([, records, opt, truncated]) => {
    const zone = manyRecords(records);
    const answer = readAnswer(answerQuery([zone], queryOf({ name: "many.test", ...(opt ? { opt } : {}) }), "udp"));
    expect(answer.flags).toBe(truncated ? "aa tc" : "aa");
    expect(answer.answers).toHaveLength(truncated ? 0 : records);
    expect(answer.edns).toBe(opt ? "version 0 udp 1232" : undefined);
  });

  test("over TCP everything comes, up to what the length can say", () => {
    const answer = readAnswer(answerQuery([manyRecords(1000)], queryOf({ name: "many.test" }), "tcp"));
    expect(answer.flags).toBe("aa");
    expect(answer.answers).toHaveLength(1000);
    const tooMany = readAnswer(answerQuery([manyRecords(5000)], queryOf({ name: "many.test" }), "tcp"));
    expect(tooMany).toMatchObject({ flags: "aa tc", answers: [] });
  });

  test("property: an answer is as long as allowed at most, and whole whenever it fits", () => {
    const size = fc.oneof(fc.constant(undefined), fc.nat({ max: 65_535 }), fc.nat({ max: 2000 }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), size, (records, udpBytes) => {
        const zone = manyRecords(records);
        const asked = { name: "many.test", ...(udpBytes === undefined ? {} : { opt: { udpBytes } }) };
        const allowed = udpBytes === undefined ? 512 : Math.min(1232, Math.max(512, udpBytes));
        const answer = answerQuery([zone], queryOf(asked), "udp");
        const whole = full(zone) + (udpBytes === undefined ? 0 : 11);
        expect(answer?.length).toBe(whole <= allowed ? whole : 12 + 15 + (udpBytes === undefined ? 0 : 11));
      }),
    );
  });
});

describe("property: any bytes", () => {
  const transports = fc.constantFrom("udp" as const, "tcp" as const);
  const random = fc.uint8Array({ maxLength: 600 });
  const asked: fc.Arbitrary<Asked> = fc.record(
    {
      name: fc.constantFrom("www.example.test", "x.example.test", "80.113.0.203.in-addr.arpa", "example.com"),
      type: fc.constantFrom(1, 2, 6, 12, 28, 41, 252, 255),
      class: fc.constantFrom(1, 3, 255),
      opt: fc.record({ udpBytes: fc.nat({ max: 65_535 }), dnssecOk: fc.boolean() }),
    },
    { requiredKeys: ["name"] },
  );
  const edits = fc.array(fc.tuple(fc.nat({ max: 80 }), fc.nat({ max: 255 })), { maxLength: 4 });
  const mutated = fc.tuple(asked, edits, fc.nat({ max: 80 }), fc.boolean()).map(([query, changes, cut, isCut]) => {
    const bytes = queryOf(query);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return isCut ? bytes.subarray(0, cut) : bytes;
  });

  test("never throw, never make it answer a response, never get more than allowed", () => {
    fc.assert(
      fc.property(fc.oneof(random, mutated), transports, (query, transport) => {
        const before = Buffer.from(query);
        const answer = answerQuery(ZONES, query, transport);
        expect(Buffer.from(query).equals(before)).toBe(true);
        const isQuery = query.length >= 12 && ((query[2] ?? 0) & 0x80) === 0;
        expect(answer !== undefined).toBe(isQuery);
        if (!answer) return;
        const [id, response] = [Buffer.from(answer).readUInt16BE(0), decode(Buffer.from(answer))];
        expect(id).toBe(before.readUInt16BE(0));
        expect(response.type).toBe("response");
        expect(decode.bytes).toBe(answer.length);
        if (transport === "udp")
          expect(answer.length).toBeLessThanOrEqual(response.additionals?.length ? EDNS_UDP_BYTES : 512);
        // what it says itself, it does not answer
        expect(answerQuery(ZONES, answer, transport)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });
});

/** White space is for the reader. */
function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

/** A name of so many bytes, of labels of at most 63. */
function nameOf(length: number): Buffer {
  const labels: Buffer[] = [];
  for (let left = length - 1; left > 0; ) {
    // no label may be left with its length byte alone
    const size = left - 64 === 1 ? 62 : Math.min(63, left - 1);
    labels.push(Buffer.concat([Buffer.from([size]), Buffer.alloc(size, "x")]));
    left -= size + 1;
  }
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function manyRecords(count: number): Zone {
  const [zone] = ZONES;
  if (!zone) throw new Error("no zone");
  return {
    ...zone,
    origin: "many.test",
    records: Array.from({ length: count }, (_, i) => ({
      name: "many.test",
      type: "A" as const,
      data: `10.0.${i >> 8}.${i & 255}` as Ipv4,
    })),
  };
}
