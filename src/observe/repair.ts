/**
 * What to do so that a lab whose kernel was changed by hand, or half built, is again what it should be. Pure. Two parts: first what
 * is foreign goes and what is there is put right in place, then the planner makes what is missing:
 *
 * ```ts
 * const { drift, ops, standing } = planRepair(await readLab(executor, wanted), wanted);
 * await executor.repair(ops);
 * await executor.apply(planLab(standing, wanted));
 * ```
 *
 * One part may undo what the other saw (with its last address a link loses its routes): `reconcile` goes on until nothing is left.
 */
import { DocknetError } from "../errors.ts";
import { type IfAddr, subnetOf } from "../net/address.ts";
import type { IfName } from "../net/name.ts";
import type { RepairOp } from "../plan/firewall/repair-edit.ts";
import { EMPTY_RULESET } from "../plan/firewall/rule.ts";
import { repairRules } from "../plan/firewall/rule-repair.ts";
import { type Layout, type Link, type Node, nodeOf, type Route } from "../plan/layout.ts";
import type { ForeignObject, Observed, ObservedAddress, ObservedLink, ObservedNode } from "../plan/observed.ts";
import type { Op } from "../plan/op.ts";
import { planLab } from "../plan/plan.ts";
import { BORN_WITH, foreignLinks, isSameLink } from "./link-match.ts";
import { driftOf } from "./observed-drift.ts";
import type { Drift } from "./report.ts";

export interface Repair {
  readonly drift: readonly Drift[];
  /** Done first, in order. */
  readonly ops: readonly RepairOp[];
  /** What the kernel has then. */
  readonly standing: Layout;
}

export function planRepair(observed: Observed, wanted: Layout): Repair {
  const parts = observed.nodes.map((node) => {
    const target = nodeOf(wanted, node.name);
    return target ? repairNode(node, target, wanted) : { ops: [], standing: bareNode(node) };
  });
  return {
    drift: driftOf(observed, wanted),
    ops: [...foreignPairs(observed, wanted), ...parts.flatMap((p) => p.ops)],
    standing: { lab: wanted.lab, nodes: parts.map((p) => p.standing) },
  };
}

/** What `reconcile` needs of the kernel. */
export interface RepairKernel {
  read(wanted: Layout): Promise<Observed>;
  repair(ops: readonly RepairOp[]): Promise<void>;
  apply(ops: readonly Op[]): Promise<void>;
}

export interface Reconciled {
  /** What differed, at first. */
  readonly drift: readonly Drift[];
  /** All that was done, in order. */
  readonly done: readonly (RepairOp | Op)[];
}

/** Deletions may take more with them than was seen; each round sees what the last one left. */
const ROUNDS = 5;

/** Puts everything back. @throws DocknetError, KERNEL_REFUSED when something is changed again and again */
export async function reconcile(kernel: RepairKernel, wanted: Layout): Promise<Reconciled> {
  let drift: readonly Drift[] | undefined;
  const done: (RepairOp | Op)[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { drift: found, ops, standing } = planRepair(await kernel.read(wanted), wanted);
    drift ??= found;
    const rest = planLab(standing, wanted);
    if (ops.length + rest.length === 0) return { drift, done };
    await kernel.repair(ops);
    await kernel.apply(rest);
    done.push(...ops, ...rest);
  }
  throw new DocknetError(
    "KERNEL_REFUSED",
    `Cannot reconcile lab ${wanted.lab}: it still differs after ${ROUNDS} rounds`,
    {
      remedy: "Look for a program that changes the lab's network all the time",
      details: { last: done.at(-1) },
    },
  );
}

/** A node that should not be: the planner deletes it with all that is in it. */
const bareNode = ({ name, proxies }: ObservedNode): Node => ({
  name,
  sysctls: [],
  links: [],
  routes: [],
  rules: EMPTY_RULESET,
  proxies,
});

function repairNode(node: ObservedNode, target: Node, wanted: Layout): { ops: RepairOp[]; standing: Node } {
  const pairs = target.links.flatMap((link): Pair[] => {
    const has = node.links.find((l) => l.name === link.name);
    return has && isSameLink(node.name, link, has, wanted) ? [{ link, has }] : [];
  });
  const bridges = new Set<string>(pairs.filter((p) => p.link.kind === "bridge").map((p) => p.link.name));
  const foreign = (object: ForeignObject): RepairOp => ({ kind: "foreign.delete", node: node.name, ...object });
  const rules = repairRules(node, target.rules);
  return {
    ops: [
      ...(node.nameLost ? [{ kind: "netns.name", node: node.name } as const] : []),
      ...[...node.others, ...foreignRoutes(node, target)].map(foreign),
      ...pairs.flatMap((p) => foreignAddresses(node, p)).map(foreign),
      // with a small MTU a link has no IPv6, nor its sysctls (net/ipv6/addrconf.c)
      ...pairs.flatMap((p) => changeLink(node, p)),
      ...repairSysctls(node, target, pairs),
      ...repairLoopback(node),
      ...pairs.flatMap((p) => repairLink(node, p)),
      ...strayDevices(node).map((name): RepairOp => ({ kind: "link.down", node: node.name, name })),
      ...(rules.length > 0 ? [{ kind: "rules.repair", node: node.name, edits: rules } as const] : []),
    ],
    standing: {
      ...target,
      links: pairs.map(({ link, has }) => standingLink(link, has, bridges)),
      routes: target.routes.filter((r) => hasRoute(node, r, pairs)),
      proxies: node.proxies,
    },
  };
}

// --- links -----------------------------------------------------------------------------------------------------------

