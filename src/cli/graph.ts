/** docknet graph: a lab as a drawing or as data; the lab that lives, one built for it from a file, or only as the file means it. */
import { writeFileSync } from "node:fs";
import type { Graph } from "../index.ts";
import { livingLab, specToBuild } from "./chosen-lab.ts";
import { EXIT } from "./exit.ts";
import { call } from "./lab-client.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";
import { print, say, useColour, widthOf } from "./terminal.ts";

export interface GraphFlags extends LabFlags {
  readonly format: "text" | "mermaid" | "svg" | "json";
  readonly output?: string;
  readonly planned?: boolean;
  readonly ascii?: boolean;
}

export const GRAPH_HELP = `
Without -f it draws the lab that lives; with a file it builds the lab, reads its links, and leaves nothing.

Examples:
  docknet graph                                   with the indexes that \`ip link\` shows on both ends of each pair
  docknet graph -f compose.yaml --planned         needs no privilege
  docknet graph web                               web, its networks, and what is between it and the internet
  docknet graph --format svg -o lab.svg
  docknet graph --format mermaid -f compose.yaml  for a README on GitHub, between \`\`\`mermaid and \`\`\`
`;

export async function graph(names: readonly string[], flags: GraphFlags, signal: AbortSignal): Promise<number> {
  const found = (await graphLiving(names, flags, signal)) ?? (await graphFile(names, flags, signal));
  const text = await render(found, flags);
  if (flags.output === undefined || flags.output === "-") print(text);
  else await write(flags.output, text);
  return EXIT.ok;
}

/** undefined when a file is named, or none lives. */
async function graphLiving(
  only: readonly string[],
  flags: GraphFlags,
  signal: AbortSignal,
): Promise<Graph | undefined> {
  const living = await livingLab(flags);
  return living && call<Graph>(living.client, "post", "graph", { only, planned: flags.planned ?? false }, signal);
}

async function graphFile(only: readonly string[], flags: GraphFlags, signal: AbortSignal): Promise<Graph> {
  const { buildLab, graphState, loadSpec, renderProblem, resolveState } = await import("../index.ts");
  if (flags.planned) {
    const { state, warnings } = resolveState(loadSpec(await loadOptionsOf(flags)));
    for (const warning of warnings) say(`warning: ${renderProblem(warning)}`);
    return graphState(state, only);
  }
  const spec = await specToBuild(flags);
  // an unknown name is refused before anything is built
  graphState(resolveState(spec).state, only);
  await using lab = await buildLab(spec, { signal });
  return lab.graph({ only });
}

/** Not from the index: it would load all that builds labs. */
async function render(found: Graph, { format, output, ascii = false }: GraphFlags): Promise<string> {
  switch (format) {
    case "json":
      return (await import("../report/graph/json.ts")).renderGraphJson(found);
    case "mermaid":
      return (await import("../report/graph/mermaid.ts")).renderGraphMermaid(found);
    case "svg":
      return (await import("../report/graph/svg.ts")).renderGraphSvg(found);
    default: {
      const toFile = output !== undefined && output !== "-";
      const { renderGraphText } = await import("../report/graph/text.ts");
      return renderGraphText(found, {
        colour: !toFile && useColour(process.stdout),
        width: widthOf(process.stdout),
        ascii,
      });
    }
  }
}

/** @throws DocknetError USAGE */
async function write(file: string, text: string): Promise<void> {
  try {
    writeFileSync(file, text);
  } catch (error) {
    const { DocknetError } = await import("../index.ts");
    throw new DocknetError("USAGE", `Cannot write ${file}: ${(error as Error).message}`, {
      remedy: "Name a file in a folder that exists and that you may write to",
    });
  }
}
