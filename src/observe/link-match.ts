/** Which of the links that a kernel has are those that a lab wants. Pure. */
import type { IfName, NodeName } from "../net/name.ts";
import { type Layout, type Link, nodeOf } from "../plan/layout.ts";
import type { ObservedLink, ObservedNode } from "../plan/observed.ts";

/** Is it the one that is meant, whatever its settings? A veth is when its other end is too. */
export function isSameLink(node: NodeName, link: Link, has: ObservedLink, wanted: Layout): boolean {
  if (link.kind === "bridge") return has.kind === "bridge";
  const peer = link.kind === "veth" ? link.peer : otherEnd(node, link.name, wanted);
  return has.kind === "veth" && has.peer?.node === peer?.node && has.peer?.name === peer?.name;
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
