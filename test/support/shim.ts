/** A lab directory with a shim in it and an unnamed network namespace; the shim runs from src, bundled here. Nothing outlives `close`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Netns } from "../../src/kernel/netns.ts";
import { type Attached, connectShim, type OutputChunk, type Shim, startShim } from "../../src/kernel/shim/client.ts";
import type { Command } from "../../src/kernel/shim/container-process.ts";
import type { ContainerSpace, NodeSpace } from "../../src/kernel/shim/mounts.ts";
import type { ProcessInfo, ProcessKey } from "../../src/kernel/shim/protocol.ts";
import { waitFor } from "./wait-for.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** koffi is found from below the project only. */
const folder = join(ROOT, "node_modules/.cache/docknet", `shim-${process.pid}`);
export const SHIM_BUNDLE = join(folder, "shim.mjs");
export const CLIENT_BUNDLE = join(folder, "client.mjs");

export async function bundleShim(): Promise<void> {
  await build({
    entryPoints: { shim: join(ROOT, "src/kernel/shim/main.ts"), client: join(ROOT, "src/kernel/shim/client.ts") },
    outdir: folder,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    external: ["koffi"],
  });
}

export const removeBundle = (): void => rmSync(folder, { recursive: true, force: true });

export const command = (argv: readonly string[], more: Partial<Command> = {}): Command => ({
  argv,
  env: [],
  cwd: "/",
  tty: false,
  openStdin: false,
  privileged: false,
  ...more,
});

export const sh = (script: string, more: Partial<Command> = {}): Command => command(["/bin/sh", "-c", script], more);

export class ShimLab implements AsyncDisposable {
  readonly directory: string;
  readonly netns: Netns;
  readonly space: ContainerSpace;
  node: NodeSpace;
  shim: Shim;

  private constructor(directory: string, shim: Shim) {
    this.directory = directory;
    this.shim = shim;
    this.netns = Netns.create("web");
    const netnsPath = `/proc/${process.pid}/fd/${this.netns.fd}`;
    this.node = { kind: "node", netnsPath, names: ["lab.web"], namesFolder: join(directory, "netns") };
    const files = {
      hosts: join(directory, "hosts"),
      hostname: join(directory, "name"),
      resolvConf: join(directory, "resolv"),
    };
    writeFileSync(files.hosts, "172.18.0.2\tweb\n");
    writeFileSync(files.hostname, "web\n");
    writeFileSync(files.resolvConf, "nameserver 127.0.0.11\n");
    this.space = {
      kind: "container",
      netnsPath,
      hostname: "web",
      domainname: "lab",
      files,
      hidden: [directory],
      privileged: false,
    };
  }

  static async open(): Promise<ShimLab> {
    const directory = mkdtempSync(join(tmpdir(), "dn-shim-"));
    return new ShimLab(directory, await startShim(directory, { bundle: SHIM_BUNDLE }));
  }

  /** The log of a container's process, a line each. */
  log(id: string): { log: string; stream: string; time: string }[] {
    const text = readFileSync(this.logPath(id), "utf8");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  logPath(id: string): string {
    return join(this.directory, `${id}.log`);
  }

  /** Attached before it starts, so that nothing is missed. */
  async start(id: string, what: Command): Promise<{ attached: Attached; info: ProcessInfo; text: () => string }> {
    const attached = await this.shim.attach({ id });
    const text = collect(attached);
    const info = await this.shim.start({ id, space: this.space, command: what, logPath: this.logPath(id) });
    return { attached, info, text };
  }

  async exec(id: string, execId: string, what: Command): Promise<{ output: string; exitCode: number }> {
    const attached = await this.shim.attach({ id, execId });
    const text = collect(attached);
    await this.shim.exec({ id, execId, space: id.startsWith("@") ? this.node : this.space, command: what });
    const exitCode = await this.exitCode({ id, execId });
    await ended(attached);
    return { output: text(), exitCode };
  }

  /** Waits for the end of a process, as told by `list`. */
  async exitCode(key: ProcessKey): Promise<number> {
    return waitFor(`end of ${key.execId ?? key.id}`, 30_000, async () => {
      const info = (await this.shim.list()).find((each) => each.id === key.id && each.execId === key.execId);
      if (!info) throw new Error(`process ${key.execId ?? key.id} is not listed`);
      return info.exit && { code: info.exit.exitCode };
    }).then(({ code }) => code);
  }

  async run(id: string, what: Command): Promise<{ output: string; exitCode: number }> {
    const { attached, text } = await this.start(id, what);
    const exitCode = await this.exitCode({ id });
    await ended(attached);
    return { output: text(), exitCode };
  }

  async reconnect(): Promise<void> {
    this.shim.close();
    await this.shim.closed;
    this.shim = await connectShim(this.directory);
  }

  async close(): Promise<void> {
    await this.shim.shutdown().catch(() => {}); // a test may have killed it
    this.netns.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Collects what is printed, both streams in order. */
export function collect(attached: Attached): () => string {
  const chunks: Buffer[] = [];
  attached.output.on("data", ({ data }: OutputChunk) => chunks.push(data));
  return () => Buffer.concat(chunks).toString();
}

export function ended(attached: Attached): Promise<void> {
  if (attached.output.readableEnded) return Promise.resolve();
  return new Promise((resolve) => attached.output.once("end", resolve));
}
