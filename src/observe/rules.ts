/**
 * The rules of a node as a listing to read: what the kernel has, with its counters, beside what the lab wants; each rule with its words
 * and its owner. Chains stand in the order in which a packet meets them, across the tables. Pure.
 */
import { DocknetError, type Origin } from "../errors.ts";
import { BUILT_IN_CHAINS, describeChain } from "../plan/firewall/chain.ts";
import { describePurpose, type Rule, type Ruleset, renderSpec } from "../plan/firewall/rule.ts";

export interface RuleListing {
  readonly schema: 1;
  /** Version. */
  readonly docknet: string;
  readonly lab: string;
  /** Read from the kernel; false: as it would be written, without counters. */
  readonly counted: boolean;
  readonly nodes: readonly NodeRules[];
}

export interface NodeRules {
  readonly node: string;
  /** A chain of the user's stands after the first that leads to it. */
  readonly chains: readonly ListedChain[];
  /** Tables of nftables beside iptables' own, and those that iptables cannot read whole: "table inet mine". */
  readonly beyond: readonly string[];
}

export interface ListedChain {
  readonly table: string;
  readonly name: string;
  /** What it is for. */
  readonly about?: string;
  /** Of a built-in chain, with the packets that no rule decided about. */
  readonly policy?: string;
  /** Where the lab wants another. */
  readonly wantedPolicy?: string;
  readonly packets?: number;
  readonly bytes?: number;
  /** Chains of the same table that lead here. */
  readonly from: readonly string[];
  readonly rules: readonly ListedRule[];
  /** Of its rules, those that a choice left out. */
  readonly leftOut?: number;
  /** The lab's rules are all here, but not in their order. */
  readonly reordered?: true;
  /** Not made by docknet. */
  readonly foreign?: true;
  /** The lab wants it, the kernel does not have it. */
  readonly missing?: true;
}

export interface ListedRule {
  /** 1-based, as `iptables -L --line-numbers` counts; a rule that is missing has none. */
  readonly number?: number;
  readonly packets?: number;
  readonly bytes?: number;
  /** As iptables-save prints it: "-A DOCKER -o docker0 -j DROP". */
  readonly text: string;
  /** "ACCEPT", "DNAT", or the chain that it leads to; absent: it only counts. */
  readonly target?: string;
  readonly words?: string;
  readonly owner?: string;
  readonly at?: Origin;
  readonly foreign?: true;
  readonly missing?: true;
}

/** What a kernel has, or would have: then nothing is counted. */
export interface FoundTables {
  readonly chains: readonly FoundChain[];
  readonly rules: readonly FoundRule[];
}

interface FoundChain {
  readonly table: string;
  readonly name: string;
  readonly policy?: string;
  readonly packets?: number;
  readonly bytes?: number;
}

interface FoundRule {
  readonly table: string;
  readonly chain: string;
  /** What follows `-A CHAIN`. */
  readonly spec: string;
  readonly packets?: number;
  readonly bytes?: number;
}

/** @param found undefined: as the lab wants it, nothing was read */
export function listChains(planned: Ruleset, found: FoundTables = asFound(planned)): ListedChain[] {
  const inUse = new Set([
    ...planned.chains.map((c) => c.table as string),
    ...found.rules.map((r) => r.table),
    ...found.chains.filter((c) => c.policy !== "ACCEPT").map((c) => c.table),
  ]);
  const missing = planned.chains.filter((c) => !found.chains.some((f) => f.table === c.table && f.name === c.name));
  const chains: FoundChain[] = [...found.chains.filter((c) => inUse.has(c.table)), ...missing];
  const listed = chains.map((chain): ListedChain => {
    const isHere = (rule: { table: string; chain: string }): boolean =>
      rule.table === chain.table && rule.chain === chain.name;
    const wanted = planned.chains.find((c) => c.table === chain.table && c.name === chain.name);
    const about = describeChain(chain.table, chain.name);
    const isMissing = missing.includes(chain as (typeof missing)[number]);
    const { rules, reordered } = listRules(chain.name, planned.rules.filter(isHere), found.rules.filter(isHere));
    const isForeign = !wanted && chain.policy === undefined;
    return {
      table: chain.table,
      name: chain.name,
      ...(about ? { about } : {}),
      ...(chain.policy ? { policy: chain.policy } : {}),
      ...(wanted?.policy && chain.policy && wanted.policy !== chain.policy ? { wantedPolicy: wanted.policy } : {}),
      ...(chain.policy && chain.packets !== undefined ? { packets: chain.packets, bytes: chain.bytes ?? 0 } : {}),
      from: [],
      rules,
      ...(reordered ? { reordered } : {}),
      ...(isForeign ? { foreign: true } : {}),
      ...(isMissing ? { missing: true } : {}),
    };
  });
  return inStoryOrder(listed.map((chain) => ({ ...chain, from: referrers(listed, chain) })));
}

const asFound = (planned: Ruleset): FoundTables => ({
  chains: planned.chains,
  rules: planned.rules.map((r) => ({ table: r.table, chain: r.chain, spec: renderSpec(r) })),
});

