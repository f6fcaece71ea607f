/**
 * The first file that node reads, bundled alone as CommonJS: for `--version` and for what stands in Docker's grammar the module loader
 * of ESM is not even started. All else is main.ts.
 */
import { DocknetError } from "../errors.ts";
import { dockerCall, runDocker } from "./docker/dispatch.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import { print } from "./terminal.ts";

declare const __DOCKNET_VERSION__: string;

const argv = process.argv.slice(2);
const main = "./main.mjs";

const [first, ...rest] = argv;
const asksVersion = rest.length === 0 && (first === "--version" || first === "-V");
const call = asksVersion ? undefined : dockerCall(argv);

if (asksVersion || call) void start();
else void import(main);

async function start(): Promise<void> {
  try {
    if (call) process.exit(await runDocker(call, process.env));
    print(__DOCKNET_VERSION__);
  } catch (error) {
    process.exit(explain(error));
  }
}

function explain(error: unknown): number {
  if (error instanceof DocknetError) {
    process.stderr.write(`docknet: ${error.message}\n`);
    return exitCodeOf(error);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`docknet: internal error: ${text}\n`);
  return EXIT.failed;
}
