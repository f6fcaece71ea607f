/** docknet network prune and container prune. Source: docker/cli cli/command/{network,container}/prune.go, internal/prompt. */
import { createInterface } from "node:readline";
import { print, writeOut } from "../terminal.ts";
import type { CommandSpec } from "./command.ts";
import { encodeFilters, filterFlag } from "./filter.ts";
import type { FlagSpec } from "./flags.ts";
import { humanSize } from "./human.ts";

const FLAGS: readonly FlagSpec[] = [
  { name: "force", short: "f", kind: "bool", usage: "Do not prompt for confirmation" },
  filterFlag('Provide filter values (e.g. "until=<timestamp>")'),
];

export const pruneNetworks: CommandSpec = {
  usage: "[OPTIONS]",
  max: 0,
  flags: FLAGS,
  ownSignals: true,
  run: async ({ flags, session }) => {
    const warning = "WARNING! This will remove all custom networks not used by at least one container.";
    if (!flags.bool("force") && !(await confirm(warning))) return 0;
    const client = await session.client();
    const { NetworksDeleted } = await client.post<{ readonly NetworksDeleted: readonly string[] | null }>(
      "/networks/prune",
      { query: { filters: encodeFilters(flags) } },
    );
    if (NetworksDeleted?.length) print(`Deleted Networks:\n${NetworksDeleted.join("\n")}\n\n`);
    return 0;
  },
};

export const pruneContainers: CommandSpec = {
  usage: "[OPTIONS]",
  max: 0,
  flags: FLAGS,
  ownSignals: true,
  run: async ({ flags, session }) => {
    const warning = "WARNING! This will remove all stopped containers.";
    if (!flags.bool("force") && !(await confirm(warning))) return 0;
    const client = await session.client();
    const { ContainersDeleted, SpaceReclaimed } = await client.post<{
      readonly ContainersDeleted: readonly string[] | null;
      readonly SpaceReclaimed: number;
    }>("/containers/prune", { query: { filters: encodeFilters(flags) } });
    if (ContainersDeleted?.length) print(`Deleted Containers:\n${ContainersDeleted.join("\n")}\n\n`);
    print(`Total reclaimed space: ${humanSize(SpaceReclaimed)}`);
    return 0;
  },
};

/** Asks on standard output and reads one line; only `y` is a yes. A signal is a no, as docker has it. */
async function confirm(warning: string): Promise<boolean> {
  writeOut(`${warning}\nAre you sure you want to continue? [y/N] `);
  const lines = createInterface({ input: process.stdin });
  const refuse = (): void => {
    writeOut("\n");
    lines.close();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, refuse);
  for await (const line of lines) {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, refuse);
    return line.trim().toLowerCase() === "y";
  }
  return false;
}
