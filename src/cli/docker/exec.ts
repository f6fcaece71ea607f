/** `exec`: a command in a container that runs. Source: docker/cli cli/command/container/exec.go. */
import type { EngineClient } from "./client.ts";
import type { Call, CommandSpec } from "./command.ts";
import { containerPath } from "./container-path.ts";
import { readEnvironment, readNamedFile } from "./env-file.ts";
import { type Flags, FlagValueError } from "./flags.ts";
import { checkEnv, DETACH_KEYS_FLAG } from "./run-flags.ts";
import { StatusError } from "./status.ts";
import { checkTty, copyStreams, followTerminalSize, terminalSize } from "./stream.ts";

export const exec: CommandSpec = {
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  flags: [
    { name: "detach", short: "d", kind: "bool", usage: "Detached mode: run command in the background" },
    DETACH_KEYS_FLAG,
    { name: "env", short: "e", kind: "list", usage: "Set environment variables", check: checkEnv },
    { name: "env-file", kind: "list", usage: "Read in a file of environment variables" },
    { name: "interactive", short: "i", kind: "bool", usage: "Keep STDIN open even if not attached" },
    { name: "privileged", kind: "bool", usage: "Give extended privileges to the command" },
    { name: "tty", short: "t", kind: "bool", usage: "Allocate a pseudo-TTY" },
    { name: "user", short: "u", kind: "string", usage: 'Username or UID (format: "<name|uid>[:<group|gid>]")' },
    { name: "workdir", short: "w", kind: "string", usage: "Working directory inside the container" },
  ],
  min: 2,
  stopAtFirst: true,
  ownSignals: true,
  completes: ["running", "none"],
  run: async ({ flags, args, session }: Call) => {
    const [name = "", ...command] = args;
    const body = readExecConfig(flags, command);
    const client = await session.client();
    // a missing container is reported before a missing terminal
    await client.get(`${containerPath(name)}/json`);
    const detach = flags.bool("detach");
    if (!detach) checkTty(body.AttachStdin, body.Tty);
    const { Id } = await client.post<{ Id: string }>(`${containerPath(name)}/exec`, { body });
    const startBody = { Detach: detach, Tty: body.Tty, ...consoleSize(body.Tty) };
    if (!detach) return runAttached(client, Id, startBody, body);
    await client.post(`/exec/${Id}/start`, { body: startBody });
    return 0;
  },
};

type ExecConfig = ReturnType<typeof readExecConfig>;

function readExecConfig(flags: Flags, command: readonly string[]) {
  const attach = !flags.bool("detach");
  const tty = flags.bool("tty");
  return {
    User: flags.string("user"),
    Privileged: flags.bool("privileged"),
    Tty: tty,
    ...consoleSize(tty),
    AttachStdin: attach && flags.bool("interactive"),
    AttachStderr: attach,
    AttachStdout: attach,
    DetachKeys: flags.string("detach-keys"),
    Env: readEnv(flags),
    WorkingDir: flags.string("workdir"),
    Cmd: command,
  };
}

const consoleSize = (tty: boolean) => (tty ? { ConsoleSize: terminalSize() } : {});

function readEnv(flags: Flags): readonly string[] | null {
  try {
    const env = readEnvironment(flags.list("env-file"), flags.list("env"), readNamedFile, process.env);
    return env.length > 0 ? env : null;
  } catch (error) {
    if (error instanceof FlagValueError) throw new StatusError(error.message);
    throw error;
  }
}

/** @returns the command's exit code; 0 when a signal ends us, as docker has it: the command goes on */
async function runAttached(client: EngineClient, id: string, startBody: object, body: ExecConfig): Promise<number> {
  const attached = await client.hijack(`/exec/${id}/start`, { body: startBody });
  const { AttachStdin: stdin, Tty: tty, DetachKeys: detachKeys } = body;
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
  const streams = copyStreams(attached, { stdin, stdout: true, stderr: true, tty, detachKeys }, abort.signal);
  streams.catch(() => undefined);
  const unfollow = tty ? await followTerminalSize(client, `/exec/${id}`) : undefined;
  const end = await streams;
  unfollow?.();
  if (end === "detached") throw new StatusError("read escape sequence");
  if (abort.signal.aborted) return 0;
  const { ExitCode } = await client.get<{ ExitCode: number | null }>(`/exec/${id}/json`);
  return ExitCode ?? 0;
}
