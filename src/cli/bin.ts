/**
 * The first file that node reads, bundled alone as CommonJS: for `--version` the module loader of ESM is not even started. All else
 * is main.ts.
 */
declare const __DOCKNET_VERSION__: string;

const [, , first, ...rest] = process.argv;
const main = "./main.mjs";

if (rest.length === 0 && (first === "--version" || first === "-V")) process.stdout.write(`${__DOCKNET_VERSION__}\n`);
else void import(main);
