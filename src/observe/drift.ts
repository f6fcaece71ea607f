/**
 * What the kernel has otherwise than the lab wants: rules, policies, links, addresses, routes, sysctls, each named with what it
 * should be and which object of the lab wants it.
 */

import type { KernelRule } from "../kernel/firewall/rules.ts";
import type { NodeReading } from "../kernel/reading.ts";
import { type Rule, renderSpec } from "../plan/firewall/rule.ts";
import { type Layout, type Node, nodeOf, type Route } from "../plan/layout.ts";
import type { Instruments } from "./instruments.ts";
import type { Drift } from "./report.ts";
import { staleFlow, TRANSLATORS } from "./stale-flow.ts";

export async function findDrift(instruments: Instruments, layout: Layout): Promise<Drift[]> {
  const all = await Promise.all(
    layout.nodes.map(async (node) =>
      compareNode(
        node,
        await instruments.readNode(
          node.name,
          wantedSysctls(node).map((s) => s.key),
        ),
      ),
    ),
  );
  return [...all.flat(), ...findStaleFlows(instruments, layout)];
}

/** Flows that go on as rules had them that do not stand now. */
function findStaleFlows(instruments: Instruments, layout: Layout): Drift[] {
  return TRANSLATORS.filter((node) => nodeOf(layout, node)).flatMap((node) =>
    instruments.readConntrack(node).flatMap((entry) => staleFlow(layout, node, entry) ?? []),
  );
}

/** The last setting of a key wins, as it did when they were set in order. */
function wantedSysctls(node: Node): { key: string; value: string }[] {
  const all = [...node.sysctls, ...node.links.flatMap((l) => l.sysctls)];
  return [...new Map(all.map((s) => [s.key, s])).values()];
}

/** Pure. */
export function compareNode(node: Node, reading: NodeReading): Drift[] {
  return [
    ...compareRules(node, reading.rules),
    ...compareLinks(node, reading),
    ...compareRoutes(node, reading),
    ...compareSysctls(node, reading),
  ];
}

function compareRules(node: Node, found: readonly KernelRule[]): Drift[] {
  const wanted = byChain(node.rules.rules);
  const has = byChain(found.filter((r) => r.position > 0));
  const chains = new Set([...wanted.keys(), ...has.keys()]);
  const rules = [...chains].flatMap((chain) =>
    compareChain(node, chain, wanted.get(chain) ?? [], has.get(chain) ?? []),
  );
  const ends = found.filter((r) => r.position === 0);
  const policies = node.rules.chains.flatMap((c): Drift[] => {
    const has = ends.find((r) => r.table === c.table && r.chain === c.name)?.spec.replace("policy ", "");
    if (!c.policy || has === undefined || has === c.policy) return [];
    return [
      {
        node: node.name,
        kind: "policy",
        problem: "changed",
        what: `${c.table} ${c.name} policy`,
        wanted: c.policy,
        found: has,
      },
    ];
  });
  return [...rules, ...policies];
}

function compareChain(node: Node, chain: string, wanted: readonly Rule[], found: readonly KernelRule[]): Drift[] {
  const [want, have] = [wanted.map((r) => renderSpec(r)), found.map((r) => r.spec)];
  const name = chain.split(" ")[1] ?? "";
  const rule = (spec: string): string => `${chain}: -A ${name} ${spec}`;
  const [wantedTimes, times] = [countEach(want), countEach(have)];
  const missing = wanted.filter((_, i) => (times.get(want[i] ?? "") ?? 0) < (wantedTimes.get(want[i] ?? "") ?? 0));
  const unexpected = [...times].flatMap(([spec, n]) => ((wantedTimes.get(spec) ?? 0) < n ? [spec] : []));
  const drift: Drift[] = [
    ...missing.map(
      (r): Drift => ({
        node: node.name,
        kind: "rule",
        problem: "missing",
        what: rule(renderSpec(r)),
        owner: r.owner.label,
        ...(r.owner.at ? { at: r.owner.at } : {}),
      }),
    ),
    ...unexpected.map((spec): Drift => ({ node: node.name, kind: "rule", problem: "unexpected", what: rule(spec) })),
  ];
  if (drift.length > 0 || want.every((spec, i) => spec === have[i])) return drift;
  const first = want.findIndex((spec, i) => spec !== have[i]);
  return [
    {
      node: node.name,
      kind: "rule",
      problem: "moved",
      what: chain,
      wanted: `rule ${first + 1}: ${want[first]}`,
      found: `rule ${first + 1}: ${have[first]}`,
    },
  ];
}

/** "nat DOCKER" and its rules, in order. */
function byChain<T extends { readonly table: string; readonly chain: string }>(rules: readonly T[]): Map<string, T[]> {
  const chains = new Map<string, T[]>();
  for (const rule of rules) {
    const chain = chains.get(`${rule.table} ${rule.chain}`);
    if (chain) chain.push(rule);
    else chains.set(`${rule.table} ${rule.chain}`, [rule]);
  }
  return chains;
}

