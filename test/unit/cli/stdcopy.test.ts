/** Output frames come apart as they were put together, and the detach keys are found, however the bytes are cut. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { DetachFilter, readDetachKeys } from "../../../src/cli/docker/detach-keys.ts";
import { Demultiplexer } from "../../../src/cli/docker/stdcopy.ts";
import { readTimestamp } from "../../../src/cli/docker/timestamp.ts";

function frame(stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(stream, 0);
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

function* pieces(bytes: Buffer, size: number): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("every payload reaches its stream, in order, in pieces of any size", () => {
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })), { maxLength: 12 });
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 30 }), (sent, size) => {
      const got: Record<number, Buffer[]> = { 1: [], 2: [] };
      const demultiplexer = new Demultiplexer(
        (bytes) => got[1]?.push(Buffer.from(bytes)),
        (bytes) => got[2]?.push(Buffer.from(bytes)),
      );
      const stream = Buffer.concat(sent.map(([to, payload]) => frame(to, Buffer.from(payload))));
      for (const piece of pieces(stream, size)) demultiplexer.push(piece);
      for (const to of [1, 2])
        expect(Buffer.concat(got[to] ?? [])).toEqual(Buffer.concat(sent.filter(([s]) => s === to).map(([, p]) => p)));
    }),
  );
});

test("an error that the daemon puts into the stream, and an unknown stream, are refused", () => {
  const into = () =>
    new Demultiplexer(
      () => undefined,
      () => undefined,
    );
  expect(() => into().push(frame(3, Buffer.from("no space")))).toThrow("error from daemon in stream: no space");
  expect(() => into().push(frame(9, Buffer.from("x")))).toThrow("Unrecognized input header: 9");
});

test("the keys are found wherever they stand; what comes before them is sent, what comes after is not", () => {
  const typed = fc.array(fc.constantFrom(16, 17, 65), { maxLength: 20 });
  fc.assert(
    fc.property(typed, fc.integer({ min: 1, max: 5 }), (bytes, size) => {
      const filter = new DetachFilter(readDetachKeys("") ?? Buffer.alloc(0));
      const out: Buffer[] = [];
      let detached = false;
      for (const piece of pieces(Buffer.from(bytes), size)) {
        const step = filter.push(piece);
        out.push(step.bytes);
        detached = step.detached;
        if (detached) break;
      }
      const text = Buffer.from(bytes).toString("latin1");
      const at = text.indexOf("\u0010\u0011");
      const whole = at >= 0 ? text.slice(0, at) : text.endsWith("\u0010") ? text.slice(0, -1) : text;
      expect({ detached, out: Buffer.concat(out).toString("latin1") }).toEqual({ detached: at >= 0, out: whole });
    }),
  );
});

test.each([
  ["ctrl-a,x", [1, 120]],
  ["ctrl-\\", [28]],
  ["DEL", [127]],
  ["", [16, 17]],
])("detach keys %j", (text, codes) => {
  expect([...(readDetachKeys(text) ?? [])]).toEqual(codes);
});

test("unknown detach keys are none", () => {
  expect(readDetachKeys("foo")).toBeUndefined();
  expect(readDetachKeys("ctrl-A")).toBeUndefined();
});

const NOW = new Date("2026-01-02T03:04:05.600Z");

test.each([
  ["1h", "1767319445"],
  ["1.5", "1.5"],
  ["0", "0"],
  ["2020-01-01T00:00:00.5Z", "1577836800.500000000"],
  ["2020-01-01T02:00:00+02:00", "1577836800.000000000"],
])("the moment %s is sent as %s", (text, sent) => {
  expect(readTimestamp(text, NOW)).toBe(sent);
});

test.each([
  ["foo", 'failed to parse value as time or duration: "foo"'],
  ["2020-13-01", 'parsing time "2020-13-01": month out of range'],
  ["2020-02-30", 'parsing time "2020-02-30": day out of range'],
])("the moment %s is refused", (text, message) => {
  expect(() => readTimestamp(text, NOW)).toThrow(message);
});
