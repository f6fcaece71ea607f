/** Which of the links that a kernel has are those that a lab wants. Pure. */
import type { IfName, NodeName } from "../net/name.ts";
import { type Layout, type Link, nodeOf } from "../plan/layout.ts";
import type { ObservedLink, ObservedNode } from "../plan/observed.ts";

/** Is it the one that is meant, whatever its settings? A veth is when its other end is too, a macvlan on its parent and in its mode. */
export function isSameLink(node: NodeName, link: Link, has: ObservedLink, wanted: Layout): boolean {
  const other = otherLink(node, link, wanted);
  return (
    has.kind === (link.kind === "peer" ? "veth" : link.kind) &&
    has.peer?.node === other?.node &&
    has.peer?.name === other?.name &&
    (link.kind !== "macvlan" || has.mode === link.mode) &&
    (link.kind !== "vlan" || has.vlanId === link.vlanId)
  );
}

/** "bridge", "veth to eth0 of web", "macvlan on eth0 of @host in mode private" */
export function describeLink({ kind, peer, mode, vlanId }: ObservedLink): string {
  const place = peer ? `${peer.name} of ${peer.node}` : "elsewhere";
  if (kind === "veth") return `veth to ${place}`;
  if (kind === "macvlan") return `macvlan on ${place} in mode ${mode}`;
  return kind === "vlan" ? `VLAN ${vlanId} on ${place}` : kind;
}

/** What it should be, in the same words. */
export function describeWanted(link: Link): string {
  if (link.kind === "macvlan") return `macvlan on ${link.parent.name} of ${link.parent.node} in mode ${link.mode}`;
  if (link.kind === "vlan") return `VLAN ${link.vlanId} on ${link.parent}`;
  return link.kind === "veth" || link.kind === "peer" ? "veth to its own other end" : link.kind;
}

function otherLink(node: NodeName, link: Link, wanted: Layout): { node: NodeName; name: string } | undefined {
  if (link.kind === "veth") return link.peer;
  if (link.kind === "peer") return otherEnd(node, link.name, wanted);
  if (link.kind === "macvlan") return link.parent;
  return link.kind === "vlan" ? { node, name: link.parent } : undefined;
}

function otherEnd(node: NodeName, name: IfName, wanted: Layout): { node: NodeName; name: string } | undefined {
  for (const other of wanted.nodes) {
    const link = other.links.find((l) => l.kind === "veth" && l.peer.node === node && l.peer.name === name);
    if (link) return { node: other.name, name: link.name };
  }
  return undefined;
}

/** Devices that modules put into every new namespace: nobody's, down, and not to be deleted. */
export const BORN_WITH = new Set([
  "sit0",
  "tunl0",
  "gre0",
  "gretap0",
  "erspan0",
  "ip_vti0",
  "ip6_vti0",
  "ip6tnl0",
  "ip6gre0",
]);

/** Links that the lab does not want, or not like this. Of a pair one end is enough. */
export function foreignLinks(node: ObservedNode, wanted: Layout): ObservedLink[] {
  const target = nodeOf(wanted, node.name);
  if (!target) return [];
  return node.links.filter((has) => {
    if (has.name === "lo" || BORN_WITH.has(has.name)) return false;
    const link = target.links.find((l) => l.name === has.name);
    return !link || !isSameLink(node.name, link, has, wanted);
  });
}
