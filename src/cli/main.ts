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

/** What work may still take to give back what it holds; a daemon that does not answer is not waited for longer. */
const WAY_OUT_MS = 3000;

const codeOfSignal = (signal: Signal): number =>
  ({ SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: EXIT.hungUp })[signal];

function onSignal(signal: Signal): void {
  // the second one does not wait: unnamed namespaces end with the process in any case
  if (signalled) endNow();
  signalled = signal;
  abort.abort();
  setTimeout(endNow, WAY_OUT_MS).unref();
}

const endNow = (): never => process.exit(codeOfSignal(signalled ?? "SIGTERM"));

async function run(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
  // work that takes no signal holds nothing that it would have to give back
  if (work.length === 0) abort.signal.addEventListener("abort", endNow);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => onSignal(signal));
  const code = await work(abort.signal);
  process.exitCode = signalled ? codeOfSignal(signalled) : code;
}

async function main(): Promise<void> {
  try {
    const argv = process.argv.slice(2);
    if (argv[0] === "__complete") return await complete(argv.slice(1));
    const words = await wordsOf(argv);
    const { createProgram } = await import("./program.ts");
    const program = createProgram(version, run);
    if (words.length === 0) program.help({ error: true });
    const [first = ""] = words;
    if (!/^(-|help$)/.test(first) && !program.commands.some((c) => c.name() === first)) return await runUnknown(words);
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    process.exitCode = signalled ? codeOfSignal(signalled) : await explain(error);
  }
}

async function complete(words: readonly string[]): Promise<void> {
  const [{ createProgram }, { printCandidates }] = [await import("./program.ts"), await import("./completion.ts")];
  process.exitCode = await printCandidates(createProgram(version, run), words);
}

/** What stands behind the global flags; bin.ts has taken what is Docker's. */
async function wordsOf(argv: readonly string[]): Promise<readonly string[]> {
  const { readGlobals } = await import("./docker/dispatch.ts");
  const call = readGlobals(argv);
  if (!call) return argv;
  if (call.lab !== undefined) process.env.DOCKNET_PROJECT = call.lab;
  return call.words.length > 0 && call.asks === undefined ? call.words : argv;
}

/** Of a command that nobody knows, what Docker says of one. */
async function runUnknown(words: readonly string[]): Promise<void> {
  const { runDocker } = await import("./docker/dispatch.ts");
  process.exitCode = await runDocker({ host: undefined, lab: undefined, asks: undefined, words }, process.env);
}

async function explain(error: unknown): Promise<number> {
  const { CommanderError } = await import("commander");
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  // not from the index: it would load all that builds labs
  const { DocknetError, ProblemsError, renderProblem, toDocknetError } = await import("../errors.ts");
  const { StatusError } = await import("./docker/status.ts");
  // of a daemon that cannot answer its cause says what to do
  const told = error instanceof StatusError && error.cause instanceof DocknetError ? error.cause : error;
  if (told instanceof StatusError) {
    say(told.message);
    return told.code;
  }
  const known = toDocknetError(told);
  if (!known) {
    say(`docknet: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failed;
  }
  const { cleanText } = await import("../report/clean.ts");
  // messages may name what a lab file or an argument holds
  const sayClean = (text: string): void => say(text.split("\n").map(cleanText).join("\n"));
  const problems = known instanceof ProblemsError ? known.problems : [known.toProblem()];
  for (const problem of problems) {
    sayClean(`docknet: ${renderProblem(problem)}`);
    if (problem.remedy) sayClean(`  ${problem.remedy}`);
    if (process.env.GITHUB_ACTIONS === "true")
      say((await import("../report/github.ts")).renderProblemAnnotation(problem));
  }
  if (process.argv.includes("--debug")) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) say(cause.stack ?? cause.message);
  }
  return exitCodeOf(known);
}

await main();
// captures hold descriptors whose closing the kernel delays; nothing is left to wait for
process.exit(process.exitCode ?? EXIT.ok);
