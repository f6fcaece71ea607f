/** All nodes of a lab with names, as the tools of the system print them. */
import { execFileSync } from "node:child_process";
import { type LabName, netnsName } from "../../src/net/name.ts";
import type { Layout, Node } from "../../src/plan/layout.ts";
import { DUMP_SECTIONS, normalizeDump } from "./kernel-dump.ts";

export type Dumps = Readonly<Record<string, unknown>>;

/** "<node> <section>" -> normalised; tables without a rule are left out. Of sysctls those that the lab sets. */
export function dumpLab(lab: LabName, layout: Layout): Dumps {
  return Object.fromEntries(layout.nodes.flatMap((node) => dumpNode(netnsName(lab, node.name), node)));
}

const SECTIONS = ["links", "addresses", "routes", "rules"] as const;

function dumpNode(netns: string, node: Node): [string, unknown][] {
  const keys = [...new Set([...node.sysctls, ...node.links.flatMap((l) => l.sysctls)].map((s) => s.key))];
  const script = [...SECTIONS.map((s) => `${DUMP_SECTIONS[s]}; echo; echo "==="`), 'sysctl "$@"'].join("\n");
  const output = execFileSync("ip", ["netns", "exec", netns, "sh", "-c", script, "sh", ...keys], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    timeout: 60_000,
  });
  const parts = output.split("===\n");
  return [
    ...SECTIONS.map((section, i): [string, unknown] => {
      const value = normalizeDump(section, parts[i] ?? "");
      return [`${node.name} ${section}`, section === "rules" ? withoutIdleTables(value as string[]) : value];
    }),
    [`${node.name} sysctls`, parts.at(-1)],
  ];
}

/** Looking at a table makes it; one whose chains all accept, and that holds no rule, does nothing. Tables are in no order. */
function withoutIdleTables(lines: readonly string[]): string[] {
  const tables = lines.join("\n").split(/^(?=\*)/m);
  return tables
    .filter((t) => /^-A|^:\S+ (?!ACCEPT)/m.test(t))
    .sort()
    .flatMap((t) => chainsSorted(t.trimEnd().split("\n")));
}

/** User chains stand in the order of their creation, which means nothing. */
function chainsSorted(table: readonly string[]): string[] {
  const isChain = (l: string): boolean => l.startsWith(":");
  return [
    ...table.filter((l) => !isChain(l) && !l.startsWith("-A")),
    ...table.filter(isChain).sort(),
    ...chainRules(table),
  ];
}

function chainRules(table: readonly string[]): string[] {
  const rules = table.filter((l) => l.startsWith("-A"));
  const chains = [...new Set(rules.map((r) => r.split(" ")[1]))].sort();
  return chains.flatMap((c) => rules.filter((r) => r.split(" ")[1] === c));
}
