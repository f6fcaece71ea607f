/**
 * Rules in the kernel: one `iptables-restore --noflush` transaction per namespace and change, and `iptables-save` to read back.
 * Rules go in as text on standard input, made of parsed values only; no shell is involved.
 */
import { execa } from "execa";
import { DocknetError } from "../errors.ts";
import type { RuleEdit } from "../plan/op.ts";
import { renderRestore } from "../plan/restore.ts";
import type { Netns } from "./netns.ts";

const TIMEOUT_MS = 20_000;

/** Starts in the namespace at once; resolves when the kernel has it all. @throws DocknetError KERNEL_REFUSED with the rule, KERNEL_FEATURE without iptables */
export async function commitRules(ns: Netns, edits: readonly RuleEdit[]): Promise<void> {
  const input = renderRestore(edits);
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
  const child = ns.enter(() => ({ run: runTool("iptables-save", ["-c"], "") }));
  const result = await child.run;
  if (result.exitCode !== 0)
    throw new DocknetError(
      "KERNEL_REFUSED",
      `Cannot read rules of ${ns.label}: iptables-save says ${result.stderr.trim()}`,
    );
  return parseSave(result.stdout);
}

/** Text of `iptables-save -c`. Pure. */
export function parseSave(text: string): KernelRule[] {
  const rules: KernelRule[] = [];
  const lengths = new Map<string, number>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const policy = /^:(\S+) (ACCEPT|DROP) \[(\d+):(\d+)\]/.exec(line);
    if (policy)
      rules.push({
        table,
        chain: policy[1] ?? "",
        spec: `policy ${policy[2]}`,
        packets: Number(policy[3]),
        bytes: Number(policy[4]),
        position: 0,
      });
    const rule = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/.exec(line);
    if (!rule) continue;
    const chain = rule[3] ?? "";
    const position = (lengths.get(`${table} ${chain}`) ?? 0) + 1;
    lengths.set(`${table} ${chain}`, position);
    rules.push({
      table,
      chain,
      spec: rule[4] ?? "",
      packets: Number(rule[1] ?? 0),
      bytes: Number(rule[2] ?? 0),
      position,
    });
  }
  return rules;
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
