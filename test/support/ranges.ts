/** Labs with very many ports or services, as text of a compose file becomes them. */
import { loadSpec } from "../../src/spec/load.ts";
import { resolveState } from "../../src/state/resolve.ts";

/** @param services lines of a compose file below `services:` */
export function labOf(...services: readonly string[]): ReturnType<typeof resolveState> {
  return resolveState(specOf(...services));
}

export function specOf(...services: readonly string[]): ReturnType<typeof loadSpec> {
  const text = ["services:", ...services.map((line) => `  ${line}`)].join("\n");
  const readFile = (path: string): string => {
    if (path.endsWith("compose.yaml")) return text;
    throw Object.assign(new Error(`${path} is not there`), { code: "ENOENT" });
  };
  return loadSpec({ files: ["compose.yaml"], cwd: "/lab", env: {}, readFile });
}
