/**
 * Predict, observe, compare: captures open, counters read, all probes out, counters and conntrack read again, one verdict each.
 * What was dropped and not counted so is sent once more; what fails, or is dropped by another rule than predicted, once more alone, so
 * that the counters that move are its own; and what had no answer once more together, where one of them alone has got it.
 */

import type { KernelRule } from "../kernel/firewall/rules.ts";
import type { ConntrackEntry } from "../kernel/netlink/conntrack.ts";
import { addressOf } from "../net/address.ts";
import { HOST, LAN, type NodeName, ROUTER, WORLD_NODES } from "../net/name.ts";
import type { Check } from "../plan/check/check.ts";
import type { Rule } from "../plan/firewall/rule.ts";
import { type Layout, rulesIn } from "../plan/layout.ts";
import type { Outcome, Prediction } from "../plan/predict/prediction.ts";
import { CapturedPackets, linksToCapture, type UncapturedLink } from "./captured-packets.ts";
import { describeRule, isDrop, isRule, type Moved, movedRules } from "./counters.ts";
import { chooseAlone, type DropCounts, isUnanswered, isUncounted } from "./doubt.ts";
import { deadLink, findDrift, relatedDrift, renderDrift } from "./drift.ts";
import type { Instruments } from "./instruments.ts";
import { indexConntrack, judge, observedOf, tupleKey } from "./judge.ts";
import { compareNapt } from "./napt.ts";
import type { CheckResult, Drift, RuleSeen } from "./report.ts";
import { type ProbeRun, runProbes } from "./run.ts";
import { complaintsInto, followTrail, framesInto, type Sender, type Trail } from "./trail.ts";
import { decidingFlow, type FlowRun, namedFlow } from "./transfer.ts";

export interface VerifyOptions {
  readonly answerDeadlineMs: number;
  readonly silenceMs: number;
  /** Look for drift in any case, not only when a check fails. */
  readonly drift?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Verified {
  readonly results: readonly CheckResult[];
  readonly drift: readonly Drift[];
  readonly captures: { readonly links: number; readonly frames: number; readonly dropped: number };
  /** Links that are down or have gone. */
  readonly uncaptured: readonly UncapturedLink[];
  /** Checks that had no answer at first and the expected one when they were sent again. */
  readonly askedAgain: number;
}

/** Namespaces whose rules and conntrack tables take part. */
const FIREWALLS: readonly NodeName[] = [HOST, ROUTER];
const CONCURRENCY = 128;
/** What the kernel has accepted is there to be read: a machine that is busy takes longer, and nothing else does. */
const DRAIN_MS = 10_000;

export async function verifyLayout(
  instruments: Instruments,
  layout: Layout,
  checks: readonly Check[],
  options: VerifyOptions,
): Promise<Verified> {
  const captured = new CapturedPackets(instruments, linksToCapture(layout));
  try {
    const session = new Session(instruments, layout, captured, options);
    return await session.verify(checks);
  } finally {
    await captured.close();
  }
}

/** A probe's run, and the order of the last packet before it. */
interface MeasuredRun extends ProbeRun {
  readonly since: number;
}

interface Measured {
  readonly runs: MeasuredRun[];
  /** The last frame before it. */
  readonly before: number;
  readonly moved: Moved[];
  /** The last frame that the counters have for certain; those that came while they were read they may have or not. */
  readonly settled: number;
}

class Session {
  private readonly instruments: Instruments;
  private readonly layout: Layout;
  private readonly captured: CapturedPackets;
  private readonly options: VerifyOptions;
  /** Addresses of containers on bridges. */
  private readonly bridged: ReadonlySet<string>;
  /** A capture had frames that could not be read in time: then what was not seen proves nothing. */
  private unread = false;
  /** Of all measurements, by node and original tuple. */
  private readonly conntrack = new Map(FIREWALLS.map((node) => [node, new Map<string, ConntrackEntry>()]));

