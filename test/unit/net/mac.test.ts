import fc from "fast-check";
import { expect, test } from "vitest";
import { macFromBytes, macToBytes, parseMac } from "../../../src/net/mac.ts";

test.for([
  ["colons", "02:42:ac:11:00:02", "02:42:ac:11:00:02"],
  ["upper case", "02:42:AC:11:00:02", "02:42:ac:11:00:02"],
  ["hyphens", "02-42-ac-11-00-02", "02:42:ac:11:00:02"],
  ["a globally administered one", "f0:de:f1:00:00:01", "f0:de:f1:00:00:01"],
] as const)("%s make a MAC, written in lower case with colons", ([, text, want]) => {
  expect(parseMac(text)).toBe(want);
});

test.for([
  ["no hexadecimal", "zz"],
  ["colons and hyphens mixed", "02:42-ac:11:00:02"],
  ["five bytes", "02:42:ac:11:00"],
  ["seven bytes", "02:42:ac:11:00:02:03"],
  ["eight bytes (EUI-64)", "02:00:5e:10:00:00:00:01"],
  ["one digit in a byte", "2:42:ac:11:0:2"],
  ["no separators", "0242ac110002"],
  ["a trailing newline", "02:42:ac:11:00:02\n"],
  ["nothing", ""],
] as const)("%s is refused in Docker's words", ([, text]) => {
  expect(() => parseMac(text)).toThrow(`${text} is not a valid mac address`);
});

test.for([
  ["broadcast", "ff:ff:ff:ff:ff:ff"],
  ["multicast", "01:00:5e:00:00:01"],
  ["all zeros", "00:00:00:00:00:00"],
] as const)("%s is the address of no one interface", ([, text]) => {
  expect(() => parseMac(text)).toThrow("it is not the address of one interface");
});

test("a MAC from bytes is locally administered, unicast, and parses", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 32 }), (bytes) => {
      const mac = macFromBytes(bytes);
      const [first = 0, ...rest] = macToBytes(parseMac(mac));
      expect(first & 0b11).toBe(0b10);
      expect(first & 0xfc).toBe((bytes[0] ?? 0) & 0xfc);
      expect(rest).toEqual([...bytes.slice(1, 6)]);
    }),
  );
});
