/** The verbs that do one thing to each of several containers. Source: docker/cli cli/command/container/{kill,pause,restart,rm,stop,wait}.go. */
import { print } from "../terminal.ts";
import { EngineError } from "./client.ts";
import type { Call, CommandSpec } from "./command.ts";
import { containerPath } from "./container-path.ts";
import type { FlagSpec, Flags } from "./flags.ts";
import { forEachName } from "./many.ts";
import { StatusError } from "./status.ts";

const SEVERAL = "CONTAINER [CONTAINER...]";

const SIGNAL_FLAG: FlagSpec = { name: "signal", short: "s", kind: "string", usage: "Signal to send to the container" };
const TIMEOUT_FLAGS: readonly FlagSpec[] = [
  { name: "timeout", short: "t", kind: "int", usage: "Seconds to wait before killing the container" },
  {
    name: "time",
    kind: "int",
    usage: "Seconds to wait before killing the container (deprecated: use --timeout)",
    sets: "timeout",
    deprecated: "use --timeout instead",
  },
];

export const kill: CommandSpec = {
  usage: `[OPTIONS] ${SEVERAL}`,
  min: 1,
  flags: [SIGNAL_FLAG],
  completes: ["running"],
  run: async ({ flags, args, session }) => {
    const client = await session.client();
    const query = { signal: flags.string("signal") || undefined };
    return forEachName(args, async (name) => client.post(`${containerPath(name)}/kill`, { query }));
  },
};

export const pause: CommandSpec = {
  usage: SEVERAL,
  min: 1,
  flags: [],
  completes: ["running"],
  run: async ({ args, session }) => {
    const client = await session.client();
    return forEachName(args, async (name) => client.post(`${containerPath(name)}/pause`));
  },
};

export const unpause: CommandSpec = {
  usage: SEVERAL,
  min: 1,
  flags: [],
  completes: ["running"],
  run: async ({ args, session }) => {
    const client = await session.client();
    return forEachName(args, async (name) => client.post(`${containerPath(name)}/unpause`));
  },
};

export const stop: CommandSpec = {
  usage: `[OPTIONS] ${SEVERAL}`,
  min: 1,
  flags: [SIGNAL_FLAG, ...TIMEOUT_FLAGS],
  completes: ["running"],
  run: async ({ flags, args, session }) => {
    const query = stopQuery(flags);
    const client = await session.client();
    return forEachName(args, async (name) => client.post(`${containerPath(name)}/stop`, { query }));
  },
};

export const restart: CommandSpec = {
  usage: `[OPTIONS] ${SEVERAL}`,
  min: 1,
  flags: [SIGNAL_FLAG, ...TIMEOUT_FLAGS],
  completes: ["containers"],
  run: async ({ flags, args, session }) => {
    const query = stopQuery(flags);
    const client = await session.client();
    // one after another, as docker does it
    return inTurn(args, async (name) => {
      await client.post(`${containerPath(name)}/restart`, { query });
      return name;
    });
  },
};

function stopQuery(flags: Flags): { readonly signal: string | undefined; readonly t: number | undefined } {
  if (flags.changed("time") && flags.changed("timeout"))
    throw new StatusError("conflicting options: cannot specify both --timeout and --time");
  return {
    signal: flags.string("signal") || undefined,
    t: flags.changed("time") || flags.changed("timeout") ? flags.int("timeout") : undefined,
  };
}

export const rm: CommandSpec = {
  usage: `[OPTIONS] ${SEVERAL}`,
  min: 1,
  flags: [
    { name: "volumes", short: "v", kind: "bool", usage: "Remove anonymous volumes associated with the container" },
    { name: "link", short: "l", kind: "bool", usage: "Remove the specified link" },
    { name: "force", short: "f", kind: "bool", usage: "Force the removal of a running container (uses SIGKILL)" },
  ],
  completes: ["containers"],
  run: async ({ flags, args, session }) => {
    const query = { v: flags.bool("volumes"), link: flags.bool("link"), force: flags.bool("force") };
    const client = await session.client();
    const remove = async (name: string): Promise<void> => {
      const trimmed = name.replace(/^\/+|\/+$/g, "");
      if (trimmed === "") throw new StatusError("container name cannot be empty");
      await client.delete(containerPath(trimmed), { query });
    };
    return forEachName(args, remove, {
      forgives: (error) => flags.bool("force") && error instanceof EngineError && error.status === 404,
    });
  },
};

export const wait: CommandSpec = {
  usage: SEVERAL,
  min: 1,
  flags: [],
  completes: ["running"],
  run: async ({ args, session }) => {
    const client = await session.client();
    return inTurn(args, async (name) => {
      const { StatusCode } = await client.post<{ readonly StatusCode: number }>(`${containerPath(name)}/wait`);
      return String(StatusCode);
    });
  },
};

export const rename: CommandSpec = {
  usage: "CONTAINER NEW_NAME",
  min: 2,
  max: 2,
  flags: [],
  completes: ["containers", "none"],
  run: async ({ args, session }: Call) => {
    const [from = "", to = ""] = args.map((name) => name.trim());
    if (from === "" || to === "") throw new StatusError("Error: Neither old nor new names may be empty");
    const client = await session.client();
    try {
      await client.post(`${containerPath(from)}/rename`, { query: { name: to } });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      throw new StatusError(`${error.message}\nError: failed to rename container named ${from}`);
    }
    return 0;
  },
};

/** Does it for one name after another and prints what each gives; what failed comes at the end. */
async function inTurn(names: readonly string[], work: (name: string) => Promise<string>): Promise<number> {
  const errors: string[] = [];
  for (const name of names) {
    try {
      print(await work(name));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      errors.push(error.message);
    }
  }
  if (errors.length > 0) throw new StatusError(errors.join("\n"));
  return 0;
}
