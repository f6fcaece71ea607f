/**
 * A step that puts back what was changed by hand. Unlike the steps of a plan most have no way back: what they remove, docknet did not
 * make, and could not make again.
 */
import type { Mac } from "../../net/mac.ts";
import type { IfName, NodeName } from "../../net/name.ts";
import type { ForeignObject } from "../observed.ts";
import type { Op } from "../op.ts";
import type { RuleEdit } from "./rule-edit.ts";

export type RepairOp =
  | Extract<Op, { readonly kind: "sysctl.set" | "address.add" | "link.up" | "link.down" | "port.join" | "port.leave" }>
  /** Mounts the namespace, which is alive, at its name again. */
  | { readonly kind: "netns.name"; readonly node: NodeName }
  | ({ readonly kind: "foreign.delete"; readonly node: NodeName } & ForeignObject)
  /** In place: what hangs on the link stays. */
  | {
      readonly kind: "link.change";
      readonly node: NodeName;
      readonly name: IfName;
      readonly mac?: Mac;
      readonly mtuBytes?: number;
    }
  /** One iptables-restore transaction. */
  | { readonly kind: "rules.repair"; readonly node: NodeName; readonly edits: readonly RepairEdit[] };

/** Foreign chains and rules may be in any table, and may say anything: they are named, or counted, never repeated. */
export type RepairEdit =
  | Extract<RuleEdit, { readonly kind: "chain.create" | "chain.policy" | "rule.insert" }>
  /** Positions are 1-based and count at the moment of the edit; `spec` is for people. */
  | {
      readonly kind: "rule.purge";
      readonly table: string;
      readonly chain: string;
      readonly position: number;
      readonly spec: string;
    }
  | { readonly kind: "chain.purge"; readonly table: string; readonly name: string }
  | { readonly kind: "policy.reset"; readonly table: string; readonly name: string };
