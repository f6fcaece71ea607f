/**
 * docknetd: the process that owns one lab. It says "ready" on its standard output when it listens, or why it cannot as one line of
 * JSON; then it has no terminal and talks to nobody but by its socket. Ending it leaves the lab on the kernel for the next one.
 */
import { mkdirSync } from "node:fs";
import { DocknetError } from "../errors.ts";
import { removeOwned } from "../kernel/clean.ts";
import { type DirectoryLock, lockDirectory } from "../kernel/lock.ts";
import { isRunning, Manifest, type Owned, type OwnedProcess, readOwned } from "../kernel/manifest.ts";
import { canCreateNamespaces, enterUserNamespace, prepareUserNamespace } from "../kernel/privilege.ts";
import { parseLabName } from "../net/name.ts";
import { registerLabRoutes } from "./api/lab-routes.ts";
import { createServer, listen } from "./api/server.ts";
import { Engine } from "./engine.ts";
import { idleSeconds, watchIdle } from "./idle.ts";
import { answers, labDirectory, labsRoot, socketPath, takenText } from "./place.ts";

const LOCK_DEADLINE_MS = 5000;
const LOOK_AGAIN_MS = 10;

declare const __DOCKNET_VERSION__: string | undefined;
const version = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";

async function main(): Promise<void> {
  const [option, name = ""] = process.argv.slice(2);
  if (option !== "--lab") throw new DocknetError("USAGE", "docknetd wants --lab NAME");
  const lab = parseLabName(name);
  const directory = labDirectory(lab);
  if (!canCreateNamespaces()) enterUserNamespace(livingShim(directory));
  prepareUserNamespace(labsRoot());
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = await takeLock(directory, lab);
  const manifest = new Manifest(directory);
  for (const old of manifest.processes()) if (old.role === "daemon") manifest.forget(old);
  const self = manifest.addProcess("daemon", process.pid);
  const engine = await Engine.open(lab, directory, manifest);
  const end = async (): Promise<void> => {
    await server.close();
    await engine.detach();
    manifest.forget(self);
    lock.close();
  };
  const server = createServer(engine, { version });
  registerLabRoutes(server, engine, () => void finish(() => server.close()));
  const remove = async (): Promise<void> => {
    await server.close();
    await engine.remove();
    manifest.forget(self);
    lock.close();
    await removeOwned(directory);
  };
  watchIdle(server, engine, idleSeconds(), () => void finish(remove));
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => void finish(end));
  await listen(server, socketPath(lab));
  process.stdout.write("ready\n");
}

/** Of one that is ending the lock is waited for; one that listens keeps it. */
async function takeLock(directory: string, lab: string): Promise<DirectoryLock> {
  const deadline = performance.now() + LOCK_DEADLINE_MS;
  for (;;) {
    const lock = lockDirectory(directory);
    if (lock) return lock;
    if (performance.now() > deadline || (await answers(socketPath(lab))))
      throw new DocknetError("CONFLICT", takenText(lab), { remedy: `Look at ${directory}/manifest.jsonl` });
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Without root, a lab is in the user namespace that its processes are in. */
function livingShim(directory: string): number | undefined {
  const isShim = (o: Owned): o is OwnedProcess => o.kind === "process" && o.role === "shim";
  return [...readOwned(directory).values()].filter(isShim).find(isRunning)?.pid;
}

let finishing = false;

async function finish(work: () => Promise<unknown>): Promise<void> {
  if (finishing) return;
  finishing = true;
  try {
    await work();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`docknetd: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
}

// the reader of "ready" goes when it has read it
process.stdout.on("error", () => {});
process.on("unhandledRejection", (error) => {
  process.stderr.write(`docknetd: unhandled: ${error instanceof Error ? error.stack : String(error)}\n`);
});

try {
  await main();
} catch (error) {
  const known = error instanceof DocknetError ? error : new DocknetError("INTERNAL", String(error), { cause: error });
  process.stderr.write(`docknetd: ${error instanceof Error ? error.stack : String(error)}\n`);
  const told = JSON.stringify({ code: known.code, message: known.message, remedy: known.remedy });
  // what is open already must not keep a daemon that nobody can reach
  process.stdout.write(`${told}\n`, () => process.exit(1));
}
