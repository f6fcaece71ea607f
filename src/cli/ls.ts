/** docknet ls: the labs that live on this machine, as `docker compose ls` lists projects. */
import { EXIT } from "./exit.ts";
import { findClient } from "./lab-client.ts";
import { print } from "./terminal.ts";

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

export async function ls(flags: LsFlags): Promise<number> {
  const { labsHere } = await import("../daemon/place.ts");
  const rows = [];
  for (const lab of labsHere()) {
    const client = await findClient(lab);
    const facts = client && (await client.get<LabFacts>("/docknet/lab"));
    const status = facts ? `running(${facts.running})` : "dead";
    rows.push({ Name: lab, Status: status, Networks: facts?.networks ?? 0, ConfigFiles: facts?.files.join(",") ?? "" });
  }
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
