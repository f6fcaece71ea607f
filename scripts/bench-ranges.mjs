/** Very many ports and services: what a file costs to validate, and a lab of them to make, prove, change and remove. Whole processes. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../dist/bin/docknet.js", import.meta.url));
const LAB = `range${process.pid}`;

/** With the userland proxy a port takes three descriptors: 10,001 ports are more than many a machine allows. */
const WITHOUT_PROXY = "x-docknet: { engine: { userland-proxy: false } }";
const one = (ports, head = "") => `${head}\nservices: { a: { image: x, ports: ["${ports}"] } }\n`;
const services = (count) =>
  `services:\n${Array.from({ length: count }, (_, i) => `  s${i}: { image: x, ports: ["${10_000 + i}:80"] }`).join("\n")}\n`;

/** @returns rows of { what, ms, bar } */
export function measureRanges({ runs }) {
  const directory = mkdtempSync(join(process.getuid() === 0 ? "/run" : tmpdir(), "docknet-bench-"));
  const file = join(directory, "compose.yaml");
  const env = { ...process.env, DOCKNET_RUN_DIR: join(directory, "run"), DOCKNET_PROJECT: LAB };
  const docknet = (...args) => {
    const startedAt = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [CLI, ...args], { env, encoding: "utf8", cwd: directory });
    if (status !== 0) throw new Error(`docknet ${args.join(" ")} ended with ${status}: ${stderr}`);
    return performance.now() - startedAt;
  };
  const validate = (text) => {
    writeFileSync(file, text);
    return median(Array.from({ length: runs }, () => docknet("validate", "-f", file)));
  };
  const rows = [];
  const row = (what, ms, bar) => rows.push({ what, ms, bar });
  try {
    row("validate of ports 1-1000, host ports drawn", validate(one("1-1000")), 1000);
    row("validate of 10000-20000/udp", validate(one("10000-20000:10000-20000/udp")), 1000);
    row("validate of ports 1-65535:1-65535", validate(one("1-65535:1-65535")), 1000);
    row("validate of 5000 services with a published port", validate(services(5000)), undefined);

    writeFileSync(file, one("10000-12999:10000-12999"));
    if (isEnough(10_000)) {
      row("a container with 3000 bindings and their proxies, up", docknet("up", "-f", file), undefined);
      row("  removed: docknet rm -f", docknet("rm", "-f", `${LAB}-a-1`), undefined);
      docknet("down");
    }
    writeFileSync(file, one("10000-20000:10000-20000/udp", WITHOUT_PROXY));
    if (isEnough(11_000)) {
      row("10000-20000/udp up", docknet("up", "-f", file), 5000);
      row("  verify of it, a sample, in the lab that lives", docknet("verify"), undefined);
      row("  docknet ps", docknet("ps"), undefined);
      row("  removed: docknet rm -f", docknet("rm", "-f", `${LAB}-a-1`), undefined);
      docknet("up", "-f", file);
      row("  down", docknet("down"), undefined);
      const range = (first) => `{ image: x, ports: ["${first}-${first + 4499}:${first}-${first + 4499}/udp"] }`;
      writeFileSync(file, `${WITHOUT_PROXY}\nservices: { a: ${range(10_000)}, b: ${range(20_000)} }\n`);
      docknet("up", "-f", file);
      row("one of two containers with 4500 bindings removed", docknet("rm", "-f", `${LAB}-a-1`), undefined);
    }
    return rows;
  } finally {
    spawnSync(process.execPath, [CLI, "down"], { env });
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Node has raised its soft limit to the hard one (src/node.cc). */
function isEnough(descriptors) {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  if (limit === undefined || Number(limit) >= descriptors) return true;
  console.error(`not measured: a lab of ${descriptors} descriptors; this process may have ${limit}`);
  return false;
}

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
