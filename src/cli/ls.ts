/** docknet ls: the labs that live on this machine, as `docker compose ls` lists projects. */
import { DocknetError } from "../errors.ts";
import { StatusError } from "./docker/status.ts";
import { EXIT } from "./exit.ts";
import { findClient } from "./lab-client.ts";
import { print, say } from "./terminal.ts";

export interface LsFlags {
  readonly format: "table" | "json";
  readonly quiet?: boolean;
}

interface LabFacts {
  readonly lab: string;
  readonly networks: number;
  readonly containers: number;
  readonly running: number;
  readonly files: readonly string[];
}

interface Row {
  readonly Name: string;
  readonly Status: string;
  readonly Networks: number;
  readonly ConfigFiles: string;
}

export async function ls(flags: LsFlags): Promise<number> {
  const { labsHere } = await import("../daemon/place.ts");
  // side by side: one that does not answer holds up none of the others
  const rows = await Promise.all(labsHere().map(rowOf));
  if (flags.quiet) print(rows.map((r) => r.Name).join("\n"));
  else if (flags.format === "json") print(JSON.stringify(rows, null, 2));
  else {
    const { alignColumns } = await import("./docker/table.ts");
    const cells = [
      ["NAME", "STATUS", "NETWORKS", "CONFIG FILES"],
      ...rows.map((r) => [r.Name, r.Status, r.Networks, r.ConfigFiles]),
    ];
    print(alignColumns(cells.map((row) => `${row.join("\t")}\n`).join("")));
  }
  return EXIT.ok;
}

async function rowOf(lab: string): Promise<Row> {
  const row = (Status: string, facts?: LabFacts): Row => ({
    Name: lab,
    Status,
    Networks: facts?.networks ?? 0,
    ConfigFiles: facts?.files.join(",") ?? "",
  });
  try {
    const client = await findClient(lab);
    if (!client) return row("dead");
    const facts = await client.get<LabFacts>("/docknet/lab");
    return row(`running(${facts.running})`, facts);
  } catch (error) {
    // it may end just now
    if (!(error instanceof StatusError) && !(error instanceof DocknetError)) throw error;
    const cause = error.cause instanceof DocknetError ? error.cause : error;
    say(`docknet: ${cause.message}`);
    if (cause instanceof DocknetError && cause.remedy) say(`  ${cause.remedy}`);
    return row("not answering");
  }
}
