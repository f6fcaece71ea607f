/** `create`, and the part of `run` that makes the container. Source: docker/cli cli/command/container/create.go. */
import { closeSync, existsSync, openSync, rmSync, writeSync } from "node:fs";
import { print } from "../terminal.ts";
import type { EngineClient } from "./client.ts";
import type { Call, CommandSpec } from "./command.ts";
import { fileReason, readNamedFile } from "./env-file.ts";
import { type Flags, FlagValueError } from "./flags.ts";
import { checkImage, readPlatform } from "./image-reference.ts";
import { type CreateBody, type RunContext, readRunConfig } from "./run-config.ts";
import { CREATE_FLAGS, WINDOWS_FLAGS } from "./run-flags.ts";
import { PROGRAM, StatusError } from "./status.ts";
import { terminalSize } from "./stream.ts";

export interface CreateRequest {
  readonly name: string;
  readonly platform: string;
  readonly body: CreateBody;
  /** `run -d`: the id is told, the end is not waited for. */
  readonly detach: boolean;
}

type Verb = "run" | "create";

export const create: CommandSpec = {
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: CREATE_FLAGS,
  min: 1,
  stopAtFirst: true,
  completes: ["none"],
  run: async ({ flags, args, session }: Call) => {
    const request = readCreateRequest("create", flags, args, ownContext());
    print(await createContainer(await session.client(), request));
    return 0;
  },
};

export const ownContext = (): RunContext => ({
  cwd: process.cwd(),
  env: process.env,
  readFile: readNamedFile,
  consoleSize: terminalSize(),
});

/** The end of an error of `run` and `create` that is no flag's: what failed, then where help is. */
export const withHelp = (verb: Verb, message: string): string =>
  `${PROGRAM}: ${message}\n\nRun '${PROGRAM} ${verb} --help' for more information`;

/** @param args the image, then the command's words; throws StatusError for what the client refuses by itself */
export function readCreateRequest(
  verb: Verb,
  flags: Flags,
  args: readonly string[],
  context: RunContext,
): CreateRequest {
  refuseWindowsFlags(flags);
  const detach = verb === "run" && flags.bool("detach");
  const body = readBody(verb, flags, args, detach, context);
  if (detach && flags.list("attach").length > 0)
    throw new StatusError("conflicting options: cannot specify both --attach and --detach");
  return { name: flags.string("name"), body, platform: readImage(verb, flags.string("platform"), body.Image), detach };
}

function readBody(verb: Verb, flags: Flags, args: readonly string[], detach: boolean, context: RunContext): CreateBody {
  try {
    return readRunConfig(flags, args, detach, context);
  } catch (error) {
    if (error instanceof FlagValueError) throw new StatusError(withHelp(verb, error.message), 125);
    throw error;
  }
}

/** Checks what `create` tells plainly and `run` tells as it tells the daemon's refusals. @returns the platform */
function readImage(verb: Verb, platformText: string, image: string): string {
  try {
    checkImage(image);
    return readPlatform(platformText);
  } catch (error) {
    if (verb === "run" && error instanceof StatusError) throw new StatusError(withHelp(verb, error.message), 125);
    throw error;
  }
}

function refuseWindowsFlags(flags: Flags): void {
  const given = WINDOWS_FLAGS.filter((name) => flags.changed(name));
  if (given.length > 0)
    throw new StatusError(
      given
        .map(
          (name) =>
            `"--${name}" is only supported on a Docker daemon running on windows, but the Docker daemon is running on linux`,
        )
        .join("\n"),
    );
}

/** Creates it, tells the daemon's warnings on stderr and writes --cidfile. @returns the id; throws EngineError, StatusError */
export async function createContainer(client: EngineClient, { name, platform, body }: CreateRequest): Promise<string> {
  const idFile = openIdFile(body.HostConfig.ContainerIDFile);
  try {
    const query = { name: name || undefined, platform: platform || undefined };
    const created = await client.post<{ Id: string; Warnings?: readonly string[] | null }>("/containers/create", {
      query,
      body,
    });
    const loopback = body.HostConfig.Dns.find((address) => /^127\.|^::1$/.test(address));
    const ours = loopback === undefined ? [] : [`Localhost DNS (${loopback}) may fail in containers.`];
    for (const warning of [...(created.Warnings ?? []), ...ours]) process.stderr.write(`WARNING: ${warning}\n`);
    idFile?.write(created.Id);
    return created.Id;
  } finally {
    idFile?.close();
  }
}

/** The file of --cidfile, made before the container and taken away again when there is none. */
function openIdFile(path: string) {
  if (path === "") return undefined;
  if (existsSync(path))
    throw new StatusError(`container ID file found, make sure the other container isn't running or delete ${path}`);
  const fd = openNew(path);
  let written = false;
  return {
    write: (id: string): void => {
      writeSync(fd, id);
      written = true;
    },
    close: (): void => {
      closeSync(fd);
      if (!written) rmSync(path, { force: true });
    },
  };
}

function openNew(path: string): number {
  try {
    return openSync(path, "wx", 0o666);
  } catch (error) {
    throw new StatusError(`failed to create the container ID file: open ${path}: ${fileReason(error)}`);
  }
}
