/** The streams of a container's process, or of one that was started in it, as the Engine API sends them. */
import { PassThrough, Readable, Transform, type Writable } from "node:stream";
import { DocknetError } from "../errors.ts";
import type { OutputChunk, Attached as ShimStreams } from "../kernel/shim/client.ts";
import { frame, STDERR, STDOUT } from "../kernel/shim/wire.ts";
import type { Engine } from "./engine.ts";

export interface Attached {
  readonly tty: boolean;
  /** Raw for a terminal; else Docker's frames: stream (1 stdout, 2 stderr), 0, 0, 0, length big-endian, bytes. */
  readonly output: Readable;
  readonly input?: Writable;
  /** Idempotent. */
  close(): void;
}

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** What comes from now on. */
  readonly stream: boolean;
  /** What was written before. */
  readonly logs: boolean;
}

const STREAM = { stdout: STDOUT, stderr: STDERR } as const;

/** A container that is only created may be attached to: then nothing that it says is missed. @throws DocknetError */
export async function attachContainer(engine: Engine, ref: string, request: AttachRequest): Promise<Attached> {
  const container = engine.container(ref);
  const { id } = container;
  const record = engine.record(id);
  const encode = (stream: "stdout" | "stderr", data: Buffer): Buffer => (record.tty ? data : outputFrame(stream, data));
  const wanted = { stdout: request.stdout, stderr: request.stderr };
  const past: Buffer[] = [];
  if (request.logs) {
    const { signal } = new AbortController();
    for await (const line of engine.logs.read(id, { ...wanted, follow: false, signal }, false))
      past.push(encode(line.stream, Buffer.from(line.text)));
  }
  if (!request.stream) return { tty: record.tty, output: Readable.from(past), close: () => {} };
  if (record.argv.length === 0) return attachLog(engine, id, past, encode, request);
  const streams = await engine.processes.attach(id);
  return attached(streams, { tty: record.tty, stdin: request.stdin && record.openStdin, ...wanted, past });
}

/** Nothing runs in it: what its responders say is what it says, and nobody reads what is written to it. */
function attachLog(
  engine: Engine,
  id: string,
  past: readonly Buffer[],
  encode: (s: "stdout" | "stderr", data: Buffer) => Buffer,
  request: AttachRequest,
): Attached {
  const output = new PassThrough();
  for (const chunk of past) output.write(chunk);
  const stop = engine.logs.listen(id, (stream, line) => {
    if (request[stream]) output.write(encode(stream, Buffer.from(line)));
  });
  const over = new AbortController();
  const end = (): void => {
    over.abort();
    stop();
    output.end();
  };
  engine.exitOf(id, over.signal).then(end, end);
  const input = new PassThrough().resume();
  return {
    tty: engine.record(id).tty,
    output,
    input,
    close: () => {
      end();
      output.destroy();
    },
  };
}

interface Shape {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly past?: readonly Buffer[];
}

/** @param streams of the shim */
export function attached(streams: ShimStreams, shape: Shape): Attached {
  const { tty } = shape;
  const encoder = new Transform({
    writableObjectMode: true,
    transform(chunk: OutputChunk, _encoding, done) {
      const wanted = tty || (chunk.stream === "stdout" ? shape.stdout : shape.stderr);
      done(null, !wanted ? undefined : tty ? chunk.data : outputFrame(chunk.stream, chunk.data));
    },
  });
  for (const chunk of shape.past ?? []) encoder.push(chunk);
  streams.output.on("error", () => encoder.destroy());
  encoder.on("error", () => streams.close());
  streams.output.pipe(encoder);
  return { tty, output: encoder, ...(shape.stdin ? { input: streams.stdin } : {}), close: () => streams.close() };
}

/** With the header of a stream that holds both. */
/** Docker's frame around what came on a stream. */
export const outputFrame = (stream: "stdout" | "stderr", data: Buffer): Buffer => frame(STREAM[stream], data);

/** @throws DocknetError CONFLICT unless it runs */
export function checkRunning(engine: Engine, ref: string): void {
  const container = engine.container(ref);
  if (container.status === "running") return;
  throw new DocknetError("CONFLICT", `container ${container.id} is not running`);
}