/** A link as it should be, and as it is. */
interface Pair {
  readonly link: Link;
  readonly has: ObservedLink;
}

/** Nobody deletes those that a namespace starts with; up they might carry something. */
const strayDevices = (node: ObservedNode): IfName[] =>
  node.links.filter((l) => BORN_WITH.has(l.name) && l.up).map((l) => l.name as IfName);

function foreignPairs(observed: Observed, wanted: Layout): RepairOp[] {
  const gone = new Set<string>();
  return observed.nodes.flatMap((node) =>
    foreignLinks(node, wanted).flatMap((link): RepairOp[] => {
      if (gone.has(`${node.name} ${link.name}`)) return [];
      if (link.kind === "veth" && link.peer) gone.add(`${link.peer.node} ${link.peer.name}`);
      return [{ kind: "foreign.delete", node: node.name, ...link.foreign }];
    }),
  );
}

function changeLink({ name: node }: ObservedNode, { link, has }: Pair): RepairOp[] {
  const mac = link.mac !== undefined && link.mac !== has.mac ? { mac: link.mac } : {};
  const mtu = link.mtuBytes !== undefined && link.mtuBytes !== has.mtuBytes ? { mtuBytes: link.mtuBytes } : {};
  const changes = { ...mac, ...mtu };
  return Object.keys(changes).length > 0 ? [{ kind: "link.change", node, name: link.name, ...changes }] : [];
}

function repairLink(owner: ObservedNode, pair: Pair): RepairOp[] {
  const { link, has } = pair;
  const node = owner.name;
  return [
    ...link.addresses
      .filter((address) => !has.addresses.some((a) => a.address === address && isSound(a, pair, owner)))
      .map((address): RepairOp => ({ kind: "address.add", node, link: link.name, address })),
    ...(has.up ? [] : [{ kind: "link.up", node, name: link.name } as const]),
  ];
}

/** As the planner knows it: its bridge is what may still be wrong. */
function standingLink(link: Link, has: ObservedLink, bridges: ReadonlySet<string>): Link {
  const { master: _, hairpin: __, ...rest } = link;
  const master = has.master !== undefined && bridges.has(has.master) ? (has.master as IfName) : undefined;
  return { ...rest, ...(master ? { master, hairpin: has.hairpin } : {}) };
}

/** The kernel gives an address to lo when it comes up without one (net/ipv4/devinet.c inetdev_event). */
function repairLoopback({ name: node, links }: ObservedNode): RepairOp[] {
  const lo = links.find((l) => l.name === "lo");
  if (!lo) return [];
  const name = "lo" as IfName;
  const bad = lo.addresses.filter((a) => !isLoopback(a));
  const lost = !lo.addresses.some(isLoopback);
  return [
    ...bad.map((a): RepairOp => ({ kind: "foreign.delete", node, ...a.foreign })),
    ...(lost && lo.up ? [{ kind: "link.down", node, name } as const] : []),
    ...(lost || !lo.up ? [{ kind: "link.up", node, name } as const] : []),
  ];
}

const isLoopback = (a: ObservedAddress): boolean => a.address === "127.0.0.1/8" && a.plain;

// --- addresses and routes --------------------------------------------------------------------------------------------

/** Wanted, made as docknet makes it, with the route to its subnet that the kernel gave it, and staying when what is foreign goes. */
function isSound(address: ObservedAddress, { link, has }: Pair, node: ObservedNode): boolean {
  const subnet = subnetOf(address.address as IfAddr);
  const isWanted = (a: ObservedAddress): boolean =>
    a.plain && (link.addresses as readonly string[]).includes(a.address);
  const routed = node.routes.some((r) => r.ofKernel && r.to === subnet && r.link === has.name);
  const goes = address.secondary && has.addresses.some((a) => !isWanted(a) && subnetOf(a.address as IfAddr) === subnet);
  return isWanted(address) && !goes && (!has.up || subnet.endsWith("/32") || routed);
}

/** Addresses that are not wanted, or not like this, or whose own route somebody deleted: then they are made anew. */
function foreignAddresses(node: ObservedNode, pair: Pair): ForeignObject[] {
  return pair.has.addresses.filter((a) => !isSound(a, pair, node)).map((a) => a.foreign);
}

/** Those of gateways that the lab does not want, and all that docknet never makes. */
function foreignRoutes(node: ObservedNode, target: Node): ForeignObject[] {
  return node.routes
    .filter((r) => !r.ofKernel && !(r.plain && target.routes.some((t) => isRoute(t, r))))
    .map((r) => r.foreign);
}

const isRoute = (wanted: Route, found: ObservedNode["routes"][number]): boolean =>
  found.to === wanted.to && found.via === wanted.via && (wanted.link === undefined || found.link === wanted.link);

/** Is it there, and does it stay when what is foreign has gone? */
function hasRoute(node: ObservedNode, route: Route, pairs: readonly Pair[]): boolean {
  const found = node.routes.find((r) => r.plain && isRoute(route, r));
  return found !== undefined && pairs.some((p) => p.has.name === found.link && p.has.up);
}

function repairSysctls(node: ObservedNode, target: Node, pairs: readonly Pair[]): RepairOp[] {
  // the last setting of a key wins, as it did when they were set in order
  const settings = new Map([...target.sysctls, ...pairs.flatMap((p) => p.link.sysctls)].map((s) => [s.key, s.value]));
  return [...settings].flatMap(([key, value]): RepairOp[] =>
    node.sysctls.get(key) === value.trim().replaceAll(/\s+/g, " ")
      ? []
      : [{ kind: "sysctl.set", node: node.name, key, value }],
  );
}