/** The kernel's rules in their order, each with the planned rule that it is; between them, where they should stand, those that are missing. */
function listRules(
  chain: string,
  planned: readonly Rule[],
  found: readonly FoundRule[],
): { rules: ListedRule[]; reordered?: true } {
  const waiting = planned.map((rule, index) => ({ rule, index, spec: renderSpec(rule) }));
  const all = waiting.slice();
  const matched = found.map((f) => {
    const at = waiting.findIndex((w) => w.spec === f.spec);
    return at < 0 ? undefined : waiting.splice(at, 1)[0];
  });
  const indexes = matched.flatMap((m) => m?.index ?? []);
  const absent = (after: number): ListedRule[] => {
    const lost: ListedRule[] = [];
    for (let next = all[after + 1]; next && waiting.includes(next); next = all[next.index + 1])
      lost.push({ ...described(chain, next.spec, next.rule), missing: true });
    return lost;
  };
  const rules = found.flatMap(({ spec, packets, bytes }, i): ListedRule[] => {
    const match = matched[i];
    const counted = packets === undefined ? {} : { packets, bytes: bytes ?? 0 };
    const listed = { number: i + 1, ...counted, ...described(chain, spec, match?.rule) };
    return match ? [listed, ...absent(match.index)] : [{ ...listed, foreign: true }];
  });
  const isSorted = indexes.every((index, i) => i === 0 || (indexes[i - 1] ?? 0) < index);
  return { rules: [...absent(-1), ...rules], ...(isSorted ? {} : { reordered: true }) };
}

function described(chain: string, spec: string, rule: Rule | undefined): ListedRule {
  const target = targetOf(spec);
  return {
    text: `-A ${chain} ${spec}`.trimEnd(),
    ...(target ? { target } : {}),
    ...(rule ? { words: describePurpose(rule), owner: rule.owner.label } : {}),
    ...(rule?.owner.at ? { at: rule.owner.at } : {}),
  };
}

/** What stands in quotes is a comment's, whatever it says. */
function targetOf(spec: string): string | undefined {
  const bare = spec.replaceAll(/"(?:\\.|[^"\\])*"/gs, '""');
  return /(?:^| )-[jg] (\S+)/.exec(bare)?.[1];
}

// --- order -----------------------------------------------------------------------------------------------------------

const keyOf = (chain: ListedChain): string => `${chain.table} ${chain.name}`;

function referrers(chains: readonly ListedChain[], { table, name }: ListedChain): string[] {
  return chains.filter((c) => c.table === table && c.rules.some((r) => r.target === name)).map((c) => c.name);
}

/** Built-in chains as a packet meets them, each followed by the chains that it leads to and that were not shown yet; last those that nothing leads to. */
function inStoryOrder(chains: readonly ListedChain[]): ListedChain[] {
  const told = new Set<ListedChain>();
  const byKey = new Map(chains.map((c) => [keyOf(c), c]));
  const tell = (chain: ListedChain | undefined): void => {
    if (!chain || told.has(chain)) return;
    told.add(chain);
    for (const { target } of chain.rules)
      tell(target === undefined ? undefined : byKey.get(`${chain.table} ${target}`));
  };
  for (const key of BUILT_IN_CHAINS) tell(byKey.get(key));
  for (const chain of chains) if (chain.from.length === 0) tell(chain);
  for (const chain of chains) tell(chain);
  return [...told];
}

// --- choice ----------------------------------------------------------------------------------------------------------

export interface RuleChoice {
  readonly table?: string;
  readonly chain?: string;
  /** Only what has counted a packet. */
  readonly hit?: boolean;
  /** Only rules whose owner's label has this in it: "web", "8080", "network backend". */
  readonly owner?: string;
}

/** @throws DocknetError NOT_FOUND for a chain or an owner that there is not, naming those that there are */
export function chooseRules(listing: RuleListing, choice: RuleChoice): RuleListing {
  const { table, chain, hit, owner } = choice;
  const isChosen = (c: ListedChain): boolean =>
    (table === undefined || c.table === table) && (chain === undefined || c.name === chain);
  const every = listing.nodes.flatMap((n) => n.chains);
  if (chain !== undefined && !every.some(isChosen))
    throw nothing(
      `chain ${table ? `${table} ` : ""}${chain}`,
      listing,
      every.map((c) => c.name),
    );
  const owns = (r: ListedRule): boolean => owner === undefined || (r.owner?.includes(owner) ?? false);
  const rules = every.flatMap((c) => c.rules);
  if (owner !== undefined && !rules.some(owns))
    throw nothing(
      `rule that "${owner}" wants`,
      listing,
      rules.flatMap((r) => r.owner ?? []),
    );
  const isNarrow = hit === true || owner !== undefined;
  const nodes = listing.nodes.map((node): NodeRules => {
    const chosen = node.chains.filter(isChosen).map((c): ListedChain => {
      const rules = c.rules.filter((r) => owns(r) && (!hit || (r.packets ?? 0) > 0));
      return { ...c, rules, ...(rules.length < c.rules.length ? { leftOut: c.rules.length - rules.length } : {}) };
    });
    const isTold = (c: ListedChain): boolean =>
      !isNarrow || c.rules.length > 0 || (hit === true && owner === undefined && (c.packets ?? 0) > 0);
    return { ...node, chains: chosen.filter(isTold) };
  });
  return { ...listing, nodes };
}

const NAMED = 12;

function nothing(what: string, { lab, nodes }: RuleListing, names: readonly string[]): DocknetError {
  const known = [...new Set(names)];
  const place = nodes
    .map((n) => n.node)
    .slice(0, NAMED)
    .join(", ");
  const remedy =
    known.length === 0
      ? "See `docknet rules --all` for every rule of the lab"
      : `There are ${known.slice(0, NAMED).join("; ")}${known.length > NAMED ? "; ..." : ""}`;
  return new DocknetError("NOT_FOUND", `No ${what} in ${place || "any node"} of lab ${lab}`, { remedy });
}
