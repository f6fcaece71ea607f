/** What one run through a chain was: the rules that it met, what they are for, which one translated the packet or took it. Pure. */
import type { NodeName } from "../../net/name.ts";
import { explainRule } from "../../plan/firewall/rule.ts";
import { isRule } from "../counters.ts";
import { type ChainRun, type NodeFacts, ruleKey } from "./record.ts";
import type { MetRule, WalkStep } from "./walk.ts";

export function chainStep(node: NodeName, facts: NodeFacts, run: ChainRun): WalkStep {
  return {
    kind: "chain",
    table: run.table,
    chain: run.chain,
    verdict: verdictOf(facts, run),
    policy: run.events.at(-1)?.kind === "policy",
    rules: run.events.flatMap((e) => (e.kind === "rule" && e.handle !== undefined ? [metRule(node, facts, e)] : [])),
  };
}

function verdictOf(facts: NodeFacts, { events }: ChainRun): string {
  const kind = events.at(-1)?.verdict.kind;
  if (kind !== "DROP") return kind === "QUEUE" ? kind : "ACCEPT";
  const rule = events.findLast((e) => e.handle !== undefined);
  return targetOf(specOf(facts, rule)) === "REJECT" ? "REJECT" : "DROP";
}

/** As iptables has the rule; undefined: it is none of iptables. */
export function specOf({ rules }: NodeFacts, event: ChainRun["events"][number] | undefined): string | undefined {
  return event?.handle === undefined ? undefined : rules.get(ruleKey(event.table, event.handle))?.spec;
}

const targetOf = (spec = ""): string | undefined => /(?:^| )-j (\S+)/.exec(spec)?.[1];

function metRule(node: NodeName, { rules, planned }: NodeFacts, event: ChainRun["events"][number]): MetRule {
  const { table, chain, handle = 0, verdict } = event;
  const found = rules.get(ruleKey(table, handle));
  const known = found && planned.rules.find((r) => isRule(found, r));
  return {
    node,
    table,
    chain,
    rule: found ? `-A ${chain} ${found.spec}`.trimEnd() : `handle ${handle}`,
    verdict: wordOf(verdict, found?.spec),
    ...(known ? { owner: known.owner.label, words: explainRule(known) } : {}),
    ...(known?.owner.at ? { at: known.owner.at } : {}),
    ...(found ? {} : { see: shownBy(table, chain) }),
  };
}

function wordOf(verdict: ChainRun["events"][number]["verdict"], spec: string | undefined): string {
  if (verdict.kind === "JUMP" || verdict.kind === "GOTO") return `to ${verdict.chain}`;
  return verdict.kind === "CONTINUE" ? "on" : (targetOf(spec) ?? verdict.kind);
}

const shownBy = (table: string, chain: string): string => `nft -a list chain ${table} ${chain}`;

const IPTABLES: readonly string[] = ["raw", "mangle", "nat", "filter", "security"];

/** "nat POSTROUTING MASQUERADE" */
export function translatorOf(facts: NodeFacts, run: ChainRun): string {
  const event = run.events.findLast((e) => e.kind === "rule" && e.handle !== undefined && e.verdict.kind === "ACCEPT");
  const target = targetOf(specOf(facts, event));
  return event && target ? `${event.table} ${event.chain} ${target}` : `${run.table} ${run.chain}`;
}

/** @param passes it went on by a link: what was handed to a program in user space came back */
export function droppedBy(
  node: NodeName,
  facts: NodeFacts,
  runs: readonly ChainRun[],
  passes: boolean,
): MetRule | undefined {
  const run = runs.at(-1);
  const decision = run?.events.at(-1);
  const isTaken = decision?.verdict.kind === "DROP" || (decision?.verdict.kind === "QUEUE" && !passes);
  if (!run || !decision || !isTaken) return undefined;
  if (decision.kind === "rule") return metRule(node, facts, decision);
  return {
    node,
    table: run.table,
    chain: run.chain,
    rule: "policy DROP",
    verdict: "DROP",
    ...(IPTABLES.includes(run.table) ? {} : { see: shownBy(run.table, run.chain) }),
    words: run.chain === "FORWARD" ? "what no rule accepts is not forwarded" : "what no rule accepts is dropped",
  };
}
