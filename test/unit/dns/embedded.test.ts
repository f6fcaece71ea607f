/**
 * The embedded server's answers, byte by byte as dockerd 28.5.2 gave them: test/fixtures/dns/embedded-28.5.2.json holds what containers
 * on a user-defined network asked 127.0.0.11 and heard, and for what was forwarded what the upstream server was asked and said.
 */
import { readFileSync } from "node:fs";
import { decode } from "dns-packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compressMessage } from "../../../src/dns/compress.ts";
import {
  answerEmbedded,
  type EmbeddedForward,
  type NameView,
  type Shuffle,
  shuffleByChance,
} from "../../../src/dns/embedded.ts";
import type { Ipv4 } from "../../../src/net/address.ts";
import { type Asked, headerOf, QR, queryOf, questionOf, RD, readAnswer } from "../../support/dns-message.ts";

interface Row {
  readonly claim: string;
  readonly transport: "udp" | "tcp";
  readonly ndotsSet?: true;
  /** Hexadecimal, as all messages here. */
  readonly query: string;
  /** null: silence. */
  readonly answer: string | null;
  /** What the upstream server was asked, and said. */
  readonly forwarded?: string;
  readonly reply?: string | null;
}

const SEEN = JSON.parse(readFileSync(new URL("../../fixtures/dns/embedded-28.5.2.json", import.meta.url), "utf8")) as {
  names: Record<string, Ipv4[]>;
  reverse: Record<string, string>;
  rows: Row[];
};

const VIEW: NameView = {
  lookup: (name) => SEEN.names[name],
  reverse: (address) => SEEN.reverse[address],
  ndotsSet: false,
};
const NDOTS: NameView = { ...VIEW, ndotsSet: true };
const asIs: Shuffle = (items) => items;

/** Where we differ on purpose. */
const STRICTER: Readonly<Record<string, string>> = {
  "a pointer into the header": "FORMERR",
  "upstream wrongq": "stray: another question",
  "upstream noqr": "stray: no response",
};
const FAILURES = new Set(["upstream servfail", "upstream refused", "upstream garbage", "upstream shorta"]);

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const status = (bytes: Uint8Array): string => readAnswer(bytes).status;

describe("as dockerd 28.5.2", () => {
  test.for(SEEN.rows.filter((row) => row.forwarded === undefined && !row.claim.startsWith("no server")))(
    "$claim",
    ({ query, transport, ndotsSet, answer }) => {
      // the order was the daemon's choice: ours is led to the same one
      const order =
        answer === null ? [] : (decode(hex(answer)).answers ?? []).map((a) => "data" in a && String(a.data));
      const shuffle: Shuffle = (items) =>
        [...items].sort((a, b) => (order.indexOf(String(a)) >>> 0) - (order.indexOf(String(b)) >>> 0));
      const said = answerEmbedded(ndotsSet ? NDOTS : VIEW, hex(query), transport, shuffle);
      expect(said.kind === "answer" ? hexOf(said.bytes) : said.kind).toBe(answer ?? "drop");
    },
  );

  test.for(SEEN.rows.filter((row) => row.forwarded !== undefined && !STRICTER[row.claim]))(
    "forwarded: $claim",
    ({ claim, query, transport, ndotsSet, answer, forwarded = "", reply }) => {
      const said = forwardOf(answerEmbedded(ndotsSet ? NDOTS : VIEW, hex(query), transport, asIs));
      expect(hexOf(said.query)).toBe(forwarded);
      const verdict = said.readReply(hex(reply ?? ""));
      if (verdict.kind === "answer") {
        expect(hexOf(verdict.bytes)).toBe(answer);
        return;
      }
      // nobody else to ask: what the client heard is our own failure
      expect(verdict.kind).toBe("failure");
      expect([...FAILURES].some((failure) => claim.startsWith(failure)) || claim === "upstream big, EDNS 512").toBe(
        true,
      );
      expect(hexOf(said.fail("SERVFAIL"))).toBe(answer);
    },
  );

  test.for(SEEN.rows.filter((row) => row.claim.startsWith("no server")))("$claim", ({ query, answer }) => {
    expect(hexOf(forwardOf(answerEmbedded(VIEW, hex(query), "udp", asIs)).fail("SERVFAIL"))).toBe(answer);
  });

  test("but stricter with a question that points into the header, and with replies to another question", () => {
    const row = (claim: string): Row => SEEN.rows.find((r) => r.claim === claim) as Row;
    const said = answerEmbedded(VIEW, hex(row("a pointer into the header").query), "udp", asIs);
    expect(said.kind === "answer" && status(said.bytes)).toBe("FORMERR");
    for (const claim of ["upstream wrongq", "upstream noqr"]) {
      const { query, reply } = row(claim);
      const verdict = forwardOf(answerEmbedded(VIEW, hex(query), "udp", asIs)).readReply(hex(reply ?? ""));
      expect(verdict).toEqual({ kind: "stray" });
    }
  });
});

