/** Asks the questions of the name checks from inside the containers and compares the answers. */
import { messageOf } from "../errors.ts";
import type { Ipv4 } from "../net/address.ts";
import type { NameCheck, NameExpectation } from "../plan/check/name.ts";
import type { Outcome } from "../plan/predict/prediction.ts";
import type { Instruments, NameReply } from "./instruments.ts";
import type { CheckResult, Verdict } from "./report.ts";

const AT_ONCE = 64;

interface NamesOptions {
  readonly answerDeadlineMs: number;
  /** Silence counts as silence after so long, and after the answers that are expected have come; 250 unless said. */
  readonly silenceMs?: number;
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
  const first = await askAll(
    instruments,
    checks.filter((check) => !isSilent(check)),
    options,
  );
  const quiet = await askAll(instruments, checks.filter(isSilent), {
    ...options,
    answerDeadlineMs: Math.min(options.answerDeadlineMs, silenceOf(first, options)),
  });
  const byCheck = new Map([...first, ...quiet].map((a) => [a.check, a]));
  const asked = checks.flatMap((check) => byCheck.get(check) ?? []);
  // where servers answer at all, one silence may be a packet that got lost, or a machine that is too busy
  const isAlive = asked.some(({ reply }) => reply.outcome === "answer");
  const doubtful = asked.filter((a) => isAlive && (isSilence(a.reply) || isUnheard(a)) && !isRight(a));
  const again = await askAll(
    instruments,
    doubtful.map(({ check }) => check),
    options,
  );
  const answered = new Map(again.filter(isRight).map((a) => [a.check, a]));
  const results = asked.map((a) => judge(answered.get(a.check) ?? a));
  return { results: withControls(results), askedAgain: answered.size };
}

interface AskedName {
  readonly check: NameCheck;
  readonly reply: NameReply;
  /** Of a check that says who hears what is forwarded: who did. */
  readonly heardBy?: string;
}

/** Servers may take long to say that they have no answer: what answers at all has done so by then. */
const isSilent = ({ expected }: NameCheck): boolean => isSlow(expected);

/** Twice what the slowest of the answers took that no silent server delayed. */
function silenceOf(answered: readonly AskedName[], { silenceMs = 250 }: NamesOptions): number {
  const undelayed = answered.filter(({ check, reply }) => check.afterMs === undefined && reply.outcome === "answer");
  return Math.max(silenceMs, ...undelayed.map(({ reply }) => 2 * reply.afterMs));
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
        batch.map(async (check): Promise<AskedName> => {
          const [reply, heardBy] = await Promise.all([
            ask(instruments, check, answerDeadlineMs),
            hears(instruments, check, answerDeadlineMs),
          ]);
          return { check, reply, ...(heardBy === undefined ? {} : { heardBy }) };
        }),
      )),
    );
  }
  return asked;
}

/** Of the server, or of the one that it asks in turn. */
const isSilence = (reply: NameReply): boolean =>
  reply.outcome === "silent" || (reply.outcome === "answer" && reply.rcode === "SERVFAIL");

const isUnheard = ({ check, heardBy }: AskedName): boolean => check.heardBy !== undefined && heardBy === undefined;

const isRight = ({ check, reply, heardBy }: AskedName): boolean =>
  same(check.expected, observedOf(reply)) && check.heardBy === heardBy;

function withControls(results: readonly CheckResult[]): CheckResult[] {
  const passed = new Set(results.filter((r) => r.verdict === "PASS").map((r) => r.id));
  return results.map((r) => (r.control === undefined || passed.has(r.control) ? r : unproven(r, r.control)));
}

function ask(instruments: Instruments, check: NameCheck, answerDeadlineMs: number): Promise<NameReply> {
  const { from, name, afterMs = 0 } = check;
  return instruments.resolve({ node: from, name, deadlineMs: answerDeadlineMs + afterMs }).catch(
    (error: unknown): NameReply => ({
      outcome: "silent",
      afterMs: 0,
      failure: messageOf(error),
    }),
  );
}

