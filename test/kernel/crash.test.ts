/**
 * `kill -9` at any step of building or mending a lab: the next process takes over what is there and the kernel becomes what a clean
 * build gives; and whatever is there, `removeOwned` leaves nothing.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSpec, resolveState } from "../../src/index.ts";
import { removeOwned } from "../../src/kernel/clean.ts";
import { Executor } from "../../src/kernel/executor.ts";
import { readMachine } from "../../src/kernel/machine.ts";
import { Manifest } from "../../src/kernel/manifest.ts";
import type { Layout } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { planLab } from "../../src/plan/plan.ts";
import { type Dumps, dumpLab } from "../support/lab-dump.ts";
import { labText } from "../support/lab-text.ts";
import { propertyRuns } from "../support/property.ts";
import { waitFor } from "../support/wait-for.ts";

const LAB = `
services:
  web: { image: nginx, networks: [front, back], ports: ["8080:80"] }
  db: { image: postgres, networks: [back] }
networks:
  front: {}
  back: { internal: true }
`;

const PROPERTY = propertyRuns(6);
const lab = `t${process.pid}k`;
const folder = mkdtempSync(join(tmpdir(), "docknet-crash-"));
const directory = join(folder, lab);
const compose = join(folder, "compose.yaml");
/** Beside the packages that it imports. */
const bundles = fileURLToPath(new URL("../../node_modules/.docknet-test", import.meta.url));
const child = join(bundles, `crash-child-${process.pid}.mjs`);
let layout: Layout;
let steps: number;
let clean: Dumps;

beforeAll(async () => {
  mkdirSync(bundles, { recursive: true });
  await build({
    entryPoints: [fileURLToPath(new URL("../support/crash-child.ts", import.meta.url))],
    outfile: child,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
  });
  writeFileSync(compose, LAB);
  layout = { ...layoutOf(resolveState(loadSpec(labText(LAB))).state, readMachine()), lab: lab as Layout["lab"] };
  const ops = planLab(undefined, layout);
  steps = ops.length;
  const manifest = new Manifest(directory);
  const executor = new Executor({ lab: manifest.lab, named: true, manifest });
  await executor.apply(ops);
  clean = dumpLab(manifest.lab, layout);
  await executor.close();
});

afterAll(async () => {
  await removeOwned(directory);
  rmSync(folder, { recursive: true, force: true });
  rmSync(child, { force: true });
});

/** @returns the signal that ended it, or its output when it failed by itself */
function runChild(crashAfterOps?: number): string {
  const env = { ...process.env, ...(crashAfterOps ? { DOCKNET_CRASH_AFTER_OPS: String(crashAfterOps) } : {}) };
  const result = spawnSync(process.execPath, [child, directory, compose], { env, encoding: "utf8", timeout: 120_000 });
  if (result.signal) return result.signal;
  return result.status === 0 ? "done" : `${result.status}: ${result.stderr}`;
}

const names = (): string[] => readdirSync("/run/netns").filter((n) => n.startsWith(`${lab}.`));
const machineLinks = (): string =>
  execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).replaceAll(/ state .*$/gm, "");

test("killed again and again while it is built, the lab becomes what a clean build gives, and clean leaves nothing", {
  timeout: 60_000 + PROPERTY.numRuns * 60_000,
}, async () => {
  const before = machineLinks();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: steps }), { minLength: 1, maxLength: 3 }), async (kills) => {
      for (const n of kills) expect(runChild(n)).toMatch(/^(SIGKILL|done)$/);
      expect(runChild()).toBe("done");
      let found: Dumps = {};
      await waitFor("the lab as a clean build gives it", 15_000, () => {
        found = dumpLab(layout.lab, layout);
        return JSON.stringify(found) === JSON.stringify(clean);
      }).catch(() => {});
      expect(found).toEqual(clean);
      expect((await removeOwned(directory)).left).toEqual([]);
      expect(names()).toEqual([]);
      expect(existsSync(directory)).toBe(false);
    }),
    PROPERTY,
  );
  expect(machineLinks()).toBe(before);
});

test("clean removes what a killed build left, at any step", {
  timeout: 60_000 + PROPERTY.numRuns * 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (n) => {
      expect(runChild(1 + (n % (steps - 1)))).toBe("SIGKILL");
      expect(names().length).toBeGreaterThan(0);
      expect((await removeOwned(directory)).left).toEqual([]);
      expect(names()).toEqual([]);
      expect(existsSync(directory)).toBe(false);
    }),
    PROPERTY,
  );
});
