/**
 * The process that records for a daemon. Packet sockets that the daemon opened inside the lab's namespaces come by descriptor 3; each
 * line of its standard input says what came: the first what the capture is, further ones how the lab has changed; and the end of that
 * input ends the capture well. It writes Docker's frames (shim/wire.ts): stream 1 is the capture, stream 2 one JSON document a line:
 * {links}, at the end {summary}, or {error}.
 * It has no part in the lab but those sockets; a reader that is slow slows down this process only, and the kernel counts what is lost.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { receiveDescriptors } from "../kernel/descriptor-channel.ts";
import { PacketSocket } from "../kernel/packets/packet-socket.ts";
import { frame, STDERR, STDOUT } from "../kernel/shim/wire.ts";
import type { CapturePlan } from "../observe/capture-plan.ts";
import { type CaptureLimits, LabCapture, toLine } from "./capture.ts";

/** The first line of its input. */
export interface CaptureStart {
  readonly plan: CapturePlan;
  readonly limits: CaptureLimits;
  readonly format: "pcapng" | "lines";
}

/** A further one: links that came, and the positions of those that went. */
export interface CaptureUpdate {
  readonly plan: CapturePlan;
  readonly gone: readonly number[];
}

const CHANNEL = 3;

const socketsOf = ({ links }: CapturePlan): PacketSocket[] =>
  receiveDescriptors(CHANNEL, links.length).map((fd) => new PacketSocket(fd));

async function record(capture: LabCapture, format: CaptureStart["format"]): Promise<void> {
  await using _ = capture;
  await send(STDERR, document({ links: capture.links }));
  for await (const bytes of format === "pcapng" ? capture.pcapng() : lines(capture)) await send(STDOUT, bytes);
  await send(STDERR, document({ summary: capture.summary() }));
}

const document = (value: object): string => `${JSON.stringify(value)}\n`;

async function* lines(capture: LabCapture): AsyncGenerator<string> {
  for await (const packet of capture) yield document(toLine(packet));
}

async function send(stream: number, data: Uint8Array | string): Promise<void> {
  if (!process.stdout.write(frame(stream, Buffer.from(data)))) await once(process.stdout, "drain");
}

// whoever asked has gone
process.stdout.on("error", () => process.exit(0));
// the terminal's Ctrl-C is for those who sit at it
process.on("SIGINT", () => {});

let capture: LabCapture | undefined;

function begin({ plan, limits, format }: CaptureStart): LabCapture {
  const begun = new LabCapture({ plan, sockets: socketsOf(plan) }, limits);
  record(begun, format)
    .catch((error: unknown) => send(STDERR, document({ error: String(error) })))
    .finally(() => process.stdout.end(() => process.exit(0)));
  return begun;
}

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const told = JSON.parse(line) as CaptureStart | CaptureUpdate;
  if ("format" in told) capture = begin(told);
  else capture?.follow({ ...told, sockets: socketsOf(told.plan) });
});
input.once("close", () => {
  if (capture) capture.stop();
  else process.exit(0);
});
