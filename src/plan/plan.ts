/**
 * The planner: (Layout, Layout) -> Op[]. What goes is removed first (listeners, rules, links before their namespaces), then what
 * comes is made: all namespaces, then links with what hangs on them, the host's rules between its bridges and its bridge ports.
 * `up` is planLab(undefined, s), `down` is planLab(s, undefined), everything else a step between.
 */
import { contains, subnetOf } from "../net/address.ts";
import type { IfName, NodeName } from "../net/name.ts";
import { EMPTY_RULESET, type Ruleset, renderSpec } from "./firewall/rule.ts";
import { diffRulesets } from "./firewall/rule-diff.ts";
import { type Layout, type Link, linkOf, type Node, nodeOf, type ProxyListener, pairOf, type Route } from "./layout.ts";
import type { Op, VethEnd } from "./op.ts";

export function planLab(before: Layout | undefined, after: Layout | undefined): Op[] {
  const [old, next] = [before?.nodes ?? [], after?.nodes ?? []];
  const isNew = (n: Node): boolean => before === undefined || nodeOf(before, n.name) === undefined;
  const isGone = (o: Node): boolean => after === undefined || nodeOf(after, o.name) === undefined;
  const change: Change = { before, after };
  return [
    ...old.flatMap((node) => closeProxies(node, after)),
    ...old.filter((n) => !isGone(n)).flatMap((node) => deleteRoutes(node, change)),
    ...old.flatMap((node) => deleteMacvlans(node, change)),
    ...old.flatMap((node) => deleteLinks(node, change)),
    ...old
      .filter(isGone)
      .reverse()
      .map((node): Op => ({ kind: "netns.delete", node: node.name })),
    ...next.filter(isNew).flatMap(createNode),
    ...next.filter((n) => !isNew(n)).flatMap((node) => changeSysctls(node, before)),
    ...next.flatMap((node) => changeLinks(node, change)),
    ...next.flatMap((node) => openProxies(node, before)),
  ];
}

interface Change {
  readonly before: Layout | undefined;
  readonly after: Layout | undefined;
}

function createNode(node: Node): Op[] {
  return [
    { kind: "netns.create", node: node.name },
    ...node.sysctls.map(({ key, value }): Op => ({ kind: "sysctl.set", node: node.name, key, value })),
  ];
}

function changeSysctls(node: Node, before: Layout | undefined): Op[] {
  const old = (before && nodeOf(before, node.name)?.sysctls) ?? [];
  return node.sysctls.flatMap(({ key, value }): Op[] => {
    const was = old.find((s) => s.key === key)?.value;
    return was === value
      ? []
      : [{ kind: "sysctl.set", node: node.name, key, value, ...(was === undefined ? {} : { before: was }) }];
  });
}

// --- removal ---------------------------------------------------------------------------------------------------------

/** First of all: a macvlan goes with its parent, and then there would be nothing left to delete. */
function deleteMacvlans(node: Node, change: Change): Op[] {
  return leavingLinks(node, change)
    .filter((l) => l.kind === "macvlan")
    .map((l) => deleteLink(node.name, l, change));
}

function deleteLinks(node: Node, change: Change): Op[] {
  const leaving = leavingLinks(node, change);
  // ports go before their bridge, and so do the rules that name it
  const ports = leaving.filter((l) => l.kind === "veth");
  const devices = leaving.filter(isDevice);
  const stays = change.after && nodeOf(change.after, node.name);
  return [
    ...ports.map((l) => deleteLink(node.name, l, change)),
    ...(stays && stays.rules !== node.rules
      ? commitRules(node.name, node.rules, withoutNew(node.rules, stays.rules))
      : []),
    ...(stays ? devices.map((l) => deleteLink(node.name, l, change)) : []),
  ];
}

function leavingLinks(node: Node, change: Change): Link[] {
  return node.links.filter(
    (link) => link.kind !== "peer" && mustGo(node.name, link, change) && !goesWithNamespaces(node.name, link, change),
  );
}

