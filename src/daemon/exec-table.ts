/** The `docker exec` instances of this daemon's life. Docker forgets them too when it restarts. */
import { DocknetError } from "../errors.ts";

export interface ExecConfig {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys: string;
  readonly privileged: boolean;
}

export interface ExecInstance {
  readonly id: string;
  /** A container's id, or a node of the world: "@host". */
  readonly containerId: string;
  readonly config: ExecConfig;
  running: boolean;
  started: boolean;
  exitCode: number | null;
  pid: number;
}

/** A lab that runs for weeks execs often. */
const FINISHED_KEPT = 1000;

export class ExecTable {
  private readonly instances = new Map<string, ExecInstance>();

  add(instance: ExecInstance): void {
    this.instances.set(instance.id, instance);
    if (this.instances.size <= FINISHED_KEPT) return;
    for (const [id, { started, running }] of this.instances) {
      if (this.instances.size <= FINISHED_KEPT) return;
      if (started && !running) this.instances.delete(id);
    }
  }

  /** @param ref the id or the beginning of it. @throws DocknetError NOT_FOUND */
  get(ref: string): ExecInstance {
    const exact = this.instances.get(ref);
    const found = exact ? [exact] : [...this.instances.values()].filter((e) => ref !== "" && e.id.startsWith(ref));
    if (found.length === 1 && found[0]) return found[0];
    throw new DocknetError("NOT_FOUND", `No such exec instance: ${ref}`);
  }

  /** Its process has ended. Called back once for each. */
  onEnd: (instance: ExecInstance) => void = () => {};

  ended(id: string, exitCode: number): void {
    const instance = this.instances.get(id);
    if (!instance || instance.exitCode !== null) return;
    instance.running = false;
    instance.exitCode = exitCode;
    this.onEnd(instance);
  }

  allEnded(exitCode: number): void {
    for (const { id, running } of [...this.instances.values()]) if (running) this.ended(id, exitCode);
  }

  of(containerId: string): readonly ExecInstance[] {
    return [...this.instances.values()].filter((e) => e.containerId === containerId);
  }

  remove(containerId: string): void {
    for (const { id } of this.of(containerId)) this.instances.delete(id);
  }
}
