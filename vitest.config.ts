/**
 * The three suites. unit: pure code, nothing needed. kernel: one claim per file, on the real kernel, as root or inside
 * `unshare --user --map-root-user --net --mount`. cli: the built dist/bin/docknet.js as a child process. scripts/test.sh runs them all.
 * A suite without a test fails, no test is tried twice, and `test.only` never passes CI.
 */
import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

/** Node 20 has no `using` syntax: it is lowered. */
const target = "es2022";

export default defineConfig({
  define: { __DOCKNET_VERSION__: JSON.stringify(version) },
  oxc: { target },
  test: {
    pool: "forks", // setns(2) moves the main thread; native modules dislike worker threads
    retry: 0,
    projects: [
      {
        extends: true,
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 60_000, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          // a bound on what hangs: a machine may be slow, and busy with other things
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "cli",
          include: ["test/cli/**/*.test.ts"],
          // for what hangs: a command takes half a second, and several on a machine that others load
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