function deleteLink(node: NodeName, link: Link, change: Change): Op {
  return { kind: "link.delete", node, name: link.name, create: createLink(node, link, change.before) };
}

/** Made in one node alone, for others to hang on. */
const isDevice = ({ kind }: Link): boolean => kind === "bridge" || kind === "vlan" || kind === "dummy";

/** A link dies with its namespace, and deleting thousands one by one waits for the kernel each time; but an end that stays is deleted at once. */
function goesWithNamespaces(node: NodeName, link: Link, { after }: Change): boolean {
  const stays = (name: NodeName): boolean => after !== undefined && nodeOf(after, name) !== undefined;
  const other = link.kind === "veth" ? link.peer.node : link.kind === "macvlan" ? link.parent.node : undefined;
  return !stays(node) && (other === undefined || !stays(other));
}

/** The old rules less those that the new set does not have. */
function withoutNew(old: Ruleset, next: Ruleset): Ruleset {
  if (old === next) return old;
  const wanted = new Set(next.rules.map((r) => `${r.table} ${r.chain} ${renderSpec(r)}`));
  const rules = old.rules.filter((r) => wanted.has(`${r.table} ${r.chain} ${renderSpec(r)}`));
  return rules.length === old.rules.length ? old : { chains: old.chains, rules };
}

/** Gone, or made anew because something changed that a link keeps for life. */
function mustGo(node: NodeName, link: Link, change: Change): boolean {
  const { before, after } = change;
  const next = linkIn(after, node, link.name);
  if (!next || (next !== link && !sameDevice(link, next))) return true;
  if (link.kind === "macvlan") {
    const parent = linkIn(before, link.parent.node, link.parent.name);
    return !sameEndpoint(link, next) || !parent || mustGo(link.parent.node, parent, change);
  }
  if (link.kind !== "veth") return false;
  if (next.kind !== "veth" || next.peer.node !== link.peer.node || next.peer.name !== link.peer.name) return true;
  const [peer, nextPeer] = [before, after].map((layout) => linkIn(layout, link.peer.node, link.peer.name));
  return !peer || !nextPeer || !sameEndpoint(peer, nextPeer);
}

/** What an endpoint is given when it joins it keeps for life: with another address or sysctl it is another endpoint. */
function sameEndpoint(a: Link, b: Link): boolean {
  if (a === b) return true;
  const given = ({ addresses, sysctls }: Link): string => JSON.stringify([addresses, sysctls]);
  return sameDevice(a, b) && given(a) === given(b);
}

const sameDevice = (a: Link, b: Link): boolean =>
  a.kind === b.kind && a.mac === b.mac && a.mtuBytes === b.mtuBytes && sameParent(a, b);

function sameParent(a: Link, b: Link): boolean {
  if (a.kind === "vlan") return b.kind === "vlan" && a.parent === b.parent && a.vlanId === b.vlanId;
  if (a.kind !== "macvlan") return true;
  return (
    b.kind === "macvlan" && a.parent.node === b.parent.node && a.parent.name === b.parent.name && a.mode === b.mode
  );
}

function linkIn(layout: Layout | undefined, node: NodeName, name: IfName): Link | undefined {
  return layout && linkOf(layout, node, name);
}

function deleteRoutes(node: Node, change: Change): Op[] {
  const next = (change.after && nodeOf(change.after, node.name)?.routes) ?? [];
  return node.routes
    .filter((r) => losesLink(node.name, r, change) || !next.some((n) => sameRoute(n, r)))
    .map((route): Op => ({ kind: "route.delete", node: node.name, route }));
}

/**
 * Is a link that it goes by made anew, or given other addresses? Then the kernel takes it along (net/ipv4/fib_frontend.c fib_del_ifaddr),
 * and it comes again with the new one.
 */
function losesLink(node: NodeName, route: Route, change: Change): boolean {
  return linksOf(node, route, change).some((link) => {
    const pair = change.before && pairOf(change.before, node, link.name);
    const isNew = mustGo(node, link, change) || (pair !== undefined && mustGo(pair.node, pair.link, change));
    return isNew || losesAddress(node, link, change);
  });
}

