/**
 * Passing checks with the same story are shown once. A story is what happened to the packet, not its addresses:
 * "DNAT by the host", "dropped by raw PREROUTING of the host", "no route". What is not PASS is never folded.
 */
import type { CheckResult } from "../observe/report.ts";
import { changesSourcePort, ruleWords } from "./facts.ts";

export interface Folded {
  readonly first: CheckResult;
  readonly others: readonly CheckResult[];
}

/** In order of first appearance. */
export function foldStories(checks: readonly CheckResult[]): Folded[] {
  const stories = new Map<string, { first: CheckResult; others: CheckResult[] }>();
  for (const check of checks) {
    const key = check.verdict === "PASS" ? storyKey(check) : check.id;
    const known = stories.get(key);
    if (known) known.others.push(check);
    else stories.set(key, { first: check, others: [] });
  }
  return [...stories.values()];
}

function storyKey({ from, evidence, data, transfer, observed }: CheckResult): string {
  const evidences = data ? [evidence, data.evidence] : [evidence];
  const lost = evidences.at(-1)?.lost;
  const ends = [isContainer(from), observed.server === undefined ? undefined : isContainer(observed.server)];
  const sentBy = evidence.hops[0] === undefined ? undefined : isContainer(evidence.hops[0].node);
  const translations = evidences.flatMap((e) =>
    e.translations.map((t) => [t.node, t.kind, t.rule?.chain, changesSourcePort(t)]),
  );
  const drop = lost?.rule ? [lost.rule.node, lost.rule.table, lost.rule.chain, ruleWords(lost.rule)] : [];
  return JSON.stringify(["story", ends, sentBy, observed.outcome, observed.errno, translations, drop, transfer]);
}

/** World nodes are @host, @router and so on (net/name.ts). */
const isContainer = (node: string): boolean => !node.startsWith("@");

/** How many checks each sender has, in order of first appearance. */
export function countBySender(checks: readonly CheckResult[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { from } of checks) counts.set(from, (counts.get(from) ?? 0) + 1);
  return counts;
}
