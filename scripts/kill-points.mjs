#!/usr/bin/env node
/**
 * The long run of test/support/kill-points.ts, by hand: `node scripts/kill-points.mjs [KILLS] [SEED]` kills daemons of labs of its own
 * that often (200) and prints what came of it. Wants root and a built dist/; DOCKNET_BIN names another dist/bin.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [kills = 200, firstSeed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number);
const KILLS_OF_A_LAB = 10;
/** Then something is wrong in general. */
const MOST_FAILURES = 5;

const runDirectory = mkdtempSync(join(tmpdir(), "dn-kill-"));
const bundles = join(root, "node_modules/.docknet-test");
const bundle = join(bundles, `kill-points-${process.pid}.mjs`);
mkdirSync(bundles, { recursive: true });
await build({
  stdin: {
    contents: 'export * from "./test/support/kill-points.ts"; export { machineLinks } from "./test/support/daemon.ts";',
    resolveDir: root,
  },
  outfile: bundle,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  logLevel: "error",
});

const total = { kills: {}, requests: 0, happened: 0, not: 0, adopted: 0, verified: 0, starts: [] };
let failures = 0;
let done = 0;
try {
  const { KillPoints, machineLinks } = await import(pathToFileURL(bundle).href);
  const before = machineLinks();
  for (let seed = firstSeed; done < kills && failures < MOST_FAILURES; seed++) {
    const bin = process.env.DOCKNET_BIN ?? join(root, "dist/bin");
    const points = new KillPoints({ runDirectory, lab: `kp${process.pid}x${seed}`, bin }, seed);
    await points.run(KILLS_OF_A_LAB).catch((error) => {
      failures++;
      console.error(`seed ${seed}: ${error.message}`);
    });
    const { outcome } = points;
    for (const [kind, count] of Object.entries(outcome.kills)) {
      total.kills[kind] = (total.kills[kind] ?? 0) + count;
      if (!kind.startsWith("(")) done += count;
    }
    total.requests += outcome.requests;
    total.happened += outcome.broken.happened;
    total.not += outcome.broken.not;
    total.adopted += outcome.adopted;
    total.verified += outcome.verified;
    total.starts.push(...outcome.startsMs);
  }
  if (machineLinks() !== before) {
    failures++;
    console.error(`links of the machine changed, from\n${before}to\n${machineLinks()}`);
  }
} finally {
  rmSync(bundle, { force: true });
  rmSync(runDirectory, { recursive: true, force: true });
}
const starts = total.starts.sort((a, b) => a - b);
console.log(`kill points  ${done}`);
for (const [kind, count] of Object.entries(total.kills)) console.log(`  ${kind}  ${count}`);
console.log(`requests  ${total.requests}`);
console.log(`broken requests  ${total.happened} had happened, ${total.not} had not, 0 halves unless told above`);
console.log(`running processes seen, with the pid that they had  ${total.adopted}`);
console.log(`full verifications passed  ${total.verified}`);
console.log(`take up  median ${starts[Math.floor(starts.length / 2)]} ms, slowest ${starts.at(-1)} ms`);
console.log(`failures  ${failures}`);
process.exitCode = failures > 0 ? 1 : 0;
