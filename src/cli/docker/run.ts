/** `run`: create, attach, wait, start, in this order, so that nothing of a short life is missed. Source: docker/cli cli/command/container/run.go. */
import { messageOf } from "../../errors.ts";
import { print } from "../terminal.ts";
import type { EngineClient } from "./client.ts";
import type { Call, CommandSpec } from "./command.ts";
import { type CreateRequest, createContainer, ownContext, readCreateRequest, withHelp } from "./container-create.ts";
import { RUN_FLAGS } from "./run-flags.ts";
import { proxySignals } from "./signal-proxy.ts";
import { StatusError } from "./status.ts";
import { checkTty, copyStreams, followTerminalSize, type StreamEnd } from "./stream.ts";
import { beginWait } from "./wait.ts";

export const run: CommandSpec = {
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: RUN_FLAGS,
  min: 1,
  stopAtFirst: true,
  ownSignals: true,
  completes: ["none"],
  run: async ({ flags, args, session }: Call) => {
    const request = readCreateRequest("run", flags, args, ownContext());
    if (!flags.bool("detach")) checkTty(request.body.AttachStdin, request.body.Tty);
    const client = await session.client();
    const id = await createContainer(client, request).catch(refuseStart);
    const stopProxy = flags.bool("sig-proxy") ? proxySignals(client, id) : undefined;
    try {
      return await runContainer(client, id, request, flags.string("detach-keys"));
    } finally {
      stopProxy?.();
    }
  },
};

/** Runs what was created. @returns the container's exit code, 0 when it goes on without us */
async function runContainer(
  client: EngineClient,
  id: string,
  { body, detach }: CreateRequest,
  detachKeys: string,
): Promise<number> {
  const { AttachStdin: stdin, AttachStdout: stdout, AttachStderr: stderr, Tty: tty } = body;
  const path = `/containers/${id}`;
  if (detach) print(id);

  const abort = new AbortController();
  const attached =
    stdin || stdout || stderr
      ? await client.hijack(`${path}/attach`, {
          query: { stream: true, stdin, stdout, stderr, detachKeys: detachKeys || undefined },
          headers: { "Content-Type": "text/plain" },
        })
      : undefined;
  // the output is read from the first moment on; a failing start is reported after it has ended
  const streams: Promise<StreamEnd> = attached
    ? copyStreams(attached, { stdin, stdout, stderr, tty, detachKeys }, abort.signal)
    : Promise.resolve("ended");
  streams.catch(() => undefined);

  const { status } = await beginWait(client, id, body.HostConfig.AutoRemove ? "removed" : "next-exit");
  try {
    await client.post(`${path}/start`);
  } catch (error) {
    abort.abort();
    await streams.catch(() => undefined);
    if (body.HostConfig.AutoRemove) await status;
    return refuseStart(error);
  }

  const unfollow = attached && tty ? await followTerminalSize(client, path) : undefined;
  try {
    if ((await streams) === "detached" || detach) return 0;
    return await status;
  } finally {
    unfollow?.();
  }
}

/** 127 for a program that is not there, 126 for one that cannot be run, 125 for all else. */
function refuseStart(error: unknown): never {
  const message = messageOf(error);
  const missing = ["executable file not found", "no such file or directory", "system cannot find the file specified"];
  const refused = ["permission denied", "is a directory"];
  const has = (words: readonly string[]): boolean => words.some((word) => message.includes(word));
  throw new StatusError(withHelp("run", message), has(missing) ? 127 : has(refused) ? 126 : 125);
}