/** The links that a route of the old layout may go by: the one that it names, or those whose subnet has its gateway. */
function linksOf(node: NodeName, route: Route, { before }: Change): readonly Link[] {
  const links = (before && nodeOf(before, node)?.links) ?? [];
  if (route.link) return links.filter((l) => l.name === route.link);
  return links.filter((l) => l.addresses.some((address) => contains(subnetOf(address), route.via)));
}

function losesAddress(node: NodeName, old: Link, { after }: Change): boolean {
  const next = linkIn(after, node, old.name);
  return next !== undefined && old.addresses.some((address) => !next.addresses.includes(address));
}

const sameRoute = (a: Route, b: Route): boolean => a.to === b.to && a.via === b.via && a.link === b.link;

// --- creation --------------------------------------------------------------------------------------------------------

function changeLinks(node: Node, change: Change): Op[] {
  const old = change.before && nodeOf(change.before, node.name);
  const own = node.links.filter((l) => l.kind !== "peer");
  const standing = old ? withoutNew(old.rules, node.rules) : EMPTY_RULESET;
  const rules = old?.rules === node.rules ? [] : commitRules(node.name, standing, node.rules);
  const fresh = (l: Link): boolean => mustCome(node.name, l, change);
  const make = (l: Link): Op[] => (fresh(l) ? makeLink(node.name, l, change) : alterLink(node.name, l, change));
  const peers = node.links.filter((l) => l.kind === "peer" && !isFreshPeer(node, l, change));
  return [
    ...own.filter(isDevice).flatMap(make),
    ...rules,
    ...own.filter((l) => !isDevice(l)).flatMap(make),
    ...peers.flatMap((l) => alterLink(node.name, l, change)),
    ...(routesComeWithPeers(node, change) ? [] : addRoutes(node, change)),
  ];
}

function commitRules(node: NodeName, before: Ruleset, after: Ruleset): Op[] {
  if (before === after) return [];
  const edits = diffRulesets(before, after);
  return edits.length > 0 ? [{ kind: "rules.commit", node, edits }] : [];
}

/** Not there before, or there but about to be deleted. */
function mustCome(node: NodeName, link: Link, change: Change): boolean {
  const old = linkIn(change.before, node, link.name);
  return !old || mustGo(node, old, change);
}

function isFreshPeer(node: Node, link: Link, change: Change): boolean {
  const pair = change.after && pairOf(change.after, node.name, link.name);
  return pair !== undefined && mustCome(pair.node, pair.link, change);
}

/** A node made of peer ends alone gets its routes with the last of them; one with links of its own, after those. */
function routesComeWithPeers(node: Node, change: Change): boolean {
  return node.links.every((l) => l.kind === "peer") && node.links.some((l) => isFreshPeer(node, l, change));
}

function createLink(node: NodeName, link: Link, layout: Layout | undefined): Op {
  const end = endOf(link);
  switch (link.kind) {
    case "veth": {
      const peer = linkIn(layout, link.peer.node, link.peer.name);
      return {
        kind: "veth.create",
        node,
        end,
        peerNode: link.peer.node,
        peer: peer ? endOf(peer) : { name: link.peer.name },
      };
    }
    case "macvlan": {
      const { mode, parent } = link;
      return { kind: "macvlan.create", node, end, parentNode: parent.node, parent: parent.name, mode };
    }
    case "vlan":
      return { kind: "vlan.create", node, end, parent: link.parent, vlanId: link.vlanId };
    case "dummy":
      return { kind: "dummy.create", node, end };
    case "bridge":
      return { kind: "bridge.create", node, ...end };
    case "peer":
      throw new Error(`link ${link.name} of ${node} is made with its pair`);
  }
}

function endOf(link: Link): VethEnd {
  return {
    name: link.name,
    ...(link.mac ? { mac: link.mac } : {}),
    ...(link.mtuBytes ? { mtuBytes: link.mtuBytes } : {}),
  };
}

