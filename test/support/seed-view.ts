/** The seed lab as data: its state, its layout, and a node's planned rules, without a kernel. */
import { readFileSync } from "node:fs";
import { loadSpec } from "../../src/index.ts";
import type { NodeName } from "../../src/net/name.ts";
import { EMPTY_RULESET, type Ruleset } from "../../src/plan/firewall/rule.ts";
import { nodeOf } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../src/plan/machine.ts";
import { resolveState } from "../../src/state/resolve.ts";
import { labText } from "./lab-text.ts";

export const SEED = readFileSync(new URL("../../src/labs/seed.yaml", import.meta.url), "utf8");

export const seedState = resolveState(loadSpec(labText(SEED))).state;
export const seedLayout = layoutOf(seedState, ORDINARY_MACHINE);

export const seedRules = (node: string): Ruleset => nodeOf(seedLayout, node as NodeName)?.rules ?? EMPTY_RULESET;
