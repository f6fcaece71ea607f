/**
 * Which programs do these sources start? Found in the syntax trees:
 * - what is given to node:child_process, execa and `tool()` by name, whatever it is;
 * - command lines and argument lists in texts, for a shell, a namespace or a container: only names that some program of this machine
 *   bears, since most texts are none. A program that is started and missing everywhere makes its own test fail.
 */
import { accessSync, constants, readdirSync } from "node:fs";
import ts from "typescript";

export interface Started {
  readonly program: string;
  /** "test/kernel/x.test.ts:12" */
  readonly at: string;
}

const STARTERS = new Set(["spawn", "spawnSync", "execFile", "execFileSync", "execa", "execaSync", "tool", "findTool"]);
/** Programs that start the one behind them. */
const CARRIERS = new Set([
  "sudo",
  "exec",
  "env",
  "nsenter",
  "setsid",
  "timeout",
  "unshare",
  "setpriv",
  "nohup",
  "time",
  "!",
]);
const TITLES = /^(?:test|it|describe|expect|toBe|toEqual|toContain|toMatch)\b/;

/** @param texts only what is given to a starter by name counts unless true: command lines in the product's texts are for people to read */
export function startedPrograms(path: string, source: string, { texts }: { readonly texts: boolean }): Started[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const started: Started[] = [];
  const add = (node: ts.Node, program: string): void => {
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (/^[\w.+-]+$/.test(program)) started.push({ program, at: `${path}:${line}` });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const [first] = node.arguments;
      const name = node.expression.getText().split(".").at(-1) ?? "";
      if (first && ts.isStringLiteralLike(first) && STARTERS.has(name)) add(first, baseName(first.text));
      if (TITLES.test(node.expression.getText()) && first && ts.isStringLiteralLike(first)) {
        // a title is no command
        for (const part of [...node.arguments.slice(1), node.expression]) visit(part);
        return;
      }
    }
    if (texts) {
      if (ts.isArrayLiteralExpression(node)) for (const name of ofWords(node)) add(node, name);
      else if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node))
        for (const name of ofText(textOf(node))) add(node, name);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return started;
}

/** Programs of a command line, of each command in it. */
export function ofText(text: string): string[] {
  return text
    .split(/\n|;|\|\|?|&&?|\$\(|`|\bdo\b|\bthen\b|\belse\b/)
    .map((command) =>
      command
        .trim()
        .split(/\s+/)
        .map((word) => word.replace(/^["'({]+|["')}]+$/g, "")),
    )
    .filter((words) => words.length > 1)
    .flatMap((words) => ofCommand(words));
}

/** `["ip", "link"]`, and `["exec", "@host", "ip", "link"]` of docknet. */
function ofWords(array: ts.ArrayLiteralExpression): string[] {
  const words = array.elements.map((e) => (ts.isStringLiteralLike(e) ? e.text : ""));
  return words.length > 1 ? ofCommand(words) : [];
}

function ofCommand(words: readonly string[]): string[] {
  const at = words.findIndex((word) => !/^\w+=/.test(word));
  const [head = "", ...rest] = words.slice(Math.max(at, 0));
  const next = rest.findIndex((word) => !word.startsWith("-") && !word.startsWith("@"));
  // "ip netns exec NAME nft list", "docknet exec web nft list"
  const inside = words.lastIndexOf("exec");
  return [
    ...(isProgram(baseName(head)) ? [baseName(head)] : []),
    ...(CARRIERS.has(head) && next >= 0 ? ofCommand(rest.slice(next)) : []),
    ...(inside > 0 || head === "exec" ? ofCommand(words.slice(inside + 2)) : []),
  ];
}

const textOf = (node: ts.StringLiteralLike | ts.TemplateExpression): string =>
  ts.isTemplateExpression(node)
    ? node.head.text + node.templateSpans.map((span) => `X${span.literal.text}`).join("")
    : node.text;

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

let programs: ReadonlySet<string> | undefined;

function isProgram(name: string): boolean {
  programs ??= new Set(
    `${process.env.PATH}:/usr/sbin:/sbin`.split(":").flatMap((folder) => {
      try {
        return readdirSync(folder).filter((file) => isExecutable(`${folder}/${file}`));
      } catch {
        return [];
      }
    }),
  );
  return programs.has(name);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
