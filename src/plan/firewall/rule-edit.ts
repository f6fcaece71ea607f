/** One change of a node's rules; several are one transaction. */
import type { Chain, Rule } from "./rule.ts";

/** Positions are 1-based and count at the moment of the edit, as iptables does; `atEnd` says that it is an append. */
export type RuleEdit =
  | { readonly kind: "chain.create"; readonly chain: Chain }
  | { readonly kind: "chain.delete"; readonly chain: Chain }
  | { readonly kind: "chain.policy"; readonly chain: Chain; readonly before: "ACCEPT" | "DROP" }
  | { readonly kind: "rule.insert"; readonly rule: Rule; readonly position: number; readonly atEnd: boolean }
  | { readonly kind: "rule.delete"; readonly rule: Rule; readonly position: number; readonly atEnd: boolean };

export function invertEdit(edit: RuleEdit): RuleEdit {
  switch (edit.kind) {
    case "chain.create":
      return { ...edit, kind: "chain.delete" };
    case "chain.delete":
      return { ...edit, kind: "chain.create" };
    case "chain.policy":
      return { ...edit, chain: { ...edit.chain, policy: edit.before }, before: edit.chain.policy ?? "ACCEPT" };
    case "rule.insert":
      return { ...edit, kind: "rule.delete" };
    case "rule.delete":
      return { ...edit, kind: "rule.insert" };
  }
}
