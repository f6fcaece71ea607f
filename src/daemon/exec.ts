/** `docker exec` over an engine. Source: moby daemon/exec.go. Beside containers, the nodes of the world take it: @host, @router ... */
import { DocknetError } from "../errors.ts";
import type { Attached as ShimStreams } from "../kernel/shim/client.ts";
import { type NodeName, WORLD_NODES } from "../net/name.ts";
import { type Attached, attached, checkRunning } from "./attach.ts";
import type { Engine } from "./engine.ts";
import { publish } from "./event.ts";
import type { ExecConfig, ExecInstance } from "./exec-table.ts";
import type { Size } from "./processes.ts";

/** @returns the id of the instance. @throws DocknetError in Docker's words */
export async function createExec(engine: Engine, ref: string, config: ExecConfig): Promise<string> {
  if (config.argv.length === 0) throw new DocknetError("USAGE", "No exec command specified");
  const isNode = WORLD_NODES.includes(ref as NodeName);
  if (!isNode) checkRunning(engine, ref);
  const containerId = isNode ? ref : engine.container(ref).id;
  const id = engine.freshId();
  engine.execs.add({ id, containerId, config, running: false, started: false, exitCode: null, pid: 0 });
  publishExec(engine, "exec_create", engine.execs.get(id));
  return id;
}

export interface ExecStart {
  readonly detach: boolean;
  readonly tty: boolean;
  readonly size?: Size;
}

/** @returns its streams, unless detached. @throws DocknetError in Docker's words, `details.exitCode` when the program cannot be started */
export async function startExec(
  engine: Engine,
  ref: string,
  { detach, size }: ExecStart,
): Promise<Attached | undefined> {
  const instance = startableExec(engine, ref);
  const { id, containerId, config } = instance;
  if (instance.running) throw new DocknetError("CONFLICT", `exec command ${id} is already running`);
  if (instance.started) throw new DocknetError("CONFLICT", `exec command ${id} has already run`);
  instance.started = true;
  const key = engine.processes.keyOf(containerId);
  let streams: ShimStreams | undefined;
  try {
    if (!detach) streams = await engine.processes.attach(key, id);
    if (!config.workingDir.startsWith("/") && config.workingDir !== "") throw relativeDirectory();
    instance.running = true;
    publishExec(engine, "exec_start", instance);
    const info = await engine.processes.exec(instance, size);
    instance.pid = info.pid;
    if (info.exit) engine.execs.ended(id, info.exit.exitCode);
  } catch (error) {
    streams?.close();
    instance.running = false;
    instance.exitCode =
      error instanceof DocknetError && typeof error.details.exitCode === "number" ? error.details.exitCode : 126;
    throw error;
  }
  return (
    streams &&
    attached(streams, {
      tty: config.tty,
      stdin: config.attachStdin,
      stdout: config.attachStdout,
      stderr: config.attachStderr,
    })
  );
}

/** In runc's words. */
const relativeDirectory = (): DocknetError =>
  new DocknetError("USAGE", "OCI runtime exec failed: exec failed: Cwd must be an absolute path", {
    details: { exitCode: 128 },
  });

/** What is refused as an answer; what `startExec` refuses beside it, dockerd tells in the stream. @throws DocknetError in Docker's words */
export function startableExec(engine: Engine, ref: string): ExecInstance {
  const instance = engine.execs.get(ref);
  if (!instance.containerId.startsWith("@")) checkRunning(engine, instance.containerId);
  return instance;
}

export const execOf = (engine: Engine, ref: string): ExecInstance => engine.execs.get(ref);

export async function resizeExec(engine: Engine, ref: string, size: Size): Promise<void> {
  const { id, containerId } = engine.execs.get(ref);
  await engine.processes.resize(engine.processes.keyOf(containerId), size, id);
}

/** "exec_create: sh -c true" of a container, with the blank even where no argument follows; the nodes of the world have no events. */
function publishExec(engine: Engine, action: string, { id, containerId, config }: ExecInstance): void {
  if (containerId.startsWith("@")) return;
  const [program = "", ...args] = config.argv;
  publish(engine, `${action}: ${program} ${args.join(" ")}`, engine.container(containerId), { execID: id });
}
