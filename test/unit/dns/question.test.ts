import { describe, expect, test } from "vitest";
import { answerQuery } from "../../../src/dns/authority.ts";
import { decodeAnswer, decodeWhoami, encodeQuestion, encodeWhoami } from "../../../src/dns/question.ts";
import { whoamiZone, worldZones } from "../../../src/dns/zone.ts";
import { WORLD } from "../../support/state.ts";

const LINE = "service=@internet port=53/udp from=203.0.113.91:40000 to=203.0.113.53:53";
const said = (query: Uint8Array, transport: "udp" | "tcp" = "udp"): Uint8Array =>
  answerQuery([...worldZones(WORLD), whoamiZone(LINE)], query, transport) ?? new Uint8Array();

describe("who am I", () => {
  test("is answered with the line of this very query, which nobody may keep", () => {
    const answer = said(encodeWhoami(7, 0));
    expect(decodeWhoami(7, answer)).toBe(LINE);
    expect(Buffer.from(answer).includes(Buffer.from([0, 16, 0, 1, 0, 0, 0, 0, 0, LINE.length + 1, LINE.length]))).toBe(
      true,
    );
  });

  test("has the length that is asked for, whatever the id", () => {
    const lengths = Array.from({ length: 1024 }, (_, n) => encodeWhoami(n, n).length);
    const [shortest = 0] = lengths;
    expect(lengths).toEqual(Array.from({ length: 1024 }, (_, n) => shortest + n));
    expect(lengths.every((length, n) => length <= 1232 && decodeWhoami(n, said(encodeWhoami(n, n))) === LINE)).toBe(
      true,
    );
  });

  test.for<[why: string, answer: Uint8Array]>([
    ["another id", said(encodeWhoami(8, 0))],
    ["a query", encodeWhoami(7, 0)],
    ["an answer to another question", said(encodeQuestion(7, "www.example.test"))],
    ["no such name", said(encodeQuestion(7, "nobody.example.test"))],
    ["half an answer", said(encodeWhoami(7, 0)).subarray(0, 60)],
    ["nothing", new Uint8Array()],
  ])("%s holds no line", ([, answer]) => {
    expect(decodeWhoami(7, answer)).toBeUndefined();
  });
});

test("an A answer tells its addresses and how it was answered", () => {
  expect(decodeAnswer(7, said(encodeQuestion(7, "www.example.test")))).toEqual({
    rcode: "NOERROR",
    addresses: ["203.0.113.80"],
  });
  expect(decodeAnswer(7, said(encodeQuestion(7, "nobody.example.test")))).toEqual({ rcode: "NXDOMAIN", addresses: [] });
  expect(decodeAnswer(8, said(encodeQuestion(7, "www.example.test")))).toBeUndefined();
});