  constructor(instruments: Instruments, layout: Layout, captured: CapturedPackets, options: VerifyOptions) {
    this.instruments = instruments;
    this.layout = layout;
    this.captured = captured;
    this.options = options;
    const containers = layout.nodes.filter((n) => !WORLD_NODES.includes(n.name));
    this.bridged = new Set(
      containers.flatMap((n) => n.links.filter((l) => l.kind === "peer").flatMap((l) => l.addresses.map(addressOf))),
    );
  }

  async verify(checks: readonly Check[]): Promise<Verified> {
    const measured = await this.measure(checks);
    const counted = this.countDrops(measured);
    const once = await this.countAgain(measured.runs, counted);
    const alone = new Map<Check, RuleSeen | undefined>();
    let isUnsteady = once.some((run) => run.failure !== undefined);
    for (const check of chooseAlone(once, counted)) {
      if (this.options.signal?.aborted) break;
      const { dropper, outcome } = await this.askAlone(check);
      alone.set(check, dropper);
      isUnsteady ||= check.expected.outcome !== "drop" && outcome === check.expected.outcome;
    }
    const runs = isUnsteady ? await this.askAgain(once, counted) : once;
    const renewed = runs.filter((run, i) => run !== once[i]);
    for (const { check } of renewed) alone.delete(check);
    const { dropped } = this.captured.totals();
    const framesLost = dropped + (this.unread ? 1 : 0);
    const results = runs.map((run) => {
      const { check } = run;
      const isAlone = alone.has(check);
      const dropper = alone.get(check) ?? counted.get(check)?.rule;
      const exact = counted.get(check)?.exact;
      const dropCounted = isAlone ? sameRule(alone.get(check), check) : exact === true ? true : undefined;
      return judge(check, {
        run,
        trail: this.trailOf(decidingFlow(run), run.since),
        ...(check.predicted.transfer && run.reply.data ? { control: this.trailOf(namedFlow(run), run.since) } : {}),
        ...(dropCounted === undefined ? {} : { dropCounted }),
        unproven: exact === false && !isAlone,
        ...(dropper ? { dropper } : {}),
        conntrack: this.conntrack,
        framesLost,
      });
    });
    const judged = compareNapt(withControls(results), checks);
    const { uncaptured } = this.captured;
    const wanted = this.options.drift || uncaptured.length > 0 || judged.some((r) => r.verdict === "FAIL");
    const drift = wanted ? await findDrift(this.instruments, this.layout) : [];
    const { received } = this.captured.totals();
    return {
      results: judged.map((r, i) => withDrift(r, drift, checks[i]?.predicted.legs)),
      drift,
      captures: { links: this.captured.links, frames: received, dropped },
      uncaptured,
      askedAgain: renewed.length,
    };
  }

  private async measure(checks: readonly Check[], options: VerifyOptions = this.options): Promise<Measured> {
    const [first, before] = [this.captured.last, await this.readRules()];
    const runs = await runProbes(this.instruments, checks, { ...options, concurrency: CONCURRENCY });
    await this.drain();
    const settled = this.captured.last;
    const after = await this.readRules();
    await this.drain();
    this.noteConntrack();
    return {
      runs: runs.map((run) => ({ ...run, since: first })),
      before: first,
      settled,
      moved: FIREWALLS.flatMap((node) => movedRules(node, before.get(node) ?? [], after.get(node) ?? [])),
    };
  }

  private async drain(): Promise<void> {
    if (!(await this.captured.drain(DRAIN_MS))) this.unread = true;
  }

  private async readRules(): Promise<Map<NodeName, readonly KernelRule[]>> {
    return new Map(
      await Promise.all(FIREWALLS.map(async (node) => [node, await this.instruments.readRules(node)] as const)),
    );
  }

  private trailOf(run: FlowRun, since: number): Trail {
    return followTrail(this.captured, run.flow, this.senderOf(run, since), run.serverSaw);
  }

