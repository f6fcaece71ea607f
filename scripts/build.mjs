#!/usr/bin/env node
/**
 * Builds dist/ from src/:
 *   dist/bin/docknet.js     the CLI: one CommonJS file for the commands in Docker's grammar, which are to start fast,
 *                           and main.mjs with its chunks for all others, bundled and split by esbuild
 *   dist/bin/docknetd.mjs   the daemon of a lab that lives, from the same chunks
 *   dist/bin/docknet-capture.mjs  the process that records packets for a daemon, from the same chunks
 *   dist/bin/docknet-shim.mjs  the parent of a lab's container processes, from the same chunks
 *   dist/index.js, *.d.ts   the library, file by file, by tsc (not with --fast)
 *   dist/labs, dist/schema  what ships beside the code
 *
 * Types are not checked here (`npm run check` does): a build turns text into other text. The files of dist/bin/ are as deep as those
 * of src/<folder>/, so `new URL("../labs/", import.meta.url)` finds the labs from both. __DOCKNET_VERSION__ stands for the version of
 * package.json, here and under vitest.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(join(dirname(fileURLToPath(import.meta.url)), ".."));
const fast = process.argv.includes("--fast");
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** Native modules stay outside the bundle: they find their binary beside their own files. */
const NATIVE = ["koffi", "cap"];

const filesBelow = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
        entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
      )
    : [];

async function bundleCli() {
  const esbuild = await import("esbuild");
  const shared = {
    outdir: "dist/bin",
    bundle: true,
    platform: "node",
    target: "node20",
    define: { __DOCKNET_VERSION__: JSON.stringify(version) },
    legalComments: "none",
    logLevel: "warning",
  };
  await esbuild.build({
    ...shared,
    entryPoints: {
      main: "src/cli/main.ts",
      docknetd: "src/daemon/main.ts",
      "docknet-shim": "src/kernel/shim/main.ts",
      "docknet-capture": "src/lab/capture-process.ts",
    },
    splitting: true,
    format: "esm",
    outExtension: { ".js": ".mjs" },
    external: NATIVE,
    // commander and other CommonJS packages call require("node:...") when they load; a module of ESM has no such function.
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
    },
  });
  // node (20, 22, 24) reads --env-file even after the script's name, where it is a flag of `run` and `exec`; what follows -- it leaves alone
  const here = 'const __here = require("node:url").pathToFileURL(__filename).href;';
  await esbuild.build({
    ...shared,
    entryPoints: { docknet: "src/cli/bin.ts" },
    format: "cjs",
    minifyWhitespace: true,
    banner: { js: `#!/usr/bin/env -S node --\n${here}` },
    define: { ...shared.define, "import.meta.url": "__here" },
  });
  writeFileSync("dist/bin/package.json", '{ "type": "commonjs" }\n');
  chmodSync("dist/bin/docknet.js", 0o755);
}

/** The library: every file of src but the CLI, as JavaScript beside its declarations. */
async function emitLibrary() {
  const { default: ts } = await import("typescript");
  const { config } = ts.readConfigFile("tsconfig.json", ts.sys.readFile);
  const { options, fileNames, errors } = ts.parseJsonConfigFileContent(
    { ...config, include: ["src"], exclude: ["src/cli", "src/labs"] },
    ts.sys,
    ".",
    { noEmit: false, declaration: true, outDir: "dist", rootDir: "src", noCheck: true, incremental: false },
    "tsconfig.json",
  );
  const { diagnostics, emitSkipped } = ts.createProgram(fileNames, options).emit(undefined, (name, text, mark) => {
    ts.sys.writeFile(
      name,
      name.endsWith(".js") ? text.replaceAll("__DOCKNET_VERSION__", JSON.stringify(version)) : text,
      mark,
    );
  });
  const problems = [...errors, ...diagnostics];
  if (problems.length > 0) {
    const host = {
      getCanonicalFileName: (name) => name,
      getCurrentDirectory: () => process.cwd(),
      getNewLine: () => "\n",
    };
    console.error(ts.formatDiagnostics(problems, host));
  }
  if (problems.length > 0 || emitSkipped) throw new Error("tsc could not write the library");
}

function copyData() {
  if (existsSync("src/labs")) cpSync("src/labs", "dist/labs", { recursive: true });
  mkdirSync("dist/schema", { recursive: true });
  for (const file of filesBelow("src"))
    if (file.endsWith(".schema.json")) cpSync(file, join("dist/schema", basename(file)));
}

rmSync("dist", { recursive: true, force: true }); // chunks have hashed names: old ones would pile up
mkdirSync("dist");
copyData();
try {
  await bundleCli();
  if (!fast) await emitLibrary();
} catch (error) {
  if (!error.errors) console.error(`build: ${error.message}`); // esbuild has printed its own already
  process.exitCode = 1;
}
