/**
 * Rules in the kernel: one `iptables-restore --noflush` transaction per namespace and change, and `iptables-save` to read back. What every
 * container has is written without a process (nft-resolver.ts).
 * Rules go in as text on standard input, made of parsed values only; no shell is involved.
 */
import { execa } from "execa";
import { DocknetError } from "../../errors.ts";
import { searchesLong, standInPlace } from "../../plan/firewall/delete-place.ts";
import type { RepairEdit } from "../../plan/firewall/repair-edit.ts";
import { renderRepair, renderRestore } from "../../plan/firewall/restore.ts";
import type { RuleEdit } from "../../plan/firewall/rule-edit.ts";
import type { ObservedChain, ObservedRule } from "../../plan/observed.ts";
import type { Netns } from "../netns.ts";
import { commitResolver, resolverPortsIn } from "./nft-resolver.ts";

const TIMEOUT_MS = 20_000;

/** Starts in the namespace at once, but for what is done in process. Resolves when the kernel has it all. @throws DocknetError KERNEL_REFUSED with the rule, KERNEL_FEATURE without iptables */
export async function commitRules(ns: Netns, edits: readonly RuleEdit[]): Promise<void> {
  const ports = resolverPortsIn(edits);
  if (ports && (await commitResolver(ns, ports))) return;
  const inPlace = searchesLong(edits) && standInPlace(edits, await readRules(ns));
  await restore(ns, renderRestore(edits, inPlace ? "place" : "text"));
}

/** As `commitRules`, for what was changed by hand. */
export function commitRepair(ns: Netns, edits: readonly RepairEdit[]): Promise<void> {
  return restore(ns, renderRepair(edits));
}

async function restore(ns: Netns, input: string): Promise<void> {
  const child = ns.enter(() => ({ run: runTool("iptables-restore", ["--noflush", "--wait", "5"], input) }));
  const result = await child.run;
  if (result.exitCode === 0) return;
  const line = Number(/line:? (\d+)/i.exec(result.stderr)?.[1] ?? 0);
  const text = input.split("\n")[line - 1];
  throw new DocknetError(
    "KERNEL_REFUSED",
    `Cannot commit rules in ${ns.label}: iptables-restore says ${result.stderr.trim()}${text ? `, at: ${text}` : ""}`,
    {
      details: { input, exitCode: result.exitCode },
      remedy: "Run `docknet doctor` to see which netfilter feature this kernel lacks",
    },
  );
}

/** One rule or policy as the kernel has it. */
export interface KernelRule {
  readonly table: string;
  readonly chain: string;
  /** What follows `-A CHAIN`. For a policy: "policy ACCEPT". */
  readonly spec: string;
  readonly packets: number;
  readonly bytes: number;
  /** 1-based place in its chain; 0 for the policy. */
  readonly position: number;
}

/** All rules and policies with their counters, in order. @throws DocknetError */
export async function readRules(ns: Netns): Promise<KernelRule[]> {
  return parseSave(await save(ns));
}

export interface CountedChain extends ObservedChain {
  /** Of a built-in chain: packets that its policy decided about. Absent: they were not asked for. */
  readonly packets?: number;
  readonly bytes?: number;
}

/** What iptables' tables hold. */
export interface TablesReading {
  readonly chains: readonly CountedChain[];
  readonly rules: readonly ObservedRule[];
  /** Tables of iptables that nft changed so that iptables cannot read them whole: those are not read. */
  readonly unreadable: readonly string[];
}

/** Chains too, those without rules included. @throws DocknetError */
export async function readTables(ns: Netns): Promise<TablesReading> {
  const { chains, rules, unreadable } = parseTables(await save(ns));
  return {
    chains: chains.filter((c) => !unreadable.includes(c.table)),
    rules: rules.filter((r) => !unreadable.includes(r.table)),
    unreadable,
  };
}

async function save(ns: Netns): Promise<string> {
  const child = ns.enter(() => ({ run: runTool("iptables-save", ["-c"], "") }));
  const result = await child.run;
  if (result.exitCode !== 0)
    throw new DocknetError(
      "KERNEL_REFUSED",
      `Cannot read rules of ${ns.label}: iptables-save says ${result.stderr.trim()}`,
    );
  return result.stdout;
}

/** Text of `iptables-save -c`. Pure. */
export function parseSave(text: string): KernelRule[] {
  const { chains, rules } = parseTables(text);
  const counted = new Map<string, number>();
  return [
    ...chains.flatMap(({ table, name, policy, packets = 0, bytes = 0 }) =>
      policy === undefined ? [] : [{ table, chain: name, spec: `policy ${policy}`, packets, bytes, position: 0 }],
    ),
    ...rules.map((rule) => {
      const key = `${rule.table} ${rule.chain}`;
      const position = (counted.get(key) ?? 0) + 1;
      counted.set(key, position);
      return { ...rule, position };
    }),
  ];
}

/** Text of `iptables-save -c`. Pure. */
export function parseTables(text: string): TablesReading {
  const [chains, rules, unreadable]: [CountedChain[], ObservedRule[], string[]] = [[], [], []];
  let table = "";
  for (const line of wholeLines(text)) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const refused = /^# Table `([^']+)' (?:is incompatible|contains incompatible)/.exec(line)?.[1];
    if (refused) unreadable.push(refused);
    const chain = /^:(\S+) (\S+) \[(\d+):(\d+)\]/.exec(line);
    if (chain)
      chains.push({
        table,
        name: chain[1] ?? "",
        ...(chain[2] && chain[2] !== "-" ? { policy: chain[2] } : {}),
        packets: Number(chain[3]),
        bytes: Number(chain[4]),
      });
    const rule = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/s.exec(line);
    if (rule)
      rules.push({
        table,
        chain: rule[3] ?? "",
        spec: rule[4] ?? "",
        packets: Number(rule[1] ?? 0),
        bytes: Number(rule[2] ?? 0),
      });
  }
  return { chains, rules, unreadable };
}

/** A comment may hold a line break, and would look like another rule: quotes that are open at the end of a line go on in the next. */
function wholeLines(text: string): string[] {
  const lines: string[] = [];
  let open = "";
  for (const line of text.split("\n")) {
    const whole = open === "" ? line : `${open}\n${line}`;
    const quotes = whole.startsWith("#") ? 0 : (whole.replaceAll(/\\./gs, "").match(/"/g)?.length ?? 0);
    open = quotes % 2 === 1 ? whole : "";
    if (open === "") lines.push(whole);
  }
  return lines;
}

/** execa spawns before it returns, so a child started inside a namespace bracket lives there. */
function runTool(
  file: string,
  args: readonly string[],
  input: string,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  return execa(file, args, {
    input,
    reject: false,
    timeout: TIMEOUT_MS,
    stripFinalNewline: false,
    env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
    extendEnv: true,
  }).then((r) => {
    if (r.code === "ENOENT") {
      throw new DocknetError("KERNEL_FEATURE", `Cannot run ${file}: it is not installed`, {
        remedy: "Install the Debian package iptables",
      });
    }
    return {
      exitCode: r.exitCode ?? 1,
      stdout: r.stdout,
      stderr: r.stderr || (r.timedOut ? `no end after ${TIMEOUT_MS} ms` : (r.shortMessage ?? "")),
    };
  });
}
