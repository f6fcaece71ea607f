/** `start`: several containers, or one with its streams. Source: docker/cli cli/command/container/start.go. */
import { messageOf } from "../../errors.ts";
import { print } from "../terminal.ts";
import type { EngineClient } from "./client.ts";
import type { Call, CommandSpec } from "./command.ts";
import { type ContainerInfo, containerPath } from "./container-path.ts";
import type { Flags } from "./flags.ts";
import { DETACH_KEYS_FLAG } from "./run-flags.ts";
import { proxySignals } from "./signal-proxy.ts";
import { StatusError } from "./status.ts";
import { copyStreams, followTerminalSize } from "./stream.ts";
import { beginWait } from "./wait.ts";

/** Only daemons with experimental features know them; docker does not show them to others. */
const EXPERIMENTAL = ["checkpoint", "checkpoint-dir"] as const;

export const start: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: [
    { name: "attach", short: "a", kind: "bool", usage: "Attach STDOUT/STDERR and forward signals" },
    { name: "interactive", short: "i", kind: "bool", usage: "Attach container's STDIN" },
    DETACH_KEYS_FLAG,
    { name: "checkpoint", kind: "string", usage: "Restore from this checkpoint", hidden: true },
    { name: "checkpoint-dir", kind: "string", usage: "Use a custom checkpoint storage directory", hidden: true },
  ],
  min: 1,
  ownSignals: true,
  completes: ["containers"],
  run: async ({ flags, args, session }: Call) => {
    const experimental = EXPERIMENTAL.filter((name) => flags.changed(name));
    if (experimental.length > 0)
      throw new StatusError(
        experimental
          .map((n) => `"--${n}" is only supported on a Docker daemon with experimental features enabled`)
          .join("\n"),
      );
    const attaches = flags.bool("attach") || flags.bool("interactive");
    if (attaches && args.length > 1) throw new StatusError("you cannot start and attach multiple containers at once");
    const client = await session.client();
    return attaches ? startAttached(client, args[0] ?? "", flags) : startAll(client, args);
  },
};

async function startAll(client: EngineClient, names: readonly string[]): Promise<number> {
  const failed: string[] = [];
  for (const name of names) {
    try {
      await client.post(`${containerPath(name)}/start`);
      print(name);
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new StatusError(`Error: failed to start containers: ${failed.join(", ")}`);
  return 0;
}

async function startAttached(client: EngineClient, name: string, flags: Flags): Promise<number> {
  const { Id, Config, HostConfig } = await client.get<ContainerInfo>(`${containerPath(name)}/json`);
  const stopProxy = Config.Tty ? undefined : proxySignals(client, Id);
  const detachKeys = flags.string("detach-keys");
  const options = {
    stdin: flags.bool("interactive") && Config.OpenStdin,
    stdout: true,
    stderr: true,
    tty: Config.Tty,
    detachKeys,
  };
  const abort = new AbortController();
  try {
    const attached = await client.hijack(`/containers/${Id}/attach`, {
      query: { stream: true, stdin: options.stdin, stdout: true, stderr: true, detachKeys: detachKeys || undefined },
      headers: { "Content-Type": "text/plain" },
    });
    const streams = copyStreams(attached, options, abort.signal);
    streams.catch(() => undefined);
    const { status } = await beginWait(client, Id, HostConfig.AutoRemove ? "removed" : "next-exit");
    try {
      await client.post(`/containers/${Id}/start`);
    } catch (error) {
      abort.abort();
      await streams.catch(() => undefined);
      if (HostConfig.AutoRemove) await status;
      throw error;
    }
    const unfollow = Config.Tty ? await followTerminalSize(client, `/containers/${Id}`) : undefined;
    const end = await streams;
    unfollow?.();
    return end === "detached" ? 0 : await status;
  } finally {
    stopProxy?.();
  }
}
