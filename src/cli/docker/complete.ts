/** What a shell may offer next on a command line of Docker's grammar. Never starts a daemon: without one no name is offered. */
import { EngineClient } from "./client.ts";
import type { CommandSpec, Completion } from "./command.ts";
import { COMMANDS, findCommand, GROUPS } from "./commands.ts";
import { readGlobals } from "./dispatch.ts";
import { FlagError, type FlagSpec, parseFlags } from "./flags.ts";
import { commandsOf } from "./help.ts";

/** A daemon answers in some milliseconds, on a busy machine later; a shell that waits longer is in the way of the one who types. */
const PATIENCE_MS = 2000;

/**
 * @param words what stands after the program's name; the last one is being typed and may be empty
 * @param others commands of the other grammar, offered beside Docker's; what follows one of them is not ours
 * @returns candidates, unfiltered by what is already typed of the last word; undefined when it is not Docker's grammar
 */
export async function complete(
  words: readonly string[],
  others: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<readonly string[] | undefined> {
  const before = words.slice(0, -1);
  const typed = words.at(-1) ?? "";
  const last = before.at(-1);
  if (last === "-p" || last === "--project-name") return labNames();
  const globals = readGlobals(before);
  if (!globals) return [];
  const [first] = globals.words;
  if (first === undefined) return typed.startsWith("-") ? ["--project-name", "--host", "--help"] : topWords(others);
  if (first in GROUPS && globals.words.length === 1) return commandsOf(first).map((c) => c.name);
  const found = findCommand(globals.words);
  if (!found) return others.includes(first) ? undefined : [];
  const spec = await found.entry.load();
  if (typed.startsWith("-"))
    return spec.flags.filter((f) => !f.hidden && f.deprecated === undefined).map((f) => `--${f.name}`);
  const kind = wantedKind(spec, found.rest);
  const connection = { host: globals.host ?? env.DOCKNET_HOST, lab: globals.lab ?? env.DOCKNET_PROJECT };
  return kind === "none" ? [] : namesOf(kind, connection);
}

function topWords(others: readonly string[]): string[] {
  const own = COMMANDS.flatMap((c) => c.paths.filter((path) => !path.includes(" ")));
  return [...new Set([...others, ...own, ...Object.keys(GROUPS)])].sort();
}

/** What the word that is typed stands for: a flag's value, or an argument. */
function wantedKind(spec: CommandSpec, rest: readonly string[]): Completion {
  const last = rest.at(-1);
  const flag = last === undefined ? undefined : flagAt(spec.flags, last);
  if (flag) return completionOf(flag.name);
  try {
    const { args } = parseFlags(spec.flags, rest, { stopAtFirst: spec.stopAtFirst ?? false });
    if (args.length >= (spec.max ?? Number.POSITIVE_INFINITY)) return "none";
    const kinds = spec.completes ?? [];
    // what follows the container of an exec is a command of its own
    if (spec.stopAtFirst && args.length >= kinds.length) return "none";
    return kinds[Math.min(args.length, kinds.length - 1)] ?? "none";
  } catch (error) {
    if (error instanceof FlagError) return "none";
    throw error;
  }
}

/** The flag that the word names and that takes the next word as its value. */
const flagAt = (flags: readonly FlagSpec[], word: string): FlagSpec | undefined =>
  flags.find((f) => f.kind !== "bool" && (word === `--${f.name}` || (f.short !== undefined && word === `-${f.short}`)));

const completionOf = (flag: string): Completion => (flag === "network" || flag === "net" ? "networks" : "none");

async function labNames(): Promise<readonly string[]> {
  const { labsHere } = await import("../../daemon/place.ts");
  return labsHere();
}

/** Of the lab's daemon, where one runs; names of running containers, of all, or of networks. */
export async function namesOf(
  kind: Exclude<Completion, "none">,
  connection: { readonly host: string | undefined; readonly lab: string | undefined },
): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const { findDaemon } = await import("../../daemon/launch.ts");
    const path = connection.host?.replace(/^unix:\/\//, "");
    const daemon = path || (await findDaemon(connection.lab || "docknet"));
    if (!daemon) return [];
    const client = new EngineClient(daemon);
    if (kind === "networks") {
      const networks = await client.get<readonly { readonly Name: string }[]>("/networks", { signal });
      return networks.map((n) => n.Name).sort();
    }
    const containers = await client.get<readonly { readonly Names: readonly string[] }[]>("/containers/json", {
      query: { all: kind === "containers" },
      signal,
    });
    return containers.flatMap((c) => c.Names.slice(0, 1).map((name) => name.replace(/^\//, ""))).sort();
  } catch {
    // no daemon, no names: a completion that fails says nothing
    return [];
  }
}
