/** docknet inspect, container inspect, network inspect. Sources: docker/cli cli/command/inspect/inspector.go, system/inspect.go. */
import { print, writeOut } from "../terminal.ts";
import { type EngineClient, EngineError } from "./client.ts";
import type { CommandSpec } from "./command.ts";
import { containerPath } from "./container-path.ts";
import type { FlagSpec } from "./flags.ts";
import { inspectFormatFlag } from "./format-flag.ts";
import { type Found, fillTemplate } from "./inspect-template.ts";
import { compactJson, indentJson } from "./json-text.ts";
import { networkPath } from "./network-path.ts";
import { StatusError } from "./status.ts";
import { templateOrFail } from "./template-once.ts";

type Finder = (name: string) => Promise<Found>;

const containerFinder =
  (client: EngineClient, size: boolean): Finder =>
  async (name) => ({
    json: await client.getText(`${containerPath(name)}/json`, { query: { size } }),
    type: "container.InspectResponse",
  });

const networkFinder =
  (client: EngineClient, query: Readonly<Record<string, string | boolean>> = {}): Finder =>
  async (name) => ({ json: await client.getText(networkPath(name), { query }), type: "network.Inspect" });

const sizeFlag = (usage: string): FlagSpec => ({ name: "size", short: "s", kind: "bool", usage });

export const inspectContainer: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  min: 1,
  flags: [inspectFormatFlag, sizeFlag("Display total file sizes")],
  completes: ["containers"],
  run: async ({ flags, args, session }) =>
    inspectAll(args, flags.string("format"), containerFinder(await session.client(), flags.bool("size"))),
};

export const inspectNetwork: CommandSpec = {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  min: 1,
  flags: [inspectFormatFlag, { name: "verbose", short: "v", kind: "bool", usage: "Verbose output for diagnostics" }],
  completes: ["networks"],
  run: async ({ flags, args, session }) =>
    inspectAll(
      args,
      flags.string("format"),
      networkFinder(await session.client(), verboseQuery(flags.bool("verbose"))),
    ),
};

const verboseQuery = (isVerbose: boolean): Readonly<Record<string, string>> => (isVerbose ? { verbose: "true" } : {});

const TYPES = [
  "config",
  "container",
  "image",
  "network",
  "node",
  "plugin",
  "secret",
  "service",
  "task",
  "volume",
] as const;
const TYPE_LIST = `must be one of "${TYPES.join('", "')}"`;

export const inspect: CommandSpec = {
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  min: 1,
  flags: [
    inspectFormatFlag,
    { name: "type", kind: "string", usage: "Only inspect objects of the given type" },
    sizeFlag("Display total file sizes if the type is container"),
  ],
  completes: ["containers"],
  run: async ({ flags, args, session }) => {
    const type = flags.string("type");
    if (flags.changed("type") && type === "") throw new StatusError(`type is empty: ${TYPE_LIST}`);
    if (type !== "" && !TYPES.some((t) => t === type))
      throw new StatusError(`unknown type: ${JSON.stringify(type)}: ${TYPE_LIST}`);
    return inspectAll(args, flags.string("format"), finderOf(await session.client(), type, flags.bool("size")));
  },
};

/** The kinds of objects that are tried in turn when no type is given; the rest answers as the daemon says. */
function finderOf(client: EngineClient, type: string, size: boolean): Finder {
  const other =
    (kind: string, suffix = ""): Finder =>
    async (name) => ({ json: await client.getText(`/${kind}s/${encodeURIComponent(name)}${suffix}`), type: "any" });
  const finders: Readonly<Record<string, Finder>> = {
    container: containerFinder(client, size),
    image: other("image", "/json"),
    network: networkFinder(client),
    volume: other("volume"),
    plugin: other("plugin", "/json"),
  };
  const warn = (kind: string, found: Found): Found => {
    if (size && kind !== "container") process.stderr.write(`WARNING: --size ignored for ${kind}\n`);
    return found;
  };
  if (type !== "") return async (name) => warn(type, await (finders[type] ?? other(type))(name));
  return async (name) => {
    for (const [kind, find] of Object.entries(finders)) {
      try {
        return warn(kind, await find(name));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
    throw new StatusError(`Error: No such object: ${name}`);
  };
}

const isAbsent = (error: unknown): boolean =>
  error instanceof EngineError &&
  (error.status === 404 || error.status === 501 || /not supported|invalid reference format/.test(error.reason));

/** Prints what was found, then tells what was not. @returns 0; throws StatusError when any failed */
async function inspectAll(names: readonly string[], format: string, find: Finder): Promise<number> {
  const template = format === "" || format === "json" ? undefined : templateOrFail(format);
  const errors: string[] = [];
  const shown: string[] = [];
  for (const name of names) {
    try {
      const found = await find(name);
      shown.push(template ? `${fillTemplate(template, found)}\n` : found.json.trim());
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      errors.push(error.message);
    }
  }
  if (template) writeOut(shown.join("") || "\n");
  else {
    const list = `[${shown.join(",")}]`;
    print(format === "json" ? compactJson(list) : indentJson(list, "    "));
  }
  if (errors.length > 0) throw new StatusError(errors.join("\n"));
  return 0;
}
