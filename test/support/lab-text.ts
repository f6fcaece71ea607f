/** A lab from compose text, without a file on disk. */
import type { LoadOptions } from "../../src/index.ts";

export function labText(yaml: string): LoadOptions {
  const readFile = (path: string): string => {
    if (path.endsWith("compose.yaml")) return yaml;
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
  };
  return { files: ["compose.yaml"], cwd: "/nowhere", env: {}, projectName: "test", readFile };
}
