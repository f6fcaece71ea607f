/**
 * A kernel in memory, strict as the real one and stricter: it refuses to make what is there, to take away what is not, and to use
 * what does not exist. It models what a plan is made of: namespaces, links, bridge ports, addresses, routes, sysctls, rules, listeners.
 * What goes with something else goes here too: a veth with its other end, a macvlan with its parent, routes with their link or its last address (fib_frontend.c
 * fib_inetaddr_event), bridge ports with their bridge.
 */
import { contains, type IfAddr, type Ipv4, subnetOf } from "../../src/net/address.ts";
import { renderSpec } from "../../src/plan/firewall/rule.ts";
import type { RuleEdit } from "../../src/plan/firewall/rule-edit.ts";
import type { Route } from "../../src/plan/layout.ts";
import type { Op, VethEnd } from "../../src/plan/op.ts";

interface Link {
  readonly kind: "bridge" | "veth" | "macvlan" | "vlan" | "dummy";
  readonly mac: string | undefined;
  readonly mtuBytes: number | undefined;
  readonly peer: { readonly node: string; readonly name: string } | undefined;
  /** Of a macvlan or a VLAN. */
  readonly parent: { readonly node: string; readonly name: string } | undefined;
  readonly detail: string;
  readonly addresses: IfAddr[];
  readonly sysctls: Map<string, string>;
  up: boolean;
  master: string | undefined;
  hairpin: boolean;
}

interface ChainState {
  policy: string | undefined;
  readonly rules: string[];
}

interface Namespace {
  readonly sysctls: Map<string, string>;
  readonly links: Map<string, Link>;
  readonly chains: Map<string, ChainState>;
  readonly proxies: Set<string>;
  routes: Route[];
}

export class FakeKernel {
  private readonly nodes = new Map<string, Namespace>();

  apply(ops: readonly Op[]): this {
    for (const op of ops) this.do(op);
    return this;
  }