  /** Host and router translate what they send themselves, too: its source port may be another's already. */
  private senderOf({ flow, source }: FlowRun, since: number): Sender | undefined {
    if (!source) return undefined;
    const { proto, address, port } = flow.probe;
    const node = flow.predicted.legs[0]?.node;
    const key = tupleKey(proto, source.address, source.port, address, port ?? source.port);
    const leftWith = node && this.conntrack.get(node)?.get(key)?.reply.dstPort;
    return { ...source, since, ...(leftWith === undefined || leftWith === source.port ? {} : { leftWith }) };
  }

  /** Each measurement adds what it has made: the next one may come when its entries have timed out. */
  private noteConntrack(): void {
    for (const [node, seen] of this.conntrack)
      for (const [key, entry] of indexConntrack(this.instruments.readConntrack(node))) seen.set(key, entry);
  }

  /** A rule is proven the dropper when it counted exactly the frames of the probes that it should have dropped. */
  private countDrops({ runs, moved, before, settled }: Measured): DropCounts {
    const byRule = new Map<Rule, MeasuredRun[]>();
    for (const run of runs) {
      const { stop, outcome } = decidingFlow(run).flow.predicted;
      if (outcome !== "drop" || !stop?.rule) continue;
      byRule.set(stop.rule, [...(byRule.get(stop.rule) ?? []), run]);
    }
    const result: DropCounts = new Map();
    for (const [rule, its] of byRule) {
      const node = its[0]?.check.predicted.stop?.node ?? HOST;
      const asked = its.map((run) => {
        const deciding = decidingFlow(run);
        return { flow: deciding.flow, sender: this.senderOf(deciding, run.since) };
      });
      const framesUntil = (until: number): number[] =>
        asked.map(({ flow, sender }) => (sender ? framesInto(this.captured, flow, sender, until) : 0));
      const frames = framesUntil(settled);
      const least = frames.reduce((n, f) => n + f, 0);
      // a server goes on answering a sender that is gone: such a frame may come while the counters are read
      const late = framesUntil(this.captured.last);
      // a packet that a bridge turns around may pass FORWARD twice, routed and bridged (br_nf_pre_routing_finish_bridge_slow)
      const most = its.reduce(
        (n, run, i) => n + (late[i] ?? 0) * (run.check.predicted.unsure ? 2 : 1),
        asked[0] ? complaintsInto(this.captured, asked[0].flow, this.bridged, before) : 0,
      );
      const counter = moved.find((m) => m.node === node && isRule(m.rule, rule));
      const exact = counter !== undefined && counter.packets >= least && counter.packets <= most;
      its.forEach((run, i) => {
        const own =
          counter && exact
            ? { rule: describeRule({ ...counter, packets: frames[i] ?? 0 }, rulesIn(this.layout, node)) }
            : {};
        result.set(run.check, { exact, ...own });
      });
    }
    return result;
  }

  /**
   * What no counter vouches for is sent once more, without all the others: a frame of somebody else that the rule has counted, or one that
   * a busy machine has missed, is not there again. @returns the runs, those of them renewed that are proven now, and `counted` with them
   */
  private async countAgain(runs: readonly MeasuredRun[], counted: DropCounts): Promise<readonly MeasuredRun[]> {
    const doubtful = runs.filter((run) => isUncounted(run, counted));
    if (doubtful.length === 0 || this.options.signal?.aborted) return runs;
    const again = await this.measure(
      doubtful.map((run) => run.check),
      this.quick,
    );
    const proven = new Map<Check, MeasuredRun>();
    for (const [check, count] of this.countDrops(again)) {
      const run = again.runs.find((r) => r.check === check);
      if (!count.exact || run?.reply.outcome !== "silent") continue;
      counted.set(check, count);
      proven.set(check, run);
    }
    return runs.map((run) => proven.get(run.check) ?? run);
  }

