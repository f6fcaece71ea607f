/** Asks the questions of the name checks from inside the containers and compares the answers. */
import { messageOf } from "../errors.ts";
import type { Ipv4 } from "../net/address.ts";
import type { NameCheck, NameExpectation } from "../plan/name-check.ts";
import type { Outcome } from "../plan/prediction.ts";
import type { Instruments, NameReply } from "./instruments.ts";
import type { CheckResult, Verdict } from "./report.ts";

const AT_ONCE = 64;

interface NamesOptions {
  readonly answerDeadlineMs: number;
  /** Ends it early, with what has been answered. */
  readonly signal?: AbortSignal;
}

export interface VerifiedNames {
  /** In the order of the checks. */
  readonly results: readonly CheckResult[];
  /** Checks that had no answer at first and the expected one when they were asked again. */
  readonly askedAgain: number;
}

export async function verifyNames(
  instruments: Instruments,
  checks: readonly NameCheck[],
  options: NamesOptions,
): Promise<VerifiedNames> {
  const asked = await askAll(instruments, checks, options);
  // where servers answer at all, one silence may be a packet that got lost, or a machine that is too busy
  const isAlive = asked.some(({ reply }) => reply.outcome === "answer");
  const doubtful = asked.filter(({ check, reply }) => isAlive && isSilence(reply) && !isRight(check, reply));
  const again = await askAll(
    instruments,
    doubtful.map(({ check }) => check),
    options,
  );
  const answered = new Map(again.filter(({ check, reply }) => isRight(check, reply)).map((a) => [a.check, a.reply]));
  const results = asked.map(({ check, reply }) => judge(check, answered.get(check) ?? reply));
  return { results: withControls(results), askedAgain: answered.size };
}

interface AskedName {
  readonly check: NameCheck;
  readonly reply: NameReply;
}

async function askAll(
  instruments: Instruments,
  checks: readonly NameCheck[],
  { answerDeadlineMs, signal }: NamesOptions,
): Promise<AskedName[]> {
  const asked: AskedName[] = [];
  for (let at = 0; at < checks.length && !signal?.aborted; at += AT_ONCE) {
    const batch = checks.slice(at, at + AT_ONCE);
    asked.push(
      ...(await Promise.all(
        batch.map(async (check) => ({ check, reply: await ask(instruments, check, answerDeadlineMs) })),
      )),
    );
  }
  return asked;
}

/** Of the server, or of the one that it asks in turn. */
const isSilence = (reply: NameReply): boolean =>
  reply.outcome === "silent" || (reply.outcome === "answer" && reply.rcode === "SERVFAIL");

const isRight = (check: NameCheck, reply: NameReply): boolean => same(check.expected, observedOf(reply));

function withControls(results: readonly CheckResult[]): CheckResult[] {
  const passed = new Set(results.filter((r) => r.verdict === "PASS").map((r) => r.id));
  return results.map((r) => (r.control === undefined || passed.has(r.control) ? r : unproven(r, r.control)));
}

function ask(instruments: Instruments, { from, name }: NameCheck, deadlineMs: number): Promise<NameReply> {
  return instruments.resolve({ node: from, name, deadlineMs }).catch(
    (error: unknown): NameReply => ({
      outcome: "silent",
      afterMs: 0,
      failure: messageOf(error),
    }),
  );
}

function judge(check: NameCheck, reply: NameReply): CheckResult {
  const observed = observedOf(reply);
  const matches = isRight(check, reply);
  const verdict: Verdict = matches ? "PASS" : "FAIL";
  const expected = outcomeOf(check.expected);
  return {
    id: check.id,
    group: "name",
    claim: check.claim,
    from: check.from,
    to: check.name,
    address: check.expected.kind === "resolves" ? (check.expected.addresses[0] ?? "") : "127.0.0.11",
    proto: "dns",
    verdict,
    expected: { outcome: expected },
    predicted: { outcome: expected, because: check.because },
    observed: {
      outcome: outcomeOf(observed),
      afterMs: reply.afterMs,
      ...(reply.outcome === "answer" ? { server: show(observed) } : {}),
      ...(reply.outcome === "refused" ? { errno: reply.errno } : {}),
    },
    reasons: matches ? [] : [`wanted ${show(check.expected)}, found ${describe(reply, observed)}`],
    evidence: { hops: [], translations: [], conntrack: [] },
    ...(check.control ? { control: check.control } : {}),
    ...(check.at ? { at: check.at } : {}),
  };
}

function unproven(result: CheckResult, control: string): CheckResult {
  if (result.verdict !== "PASS") return result;
  return { ...result, verdict: "INCONCLUSIVE", reasons: [`its control ${control} failed: the server may be dead`] };
}

type Seen = NameExpectation | { readonly kind: "silent" };

function observedOf(reply: NameReply): Seen {
  if (reply.outcome === "refused") return { kind: "no server" };
  if (reply.outcome === "silent") return { kind: "silent" };
  return reply.addresses.length > 0 ? { kind: "resolves", addresses: reply.addresses } : { kind: "unknown" };
}

/** Several addresses come in any order (docker-reference 6.2). */
function same(a: NameExpectation, b: Seen): boolean {
  if (a.kind !== "resolves" || b.kind !== "resolves") return a.kind === b.kind;
  const sorted = (list: readonly Ipv4[]): string => [...list].sort().join();
  return sorted(a.addresses) === sorted(b.addresses);
}

function outcomeOf(seen: Seen): Outcome {
  const outcomes: Readonly<Record<Seen["kind"], Outcome>> = {
    resolves: "reach",
    unknown: "unreachable",
    "no server": "refuse",
    silent: "drop",
  };
  return outcomes[seen.kind];
}

function show(seen: Seen): string {
  return seen.kind === "resolves" ? seen.addresses.join(" and ") : seen.kind === "unknown" ? "no such name" : seen.kind;
}

function describe(reply: NameReply, seen: Seen): string {
  if (reply.outcome === "answer" && seen.kind === "unknown") return `no address (${reply.rcode})`;
  if (reply.outcome === "silent") return reply.failure ?? `silence for ${Math.round(reply.afterMs)} ms`;
  return show(seen);
}
