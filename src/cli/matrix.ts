/** docknet matrix: who reaches what, in the lab that lives or in one built for it; with --predicted nothing is built and nothing sent. */
import { writeFileSync } from "node:fs";
import type { Matrix, MatrixLabOptions } from "../index.ts";
import { livingLab, specToBuild } from "./chosen-lab.ts";
import { EXIT } from "./exit.ts";
import { follow } from "./lab-client.ts";
import { type LabFlags, loadOptionsOf } from "./lab-options.ts";
import { Progress, print, say, useColour, widthOf } from "./terminal.ts";

export interface MatrixFlags extends LabFlags {
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly predicted?: boolean;
  readonly format: "text" | "json" | "markdown" | "html";
  readonly output?: string;
  readonly silence?: number;
  readonly deadline?: number;
}

export const MATRIX_HELP = `
Without -f it measures the lab that lives. Each cell is one packet; beside each column its listener is asked in its own namespace,
so that a silence is known from a dead listener. Of what differs from the prediction one packet per cause is followed (docknet walk).

Examples:
  docknet matrix --lab dmz
  docknet matrix --from @neighbour @internet --to web      only these rows and columns
  docknet matrix --predicted -f compose.yaml               what the model says; no privilege needed
  docknet matrix --format html -o matrix.html              one page, nothing to load
  docknet matrix --format markdown >> "$GITHUB_STEP_SUMMARY"
`;

export async function matrix(flags: MatrixFlags, signal: AbortSignal): Promise<number> {
  const found = (await matrixLiving(flags, signal)) ?? (await matrixFile(flags, signal));
  const text = await render(found, flags);
  if (flags.output === undefined) print(text);
  else await write(flags.output, text);
  if (!found.verdict) return EXIT.ok;
  return { PASS: EXIT.ok, FAIL: EXIT.failed, INCONCLUSIVE: EXIT.inconclusive }[found.verdict];
}

/** undefined when a file is named, or none lives. */
async function matrixLiving(flags: MatrixFlags, signal: AbortSignal): Promise<Matrix | undefined> {
  const living = await livingLab(flags);
  if (!living) return undefined;
  const progress = new Progress();
  try {
    return await follow<Matrix>(living.client, "matrix", optionsOf(flags), {
      signal,
      onProgress: (done, total) => progress.show(`measuring ${living.lab}: ${done}/${total} packets`),
    });
  } finally {
    progress.clear();
  }
}

async function matrixFile(flags: MatrixFlags, signal: AbortSignal): Promise<Matrix> {
  const { buildLab, loadSpec, predictLab } = await import("../index.ts");
  if (flags.predicted) return predictLab(loadSpec(await loadOptionsOf(flags)), optionsOf(flags));
  const spec = await specToBuild(flags);
  // an unknown name is refused before anything is built
  if (flags.from || flags.to) predictLab(spec, optionsOf(flags));
  const progress = new Progress();
  progress.show(`building ${spec.name} ...`);
  try {
    await using lab = await buildLab(spec, { signal });
    return await lab.matrix({
      ...optionsOf(flags),
      onProgress: (done, total) => progress.show(`measuring ${spec.name}: ${done}/${total} packets`),
    });
  } finally {
    progress.clear();
  }
}

function optionsOf({ from, to, predicted, silence, deadline }: MatrixFlags): MatrixLabOptions {
  return {
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
    ...(predicted ? { predicted } : {}),
    ...(silence ? { silenceMs: silence } : {}),
    ...(deadline ? { answerDeadlineMs: deadline } : {}),
  };
}

/** From their own files: the index would load all that builds labs. */
async function render(found: Matrix, { format, output }: MatrixFlags): Promise<string> {
  if (format === "markdown") return (await import("../report/matrix-markdown.ts")).renderMatrixMarkdown(found);
  if (format === "html") return (await import("../report/matrix-html.ts")).renderMatrixHtml(found);
  const { renderMatrixJson, renderMatrixText } = await import("../report/matrix.ts");
  if (format === "json") return renderMatrixJson(found);
  const colour = output === undefined && useColour(process.stdout);
  return renderMatrixText(found, { colour, width: widthOf(process.stdout) });
}

/** @throws DocknetError USAGE */
async function write(file: string, text: string): Promise<void> {
  try {
    writeFileSync(file, text);
  } catch (error) {
    const { DocknetError } = await import("../index.ts");
    const { code } = error as NodeJS.ErrnoException;
    throw new DocknetError("USAGE", `Cannot write the matrix to ${file}: ${code}`, {
      remedy: "Name a file in a folder that exists and that you may write to",
    });
  }
  say(`wrote ${file}`);
}
