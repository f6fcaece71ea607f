/**
 * The process that records for a daemon: packet sockets that the daemon opened inside the lab's namespaces are its descriptors from 3 on,
 * the first line of its standard input says what they are, and the end of that input ends the recording well. It writes Docker's
 * frames (shim-wire.ts): stream 1 is the recording, stream 2 one JSON document a line: {links}, at the end {summary}, or {error}.
 * It has no part in the lab but those sockets; a reader that is slow slows down this process only, and the kernel counts what is lost.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PacketSocket } from "./kernel/packet-socket.ts";
import { frame, STDERR, STDOUT } from "./kernel/shim-wire.ts";
import type { CapturePlan } from "./observe/capture-plan.ts";
import { Recording, type RecordingLimits, toLine } from "./recording.ts";

export interface TapRequest {
  readonly plan: CapturePlan;
  readonly limits: RecordingLimits;
  readonly format: "pcapng" | "lines";
}

const FIRST_SOCKET = 3;

async function record(
  { plan, limits, format }: TapRequest,
  onRecording: (recording: Recording) => void,
): Promise<void> {
  const sockets = plan.links.map((_, i) => new PacketSocket(FIRST_SOCKET + i));
  await using recording = new Recording({ plan, sockets }, limits);
  onRecording(recording);
  await send(STDERR, document({ links: recording.links }));
  for await (const bytes of format === "pcapng" ? recording.pcapng() : lines(recording)) await send(STDOUT, bytes);
  await send(STDERR, document({ summary: recording.summary() }));
}

const document = (value: object): string => `${JSON.stringify(value)}\n`;

async function* lines(recording: Recording): AsyncGenerator<string> {
  for await (const packet of recording) yield document(toLine(packet));
}

async function send(stream: number, data: Uint8Array | string): Promise<void> {
  if (!process.stdout.write(frame(stream, Buffer.from(data)))) await once(process.stdout, "drain");
}

// whoever asked has gone
process.stdout.on("error", () => process.exit(0));
// the terminal's Ctrl-C is for those who sit at it
process.on("SIGINT", () => {});

let recording: Recording | undefined;
let isOver = false;
const input = createInterface({ input: process.stdin });
input.once("line", (line) => {
  record(JSON.parse(line) as TapRequest, (begun) => {
    recording = begun;
    if (isOver) begun.stop();
  })
    .catch((error: unknown) => send(STDERR, document({ error: String(error) })))
    .finally(() => process.stdout.end(() => process.exit(0)));
});
input.once("close", () => {
  isOver = true;
  recording?.stop();
});
