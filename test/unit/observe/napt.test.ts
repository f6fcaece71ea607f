import { expect, test } from "vitest";
import { compareNapt } from "../../../src/observe/napt.ts";
import type { CheckResult } from "../../../src/observe/report.ts";
import type { Check } from "../../../src/plan/check/check.ts";

interface Sent {
  readonly from: string;
  readonly sourcePort?: number;
  readonly seenAs?: string;
  readonly address?: string;
}

const verdicts = (...sent: readonly Sent[]): string[] => {
  const checks = sent.map(({ from, sourcePort, address = "203.0.113.80" }) => ({
    probe: { from, address, port: 80, proto: "tcp", ...(sourcePort ? { sourcePort } : {}) },
  }));
  const results = sent.map(({ from, seenAs }) => ({ from, verdict: "PASS", reasons: [], observed: { seenAs } }));
  return compareNapt(results as unknown as CheckResult[], checks as unknown as Check[]).map(({ verdict, reasons }) =>
    [verdict, ...reasons].join(": "),
  );
};

test("senders that are seen as one fail, and each names the other", () => {
  const seenAs = "203.0.113.91:40000";
  expect(verdicts({ from: "a", sourcePort: 40000, seenAs }, { from: "b", sourcePort: 40000, seenAs })).toEqual([
    "FAIL: both a and b were seen as 203.0.113.91:40000: the port was not rewritten",
    "FAIL: both b and a were seen as 203.0.113.91:40000: the port was not rewritten",
  ]);
});

test.for<[string, Sent, Sent]>([
  [
    "another port of the address",
    { from: "a", sourcePort: 40000, seenAs: "203.0.113.91:40000" },
    { from: "b", sourcePort: 40000, seenAs: "203.0.113.91:1024" },
  ],
  [
    "an address of their own each, as by 1:1 NAT",
    { from: "a", sourcePort: 40000, seenAs: "203.0.113.91:40000" },
    { from: "b", sourcePort: 40000, seenAs: "203.0.113.92:40000" },
  ],
  [
    "the same, by two servers",
    { from: "a", sourcePort: 40000, seenAs: "203.0.113.91:40000" },
    { from: "b", sourcePort: 40000, seenAs: "203.0.113.91:40000", address: "203.0.113.53" },
  ],
  [
    "the same, where it is one sender twice",
    { from: "a", sourcePort: 40000, seenAs: "203.0.113.91:40000" },
    { from: "a", sourcePort: 40000, seenAs: "203.0.113.91:40000" },
  ],
  [
    "the same, where the ports were the kernel's choice",
    { from: "a", seenAs: "203.0.113.91:40000" },
    { from: "b", seenAs: "203.0.113.91:40000" },
  ],
  ["nothing at all", { from: "a", sourcePort: 40000 }, { from: "b", sourcePort: 40000 }],
])("seen as %s: nothing is wrong", ([, a, b]) => {
  expect(verdicts(a, b)).toEqual(["PASS", "PASS"]);
});
