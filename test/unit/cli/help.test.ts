/** `--help` of every command is docker's own (28.2.2, without a terminal: 80 columns). */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMMANDS, findCommand } from "../../../src/cli/docker/commands.ts";
import { renderFlags, renderHelp } from "../../../src/cli/docker/help.ts";
import { renderOverview } from "../../../src/cli/docker/overview.ts";

const golden = readFileSync(new URL("../../golden/cli/help.txt", import.meta.url), "utf8")
  .split(/^=== /m)
  .filter((part) => part !== "")
  .map((part) => ({ path: part.slice(0, part.indexOf("\n")), text: part.slice(part.indexOf("\n") + 1) }));

test.each(golden)("docknet $path --help", async ({ path, text }) => {
  const found = findCommand(path.split(" "));
  if (!found) throw new Error(`no command ${path}`);
  const spec = await found.entry.load();
  const shown = renderHelp(found.path, found.entry, spec, 80);
  expect(shown.replace(/\bdocknet\b/g, "docker")).toBe(text);
});

test("every command has its help recorded", () => {
  const recorded = new Set(golden.map((g) => g.path));
  const missing = COMMANDS.map((c) => c.paths[0]).filter((path) => !recorded.has(path));
  expect(missing).toEqual([]);
});

test("a narrow terminal puts the text below the flag", () => {
  const flags = [
    { name: "a-flag-with-a-long-name", kind: "string", usage: "What this flag does for the one who uses it" },
  ] as const;
  expect(renderFlags(flags, 50)).toBe(
    "      --a-flag-with-a-long-name string   \n                What this flag does for the\n                one who uses it\n",
  );
});

test("the overview names every command that has a name of one word", () => {
  const words = COMMANDS.flatMap((c) => c.paths.filter((p) => !p.includes(" ")));
  for (const word of [...words, "network", "container"])
    expect(renderOverview()).toMatch(new RegExp(`^  ${word} `, "m"));
});
