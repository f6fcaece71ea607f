/** docknet info. Source: docker/cli cli/command/system/info.go. */
import { writeOut } from "../terminal.ts";
import { CLIENT_VERSION } from "./client-version.ts";
import type { CommandSpec } from "./command.ts";
import { inspectFormatFlag } from "./format-flag.ts";
import { isObject, openStruct } from "./go/types.ts";
import { humanBytes } from "./human.ts";
import { fillOnce, templateOrFail } from "./template-once.ts";

type Info = Readonly<Record<string, unknown>>;

export const info: CommandSpec = {
  usage: "[OPTIONS]",
  max: 0,
  flags: [inspectFormatFlag],
  run: async ({ flags, session }) => {
    const format = flags.string("format");
    const template = templateOrFail(format === "json" ? "{{json .}}" : format);
    const client = { Debug: false, Version: CLIENT_VERSION, Context: session.lab, Plugins: [], Warnings: null };
    if (template) {
      const server = await (await session.client()).get<Info>("/info");
      fillOnce(template, openStruct("system.dockerInfo", { ...server, ClientInfo: client }));
      return 0;
    }
    writeOut(
      `Client:\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: false\n\nServer:\n`,
    );
    const server = await (await session.client()).get<Info>("/info");
    writeOut(`${renderServer(server).join("\n")}\n\n`);
    for (const warning of textsOf(server.Warnings)) process.stderr.write(`${warning}\n`);
    return 0;
  },
};

/** What docker shows of a daemon's state, in its order; what the daemon does not tell is left out. */
function renderServer(server: Info): string[] {
  const plugins = isObject(server.Plugins) ? server.Plugins : {};
  const runtimes = Object.keys(isObject(server.Runtimes) ? server.Runtimes : {});
  const registry = isObject(server.RegistryConfig) ? server.RegistryConfig : {};
  const swarm = isObject(server.Swarm) ? server.Swarm : {};
  return [
    ` Containers: ${textOf(server.Containers)}`,
    `  Running: ${textOf(server.ContainersRunning)}`,
    `  Paused: ${textOf(server.ContainersPaused)}`,
    `  Stopped: ${textOf(server.ContainersStopped)}`,
    ` Images: ${textOf(server.Images)}`,
    ...shown(" Server Version", server.ServerVersion),
    ...shown(" Storage Driver", server.Driver),
    ...pairsOf(server.DriverStatus).map(([key, value]) => `  ${key}: ${value}`),
    ...shown(" Logging Driver", server.LoggingDriver),
    ...shown(" Cgroup Driver", server.CgroupDriver),
    ...shown(" Cgroup Version", server.CgroupVersion),
    " Plugins:",
    ...["Volume", "Network", "Authorization", "Log"].flatMap((kind) => {
      const names = textsOf(plugins[kind]);
      return kind === "Authorization" && names.length === 0 ? [] : [`  ${kind}: ${names.join(" ")}`];
    }),
    ...block(" CDI spec directories:", textsOf(server.CDISpecDirs)),
    ` Swarm: ${textOf(swarm.LocalNodeState)}`,
    ...(runtimes.length > 0 ? [` Runtimes: ${runtimes.sort((a, b) => (a < b ? 1 : -1)).join(" ")}`] : []),
    ...shown(" Default Runtime", server.DefaultRuntime),
    ...shown(" Init Binary", server.InitBinary),
    ...commitOf(" containerd version", server.ContainerdCommit),
    ...commitOf(" runc version", server.RuncCommit),
    ...commitOf(" init version", server.InitCommit),
    ...securityOf(textsOf(server.SecurityOptions)),
    ...shown(" Kernel Version", server.KernelVersion),
    ...shown(" Operating System", server.OperatingSystem),
    ...shown(" OSType", server.OSType),
    ...shown(" Architecture", server.Architecture),
    ` CPUs: ${textOf(server.NCPU)}`,
    ` Total Memory: ${humanBytes(typeof server.MemTotal === "number" ? server.MemTotal : 0)}`,
    ...shown(" Name", server.Name),
    ...shown(" ID", server.ID),
    ...shown(" Docker Root Dir", server.DockerRootDir),
    ` Debug Mode: ${textOf(server.Debug)}`,
    ...block(" Labels:", textsOf(server.Labels)),
    ` Experimental: ${textOf(server.ExperimentalBuild)}`,
    ...block(" Insecure Registries:", textsOf(registry.InsecureRegistryCIDRs)),
    ` Live Restore Enabled: ${textOf(server.LiveRestoreEnabled)}`,
  ];
}

const textOf = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";

const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

const shown = (label: string, value: unknown): string[] => (textOf(value) === "" ? [] : [`${label}: ${textOf(value)}`]);

const block = (head: string, lines: readonly string[]): string[] =>
  lines.length > 0 ? [head, ...lines.map((line) => `  ${line}`)] : [];

const commitOf = (label: string, value: unknown): string[] =>
  isObject(value) ? [`${label}: ${textOf(value.ID)}`] : [];

const pairsOf = (value: unknown): readonly (readonly [string, string])[] =>
  Array.isArray(value) ? value.filter(Array.isArray).map(([key, text]) => [textOf(key), textOf(text)] as const) : [];

/** `name=seccomp,profile=builtin` -> a name, and its options below it. */
function securityOf(options: readonly string[]): string[] {
  const lines = options.flatMap((option) =>
    option
      .split(",")
      .map((pair) => pair.split("="))
      .map(([key = "", value = ""]) =>
        key === "name" ? `  ${value}` : `   ${key.charAt(0).toUpperCase()}${key.slice(1)}: ${value}`,
      ),
  );
  return lines.length > 0 ? [" Security Options:", ...lines] : [];
}
