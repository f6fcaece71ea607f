/** docknet network ls. Source: docker/cli cli/command/network/list.go, formatter.go. */
import { writeOut } from "../terminal.ts";
import type { CommandSpec } from "./command.ts";
import { encodeFilters, filterFlag } from "./filter.ts";
import { listFormatFlag } from "./format-flag.ts";
import { formatGoTime } from "./go/time.ts";
import { compareNatural, shortId } from "./human.ts";
import { joinLabels, type Labels, renderListing, rowOf } from "./listing.ts";

/** What the list needs of GET /networks. */
interface NetworkSummary {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly Internal: boolean;
  readonly Labels: Labels;
}

const HEADERS = {
  ID: "NETWORK ID",
  Name: "NAME",
  Driver: "DRIVER",
  Scope: "SCOPE",
  IPv4: "IPV4",
  IPv6: "IPV6",
  Internal: "INTERNAL",
  Labels: "LABELS",
  CreatedAt: "CREATED AT",
};

export const ls: CommandSpec = {
  usage: "[OPTIONS]",
  max: 0,
  flags: [
    { name: "quiet", short: "q", kind: "bool", usage: "Only display network IDs" },
    { name: "no-trunc", kind: "bool", usage: "Do not truncate the output" },
    listFormatFlag,
    filterFlag('Provide filter values (e.g. "driver=bridge")', "f"),
  ],
  run: async ({ flags, session }) => {
    const client = await session.client();
    const networks = await client.get<readonly NetworkSummary[]>("/networks", {
      query: { filters: encodeFilters(flags) },
    });
    const isWhole = flags.bool("no-trunc");
    const rows = [...networks]
      .sort((a, b) => compareNatural(a.Name, b.Name))
      .map((network) =>
        rowOf(
          "*network.networkContext",
          {
            ID: () => (isWhole ? network.Id : shortId(network.Id)),
            Name: () => network.Name,
            Driver: () => network.Driver,
            Scope: () => network.Scope,
            IPv4: () => String(network.EnableIPv4),
            IPv6: () => String(network.EnableIPv6),
            Internal: () => String(network.Internal),
            Labels: () => joinLabels(network.Labels),
            CreatedAt: () => formatGoTime(network.Created),
          },
          network.Labels,
        ),
      );
    writeOut(renderListing({ format: formatOf(flags.string("format"), flags.bool("quiet")), headers: HEADERS, rows }));
    return 0;
  },
};

function formatOf(format: string, isQuiet: boolean): string {
  if (format === "" || format === "table")
    return isQuiet ? "{{.ID}}" : "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
  if (format !== "raw") return format;
  return isQuiet
    ? "network_id: {{.ID}}"
    : "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
}
