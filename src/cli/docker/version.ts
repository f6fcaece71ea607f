/** docknet version: this client and the daemon it talks to. Source: docker/cli cli/command/system/version.go. */
import { print } from "../terminal.ts";
import { API_VERSION } from "./client.ts";
import { CLIENT_VERSION } from "./client-version.ts";
import type { CommandSpec, Session } from "./command.ts";
import { inspectFormatFlag } from "./format-flag.ts";
import { openStruct } from "./go/types.ts";
import { GoNil, GoStruct } from "./go/value.ts";
import { StatusError } from "./status.ts";
import { alignColumns } from "./table.ts";
import { fillOnce, templateOrFail } from "./template-once.ts";

/** What the text needs of GET /version. */
interface ServerVersion {
  readonly Platform?: { readonly Name: string };
  readonly Components?: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: Readonly<Record<string, string>>;
  }[];
}

export const version: CommandSpec = {
  usage: "[OPTIONS]",
  max: 0,
  flags: [inspectFormatFlag],
  run: async ({ flags, session }) => {
    const format = flags.string("format");
    const template = templateOrFail(format === "json" ? "{{json .}}" : format, "version");
    const client = clientVersion(session);
    let server: ServerVersion | null = null;
    let failure: StatusError | undefined;
    try {
      server = withReadableTimes(await (await session.client()).get<ServerVersion>("/version"));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      failure = error;
    }
    if (template) fillOnce(template, versionInfo(client, server));
    else print(renderVersion(client, server));
    if (failure) throw failure;
    return 0;
  },
};

/** A name that templates know otherwise than JSON does (moby api/types Version, `ApiVersion` is APIVersion). */
function versionInfo(client: Readonly<Record<string, string>>, server: ServerVersion | null): GoStruct {
  const side = (type: string, json: Readonly<Record<string, unknown>>): GoStruct => {
    const { fields } = openStruct("", { ...json, APIVersion: json.ApiVersion });
    return new GoStruct(type, { fields, json: () => json });
  };
  const json = { Client: client, Server: server };
  const fields = [
    { name: "Client", value: () => side("system.clientVersion", client) },
    { name: "Server", value: () => (server ? side("*types.Version", { ...server }) : new GoNil("*types.Version")) },
  ];
  return new GoStruct("system.versionInfo", { fields, json: () => json });
}

/** The engine's time of building, as docker shows it: `Tue Sep 15 11:02:57 2026`. */
function withReadableTimes(server: ServerVersion): ServerVersion {
  const components = server.Components?.map((component) => {
    const built = component.Details?.BuildTime;
    if (built === undefined || Number.isNaN(Date.parse(built))) return component;
    return { ...component, Details: { ...component.Details, BuildTime: ansiTime(new Date(built)) } };
  });
  return components ? { ...server, Components: components } : server;
}

/** Go's time.ANSIC, in UTC. */
function ansiTime(date: Date): string {
  const [weekday = "", day = "", month = "", year = "", time = ""] = date.toUTCString().replace(",", "").split(" ");
  return `${weekday} ${month} ${String(Number(day)).padStart(2, " ")} ${time} ${year}`;
}

const clientVersion = (session: Session): Readonly<Record<string, string>> => ({
  Version: CLIENT_VERSION,
  ApiVersion: API_VERSION,
  DefaultAPIVersion: API_VERSION,
  NodeVersion: process.version,
  Os: process.platform,
  Arch: process.arch === "x64" ? "amd64" : process.arch,
  Context: session.lab,
});

function renderVersion(client: Readonly<Record<string, string>>, server: ServerVersion | null): string {
  const lines = [
    "Client:",
    ` Version:\t${client.Version}`,
    ` API version:\t${client.ApiVersion}`,
    ` Node version:\t${client.NodeVersion}`,
    ` OS/Arch:\t${client.Os}/${client.Arch}`,
    ` Context:\t${client.Context}`,
  ];
  if (server) {
    const platform = server.Platform?.Name ?? "";
    lines.push("", `Server:${platform === "" ? "" : ` ${platform}`}`);
    for (const { Name, Version, Details = {} } of server.Components ?? [])
      lines.push(
        ` ${Name}:`,
        `  Version:\t${Version}`,
        ...(Name === "Engine"
          ? engineDetails(Details)
          : Object.entries(Details)
              .map(([k, v]) => `  ${k}:\t${v}`)
              .sort()),
      );
  }
  return alignColumns(lines.join("\n"), { minWidth: 20, padding: 1 });
}

const engineDetails = (details: Readonly<Record<string, string>>): string[] => [
  `  API version:\t${details.ApiVersion ?? ""} (minimum version ${details.MinAPIVersion ?? ""})`,
  `  Go version:\t${details.GoVersion ?? ""}`,
  `  Git commit:\t${details.GitCommit ?? ""}`,
  `  Built:\t${details.BuildTime ?? ""}`,
  `  OS/Arch:\t${details.Os ?? ""}/${details.Arch ?? ""}`,
  `  Experimental:\t${details.Experimental ?? ""}`,
];