describe("names", () => {
  const asked: string[] = [];
  const listening: NameView = { ...VIEW, lookup: (name) => void asked.push(name) };

  test.for<[claim: string, query: Asked, name: string]>([
    ["no last dot", { name: "web.front" }, "web.front"],
    ["letters as spelled", { name: "WeB" }, "WeB"],
    ["the root is empty", { labels: [] }, ""],
    ["a dot in a label has a backslash", { labels: ["web.front"] }, "web\\.front"],
    ["so has a backslash", { labels: ["a\\046b"] }, "a\\\\046b"],
    ["bytes that do not print are numbers", { labels: ["w\xe9\x00"] }, "w\\233\\000"],
  ])("%s", ([, query, name]) => {
    asked.length = 0;
    for (const type of [1, 28, 15]) answerEmbedded(listening, queryOf({ ...query, type }), "udp", asIs);
    expect(asked).toEqual([name, name, name]);
  });

  test.for(["a..b", "", `${"x".repeat(64)}.net`, Array.from({ length: 5 }, () => "y".repeat(60)).join(".")])(
    "a PTR name that DNS cannot say is SERVFAIL: %s",
    (name) => {
      const query = queryOf({ name: "2.0.18.172.in-addr.arpa", type: 12, flags: RD });
      const said = answerEmbedded({ ...VIEW, reverse: () => name }, query, "udp", asIs);
      expect(said.kind === "answer" && readAnswer(said.bytes)).toMatchObject({ status: "SERVFAIL", flags: "rd" });
    },
  );

  test.for(["2.0.18.172.in-addr.arpa.x", "2.0.18.in-addr.arpa", "2.0.18.256.in-addr.arpa", "x2.0.18.172.in-addr.arpa"])(
    "PTR of %s is forwarded",
    (name) => {
      const view: NameView = { ...VIEW, reverse: () => "web.front" };
      expect(answerEmbedded(view, queryOf({ name, type: 12 }), "udp", asIs).kind).toBe("forward");
    },
  );

  test("a known name without addresses is an empty NOERROR", () => {
    const said = answerEmbedded({ ...VIEW, lookup: () => [] }, queryOf({ name: "web" }), "udp", asIs);
    expect(said.kind === "answer" && readAnswer(said.bytes)).toMatchObject({
      status: "NOERROR",
      flags: "ra",
      answers: [],
    });
  });

  test("every order of three addresses comes by chance, and none is lost", () => {
    const orders = new Set(Array.from({ length: 500 }, () => shuffleByChance([1, 2, 3]).join("")));
    expect([...orders].sort()).toEqual(["123", "132", "213", "231", "312", "321"]);
  });
});