function countEach(list: readonly string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const item of list) times.set(item, (times.get(item) ?? 0) + 1);
  return times;
}

function compareLinks(node: Node, reading: NodeReading): Drift[] {
  const drift: Drift[] = [];
  for (const link of node.links) {
    const has = reading.links.find((l) => l.name === link.name);
    const owner = { owner: link.owner.label, ...(link.owner.at ? { at: link.owner.at } : {}) };
    const report = (
      problem: Drift["problem"],
      kind: Drift["kind"],
      what: string,
      wanted?: string,
      found?: string,
    ): void => {
      drift.push({
        node: node.name,
        kind,
        problem,
        what,
        ...(wanted === undefined ? {} : { wanted }),
        ...(found === undefined ? {} : { found }),
        ...owner,
      });
    };
    if (!has) {
      report("missing", "link", link.name);
      continue;
    }
    if (!has.up) report("changed", "link", `${link.name}${STATE}`, "up", "down");
    if ((has.master ?? "") !== (link.master ?? ""))
      report("changed", "link", `${link.name} bridge`, link.master ?? "none", has.master ?? "none");
    if (link.kind === "macvlan" && has.mode !== link.mode)
      report("changed", "link", `${link.name} mode`, link.mode, has.mode ?? "no macvlan");
    if (link.mac && has.mac !== link.mac) report("changed", "link", `${link.name} MAC`, link.mac, has.mac);
    if (link.mtuBytes && has.mtuBytes !== link.mtuBytes)
      report("changed", "link", `${link.name} MTU`, String(link.mtuBytes), String(has.mtuBytes));
    for (const a of link.addresses)
      if (!has.addresses.includes(a)) report("missing", "address", `${a} on ${link.name}`);
    for (const a of has.addresses)
      if (!(link.addresses as readonly string[]).includes(a)) report("unexpected", "address", `${a} on ${link.name}`);
  }
  const known = new Set<string>(["lo", ...node.links.map((l) => l.name)]);
  // devices that modules put into every namespace (sit0, tunl0 ...) are down and nobody's
  for (const l of reading.links)
    if (!known.has(l.name) && l.up) drift.push({ node: node.name, kind: "link", problem: "unexpected", what: l.name });
  return drift;
}

function compareRoutes(node: Node, reading: NodeReading): Drift[] {
  const same = (r: Route, f: { to: string; via: string }): boolean => r.to === f.to && r.via === f.via;
  const show = (to: string, via: string): string => `${to === "0.0.0.0/0" ? "default" : to} via ${via}`;
  const missing = node.routes.filter((r) => !reading.routes.some((f) => same(r, f)));
  const unexpected = reading.routes.filter((f) => !node.routes.some((r) => same(r, f)));
  return [
    ...missing.map((r): Drift => {
      const rival = unexpected.find((f) => f.to === r.to);
      return {
        node: node.name,
        kind: "route",
        problem: rival ? "changed" : "missing",
        what: show(r.to, r.via),
        ...(rival ? { wanted: show(r.to, r.via), found: show(rival.to, rival.via) } : {}),
      };
    }),
    ...unexpected
      .filter((f) => !missing.some((r) => r.to === f.to))
      .map((f): Drift => ({ node: node.name, kind: "route", problem: "unexpected", what: show(f.to, f.via) })),
  ];
}

function compareSysctls(node: Node, reading: NodeReading): Drift[] {
  return wantedSysctls(node).flatMap(({ key, value }): Drift[] => {
    const found = reading.sysctls.get(key);
    const wanted = value.trim().replaceAll(/\s+/g, " ");
    if (found === wanted) return [];
    return [
      {
        node: node.name,
        kind: "sysctl",
        problem: found === undefined ? "missing" : "changed",
        what: key,
        wanted,
        ...(found === undefined ? {} : { found }),
      },
    ];
  });
}

/** Differences that can bear on a way through these nodes, those of the way's own addresses first. */
export function relatedDrift(drift: readonly Drift[], nodes: readonly string[]): Drift[] {
  return drift.filter((d) => nodes.includes(d.node));
}

export interface DeadLink {
  readonly node: string;
  readonly link: string;
  readonly why: "down" | "missing";
}

/** undefined for other drift. Also of links that are not captured, or captured though they are down. */
export function deadLink({ node, kind, problem, what, found }: Drift): DeadLink | undefined {
  if (kind !== "link") return undefined;
  if (problem === "missing") return { node, link: what, why: "missing" };
  const isState = problem === "changed" && what.endsWith(STATE) && found === "down";
  return isState ? { node, link: what.slice(0, -STATE.length), why: "down" } : undefined;
}

const STATE = " state";

export function renderDrift(d: Drift): string {
  const change = d.wanted !== undefined ? `: wanted ${d.wanted}, found ${d.found ?? "nothing"}` : "";
  return `${d.node}: ${d.kind} ${d.problem}: ${d.what}${change}${d.owner ? ` (${d.owner})` : ""}`;
}
