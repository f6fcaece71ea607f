/** `logs`: what a container has written, and what it writes. Source: docker/cli cli/command/container/logs.go. */
import type { Call, CommandSpec } from "./command.ts";
import { type ContainerInfo, containerPath } from "./container-path.ts";
import { type Flags, FlagValueError } from "./flags.ts";
import { StatusError } from "./status.ts";
import { Demultiplexer } from "./stdcopy.ts";
import { writeTo } from "./stream.ts";
import { readTimestamp } from "./timestamp.ts";

const MOMENT = '(e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)';

export const logs: CommandSpec = {
  usage: "[OPTIONS] CONTAINER",
  flags: [
    { name: "details", kind: "bool", usage: "Show extra details provided to logs" },
    { name: "follow", short: "f", kind: "bool", usage: "Follow log output" },
    { name: "since", kind: "string", usage: `Show logs since timestamp ${MOMENT}` },
    {
      name: "tail",
      short: "n",
      kind: "string",
      usage: "Number of lines to show from the end of the logs",
      default: "all",
    },
    { name: "timestamps", short: "t", kind: "bool", usage: "Show timestamps" },
    { name: "until", kind: "string", usage: `Show logs before a timestamp ${MOMENT}` },
  ],
  min: 1,
  max: 1,
  completes: ["containers"],
  run: async ({ flags, args, session }: Call) => {
    const client = await session.client();
    const { Id, Config } = await client.get<ContainerInfo>(`${containerPath(args[0] ?? "")}/json`);
    const now = new Date();
    const output = await client.stream("GET", `/containers/${encodeURIComponent(Id)}/logs`, {
      query: {
        stdout: true,
        stderr: true,
        since: momentOf(flags, "since", now),
        until: momentOf(flags, "until", now),
        timestamps: flags.bool("timestamps"),
        follow: flags.bool("follow"),
        tail: flags.string("tail"),
        details: flags.bool("details"),
      },
    });
    const toStdout = (bytes: Buffer): void => writeTo(1, bytes);
    const frames = new Demultiplexer(toStdout, (bytes) => writeTo(2, bytes));
    for await (const chunk of output) (Config.Tty ? toStdout : (bytes: Buffer) => frames.push(bytes))(chunk);
    return 0;
  },
};

function momentOf(flags: Flags, name: "since" | "until", now: Date): string | undefined {
  const text = flags.string(name);
  if (text === "") return undefined;
  try {
    return readTimestamp(text, now);
  } catch (error) {
    if (error instanceof FlagValueError) throw new StatusError(`invalid value for "${name}": ${error.message}`);
    throw error;
  }
}