describe("a forwarded query", () => {
  const query = queryOf({ id: 7, name: "example.test", flags: RD });
  const forward = forwardOf(answerEmbedded(VIEW, query, "udp", asIs));
  const said = (flags: number, question = query.subarray(12), id = 7): Buffer =>
    Buffer.concat([headerOf({ id, flags: QR | flags }), question]);

  test.for<[claim: string, reply: Uint8Array, kind: string]>([
    ["its answer", said(0), "answer"],
    ["its question in other letters", said(0, questionOf({ name: "ExAmple.TEST" })), "answer"],
    ["another id", said(0, query.subarray(12), 8), "stray"],
    ["another name", said(0, questionOf({ name: "example.tesT.x" })), "stray"],
    ["another type", said(0, questionOf({ name: "example.test", type: 28 })), "stray"],
    ["another class", said(0, questionOf({ name: "example.test", class: 3 })), "stray"],
    ["types that differ like letters", said(0, questionOf({ name: "example.test", type: 0x41 })), "stray"],
    ["the query itself", query, "stray"],
    ["a lone header that refuses", headerOf({ id: 7, flags: QR | 1, questions: 0 }), "answer"],
    ["a lone header that says NOERROR", headerOf({ id: 7, flags: QR, questions: 0 }), "stray"],
    ["a lone header with SERVFAIL", headerOf({ id: 7, flags: QR | 2, questions: 0 }), "failure"],
    ["no header", said(0).subarray(0, 11), "failure"],
    ["NXDOMAIN", said(3), "answer"],
    ["REFUSED", said(5), "failure"],
  ])("hears %s", ([, reply, kind]) => {
    expect(forward.readReply(reply).kind).toBe(kind);
  });

  test("fails with SERVFAIL or REFUSED, without ra", () => {
    expect(readAnswer(forward.fail("SERVFAIL"))).toMatchObject({ status: "SERVFAIL", flags: "rd" });
    expect(readAnswer(forward.fail("REFUSED"))).toMatchObject({ status: "REFUSED", flags: "rd" });
  });
});

describe("compressMessage()", () => {
  test.for<[claim: string, message: string]>([
    ["a pointer that leads forwards", "0000 8000 0001 0000 0000 0000 c00e 0001 0001"],
    ["a pointer to itself", "0000 8000 0001 0000 0000 0000 c00c 0001 0001"],
    ["label type 01", "0000 8000 0001 0000 0000 0000 41 61 00 0001 0001"],
    ["a name that leaves its data", "0000 8000 0000 0001 0000 0000 00 0005 0001 00000000 0002 03 616263 00"],
    ["data that goes on after its name", "0000 8000 0000 0001 0000 0000 00 0005 0001 00000000 0004 0161 00 00"],
    ["data beyond the message", "0000 8000 0000 0001 0000 0000 00 0010 0001 00000000 0009 00"],
  ])("refuses %s", ([, message]) => {
    expect(compressMessage(hex(message))).toBeUndefined();
  });

  test("126 pointers in a row are followed, 127 are not", () => {
    const message = (count: number): Buffer => {
      // in data that nobody reads: the root at offset 23, and pointers, each to the one before
      const chain = Buffer.alloc(1 + 2 * count);
      for (let i = 0; i < count; i++) chain.writeUInt16BE(0xc000 | (i === 0 ? 23 : 22 + 2 * i), 1 + 2 * i);
      const size = Buffer.alloc(2);
      size.writeUInt16BE(chain.length);
      const head = Buffer.concat([hex("0000 8000 0000 0002 0000 0000 00 ff00 0001 00000000"), size]);
      const last = Buffer.alloc(2);
      last.writeUInt16BE(0xc000 | (22 + 2 * count));
      return Buffer.concat([head, chain, last, hex("0001 0001 00000000 0000")]);
    };
    expect(compressMessage(message(125))).toBeDefined();
    expect(compressMessage(message(126))).toBeUndefined();
  });

  test("names that no longer fit in full are refused", () => {
    const name = Buffer.concat([...Array.from({ length: 3 }, () => hex(`3f${"61".repeat(63)}`)), hex("00")]);
    const srv = hex("c00c 0021 0001 00000000 0008 0000 0000 0000 c00c");
    const message = (count: number): Buffer => {
      const header = hex("0000 8000 0001 0000 0000 0000");
      header.writeUInt16BE(count, 6);
      return Buffer.concat([header, name, hex("0021 0001"), ...Array.from({ length: count }, () => srv)]);
    };
    expect(compressMessage(message(300))?.bytes.length).toBe(12 + 193 + 4 + 300 * (18 + 193));
    expect(compressMessage(message(400))).toBeUndefined();
  });

  test("what it wrote it writes again the same", () => {
    const replies = SEEN.rows.flatMap(({ reply }) => (reply ? [hex(reply)] : []));
    expect(replies.length).toBeGreaterThan(40);
    for (const reply of replies) {
      const once = compressMessage(reply);
      if (once) expect(compressMessage(once.bytes)).toEqual(once);
    }
  });
});

