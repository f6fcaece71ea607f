/** The commands of Docker's grammar in `docknet --help`, in docker's groups. */
import { COMMANDS, type CommandEntry, GROUPS } from "./commands.ts";

/** Three groups with a line for each command; ends with a line break. */
export function renderOverview(): string {
  const top = COMMANDS.flatMap((entry) => {
    const name = entry.paths.find((path) => !path.includes(" "));
    return name === undefined ? [] : [{ name, entry }];
  });
  const line = (name: string, about: string): string => `  ${name.padEnd(11)} ${about}`;
  const linesOf = (wanted: (entry: CommandEntry) => boolean): string[] =>
    top.filter(({ entry }) => wanted(entry)).map(({ name, entry }) => line(name, entry.about));
  return [
    "",
    "Common commands, as docker has them:",
    ...linesOf((entry) => entry.common === true),
    "",
    "Management commands:",
    ...Object.entries(GROUPS).map(([name, about]) => line(name, about)),
    "",
    "Commands:",
    ...linesOf((entry) => !entry.common).sort(),
    "",
    "Before these stand: -p, --project-name NAME (the lab; DOCKNET_PROJECT), -H, --host unix://PATH (DOCKNET_HOST).",
    "Run 'docknet COMMAND --help' for more information on a command.",
    "",
  ].join("\n");
}
