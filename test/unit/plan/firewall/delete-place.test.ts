import { expect, test } from "vitest";
import { searchesLong, standInPlace } from "../../../../src/plan/firewall/delete-place.ts";
import { type Rule, renderSpec } from "../../../../src/plan/firewall/rule.ts";
import type { RuleEdit } from "../../../../src/plan/firewall/rule-edit.ts";
import { layoutOf } from "../../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../../src/plan/machine.ts";
import { planLab } from "../../../../src/plan/plan.ts";
import { removeContainer } from "../../../../src/state/container.ts";
import { labOf } from "../../../support/ranges.ts";

const two = (ports: number) => {
  const range = (first: number): string =>
    `{ image: x, ports: ["${first}-${first + ports - 1}:80-${79 + ports}/udp"] }`;
  const { state } = labOf(`a: ${range(10000)}`, `b: ${range(20000)}`);
  const [before, after] = [state, removeContainer(state, state.containers[0]?.id ?? "", { force: true })].map((s) =>
    layoutOf(s, ORDINARY_MACHINE),
  );
  if (!before || !after) return expect.fail("no layout");
  const edits = planLab(before, after).flatMap((op): readonly RuleEdit[] =>
    op.kind === "rules.commit" && op.node === "@host" ? op.edits : [],
  );
  const rules = before.nodes.find((n) => n.name === "@host")?.rules.rules ?? [];
  return { edits, rules };
};

/** As the kernel would tell them. */
const standing = (rules: readonly Rule[]) =>
  rules.map((r) => ({ table: r.table, chain: r.chain, spec: renderSpec(r), position: 1 }));

test("one container of two that have thousands of ports makes a long search, a small one does not", () => {
  expect(searchesLong(two(20).edits)).toBe(false);
  expect(searchesLong(two(1000).edits)).toBe(true);
});

test("every rule that goes is found at its place", () => {
  const { edits, rules } = two(20);
  expect(edits.filter((e) => e.kind === "rule.delete").length).toBeGreaterThan(2 * 20);
  expect(standInPlace(edits, standing(rules))).toBe(true);
});

test("where somebody has put a rule before them, or taken one away, no rule is deleted by its place", () => {
  const { edits, rules } = two(20);
  const found = standing(rules);
  const first = edits.find((e) => e.kind === "rule.delete")?.rule ?? expect.fail("nothing is deleted");
  const foreign = { table: first.table, chain: first.chain, spec: "-s 10.0.0.1/32 -j DROP", position: 1 };
  expect(standInPlace(edits, [foreign, ...found])).toBe(false);
  const at = found.findIndex((r) => r.table === first.table && r.chain === first.chain);
  expect(standInPlace(edits, found.toSpliced(at, 1))).toBe(false);
});