async function hears(
  instruments: Instruments,
  check: NameCheck,
  answerDeadlineMs: number,
): Promise<string | undefined> {
  if (check.heardBy === undefined) return undefined;
  const { from, afterMs = 0 } = check;
  return instruments.identify({ node: from, deadlineMs: answerDeadlineMs + afterMs }).catch(() => undefined);
}

function judge({ check, reply, heardBy }: AskedName): CheckResult {
  const observed = observedOf(reply);
  const reasons = [
    ...(same(check.expected, observed) ? [] : [`wanted ${show(check.expected)}, found ${describe(reply, observed)}`]),
    ...(check.heardBy === heardBy
      ? []
      : [`forwarded questions were heard by ${heardBy ?? "nobody that says so"}, not by ${check.heardBy}`]),
  ];
  const matches = reasons.length === 0;
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
    reasons,
    evidence: { hops: [], translations: [], conntrack: [] },
    ...(check.control ? { control: check.control } : {}),
    ...(check.at ? { at: check.at } : {}),
  };
}

function unproven(result: CheckResult, control: string): CheckResult {
  if (result.verdict !== "PASS") return result;
  return { ...result, verdict: "INCONCLUSIVE", reasons: [`its control ${control} failed: the server may be dead`] };
}

type Seen =
  | Exclude<NameExpectation, { readonly kind: "unanswered" | "unaskable" }>
  /** The server says that it has no answer, or that the question is none. */
  | { readonly kind: "refusal"; readonly rcode: string }
  | { readonly kind: "silent" };

function observedOf(reply: NameReply): Seen {
  if (reply.outcome === "refused") return { kind: "no server" };
  if (reply.outcome === "silent") return { kind: "silent" };
  if (reply.addresses.length > 0) return { kind: "resolves", addresses: reply.addresses };
  return reply.rcode === "NOERROR" || reply.rcode === "NXDOMAIN"
    ? { kind: "unknown" }
    : { kind: "refusal", rcode: reply.rcode };
}

/** Several addresses come in any order (docker-reference 6.2). */
function same(a: NameExpectation, b: Seen): boolean {
  const sorted = (list: readonly Ipv4[]): string => [...list].sort().join();
  switch (a.kind) {
    case "resolves":
      return b.kind === "resolves" && sorted(a.addresses) === sorted(b.addresses);
    case "unanswered":
      return (b.kind === "refusal" && b.rcode === "SERVFAIL") || (b.kind === "silent" && a.afterSilence);
    case "unaskable":
      return b.kind === "refusal" || b.kind === "unknown";
    case "unknown":
    case "no server":
      return a.kind === b.kind;
  }
}

function outcomeOf(seen: Seen | NameExpectation): Outcome {
  const outcomes: Readonly<Record<(Seen | NameExpectation)["kind"], Outcome>> = {
    resolves: "reach",
    unknown: "unreachable",
    unanswered: isSlow(seen) ? "drop" : "unreachable",
    unaskable: "unreachable",
    refusal: "unreachable",
    "no server": "refuse",
    silent: "drop",
  };
  return outcomes[seen.kind];
}

const isSlow = (seen: Seen | NameExpectation): boolean => seen.kind === "unanswered" && seen.afterSilence;

function show(seen: Seen | NameExpectation): string {
  switch (seen.kind) {
    case "resolves":
      return seen.addresses.join(" and ");
    case "unknown":
      return "no such name";
    case "unanswered":
      return seen.afterSilence ? "SERVFAIL or silence" : "SERVFAIL";
    case "unaskable":
      return "no answer to a question that DNS cannot hold";
    case "refusal":
      return seen.rcode;
    case "no server":
    case "silent":
      return seen.kind;
  }
}

function describe(reply: NameReply, seen: Seen): string {
  if (reply.outcome === "answer" && seen.kind === "unknown") return `no address (${reply.rcode})`;
  if (reply.outcome === "silent") return reply.failure ?? `silence for ${Math.round(reply.afterMs)} ms`;
  return show(seen);
}
