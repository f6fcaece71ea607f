/**
 * The first file that node reads, bundled alone as CommonJS: for `--version` and for what stands in Docker's grammar the module loader
 * of ESM is not even started. All else is main.ts.
 */
import { dockerCall, runDocker } from "./docker/dispatch.ts";

declare const __DOCKNET_VERSION__: string;

const argv = process.argv.slice(2);
const main = "./main.mjs";

const [first, ...rest] = argv;
if (rest.length === 0 && (first === "--version" || first === "-V")) process.stdout.write(`${__DOCKNET_VERSION__}\n`);
else void start();

async function start(): Promise<void> {
  const call = dockerCall(argv);
  if (!call) return void (await import(main));
  try {
    process.exit(await runDocker(call, process.env));
  } catch (error) {
    process.stderr.write(
      `docknet: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  }
}
