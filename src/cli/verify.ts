/** docknet verify: build the lab of a file, prove it, report, leave nothing; or prove the lab that lives. */
import { appendFileSync, closeSync, openSync, writeFileSync } from "node:fs";
import type { Report } from "../index.ts";
import { livingLab, specToBuild } from "./chosen-lab.ts";
import { EXIT } from "./exit.ts";
import { follow } from "./lab-client.ts";
import type { LabFlags } from "./lab-options.ts";
import { Progress, print, say, useColour, widthOf } from "./terminal.ts";

export interface VerifyFlags extends LabFlags {
  readonly format: "text" | "json" | "markdown" | "tap";
  readonly junit?: string;
  readonly tap?: boolean;
  readonly verbose?: boolean;
  readonly silence?: number;
  readonly deadline?: number;
}

export async function verify(flags: VerifyFlags, signal: AbortSignal): Promise<number> {
  if (flags.junit) await checkWritable(flags.junit);
  const report = (await verifyLiving(flags, signal)) ?? (await verifyFile(flags, signal));
  print(await render(report, flags));
  await publish(report, flags);
  return { PASS: EXIT.ok, FAIL: EXIT.failed, INCONCLUSIVE: EXIT.inconclusive }[report.verdict];
}

/** Before anything is measured. @throws DocknetError USAGE */
async function checkWritable(file: string): Promise<void> {
  try {
    closeSync(openSync(file, "a", 0o644));
  } catch (cause) {
    const { DocknetError } = await import("../index.ts");
    throw new DocknetError(
      "USAGE",
      `Cannot write the JUnit report to ${file}: ${(cause as NodeJS.ErrnoException).code}`,
      {
        cause,
        remedy: "Name a file in a folder that exists and that you may write to",
      },
    );
  }
}

/** The lab that lives, as it is now; undefined when a file is named, or none lives. */
async function verifyLiving(flags: VerifyFlags, signal: AbortSignal): Promise<Report | undefined> {
  const living = await livingLab(flags);
  if (!living) return undefined;
  const { lab, client } = living;
  const progress = new Progress();
  progress.show(`verifying ${lab} ...`);
  try {
    const limits = {
      ...(flags.silence ? { silenceMs: flags.silence } : {}),
      ...(flags.deadline ? { answerDeadlineMs: flags.deadline } : {}),
    };
    return await follow<Report>(client, "verify", limits, {
      signal,
      onProgress: (done, total) => progress.show(`verifying ${lab}: ${done}/${total} probes`),
    });
  } finally {
    progress.clear();
  }
}

async function verifyFile(flags: VerifyFlags, signal: AbortSignal): Promise<Report> {
  const { buildLab } = await import("../index.ts");
  const spec = await specToBuild(flags);
  const progress = new Progress();
  progress.show(`building ${spec.name} ...`);
  try {
    await using lab = await buildLab(spec, { signal });
    return await lab.verify({
      onProgress: (done, total) => progress.show(`verifying ${spec.name}: ${done}/${total} probes`),
      ...(flags.silence ? { silenceMs: flags.silence } : {}),
      ...(flags.deadline ? { answerDeadlineMs: flags.deadline } : {}),
    });
  } finally {
    progress.clear();
  }
}

async function render(report: Report, flags: VerifyFlags): Promise<string> {
  const { renderJson, renderMarkdown, renderTap, renderText } = await import("../index.ts");
  const format = flags.tap ? "tap" : flags.format;
  if (format === "json") return renderJson(report);
  if (format === "markdown") return renderMarkdown(report);
  if (format === "tap") return renderTap(report);
  return renderText(report, {
    colour: useColour(process.stdout),
    width: widthOf(process.stdout),
    verbose: flags.verbose ?? false,
  });
}

/** Where others read it: a JUnit file, and GitHub's annotations and step summary when run there. */
async function publish(report: Report, flags: VerifyFlags): Promise<void> {
  const { renderAnnotations, renderJunit, renderMarkdown } = await import("../index.ts");
  if (flags.junit) writeFileSync(flags.junit, renderJunit(report));
  if (process.env.GITHUB_ACTIONS !== "true") return;
  // the runner reads workflow commands from both streams; stdout stays pure data
  for (const line of renderAnnotations(report)) say(line);
  if (process.env.GITHUB_STEP_SUMMARY) appendFileSync(process.env.GITHUB_STEP_SUMMARY, `${renderMarkdown(report)}\n`);
}
