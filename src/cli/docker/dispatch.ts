/** From argv to a command of Docker's grammar, and from its end to an exit code. Loads one command's file and no other. */
import { type EngineClient, openClient } from "./client.ts";
import { readCommandLine, type Session } from "./command.ts";
import { type FoundCommand, findCommand, isDockerWord, isGroup } from "./commands.ts";
import { FlagError, type FlagSpec, parseFlags } from "./flags.ts";
import { PROGRAM, StatusError } from "./status.ts";

/** Flags before the command. -p is docknet's own; the rest are Docker's, those for TLS and contexts left out. */
const GLOBAL_FLAGS: readonly FlagSpec[] = [
  { name: "host", short: "H", kind: "list", usage: "Daemon socket to connect to" },
  { name: "project-name", short: "p", kind: "string", usage: "Name of the lab", default: "docknet" },
  { name: "debug", short: "D", kind: "bool", usage: "Enable debug mode" },
  { name: "log-level", short: "l", kind: "string", usage: "Set the logging level", default: "info" },
  { name: "version", short: "v", kind: "bool", usage: "Print version information and quit" },
  { name: "help", short: "h", kind: "bool", usage: "Print usage", hidden: true },
];

/** What stands before the command's words, and the words. */
export interface GlobalCall {
  readonly host: string | undefined;
  readonly lab: string | undefined;
  readonly words: readonly string[];
  /** --help or --version stand before the command. */
  readonly asks: "help" | "version" | undefined;
}

/** Reads the global flags. @returns undefined when they are not these: another grammar's command line */
export function readGlobals(argv: readonly string[]): GlobalCall | undefined {
  try {
    const { flags, args } = parseFlags(GLOBAL_FLAGS, argv, { stopAtFirst: true });
    return {
      host: flags.list("host").at(-1),
      lab: flags.changed("project-name") ? flags.string("project-name") : undefined,
      words: args,
      asks: flags.bool("help") ? "help" : flags.bool("version") ? "version" : undefined,
    };
  } catch (error) {
    if (error instanceof FlagError) return undefined;
    throw error;
  }
}

/** The command line as a call of a command of Docker's; undefined when it is another's. */
export function dockerCall(argv: readonly string[]): GlobalCall | undefined {
  const call = readGlobals(argv);
  if (!call || call.asks !== undefined) return undefined;
  const [first = "", second = ""] = call.words;
  return isDockerWord(first) || (first === "help" && isDockerWord(second)) ? call : undefined;
}

/** Does what the words say; every failure goes to stderr. @returns the exit code */
export async function runDocker(call: GlobalCall, env: NodeJS.ProcessEnv): Promise<number> {
  try {
    return await dispatch(call.words, openSession(call, env));
  } catch (error) {
    const told = isBrokenOff(error) ? new StatusError("unexpected EOF") : error;
    if (!(told instanceof StatusError)) throw error;
    if (told.message !== "") process.stderr.write(`${told.message}\n`);
    return told.code;
  }
}

/** The daemon has ended in the middle of its answer; what Go says of that is told. */
const isBrokenOff = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ECONNRESET";

function openSession(call: GlobalCall, env: NodeJS.ProcessEnv): Session {
  const host = call.host ?? (env.DOCKNET_HOST || undefined);
  const lab = call.lab ?? (env.DOCKNET_PROJECT || "docknet");
  let client: Promise<EngineClient> | undefined;
  return {
    host,
    lab,
    client: () => {
      client ??= openClient({ lab, ...(host === undefined ? {} : { host }) });
      return client;
    },
  };
}

async function dispatch(words: readonly string[], session: Session): Promise<number> {
  if (words[0] === "help") return help(words.slice(1));
  const found = findCommand(words);
  if (!found) return group(words);
  const spec = await found.entry.load();
  const line = readCommandLine(found.path, spec, found.rest);
  if (line === "help") return help(found);
  if (!spec.ownSignals) for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => endBy(signal));
  return spec.run({ ...line, session });
}

/** Docker ends with 128 and the signal's number. */
function endBy(signal: "SIGINT" | "SIGTERM"): never {
  process.exit(signal === "SIGINT" ? 130 : 143);
}

/** A word that only leads to commands, alone or before one that does not exist. */
async function group(words: readonly string[]): Promise<number> {
  const [name = "", ...rest] = words;
  const unknown = rest.find((word) => !word.startsWith("-"));
  if (!isGroup(name))
    throw new StatusError(
      `${PROGRAM}: unknown command: ${PROGRAM} ${name}\n\nRun '${PROGRAM} --help' for more information`,
    );
  const hint = `Usage:  ${PROGRAM} ${name}\n\nRun '${PROGRAM} ${name} --help' for more information`;
  if (unknown !== undefined)
    throw new StatusError(`${PROGRAM}: unknown command: ${PROGRAM} ${name} ${unknown}\n\n${hint}`);
  const { renderGroupHelp } = await import("./help.ts");
  if (rest.some((word) => word === "--help" || word === "-h")) return print(renderGroupHelp(name));
  process.stderr.write(renderGroupHelp(name));
  return 0;
}

async function help(topic: FoundCommand | readonly string[]): Promise<number> {
  const { renderGroupHelp, renderHelp } = await import("./help.ts");
  if ("entry" in topic) return print(renderHelp(topic.path, topic.entry, await topic.entry.load()));
  const found = findCommand(topic);
  if (found && found.rest.length === 0) return help(found);
  const [name = ""] = topic;
  if (topic.length === 1 && isGroup(name)) return print(renderGroupHelp(name));
  throw new StatusError(`unknown help topic: ${topic.join(" ")}`);
}

async function print(text: string): Promise<number> {
  const { writeOut } = await import("../terminal.ts");
  writeOut(text);
  return 0;
}
