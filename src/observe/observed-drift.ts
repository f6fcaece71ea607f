/**
 * Drift from a reading by netlink: what `compareNode` finds in links, addresses, routes, sysctls and rules, and what iproute2's view
 * does not show: namespaces without their names, empty chains, policy routing, routes without a gateway, tables of nftables. Pure.
 */
import type { NodeReading } from "../kernel/reading.ts";
import { subnetOf } from "../net/address.ts";
import { type Layout, type Node, nodeOf } from "../plan/layout.ts";
import type { Observed, ObservedNode } from "../plan/observed.ts";
import { compareNode } from "./drift.ts";
import { describeLink, describeWanted, foreignLinks } from "./link-match.ts";
import type { Drift } from "./report.ts";

export function driftOf(observed: Observed, wanted: Layout): Drift[] {
  const surplus = observed.nodes.filter((n) => !nodeOf(wanted, n.name));
  return [
    ...wanted.nodes.flatMap((target): Drift[] => {
      const node = observed.nodes.find((n) => n.name === target.name);
      if (!node) return [{ node: target.name, kind: "namespace", problem: "missing", what: target.name }];
      return distinct([
        ...compareNode(target, readingOf(node)),
        ...strangers(node, target, wanted),
        ...unseen(node, target),
      ]);
    }),
    ...surplus.map((n): Drift => ({ node: n.name, kind: "namespace", problem: "unexpected", what: n.name })),
  ];
}

/** In the terms of a reading by iproute2. Addresses and routes that docknet would not make like this are told apart below. */
function readingOf(node: ObservedNode): NodeReading {
  const counted = new Map<string, number>();
  return {
    links: node.links.map(({ addresses, ...link }) => ({
      ...link,
      addresses: addresses.filter((a) => a.plain).map((a) => a.address),
    })),
    routes: node.routes.flatMap(({ plain, to, via, link }) => (plain && via ? [{ to, via, link: link ?? "" }] : [])),
    sysctls: node.sysctls,
    rules: [
      ...node.chains.flatMap(({ table, name, policy }) =>
        policy ? [{ table, chain: name, spec: `policy ${policy}`, packets: 0, bytes: 0, position: 0 }] : [],
      ),
      ...node.rules.map((rule) => {
        const key = `${rule.table} ${rule.chain}`;
        counted.set(key, (counted.get(key) ?? 0) + 1);
        return { ...rule, position: counted.get(key) ?? 0 };
      }),
    ],
  };
}

/** Links that somebody made, down ones too, and those that only bear the name of ours. */
function strangers(node: ObservedNode, target: Node, wanted: Layout): Drift[] {
  return foreignLinks(node, wanted).map((has): Drift => {
    const { name } = has;
    const link = target.links.find((l) => l.name === name);
    if (!link) return { node: node.name, kind: "link", problem: "unexpected", what: name };
    return {
      node: node.name,
      kind: "link",
      problem: "changed",
      what: `${name} kind`,
      wanted: describeWanted(link),
      found: describeLink(has),
      owner: link.owner.label,
    };
  });
}

function unseen(node: ObservedNode, target: Node): Drift[] {
  const drift = (kind: Drift["kind"], problem: Drift["problem"], what: string, more: Partial<Drift> = {}): Drift => ({
    node: node.name,
    kind,
    problem,
    what,
    ...more,
  });
  const isWanted = (table: string, name: string): boolean =>
    target.rules.chains.some((c) => c.table === table && c.name === name);
  const lo = node.links.find((l) => l.name === "lo");
  return [
    ...(node.nameLost
      ? [drift("namespace", "changed", `${node.name} name`, { wanted: "its own", found: "none" })]
      : []),
    ...node.others.map((o) => drift(o.object === "table" ? "rule" : "route", "unexpected", o.what)),
    ...node.routes.filter((r) => !r.plain && !r.ofKernel).map((r) => drift("route", "unexpected", r.foreign.what)),
    ...node.links
      .filter((l) => l.name !== "lo")
      .flatMap((l) => l.addresses)
      .filter((a) => !a.plain)
      .map((a) => drift("address", "unexpected", a.foreign.what)),
    ...target.links.flatMap((link) => {
      const has = node.links.find((l) => l.name === link.name);
      return link.addresses
        .filter((a) => has?.up && has.addresses.some((h) => h.address === a && h.plain))
        .map((a): string => subnetOf(a))
        .filter((to) => !to.endsWith("/32"))
        .filter((to) => !node.routes.some((r) => r.ofKernel && r.to === to && r.link === link.name))
        .map((to) => drift("route", "missing", `${to} dev ${link.name}`, { owner: link.owner.label }));
    }),
    ...(lo && !lo.up ? [drift("link", "changed", "lo state", { wanted: "up", found: "down" })] : []),
    ...(lo?.addresses ?? [])
      .filter((a) => a.address !== LOOPBACK)
      .map((a) => drift("address", "unexpected", a.foreign.what)),
    ...(lo?.addresses.some((a) => a.address === LOOPBACK) ? [] : [drift("address", "missing", `${LOOPBACK} on lo`)]),
    ...target.links.flatMap((link) => {
      const has = node.links.find((l) => l.name === link.name);
      if (!has || link.master === undefined || has.hairpin === (link.hairpin ?? false)) return [];
      const word = (on: boolean): string => (on ? "on" : "off");
      return [
        drift("link", "changed", `${link.name} hairpin`, {
          wanted: word(link.hairpin ?? false),
          found: word(has.hairpin),
          owner: link.owner.label,
        }),
      ];
    }),
    ...target.rules.chains
      .filter((c) => !node.chains.some((h) => h.table === c.table && h.name === c.name))
      .map((c) => drift("rule", "missing", `${c.table}: chain ${c.name}`)),
    ...node.chains
      .filter((c) => !isWanted(c.table, c.name) && (c.policy ?? "") !== "ACCEPT")
      .map((c) =>
        c.policy === undefined
          ? drift("rule", "unexpected", `${c.table}: chain ${c.name}`)
          : drift("policy", "changed", `${c.table} ${c.name} policy`, { wanted: "ACCEPT", found: c.policy }),
      ),
  ];
}

const LOOPBACK = "127.0.0.1/8";

const distinct = (drift: readonly Drift[]): Drift[] => [
  ...new Map(drift.map((d) => [`${d.kind} ${d.problem} ${d.what}`, d])).values(),
];
