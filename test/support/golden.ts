/** Golden files: the whole text of an output, under test/golden/, compared as one. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const ROOT = fileURLToPath(new URL("../golden/", import.meta.url));

/**
 * `text` must be the content of test/golden/`path`. With DOCKNET_UPDATE_GOLDEN=1 it becomes the content instead, and the diff
 * is reviewed as code is.
 */
export function expectGolden(path: string, text: string): void {
  const file = join(ROOT, path);
  if (process.env.DOCKNET_UPDATE_GOLDEN === "1") {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return;
  }
  expect(text, `${path}: run with DOCKNET_UPDATE_GOLDEN=1 to accept`).toBe(readGolden(file));
}

function readGolden(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
