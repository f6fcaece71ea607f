/** Many containers up and down, by the library as it is built: layout, plan, executor; no probes. */
import { buildLab, loadSpec } from "../dist/index.js";

const PER_NETWORK = 200; // a bridge holds 1023 ports

/** @returns one row a size: milliseconds for building, for closing, and per container */
export async function buildScale(sizes) {
  const rows = [];
  for (const containers of sizes) {
    const networks = Math.ceil(containers / PER_NETWORK);
    const services = Array.from(
      { length: containers },
      (_, i) => `  c${i}: { image: nginx, networks: [n${i % networks}], ports: ["${20000 + i}:80"] }`,
    );
    const yaml = [
      "name: scale",
      "services:",
      ...services,
      "networks:",
      ...Array.from({ length: networks }, (_, i) => `  n${i}: {}`),
    ].join("\n");
    const readFile = (path) => {
      if (path.endsWith("compose.yaml")) return yaml;
      throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
    };
    const spec = loadSpec({ files: ["compose.yaml"], cwd: "/nowhere", env: {}, readFile });
    const startedAt = performance.now();
    const lab = await buildLab(spec);
    const upMs = performance.now() - startedAt;
    const downAt = performance.now();
    await lab.close();
    rows.push({ containers, upMs, downMs: performance.now() - downAt, perContainerMs: upMs / containers });
  }
  return rows;
}
