/**
 * The process: argv, signals, exit code. The only file that ends the process or talks of a failure. A user's mistake shows its place
 * and remedy, ours its stack.
 */
import { CommanderError } from "commander";
import { EXIT, exitCodeOf } from "./exit.ts";
import { createProgram } from "./program.ts";
import { say } from "./terminal.ts";

declare const __DOCKNET_VERSION__: string | undefined;
const version = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";

const abort = new AbortController();
let signalled: "SIGINT" | "SIGTERM" | "SIGHUP" | undefined;

function onSignal(signal: "SIGINT" | "SIGTERM" | "SIGHUP"): void {
  // the second one does not wait: unnamed namespaces end with the process in any case
  if (signalled) process.exit(codeOfSignal(signal));
  signalled = signal;
  abort.abort();
}

const codeOfSignal = (signal: string): number =>
  signal === "SIGINT" ? EXIT.interrupted : signal === "SIGTERM" ? EXIT.terminated : 129;

async function run(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => onSignal(signal));
  const code = await work(abort.signal);
  process.exitCode = signalled ? codeOfSignal(signalled) : code;
}

async function main(): Promise<void> {
  const program = createProgram(version, run);
  try {
    if (process.argv.length <= 2) program.help({ error: true });
    await program.parseAsync(process.argv);
  } catch (error) {
    process.exitCode = signalled ? codeOfSignal(signalled) : await explain(error);
  }
  // captures hold descriptors whose closing the kernel delays; nothing is left to wait for
  process.exit(process.exitCode ?? EXIT.ok);
}

async function explain(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const { DocknetError, ProblemsError, renderProblem } = await import("../index.ts");
  const debug = process.argv.includes("--debug");
  if (!(error instanceof DocknetError)) {
    say(`docknet: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failed;
  }
  const problems = error instanceof ProblemsError ? error.problems : [error.toProblem()];
  for (const problem of problems) {
    say(`docknet: ${renderProblem(problem)}`);
    if (problem.remedy) say(`  ${problem.remedy}`);
    if (process.env.GITHUB_ACTIONS === "true" && problem.at)
      say(
        `::error file=${problem.at.file},line=${problem.at.line},col=${problem.at.column}::${problem.message.replaceAll("\n", "%0A")}`,
      );
  }
  for (let cause: unknown = error; debug && cause instanceof Error; cause = cause.cause)
    say(cause.stack ?? cause.message);
  return exitCodeOf(error);
}

await main();
