/** A lab that lives: what a person waits for at the prompt, what `docker run -d` takes inside the daemon, and `docknet walk` as a whole. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../dist/bin/docknet.js", import.meta.url));
const LAB = `bench${process.pid}`;

/** @returns medians in milliseconds; `runMs` and `walkMs` by the number of containers that were there before */
export async function measureDaemon({ runs, sizes }) {
  // where labs live by default: in memory
  const directory = mkdtempSync(join(process.getuid() === 0 ? "/run" : tmpdir(), "docknet-bench-"));
  const env = { ...process.env, DOCKNET_RUN_DIR: directory };
  const docknet = (...args) => {
    const startedAt = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [CLI, "-p", LAB, ...args], { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`docknet ${args.join(" ")} ended with ${status}: ${stderr}`);
    return performance.now() - startedAt;
  };
  try {
    const coldMs = docknet("network", "create", "n");
    const lsMs = median(Array.from({ length: runs }, () => docknet("network", "ls")));
    const socketPath = join(directory, LAB, "docknet.sock");
    const [runMs, walkMs] = [[], []];
    let made = 0;
    for (const size of sizes) {
      while (made < size) await run(socketPath, made++);
      const times = [];
      for (let i = 0; i < runs; i++) times.push(await run(socketPath, made++));
      runMs.push({ containers: size, ms: median(times) });
      // the first one reads the rules of the namespaces that it goes through
      const walk = (...ends) => {
        const firstMs = docknet("walk", ...ends);
        return { firstMs, ms: median(Array.from({ length: runs }, () => docknet("walk", ...ends))) };
      };
      const reached = walk("c0", "@internet:80");
      walkMs.push({ containers: size, reached, dropped: walk("@neighbour", "c0:80") });
    }
    return { coldMs, lsMs, runMs, walkMs };
  } finally {
    docknet("down");
    rmSync(directory, { recursive: true, force: true });
  }
}

/** docker run -d --network n -p PORT:80 nginx, as the client asks for it: create, then start. */
async function run(socketPath, number) {
  const startedAt = performance.now();
  const { Id } = await post(socketPath, `/v1.51/containers/create?name=c${number}`, {
    Image: "nginx",
    HostConfig: { NetworkMode: "n", PortBindings: { "80/tcp": [{ HostPort: String(20_000 + number) }] } },
  });
  await post(socketPath, `/v1.51/containers/${Id}/start`);
  return performance.now() - startedAt;
}

function post(socketPath, path, body) {
  const text = body === undefined ? "" : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath,
        path,
        method: "POST",
        headers: { "Content-Type": "application/json", "Content-Length": text.length },
      },
      (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          const said = Buffer.concat(chunks).toString();
          if (answer.statusCode >= 400) reject(new Error(`${path}: ${said}`));
          else resolve(said === "" ? {} : JSON.parse(said));
        });
      },
    );
    sent.on("error", reject);
    sent.end(text);
  });
}

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
