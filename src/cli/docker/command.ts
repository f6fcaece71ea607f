/**
 * A command of Docker's grammar as data: its flags, its arguments and what it does. The same record is read by the parser, by --help and
 * by the shell's completion. Its names and its one line of description stand in commands.ts, which loads it when it is called.
 */
import { print } from "../terminal.ts";
import type { EngineClient } from "./client.ts";
import { FlagError, type FlagSpec, type Flags, type Parsed, parseFlags } from "./flags.ts";
import { PROGRAM, StatusError } from "./status.ts";

/** What a shell may offer for an argument. */
export type Completion = "networks" | "containers" | "running" | "none";

export interface CommandSpec {
  /** What stands after the command's path in its usage line: "[OPTIONS] NETWORK". */
  readonly usage: string;
  readonly flags: readonly FlagSpec[];
  /** How many arguments: from `min` (0) to `max` (no bound). */
  readonly min?: number;
  readonly max?: number;
  /** Flags end at the first argument: what follows belongs to the container's command. */
  readonly stopAtFirst?: true;
  /** SIGINT and SIGTERM are the command's own affair (run, attach, exec). */
  readonly ownSignals?: true;
  /** What each argument is; the last entry holds for all that follow. */
  readonly completes?: readonly Completion[];
  /** @returns the exit code; throws StatusError for another end */
  readonly run: (call: Call) => Promise<number>;
}

/** One call of a command. */
export interface Call {
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly session: Session;
}

/** What the global flags and the environment say. */
export interface Session {
  readonly lab: string;
  readonly host: string | undefined;
  /** The daemon's client; opened at the first use, then the same one. */
  readonly client: () => Promise<EngineClient>;
}

/** Every command has it; `-h` is its old short form, where the command has no other use for it. */
const HELP_FLAG: FlagSpec = { name: "help", kind: "bool", usage: "Print usage", hidden: true };
const SHORT_HELP = { short: "h", shortDeprecated: "use --help" } as const;

/**
 * Reads the command line of the command that was called by `path` ("network create").
 * @returns "help" when that is asked for; throws StatusError with 125 (a flag) or 1 (number of arguments)
 */
export function readCommandLine(path: string, spec: CommandSpec, argv: readonly string[]): Parsed | "help" {
  const parsed = parseCommandLine(path, spec, argv);
  if (parsed.flags.bool("help")) return "help";
  checkArguments(path, spec, parsed.args.length);
  return parsed;
}

function parseCommandLine(path: string, spec: CommandSpec, argv: readonly string[]): Parsed {
  const help = spec.flags.some((f) => f.short === "h") ? HELP_FLAG : { ...HELP_FLAG, ...SHORT_HELP };
  const specs = spec.flags.some((f) => f.name === "help") ? spec.flags : [...spec.flags, help];
  try {
    return parseFlags(specs, argv, { stopAtFirst: spec.stopAtFirst ?? false, warn: print });
  } catch (error) {
    if (error instanceof FlagError) throw new StatusError(`${error.message}${usageHint(path, spec.usage)}`, 125);
    throw error;
  }
}

/** The end of every usage error of a command. */
export const usageHint = (path: string, usage: string, verb: "Run" | "See" = "Run"): string =>
  `\n\nUsage:  ${`${PROGRAM} ${path} ${usage}`.trimEnd()}\n\n${verb} '${PROGRAM} ${path} --help' for more information`;

/** Source: docker/cli cli/required.go (its minimum alone says "See"). */
function checkArguments(path: string, spec: CommandSpec, count: number): void {
  const min = spec.min ?? 0;
  const max = spec.max ?? Number.POSITIVE_INFINITY;
  if (count >= min && count <= max) return;
  const name = `${PROGRAM}: '${PROGRAM} ${path}'`;
  const plural = (n: number): string => `${n} argument${n === 1 ? "" : "s"}`;
  const wanted =
    max === 0
      ? "accepts no arguments"
      : min === max
        ? `requires ${plural(min)}`
        : max === Number.POSITIVE_INFINITY
          ? `requires at least ${plural(min)}`
          : min === 0
            ? `requires at most ${plural(max)}`
            : `requires at least ${min} and at most ${plural(max)}`;
  const verb = max === Number.POSITIVE_INFINITY ? "See" : "Run";
  throw new StatusError(`${name} ${wanted}${usageHint(path, spec.usage, verb)}`);
}
