/**
 * The first file that node reads, bundled alone as CommonJS: for `--version` nothing else is run, and for what stands in Docker's
 * grammar the module loader of ESM is not even started. All else is main.ts.
 */
import { toDocknetError } from "../errors.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import { print } from "./terminal.ts";

declare const __DOCKNET_VERSION__: string;

const argv = process.argv.slice(2);
const main = "./main.mjs";

void start();

async function start(): Promise<void> {
  try {
    const [first, ...rest] = argv;
    if (rest.length === 0 && (first === "--version" || first === "-V")) return print(__DOCKNET_VERSION__);
    const { dockerCall, runDocker } = await import("./docker/dispatch.ts");
    const call = dockerCall(argv);
    if (call) process.exit(await runDocker(call, process.env));
    // reports what goes wrong from then on by itself
    await import(main);
  } catch (error) {
    process.exit(explain(error));
  }
}

function explain(error: unknown): number {
  const known = toDocknetError(error);
  if (known) {
    process.stderr.write(`docknet: ${known.message}\n${known.remedy ? `  ${known.remedy}\n` : ""}`);
    return exitCodeOf(known);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`docknet: internal error: ${text}\n`);
  return EXIT.failed;
}