function makeLink(node: NodeName, link: Link, change: Change): Op[] {
  const create = createLink(node, link, change.after);
  if (link.kind !== "veth") return [create, ...configure(node, link)];
  const peerNode = change.after && nodeOf(change.after, link.peer.node);
  const peer = peerNode?.links.find((l) => l.name === link.peer.name);
  if (!peerNode || !peer) return [create, ...configure(node, link)];
  const last = peerNode.links.filter((l) => l.kind === "peer" && isFreshPeer(peerNode, l, change)).at(-1);
  return [
    create,
    ...configure(node, link),
    ...configure(peerNode.name, peer),
    ...(last === peer && routesComeWithPeers(peerNode, change) ? addRoutes(peerNode, change) : []),
  ];
}

/** In Docker's order: enslave, sysctls, addresses, up. */
function configure(node: NodeName, link: Link): Op[] {
  return [
    ...(link.master
      ? [{ kind: "port.join", node, name: link.name, bridge: link.master, hairpin: link.hairpin ?? false } as const]
      : []),
    ...link.sysctls.map(({ key, value }): Op => ({ kind: "sysctl.set", node, key, value })),
    ...link.addresses.map((address): Op => ({ kind: "address.add", node, link: link.name, address })),
    { kind: "link.up", node, name: link.name },
  ];
}

/** A link that stays: its addresses, sysctls and bridge may change. */
function alterLink(node: NodeName, link: Link, change: Change): Op[] {
  const old = linkIn(change.before, node, link.name);
  if (!old || old === link) return [];
  const port = (l: Link, kind: "port.join" | "port.leave"): Op[] =>
    l.master ? [{ kind, node, name: link.name, bridge: l.master, hairpin: l.hairpin ?? false }] : [];
  const moved = old.master !== link.master || (old.hairpin ?? false) !== (link.hairpin ?? false);
  return [
    ...(moved ? [...port(old, "port.leave"), ...port(link, "port.join")] : []),
    ...link.sysctls
      .filter((s) => !old.sysctls.some((o) => o.key === s.key && o.value === s.value))
      .map(({ key, value }): Op => ({ kind: "sysctl.set", node, key, value })),
    ...(losesAddress(node, old, change) ? readdress(node, old, link) : addAddresses(node, old, link)),
  ];
}

function addAddresses(node: NodeName, old: Link, link: Link): Op[] {
  return link.addresses
    .filter((a) => !old.addresses.includes(a))
    .map((address): Op => ({ kind: "address.add", node, link: link.name, address }));
}

/** All go, last one first, and come in their order: with the first address of a subnet the kernel would take the others of it along. */
function readdress(node: NodeName, old: Link, link: Link): Op[] {
  return [
    ...old.addresses.toReversed().map((address): Op => ({ kind: "address.delete", node, link: link.name, address })),
    ...link.addresses.map((address): Op => ({ kind: "address.add", node, link: link.name, address })),
  ];
}

function addRoutes(node: Node, change: Change): Op[] {
  const old = (change.before && nodeOf(change.before, node.name)?.routes) ?? [];
  return node.routes
    .filter((r) => losesLink(node.name, r, change) || !old.some((o) => sameRoute(o, r)))
    .map((route): Op => ({ kind: "route.add", node: node.name, route }));
}

// --- userland proxy --------------------------------------------------------------------------------------------------

const proxyKey = (p: ProxyListener): string =>
  [p.proto, p.hostIp, p.hostPort, p.containerIp, p.containerPort].join(" ");

function closeProxies(node: Node, after: Layout | undefined): Op[] {
  const next = new Set(((after && nodeOf(after, node.name)?.proxies) ?? []).map(proxyKey));
  return node.proxies
    .filter((p) => !next.has(proxyKey(p)))
    .map((proxy): Op => ({ kind: "proxy.close", node: node.name, proxy }));
}

function openProxies(node: Node, before: Layout | undefined): Op[] {
  const old = new Set(((before && nodeOf(before, node.name)?.proxies) ?? []).map(proxyKey));
  return node.proxies
    .filter((p) => !old.has(proxyKey(p)))
    .map((proxy): Op => ({ kind: "proxy.open", node: node.name, proxy }));
}