  /**
   * Where one that had no answer gets it when it is sent alone, packets got lost, or the machine was too busy: that is no fault of the lab,
   * which would be there the second time. @returns the runs, those of them renewed that are as expected now, and `counted` with them
   */
  private async askAgain(runs: readonly MeasuredRun[], counted: DropCounts): Promise<readonly MeasuredRun[]> {
    const doubtful = runs.filter((run) => run.failure !== undefined || isUnanswered(run));
    if (this.options.signal?.aborted) return runs;
    const again = await this.measure(
      doubtful.map((run) => run.check),
      this.quiet,
    );
    const answered = new Map(
      again.runs
        .filter(
          ({ check, reply, failure }) =>
            failure === undefined && observedOf({ reply }).outcome === check.expected.outcome,
        )
        .map((run) => [run.check, run]),
    );
    for (const [check, count] of this.countDrops(again)) if (answered.has(check)) counted.set(check, count);
    return runs.map((run) => answered.get(run.check) ?? run);
  }

  /** Progress is that of the first measurement. */
  private get quiet(): VerifyOptions {
    const { onProgress: _, ...options } = this.options;
    return options;
  }

  /** What answers in this lab has answered at once: now silence need not last as long as a first answer may take. */
  private get quick(): VerifyOptions {
    return { ...this.quiet, answerDeadlineMs: this.options.silenceMs };
  }

  /** Sends one probe alone, and names the rule or policy that counted it away. */
  private async askAlone(check: Check): Promise<{ readonly outcome?: Outcome; readonly dropper?: RuleSeen }> {
    const { probe } = check;
    const { sourcePort: _, ...free } = probe;
    const { runs, moved } = await this.measure([{ ...check, probe: free }], this.quick);
    const [run] = runs;
    if (!run || run.failure !== undefined) return {};
    const { outcome } = observedOf(run);
    if (outcome !== "drop") return { outcome };
    const drop = moved.filter((m) => isDrop(m.rule)).sort((a, b) => b.packets - a.packets)[0];
    return { outcome, ...(drop ? { dropper: describeRule(drop, rulesIn(this.layout, drop.node)) } : {}) };
  }
}

function sameRule(seen: RuleSeen | undefined, check: Check): boolean | undefined {
  const { stop } = check.predicted;
  if (!stop?.rule) return undefined;
  return seen?.table === stop.rule.table && seen.chain === stop.rule.chain && seen.owner === stop.rule.owner.label;
}

/** A negative whose control failed proves nothing. */
function withControls(results: readonly CheckResult[]): CheckResult[] {
  const byId = new Map(results.map((r) => [r.id, r]));
  return results.map((r) => {
    const control = r.control === undefined ? undefined : byId.get(r.control);
    if (r.verdict !== "PASS" || !control || control.verdict === "PASS") return r;
    return {
      ...r,
      verdict: "INCONCLUSIVE",
      reasons: [`its control did not pass: ${control.claim} (${control.verdict})`],
    };
  });
}

/** A failed check names what in the kernel is otherwise on the nodes of its way. */
function withDrift(result: CheckResult, drift: readonly Drift[], legs: Prediction["legs"] = []): CheckResult {
  if (result.verdict !== "FAIL") return result;
  const hops = [...result.evidence.hops, ...(result.data?.evidence.hops ?? [])];
  const target = result.to.split(":")[0] ?? "";
  const way = [...legs, ...hops].map((h) => h.node);
  const nodes = [...new Set([result.from, ...way, HOST, ROUTER, LAN, target])];
  // what else went, went with the link
  const related = relatedDrift(drift, nodes).sort((a, b) => Number(!deadLink(a)) - Number(!deadLink(b)));
  return { ...result, reasons: [...result.reasons, ...related.slice(0, 5).map(reasonOf)] };
}

/** A dead link as walk says it: "link eth0 of @host is down". */
function reasonOf(drift: Drift): string {
  const dead = deadLink(drift);
  return dead
    ? `link ${dead.link} of ${dead.node} is ${dead.why}`
    : `the kernel differs from the lab: ${renderDrift(drift)}`;
}
