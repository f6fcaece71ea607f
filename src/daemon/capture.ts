/**
 * Captures of a living lab. The daemon opens the packet sockets, inside the lab's namespaces, and gives them to a process of its own for
 * each capture (src/lab/capture-process.ts): a flood, or a client that does not read, costs the daemon nothing but handing bytes on.
 * Links that appear while it runs are captured from their first frame on, and those that go let their namespace go.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DocknetError } from "../errors.ts";
import { openDescriptorChannel, sendDescriptors } from "../kernel/descriptor-channel.ts";
import { closeFd } from "../kernel/libc.ts";
import type { CaptureLimits } from "../lab/capture.ts";
import { type CaptureChange, CaptureLinks, type OpenSockets } from "../lab/capture-links.ts";
import type { Engine } from "./engine.ts";

export interface CaptureRequest {
  /** Chosen by the client, who ends the capture by it. */
  readonly id: string;
  /** "web", "web/eth0"; none: all links. */
  readonly nodes: readonly string[];
  readonly limits: CaptureLimits;
  /** A file's bytes, or a JSON document a line and packet. */
  readonly format: "pcapng" | "lines";
}

export interface RunningCapture {
  /** Frames as src/lab/capture-process.ts writes them; ends with the capture. */
  readonly output: Readable;
  /** At once, without the rest. Idempotent. */
  abandon(): void;
}

/** The bundle of src/lab/capture-process.ts: beside the daemon's. */
const BUNDLE = fileURLToPath(new URL("./docknet-capture.mjs", import.meta.url));
/** Each has a process and a socket for each link. */
const MAX_CAPTURES = 32;
const FINISH_MS = 5000;

export class Captures {
  private readonly running = new Map<string, ChildProcessByStdio<Writable, Readable, null>>();

  /** From its return on every frame is seen, or counted as dropped. @throws DocknetError NOT_FOUND, USAGE, CONFLICT */
  start(engine: Engine, { id, nodes, limits, format }: CaptureRequest): RunningCapture {
    if (!/^[0-9a-f]{16,64}$/.test(id))
      throw new DocknetError("USAGE", "Cannot capture: a capture's id is 16 to 64 hex digits");
    if (this.running.has(id)) throw new DocknetError("CONFLICT", `Cannot capture: capture ${id} runs already`);
    if (this.running.size >= MAX_CAPTURES)
      throw new DocknetError("CONFLICT", `Cannot capture: ${MAX_CAPTURES} captures run already`);
    const links = new CaptureLinks(engine.site, nodes, limits);
    const opened = links.open();
    const { sender, receiver } = openDescriptorChannel();
    let child: ReturnType<typeof spawnCapture>;
    try {
      child = spawnCapture(receiver);
    } catch (error) {
      for (const socket of opened.sockets) void socket.close();
      closeFd(sender);
      throw error;
    } finally {
      closeFd(receiver);
    }
    this.running.set(id, child);
    const send = (message: object, { plan, sockets }: OpenSockets): void => {
      try {
        sendDescriptors(
          sender,
          sockets.map((s) => s.fd),
        );
        child.stdin.write(`${JSON.stringify({ ...message, plan })}\n`);
      } catch {
        // it has ended, or does not read any more
        child.kill("SIGKILL");
      } finally {
        // the child has its own by now
        for (const socket of sockets) socket.handOver();
      }
    };
    const follow = (): void => {
      const { gone, ...came }: CaptureChange = links.follow();
      if (gone.length > 0 || came.sockets.length > 0) send({ gone }, came);
    };
    child.once("close", () => {
      this.running.delete(id);
      engine.followers.delete(follow);
      closeFd(sender);
    });
    child.once("error", () => child.stdout.destroy());
    child.stdin.on("error", () => {}); // it has ended
    send({ limits, format }, opened);
    engine.followers.add(follow);
    return { output: child.stdout, abandon: () => void child.kill("SIGKILL") };
  }

  /** All give out what they have, and end; those whose clients do not read are not waited for long. */
  async finish(): Promise<void> {
    const ended = [...this.running.values()].map((child) => once(child, "close"));
    for (const id of this.running.keys()) this.stop(id);
    const limit = new AbortController();
    await Promise.race([Promise.all(ended), setTimeout(FINISH_MS, undefined, { signal: limit.signal, ref: false })]);
    limit.abort();
  }

  /** It gives out what it has, and ends. @returns false when no such one runs */
  stop(id: string): boolean {
    const child = this.running.get(id);
    child?.stdin.end();
    return child !== undefined;
  }
}

/** @param channel by which it gets its sockets: its descriptor 3 */
const spawnCapture = (channel: number): ChildProcessByStdio<Writable, Readable, null> =>
  spawn(process.execPath, ["--", BUNDLE], {
    stdio: ["pipe", "pipe", "inherit", channel],
    cwd: "/",
  }) as ChildProcessByStdio<Writable, Readable, null>;
