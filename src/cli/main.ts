/**
 * The process: argv, signals, exit code. The only file that ends the process or talks of a failure. A user's mistake shows its place
 * and remedy, ours its stack. Nothing is loaded before it is needed.
 */
import { EXIT, exitCodeOf } from "./exit.ts";
import { say } from "./terminal.ts";

declare const __DOCKNET_VERSION__: string | undefined;
const version = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";

const abort = new AbortController();
type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";
let signalled: Signal | undefined;

const codeOfSignal = (signal: Signal): number =>
  ({ SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: EXIT.hungUp })[signal];

function onSignal(signal: Signal): void {
  // the second one does not wait: unnamed namespaces end with the process in any case
  if (signalled) process.exit(codeOfSignal(signal));
  signalled = signal;
  abort.abort();
}

async function run(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => onSignal(signal));
  const code = await work(abort.signal);
  process.exitCode = signalled ? codeOfSignal(signalled) : code;
}

async function main(): Promise<void> {
  try {
    const { createProgram } = await import("./program.ts");
    const program = createProgram(version, run);
    if (process.argv.length <= 2) program.help({ error: true });
    await program.parseAsync(process.argv);
  } catch (error) {
    process.exitCode = signalled ? codeOfSignal(signalled) : await explain(error);
  }
}

async function explain(error: unknown): Promise<number> {
  const { CommanderError } = await import("commander");
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const { DocknetError, ProblemsError, renderProblem, renderProblemAnnotation } = await import("../index.ts");
  if (!(error instanceof DocknetError)) {
    say(`docknet: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failed;
  }
  const problems = error instanceof ProblemsError ? error.problems : [error.toProblem()];
  for (const problem of problems) {
    say(`docknet: ${renderProblem(problem)}`);
    if (problem.remedy) say(`  ${problem.remedy}`);
    if (process.env.GITHUB_ACTIONS === "true") say(renderProblemAnnotation(problem));
  }
  if (process.argv.includes("--debug")) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) say(cause.stack ?? cause.message);
  }
  return exitCodeOf(error);
}

await main();
// captures hold descriptors whose closing the kernel delays; nothing is left to wait for
process.exit(process.exitCode ?? EXIT.ok);
