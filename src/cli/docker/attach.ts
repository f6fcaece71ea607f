/** `attach`: the streams of a container that runs. Source: docker/cli cli/command/container/attach.go. */
import type { EngineClient } from "./client.ts";
import type { Call, CommandSpec } from "./command.ts";
import { type ContainerInfo, containerPath } from "./container-path.ts";
import { DETACH_KEYS_FLAG } from "./run-flags.ts";
import { proxySignals } from "./signal-proxy.ts";
import { StatusError } from "./status.ts";
import { checkTty, copyStreams, followTerminalSize, terminalSize } from "./stream.ts";
import { beginWait } from "./wait.ts";

export const attach: CommandSpec = {
  usage: "[OPTIONS] CONTAINER",
  flags: [
    DETACH_KEYS_FLAG,
    { name: "no-stdin", kind: "bool", usage: "Do not attach STDIN" },
    {
      name: "sig-proxy",
      kind: "bool",
      usage: "Proxy all received signals to the process",
      default: "true",
      shown: "true",
    },
  ],
  min: 1,
  max: 1,
  ownSignals: true,
  completes: ["running"],
  run: async ({ flags, args, session }: Call) => {
    const [name = ""] = args;
    const client = await session.client();
    const { Id, Config } = await inspectRunning(client, name);
    const { status } = await beginWait(client, Id, "not-running");
    const stdin = !flags.bool("no-stdin");
    checkTty(stdin, Config.Tty);
    const detachKeys = flags.string("detach-keys");
    const options = { stdin: stdin && Config.OpenStdin, stdout: true, stderr: true, tty: Config.Tty, detachKeys };
    const stopProxy = flags.bool("sig-proxy") && !Config.Tty ? proxySignals(client, Id) : undefined;
    try {
      const attached = await client.hijack(`/containers/${Id}/attach`, {
        query: { stream: true, stdin: options.stdin, stdout: true, stderr: true, detachKeys: detachKeys || undefined },
        headers: { "Content-Type": "text/plain" },
      });
      // it may have ended since we asked: its streams would then never end
      await inspectRunning(client, Id);
      const unfollow = Config.Tty ? await redraw(client, Id) : undefined;
      const end = await copyStreams(attached, options);
      unfollow?.();
      if (end === "detached") throw new StatusError("read escape sequence");
      return await status;
    } finally {
      stopProxy?.();
    }
  },
};

async function inspectRunning(client: EngineClient, name: string): Promise<ContainerInfo> {
  const info = await client.get<ContainerInfo>(`${containerPath(name)}/json`);
  if (!info.State.Running) throw new StatusError("You cannot attach to a stopped container, start it first");
  if (info.State.Paused) throw new StatusError("You cannot attach to a paused container, unpause it first");
  if (info.State.Restarting)
    throw new StatusError("You cannot attach to a restarting container, wait until it is running");
  return info;
}

/** A size that changes makes the program in the container draw its screen, or its prompt, once more. */
async function redraw(client: EngineClient, id: string): Promise<() => void> {
  const [h, w] = terminalSize();
  if (h > 0 || w > 0)
    await client.post(`/containers/${id}/resize`, { query: { h: h + 1, w: w + 1 } }).catch(() => undefined);
  return followTerminalSize(client, `/containers/${id}`);
}