describe("whatever the bytes", () => {
  const messages = SEEN.rows.flatMap(({ query, reply }) => [hex(query), ...(reply ? [hex(reply)] : [])]);
  /** Random bytes, and real messages cut, changed and lengthened. */
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 700 }),
    fc
      .tuple(
        fc.constantFrom(...messages),
        fc.array(fc.tuple(fc.nat({ max: 700 }), fc.nat({ max: 255 })), { maxLength: 4 }),
        fc.nat({ max: 700 }),
        fc.uint8Array({ maxLength: 20 }),
      )
      .map(([message, changes, cut, tail]) => {
        const bytes = Buffer.concat([message.subarray(0, Math.max(cut, message.length - cut)), tail]);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return new Uint8Array(bytes);
      }),
  );

  test("a query never throws, a response is never answered, an answer fits and repeats id and question", () => {
    fc.assert(
      fc.property(anything, fc.constantFrom("udp" as const, "tcp" as const), (bytes, transport) => {
        const said = answerEmbedded(VIEW, bytes, transport, shuffleByChance);
        if (bytes.length < 12 || ((bytes[2] ?? 0) & 0x80) !== 0) expect(said).toEqual({ kind: "drop" });
        if (said.kind === "drop") return;
        const answer = Buffer.from(said.kind === "answer" ? said.bytes : said.fail("SERVFAIL"));
        expect(answer.subarray(0, 2)).toEqual(Buffer.from(bytes.subarray(0, 2)));
        expect(answer.length).toBeLessThanOrEqual(65_535);
        expect((answer[2] ?? 0) & 0x80).toBe(0x80);
        readAnswer(answer); // parses, to its last byte
        if (said.kind === "forward")
          expect(answer.subarray(12)).toEqual(Buffer.from(said.query).subarray(12, answer.length));
      }),
      { numRuns: 5000 },
    );
  });

  test("a reply never throws, and is passed on only to the query that it belongs to", () => {
    fc.assert(
      fc.property(anything, fc.constantFrom(...messages), (reply, message) => {
        const said = answerEmbedded({ ...VIEW, lookup: () => undefined }, message, "udp", asIs);
        if (said.kind !== "forward") return;
        const verdict = said.readReply(reply);
        if (verdict.kind !== "answer") return;
        const passed = Buffer.from(verdict.bytes);
        expect(passed.readUInt16BE(0)).toBe(message.readUInt16BE(0));
        expect((passed[2] ?? 0) & 0x80).toBe(0x80);
        expect(passed.length).toBeLessThanOrEqual(65_535);
      }),
      { numRuns: 5000 },
    );
  });
});

function forwardOf(said: ReturnType<typeof answerEmbedded>): EmbeddedForward {
  if (said.kind !== "forward") throw new Error(`not forwarded: ${said.kind}`);
  return said;
}
