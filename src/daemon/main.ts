/**
 * docknetd: the process that owns one lab. It says "ready" on its standard output when it listens, or why it cannot as one line of
 * JSON; then it has no terminal and talks to nobody but by its socket. Ending it leaves the lab on the kernel for the next one.
 */
import { DocknetError, toDocknetError } from "../errors.ts";
import { removeOwned } from "../kernel/clean.ts";
import { type DirectoryLock, lockDirectory, lockFromCleaners } from "../kernel/lock.ts";
import { isRunning, Manifest, type Owned, type OwnedProcess, readOwned } from "../kernel/manifest.ts";
import { canCreateNamespaces, enterUserNamespace, prepareUserNamespace } from "../kernel/privilege.ts";
import type { TrustedDirectory } from "../kernel/trusted-directory.ts";
import { type LabName, parseLabName } from "../net/name.ts";
import { registerLabRoutes } from "./api/lab-routes.ts";
import { createServer, listen } from "./api/server.ts";
import { Engine } from "./engine.ts";
import { idleSeconds, watchIdle } from "./idle.ts";
import { answers, labDirectory, labsRoot, openLab, socketIn, takenText } from "./place.ts";
import { watchPlace } from "./place-watch.ts";

const LOCK_DEADLINE_MS = 5000;
const LOOK_AGAIN_MS = 10;

declare const __DOCKNET_VERSION__: string | undefined;
const version = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";

async function main(): Promise<void> {
  const [option, name = ""] = process.argv.slice(2);
  if (option !== "--lab") throw new DocknetError("USAGE", "docknetd wants --lab NAME");
  const lab = parseLabName(name);
  if (!canCreateNamespaces()) enterUserNamespace(livingShim(lab));
  prepareUserNamespace(labsRoot());
  const { place, lock } = await takeLock(lab);
  lockFromCleaners(place);
  const manifest = new Manifest(place);
  for (const old of manifest.processes()) if (old.role === "daemon") manifest.forget(old);
  const self = manifest.addProcess("daemon", process.pid);
  const engine = await Engine.open(lab, place, manifest);
  const end = async (): Promise<void> => {
    unwatch();
    await server.close();
    await engine.detach();
    manifest.forget(self);
    lock.close();
  };
  const server = createServer(engine, { version });
  registerLabRoutes(server, engine, () => void finish(() => server.close()));
  const remove = async (): Promise<void> => {
    unwatch();
    await server.close();
    await engine.remove();
    manifest.forget(self);
    lock.close();
  };
  const removeWhole = async (): Promise<void> => {
    await remove();
    await removeOwned(place.path);
  };
  watchIdle(server, engine, idleSeconds(), () => void finish(removeWhole));
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => void finish(end));
  await listen(server, socketIn(place));
  const unwatch = watchPlace(place, {
    onLost: () => {
      log(`the directory of lab ${lab}, ${place.path}, has gone: the lab ends`);
      // whoever has its path now is another
      void finish(remove);
    },
    onChange: () => void keepFiles(engine, manifest),
  });
  process.stdout.write("ready\n");
}

/** What the daemon knows is written again when somebody else damaged or removed it. */
async function keepFiles(engine: Engine, manifest: Manifest): Promise<void> {
  try {
    if (finishing) return;
    if (manifest.keep()) log(`somebody changed ${engine.directory}/manifest.jsonl: written again`);
    await engine.keepJournal();
  } catch (error) {
    if (!finishing) log(sentenceOf(error));
  }
}

/** Of one that is ending the lock is waited for; one that listens keeps it. */
async function takeLock(lab: LabName): Promise<{ readonly place: TrustedDirectory; readonly lock: DirectoryLock }> {
  const deadline = performance.now() + LOCK_DEADLINE_MS;
  for (;;) {
    const place = openLab(lab, { make: true });
    const lock = place && lockDirectory(place.base);
    if (lock && place.isInPlace()) return { place, lock };
    const isTaken = place !== undefined && (await answers(socketIn(place)));
    lock?.close();
    place?.close();
    if (isTaken || performance.now() > deadline)
      throw new DocknetError("CONFLICT", takenText(lab), { remedy: `Look at ${labDirectory(lab)}/manifest.jsonl` });
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Without root, a lab is in the user namespace that its processes are in. */
function livingShim(lab: LabName): number | undefined {
  const isShim = (o: Owned): o is OwnedProcess => o.kind === "process" && o.role === "shim";
  const place = openLab(lab);
  const owned = place ? [...readOwned(place).values()] : [];
  place?.close();
  return owned.filter(isShim).find(isRunning)?.pid;
}

let finishing = false;

async function finish(work: () => Promise<unknown>): Promise<void> {
  if (finishing) return;
  finishing = true;
  try {
    await work();
    process.exit(0);
  } catch (error) {
    log(sentenceOf(error));
    process.exit(1);
  }
}

const log = (text: string): void => void process.stderr.write(`docknetd: ${text}\n`);

/** Of our own mistakes all is told; what a user can do something about is one sentence. */
function sentenceOf(error: unknown): string {
  const known = toDocknetError(error);
  if (known) return known.remedy ? `${known.message}. ${known.remedy}` : known.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

// the reader of "ready" goes when it has read it
process.stdout.on("error", () => {});
// a log on a full disk takes nothing: that is no reason to end
process.stderr.on("error", () => {});
process.on("unhandledRejection", (error) => log(`unhandled: ${sentenceOf(error)}`));

try {
  await main();
} catch (error) {
  const known = toDocknetError(error) ?? new DocknetError("INTERNAL", String(error), { cause: error });
  log(sentenceOf(error));
  const told = JSON.stringify({ code: known.code, message: known.message, remedy: known.remedy });
  // what is open already must not keep a daemon that nobody can reach
  process.stdout.write(`${told}\n`, () => process.exit(1));
}