  /** All there is, as plain data; two kernels that look alike are equal. */
  snapshot(): unknown {
    const sorted = <T>(map: Map<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted(this.nodes).map(([node, ns]) => ({
      node,
      sysctls: sorted(ns.sysctls),
      links: sorted(ns.links).map(([name, l]) => ({
        name,
        ...l,
        addresses: [...l.addresses].sort(),
        sysctls: sorted(l.sysctls),
      })),
      chains: sorted(ns.chains),
      routes: ns.routes
        .map((r) => ({ to: r.to, via: r.via, link: r.link }))
        .sort((a, b) => (a.to + a.via < b.to + b.via ? -1 : 1)),
      proxies: [...ns.proxies].sort(),
    }));
  }

  get isEmpty(): boolean {
    return this.nodes.size === 0;
  }

  private do(op: Op): void {
    switch (op.kind) {
      case "netns.create":
        refuse(this.nodes.has(op.node), op, "exists");
        this.nodes.set(op.node, {
          sysctls: new Map(),
          links: new Map(),
          chains: new Map(),
          proxies: new Set(),
          routes: [],
        });
        return;
      case "netns.delete":
        for (const name of [...this.ns(op).links.keys()])
          if (this.ns(op).links.has(name)) this.deleteLink(op.node, name);
        this.nodes.delete(op.node);
        return;
      case "sysctl.set":
        this.setSysctl(op);
        return;
      case "bridge.create":
        this.addLink(op.node, op, "bridge", undefined, op);
        return;
      case "veth.create":
        this.addLink(op.node, op.end, "veth", { node: op.peerNode, name: op.peer.name }, op);
        this.addLink(op.peerNode, op.peer, "veth", { node: op.node, name: op.end.name }, op);
        return;
      case "macvlan.create": {
        const parent = { node: op.parentNode, name: op.parent };
        this.link({ kind: op.kind, node: op.parentNode }, op.parent);
        const rivals = this.childrenOf(parent, "macvlan");
        refuse(op.mode === "passthru" && rivals.length > 0, op, "is not the only one");
        refuse(
          rivals.some((r) => r.detail === "passthru" || r.mac === op.end.mac),
          op,
          "is in the way of another",
        );
        this.addLink(op.node, op.end, "macvlan", undefined, op, { parent, detail: op.mode });
        return;
      }
      case "vlan.create": {
        const parent = { node: op.node, name: op.parent };
        this.link(op, op.parent);
        refuse(
          this.childrenOf(parent, "vlan").some((c) => c.detail === String(op.vlanId)),
          op,
          "exists",
        );
        this.addLink(op.node, op.end, "vlan", undefined, op, { parent, detail: String(op.vlanId) });
        return;
      }
      case "dummy.create":
        this.addLink(op.node, op.end, "dummy", undefined, op);
        return;
      case "link.delete":
        this.link(op, op.name);
        this.deleteLink(op.node, op.name);
        return;
      case "port.join": {
        const port = this.link(op, op.name);
        refuse(port.master !== undefined, op, "is a port already");
        refuse(this.link(op, op.bridge).kind !== "bridge", op, "is no bridge");
        port.master = op.bridge;
        port.hairpin = op.hairpin;
        return;
      }
      case "port.leave": {
        const port = this.link(op, op.name);
        refuse(port.master !== op.bridge, op, "is not a port of it");
        port.master = undefined;
        port.hairpin = false;
        return;
      }
      case "link.up":
        refuse(this.link(op, op.name).up, op, "is up");
        this.link(op, op.name).up = true;
        return;
      case "link.down":
        refuse(!this.link(op, op.name).up, op, "is down");
        this.link(op, op.name).up = false;
        this.dropRoutes(this.ns(op), op.name);
        return;
      case "address.add":
        refuse(this.link(op, op.link).addresses.includes(op.address), op, "exists");
        this.link(op, op.link).addresses.push(op.address);
        return;
      case "address.delete": {
        const { addresses } = this.link(op, op.link);
        refuse(!addresses.includes(op.address), op, "is not there");
        // the routes that leave by it are found by its addresses, so they go first
        if (addresses.length === 1) this.dropRoutes(this.ns(op), op.link);
        addresses.splice(addresses.indexOf(op.address), 1);
        return;
      }
      case "route.add": {
        const ns = this.ns(op);
        refuse(
          ns.routes.some((r) => r.to === op.route.to),
          op,
          "exists",
        );
        const out = linkOf(ns, op.route);
        refuse(out === undefined || !ns.links.get(out)?.up, op, "has no link that is up and reaches the gateway");
        ns.routes.push(op.route);
        return;
      }
      case "route.delete": {
        const ns = this.ns(op);
        const same = (r: Route): boolean => r.to === op.route.to && r.via === op.route.via && r.link === op.route.link;
        refuse(!ns.routes.some(same), op, "is not there");
        ns.routes = ns.routes.filter((r) => !same(r));
        return;
      }
      case "rules.commit":
        refuse(op.edits.length === 0, op, "is an empty transaction");
        applyEdits(this.ns(op).chains, op.edits);
        return;
      case "proxy.open":
      case "proxy.close": {
        const { proto, hostIp, hostPort, containerIp, containerPort } = op.proxy;
        const { proxies } = this.ns(op);
        const listener = `${proto} ${hostIp} ${hostPort} -> ${containerIp} ${containerPort}`;
        if (op.kind === "proxy.close") refuse(!proxies.delete(listener), op, "does not listen");
        else {
          refuse(
            [...proxies].some((p) => p.startsWith(`${proto} ${hostIp} ${hostPort} `)),
            op,
            "address already in use",
          );
          proxies.add(listener);
        }
      }
    }
  }

  private ns(op: { readonly kind: string; readonly node: string }): Namespace {
    const ns = this.nodes.get(op.node);
    if (!ns) throw new Error(`${JSON.stringify(op)}: no namespace ${op.node}`);
    return ns;
  }

  private link(op: { readonly kind: string; readonly node: string }, name: string): Link {
    const link = this.ns(op).links.get(name);
    if (!link) throw new Error(`${JSON.stringify(op)}: no link ${name}`);
    return link;
  }

  /** A key of one interface lives and dies with it. */
  private setSysctl(op: Extract<Op, { kind: "sysctl.set" }>): void {
    const [, name = "all"] = /^net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\./.exec(op.key) ?? [];
    const place = name === "all" || name === "default" ? this.ns(op) : this.link(op, name.replaceAll("/", "."));
    const was = place.sysctls.get(op.key);
    refuse(op.before !== undefined && was !== op.before, op, `was ${was}`);
    place.sysctls.set(op.key, op.value);
  }

  private childrenOf(parent: { readonly node: string; readonly name: string }, kind: Link["kind"]): Link[] {
    const isChild = (l: Link): boolean =>
      l.kind === kind && l.parent?.node === parent.node && l.parent.name === parent.name;
    return [...this.nodes.values()].flatMap((ns) => [...ns.links.values()].filter(isChild));
  }

  private addLink(
    node: string,
    end: VethEnd,
    kind: Link["kind"],
    peer: Link["peer"],
    op: Op,
    { parent, detail }: Pick<Link, "parent" | "detail"> = { parent: undefined, detail: "" },
  ): void {
    const { links } = this.ns({ kind: op.kind, node });
    refuse(links.has(end.name) || end.name === "lo", op, "exists");
    links.set(end.name, {
      kind,
      mac: end.mac,
      mtuBytes: end.mtuBytes,
      peer,
      parent,
      detail,
      addresses: [],
      sysctls: new Map(),
      up: false,
      master: undefined,
      hairpin: false,
    });
  }

  private deleteLink(node: string, name: string): void {
    const ns = this.nodes.get(node);
    const link = ns?.links.get(name);
    if (!ns || !link) return;
    this.dropRoutes(ns, name);
    ns.links.delete(name);
    for (const port of ns.links.values()) {
      if (port.master !== name) continue;
      port.master = undefined;
      port.hairpin = false;
    }
    if (link.peer) this.deleteLink(link.peer.node, link.peer.name);
    for (const [other, { links }] of this.nodes)
      for (const [child, { parent }] of [...links])
        if (parent?.node === node && parent.name === name) this.deleteLink(other, child);
  }

  private dropRoutes(ns: Namespace, link: string): void {
    ns.routes = ns.routes.filter((r) => linkOf(ns, r) !== link);
  }
}

/** The link by which a route leaves: the one that it names, if that has an address at all; else the one on whose subnet its gateway is. */
function linkOf(ns: Namespace, { link, via }: Route): string | undefined {
  const reaches = (l: Link, gateway: Ipv4): boolean => l.addresses.some((a) => contains(subnetOf(a), gateway));
  if (link !== undefined) return ns.links.get(link)?.addresses.length ? link : undefined;
  return [...ns.links].find(([, l]) => reaches(l, via))?.[0];
}

/** Edits on chains as iptables would do them, positions and `atEnd` checked. */
export function applyEdits(chains: Map<string, ChainState>, edits: readonly RuleEdit[]): void {
  for (const edit of edits) {
    const { table, name } = edit.kind.startsWith("chain")
      ? (edit as { chain: { table: string; name: string } }).chain
      : { table: ruleOf(edit).table, name: ruleOf(edit).chain };
    const key = `${table} ${name}`;
    const chain = chains.get(key);
    if (edit.kind === "chain.create") {
      refuse(chain !== undefined, edit, "exists");
      chains.set(key, { policy: edit.chain.policy, rules: [] });
      continue;
    }
    if (!chain) throw new Error(`${JSON.stringify(edit)}: no chain ${key}`);
    switch (edit.kind) {
      case "chain.policy":
        refuse(chain.policy !== edit.before, edit, `was ${chain.policy}`);
        chain.policy = edit.chain.policy;
        break;
      case "chain.delete":
        refuse(chain.rules.length > 0, edit, "is not empty");
        refuse(
          [...chains].some(([k, c]) => k.startsWith(`${table} `) && c.rules.some((r) => r.endsWith(`-j ${name}`))),
          edit,
          "is jumped to",
        );
        chains.delete(key);
        break;
      case "rule.insert": {
        const spec = renderSpec(edit.rule);
        refuse(edit.position < 1 || edit.position > chain.rules.length + 1, edit, "index out of range");
        refuse(edit.atEnd !== (edit.position === chain.rules.length + 1), edit, "is wrong about the end");
        refuse(
          edit.rule.target.kind === "JUMP" && !chains.has(`${table} ${edit.rule.target.chain}`),
          edit,
          "jumps nowhere",
        );
        chain.rules.splice(edit.position - 1, 0, spec);
        break;
      }
      case "rule.delete": {
        const spec = renderSpec(edit.rule);
        refuse(
          chain.rules[edit.position - 1] !== spec,
          edit,
          `is not at its position: ${chain.rules[edit.position - 1]}`,
        );
        refuse(edit.atEnd !== (edit.position === chain.rules.length), edit, "is wrong about the end");
        // by specification, as -D does: the first of its like
        chain.rules.splice(chain.rules.indexOf(spec), 1);
        break;
      }
    }
  }
}

function ruleOf(edit: RuleEdit): { readonly table: string; readonly chain: string } {
  if (edit.kind === "rule.insert" || edit.kind === "rule.delete") return edit.rule;
  throw new Error(`${edit.kind} has no rule`);
}

function refuse(wrong: boolean, what: unknown, why: string): void {
  if (wrong) throw new Error(`${JSON.stringify(what)}: ${why}`);
}
