/**
 * One step on the kernel, as data. The same list is shown by `docknet plan` and done by the executor. Every op that adds has
 * one that removes; `invertOp` gives it, so a plan can be undone from its last step back.
 */

import type { IfAddr } from "../net/address.ts";
import type { Mac } from "../net/mac.ts";
import type { IfName, NodeName } from "../net/name.ts";
import { invertEdit, type RuleEdit } from "./firewall/rule-edit.ts";
import type { MacvlanLink, ProxyListener, Route } from "./layout.ts";

export type Op =
  /** A namespace with `lo` up. */
  | { readonly kind: "netns.create"; readonly node: NodeName }
  | { readonly kind: "netns.delete"; readonly node: NodeName }
  | {
      readonly kind: "sysctl.set";
      readonly node: NodeName;
      readonly key: string;
      readonly value: string;
      readonly before?: string;
    }
  | {
      readonly kind: "bridge.create";
      readonly node: NodeName;
      readonly name: IfName;
      readonly mac?: Mac;
      readonly mtuBytes?: number;
    }
  /** Both ends at once, the second straight in its own namespace. */
  | {
      readonly kind: "veth.create";
      readonly node: NodeName;
      readonly end: VethEnd;
      readonly peerNode: NodeName;
      readonly peer: VethEnd;
    }
  /** Straight in its own namespace, on a link of another. */
  | {
      readonly kind: "macvlan.create";
      readonly node: NodeName;
      readonly end: VethEnd;
      readonly parentNode: NodeName;
      readonly parent: IfName;
      readonly mode: MacvlanLink["mode"];
    }
  | {
      readonly kind: "vlan.create";
      readonly node: NodeName;
      readonly end: VethEnd;
      readonly parent: IfName;
      readonly vlanId: number;
    }
  | { readonly kind: "dummy.create"; readonly node: NodeName; readonly end: VethEnd }
  | { readonly kind: "link.delete"; readonly node: NodeName; readonly name: IfName; readonly create: Op }
  | {
      readonly kind: "port.join";
      readonly node: NodeName;
      readonly name: IfName;
      readonly bridge: IfName;
      readonly hairpin: boolean;
    }
  | {
      readonly kind: "port.leave";
      readonly node: NodeName;
      readonly name: IfName;
      readonly bridge: IfName;
      readonly hairpin: boolean;
    }
  | { readonly kind: "link.up"; readonly node: NodeName; readonly name: IfName }
  | { readonly kind: "link.down"; readonly node: NodeName; readonly name: IfName }
  | { readonly kind: "address.add"; readonly node: NodeName; readonly link: IfName; readonly address: IfAddr }
  | { readonly kind: "address.delete"; readonly node: NodeName; readonly link: IfName; readonly address: IfAddr }
  | { readonly kind: "route.add"; readonly node: NodeName; readonly route: Route }
  | { readonly kind: "route.delete"; readonly node: NodeName; readonly route: Route }
  /** One iptables-restore transaction. */
  | { readonly kind: "rules.commit"; readonly node: NodeName; readonly edits: readonly RuleEdit[] }
  | { readonly kind: "proxy.open"; readonly node: NodeName; readonly proxy: ProxyListener }
  | { readonly kind: "proxy.close"; readonly node: NodeName; readonly proxy: ProxyListener };

export interface VethEnd {
  readonly name: IfName;
  readonly mac?: Mac;
  readonly mtuBytes?: number;
}

/** What takes a step back. */
export function invertOp(op: Op): Op {
  switch (op.kind) {
    case "netns.create":
      return { ...op, kind: "netns.delete" };
    case "netns.delete":
      return { ...op, kind: "netns.create" };
    case "sysctl.set":
      return { ...op, value: op.before ?? op.value, before: op.value };
    case "bridge.create":
      return { kind: "link.delete", node: op.node, name: op.name, create: op };
    case "veth.create":
    case "macvlan.create":
    case "vlan.create":
    case "dummy.create":
      return { kind: "link.delete", node: op.node, name: op.end.name, create: op };
    case "link.delete":
      return op.create;
    case "port.join":
      return { ...op, kind: "port.leave" };
    case "port.leave":
      return { ...op, kind: "port.join" };
    case "link.up":
      return { ...op, kind: "link.down" };
    case "link.down":
      return { ...op, kind: "link.up" };
    case "address.add":
      return { ...op, kind: "address.delete" };
    case "address.delete":
      return { ...op, kind: "address.add" };
    case "route.add":
      return { ...op, kind: "route.delete" };
    case "route.delete":
      return { ...op, kind: "route.add" };
    case "rules.commit":
      return { ...op, edits: [...op.edits].reverse().map(invertEdit) };
    case "proxy.open":
      return { ...op, kind: "proxy.close" };
    case "proxy.close":
      return { ...op, kind: "proxy.open" };
  }
}
