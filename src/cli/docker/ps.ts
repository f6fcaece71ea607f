/** docknet ps. Sources: docker/cli cli/command/container/list.go, cli/command/formatter/container.go. */
import { writeOut } from "../terminal.ts";
import type { Call, CommandSpec } from "./command.ts";
import { type ContainerSummary, containerRow } from "./container-row.ts";
import { encodeFilters, filterFlag } from "./filter.ts";
import { listFormatFlag } from "./format-flag.ts";
import { parseTemplate, TemplateError } from "./go/template.ts";
import { renderListing } from "./listing.ts";
import { StatusError } from "./status.ts";

const HEADERS = {
  ID: "CONTAINER ID",
  Names: "NAMES",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Ports: "PORTS",
  State: "STATE",
  Status: "STATUS",
  Size: "SIZE",
  Labels: "LABELS",
  Mounts: "MOUNTS",
  LocalVolumes: "LOCAL VOLUMES",
  Networks: "NETWORKS",
  Platform: "PLATFORM",
};
const TABLE = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
const RAW = `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
`;

export const ps: CommandSpec = {
  usage: "[OPTIONS]",
  max: 0,
  flags: [
    { name: "quiet", short: "q", kind: "bool", usage: "Only display container IDs" },
    { name: "size", short: "s", kind: "bool", usage: "Display total file sizes" },
    { name: "all", short: "a", kind: "bool", usage: "Show all containers (default shows just running)" },
    { name: "no-trunc", kind: "bool", usage: "Don't truncate output" },
    { name: "latest", short: "l", kind: "bool", usage: "Show the latest created container (includes all states)" },
    {
      name: "last",
      short: "n",
      kind: "int",
      usage: "Show n last created containers (includes all states)",
      default: "-1",
    },
    listFormatFlag,
    filterFlag("Filter output based on conditions provided", "f"),
  ],
  run: async ({ flags, session }: Call) => {
    const format = flags.string("format");
    const isQuiet = flags.bool("quiet");
    const usesSize = format !== "" && checkTemplate(format) && !isQuiet && !flags.changed("size");
    const last = flags.bool("latest") && flags.int("last") === -1 ? 1 : flags.int("last");
    const size = flags.bool("size") || usesSize;
    if (format !== "" && isQuiet)
      process.stderr.write("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    const client = await session.client();
    const containers = await client.get<readonly ContainerSummary[]>("/containers/json", {
      query: {
        all: flags.bool("all"),
        size,
        limit: last > 0 ? last : undefined,
        filters: encodeFilters(flags),
      },
    });
    const rows = containers.map((container) => containerRow(container, !flags.bool("no-trunc"), new Date()));
    writeOut(renderListing({ format: formatOf(format, isQuiet, flags.bool("size")), headers: HEADERS, rows }));
    return 0;
  },
};

function formatOf(format: string, isQuiet: boolean, withSize: boolean): string {
  if (format === "raw") return isQuiet ? "container_id: {{.ID}}" : RAW + (withSize ? "size: {{.Size}}\n" : "");
  if (isQuiet) return "{{.ID}}";
  return format === "" || format === "table" ? TABLE + (withSize ? "\t{{.Size}}" : "") : format;
}

/** Docker tries the template on an empty row first, before the list is asked for. @returns whether it shows sizes */
function checkTemplate(format: string): boolean {
  let usesSize = false;
  const empty: ContainerSummary = {
    Id: "",
    Names: [],
    Image: "",
    ImageID: "",
    Command: "",
    Created: 0,
    Ports: [],
    Labels: null,
    State: "",
    Status: "",
    get SizeRw() {
      usesSize = true;
      return 0;
    },
  };
  try {
    const template = parseTemplate(format);
    try {
      template.execute(containerRow(empty, false, new Date()));
    } catch (error) {
      if (error instanceof TemplateError) throw new StatusError(`failed to execute template: ${error.message}`);
      throw error;
    }
  } catch (error) {
    if (error instanceof TemplateError) throw new StatusError(`failed to parse template: ${error.message}`);
    throw error;
  }
  return usesSize;
}
