/** What record-docker.mjs and replay-docker.mjs share: the session and its runner, which are TypeScript, and the recorded file. */
import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

/** A path from the repository's root. */
export const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

/** "session" is the long one; "endpoints" and "networks" are tables of refusals. @returns its steps and the file of what was recorded */
export async function openSession(name) {
  const { session } = await importSource(`test/golden/docker/${name}.ts`);
  return { session, golden: path(`test/golden/docker/${name}.json`) };
}

const CACHE = path("node_modules/.cache/docknet");

/** @param {string} source a TypeScript file, from the repository's root @returns its exports */
export async function importSource(source) {
  mkdirSync(CACHE, { recursive: true });
  const outfile = `${CACHE}/${source.replaceAll("/", "_").replace(/\.ts$/, "")}-${process.pid}.mjs`;
  await build({
    entryPoints: [path(source)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
  });
  try {
    return await import(pathToFileURL(outfile));
  } finally {
    rmSync(outfile, { force: true });
  }
}
