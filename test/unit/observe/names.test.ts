import { expect, test } from "vitest";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { NodeName } from "../../../src/net/name.ts";
import type { Instruments, NameReply } from "../../../src/observe/instruments.ts";
import { verifyNames } from "../../../src/observe/names.ts";
import { excuseSilence } from "../../../src/observe/neighbour-table.ts";
import type { NameCheck } from "../../../src/plan/check/name.ts";

const DB = "172.18.0.3" as Ipv4;
const check = (name: string): NameCheck => ({
  id: `name/web/${name}`,
  claim: `web resolves ${name}`,
  from: "web" as NodeName,
  name,
  expected: { kind: "resolves", addresses: [DB] },
  because: "they share a network",
});
const SILENT: NameReply = { outcome: "silent", afterMs: 3000 };
const ANSWER: NameReply = { outcome: "answer", rcode: "NOERROR", addresses: [DB], afterMs: 1 };
const SERVFAIL: NameReply = { outcome: "answer", rcode: "SERVFAIL", addresses: [], afterMs: 1 };
const UNKNOWN: NameReply = { outcome: "answer", rcode: "NXDOMAIN", addresses: [], afterMs: 1 };

/** @param replies what each name is answered, one question after the other; the last one from then on */
async function verified(replies: Readonly<Record<string, readonly NameReply[]>>) {
  const asked: Record<string, number> = {};
  const resolve: Instruments["resolve"] = async ({ name }) => {
    const nth = asked[name] ?? 0;
    asked[name] = nth + 1;
    return replies[name]?.[nth] ?? replies[name]?.at(-1) ?? SILENT;
  };
  const { results, askedAgain } = await verifyNames({ resolve } as Instruments, Object.keys(replies).map(check), {
    answerDeadlineMs: 10,
  });
  return { verdicts: results.map((r) => r.verdict), askedAgain, asked, results };
}

test("one silence beside answers is asked for again, and so is a SERVFAIL; that it was is counted", async () => {
  const { verdicts, askedAgain, asked } = await verified({
    db: [ANSWER],
    late: [SILENT, ANSWER],
    far: [SERVFAIL, ANSWER],
  });
  expect(verdicts).toEqual(["PASS", "PASS", "PASS"]);
  expect(askedAgain).toBe(2);
  expect(asked).toEqual({ db: 1, late: 2, far: 2 });
});

test("silence that lasts is a failure, and so is a wrong answer, which nobody asks for again", async () => {
  const { verdicts, askedAgain, asked } = await verified({ db: [ANSWER], dead: [SILENT], wrong: [UNKNOWN, ANSWER] });
  expect(verdicts).toEqual(["PASS", "FAIL", "FAIL"]);
  expect(askedAgain).toBe(0);
  expect(asked).toEqual({ db: 1, dead: 2, wrong: 1 });
});

test("where no question is answered the server is dead: nobody asks again", async () => {
  const { verdicts, asked } = await verified({ db: [SILENT, ANSWER], web: [SILENT, ANSWER] });
  expect(verdicts).toEqual(["FAIL", "FAIL"]);
  expect(asked).toEqual({ db: 1, web: 1 });
});

test("while the machine's table of neighbours is full, silence proves nothing; a wrong answer does", async () => {
  const { results } = await verified({ db: [ANSWER], dead: [SILENT], wrong: [UNKNOWN] });
  expect(excuseSilence(results, false)).toEqual(results);
  const excused = excuseSilence(results, true);
  expect(excused.map((r) => r.verdict)).toEqual(["PASS", "INCONCLUSIVE", "FAIL"]);
  expect(excused[1]?.reasons.at(-1)).toContain("net.ipv4.neigh.default.gc_thresh3");
});
