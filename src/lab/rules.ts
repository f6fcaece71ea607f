/** `docknet rules` on a lab that stands: which nodes are meant, what their kernel has, beside what the lab wants. */

import { readTables, type TablesReading } from "../kernel/firewall/rules.ts";
import { hasLegacyTables, readTableNames } from "../kernel/lab-reading.ts";
import { readMachine } from "../kernel/machine.ts";
import { HOST, type NodeName } from "../net/name.ts";
import { chooseRules, listChains, type NodeRules, type RuleChoice, type RuleListing } from "../observe/rules.ts";
import { type Layout, rulesIn } from "../plan/layout.ts";
import { layoutOf } from "../plan/layout-of.ts";
import { walkSender } from "../plan/predict/walk-target.ts";
import type { State } from "../state/state.ts";
import { sandboxNode } from "./servers.ts";
import type { Site } from "./site.ts";
import { VERSION } from "./verify.ts";

export interface RulesOptions extends RuleChoice {
  /** A service, a container, or a machine of the world; @host unless said. */
  readonly node?: string;
  /** Every node that has rules, or should. */
  readonly all?: boolean;
  /** As the lab wants it: nothing is read, nothing counted. */
  readonly planned?: boolean;
}

/** @throws DocknetError NOT_FOUND, CONFLICT */
export async function rulesOfSite(site: Site, options: RulesOptions = {}): Promise<RuleListing> {
  const { state, layout } = site;
  if (options.planned) return planRules(state, layout, options);
  const names = namesOf(state, layout, options);
  const nodes: NodeRules[] = [];
  for (let at = 0; at < names.length; at += READERS) {
    const read = names.slice(at, at + READERS).map((node) => readNode(site, node));
    nodes.push(...(await Promise.all(read)));
  }
  const told = options.all ? nodes.filter((n) => n.chains.length > 0 || n.beyond.length > 0) : nodes;
  return chooseRules({ ...headOf(state), counted: true, nodes: told }, options);
}

/** Processes of `iptables-save` at a time. */
const READERS = 4;

async function readNode(site: Site, node: NodeName): Promise<NodeRules> {
  const ns = site.netns(node);
  const planned = rulesIn(site.layout, node);
  const names = readTableNames(ns);
  // where no table is and none should be, a process would show nothing
  const isEmpty = names.length === 0 && planned.chains.length === 0 && !hasLegacyTables(ns);
  const { unreadable, ...found } = isEmpty ? NO_TABLES : await readTables(ns);
  const isOwn = (name: string): boolean => IPTABLES.test(name) && !unreadable.some((u) => name === `table ip ${u}`);
  return { node, chains: listChains(planned, found), beyond: names.filter((name) => !isOwn(name)) };
}

const NO_TABLES: TablesReading = { chains: [], rules: [], unreadable: [] };

/** What nf_tables calls those of iptables. */
const IPTABLES = /^table ip (raw|mangle|nat|filter|security)$/;

/** What a lab would write: needs no privilege. @throws DocknetError NOT_FOUND, CONFLICT */
export const rulesOfState = (state: State, options: RulesOptions = {}): RuleListing =>
  planRules(state, layoutOf(state, readMachine()), options);

function planRules(state: State, layout: Layout, options: RulesOptions): RuleListing {
  const nodes = namesOf(state, layout, options).map((node): NodeRules => {
    const planned = rulesIn(layout, node);
    return { node, chains: listChains(planned), beyond: [] };
  });
  const told = options.all ? nodes.filter((n) => n.chains.length > 0) : nodes;
  return chooseRules({ ...headOf(state), counted: false, nodes: told }, options);
}

export const headOf = ({ lab }: State) => ({ schema: 1, docknet: VERSION, lab }) as const;

const namesOf = (state: State, layout: Layout, { node, all }: RulesOptions): NodeName[] =>
  all ? layout.nodes.map((n) => n.name) : [nodeNamed(state, node ?? HOST, "list the rules of")];

/** The node in whose network it is. @throws DocknetError NOT_FOUND, CONFLICT */
export function nodeNamed(state: State, text: string, action: string): NodeName {
  const { node, container } = walkSender(state, text, action);
  return (container && sandboxNode(state, container)) ?? node;
}
