/** docknet capture: every packet of a lab on all its links, as a live view or as one pcapng file; of the lab that lives, or of a file's while it is proven. */
import { closeSync, openSync, write } from "node:fs";
import type { CaptureLimits, CaptureSummary, LabCapture, PacketLine, Report } from "../index.ts";
import { labOf, specToBuild } from "./chosen-lab.ts";
import { EXIT } from "./exit.ts";
import type { LabFlags } from "./lab-options.ts";
import { Lines } from "./lines.ts";
import { say, useColour } from "./terminal.ts";

export interface CaptureFlags extends LabFlags {
  readonly write?: string;
  readonly filter?: string;
  readonly count?: number;
  readonly duration?: number;
  readonly snaplen?: number;
  readonly while?: "verify";
  readonly format: "text" | "json";
}

export async function capture(places: readonly string[], flags: CaptureFlags, signal: AbortSignal): Promise<number> {
  const ofFile = flags.while !== undefined && (flags.file !== undefined || flags.lab !== undefined);
  const { summary, report } = await (ofFile ? captureFile : captureLiving)(places, flags, signal);
  if (summary) tell(summary);
  if (!report) return EXIT.ok;
  const { pass, fail, inconclusive } = report.counts;
  say(
    `docknet: lab ${report.lab} verified meanwhile: ${report.verdict}, ${pass} of ${pass + fail + inconclusive} checks`,
  );
  return { PASS: EXIT.ok, FAIL: EXIT.failed, INCONCLUSIVE: EXIT.inconclusive }[report.verdict];
}

/** Either is missing when it was interrupted. */
interface Captured {
  readonly summary?: CaptureSummary;
  readonly report?: Report;
}

function limitsOf({ filter, count, duration, snaplen }: CaptureFlags): CaptureLimits {
  return {
    ...(filter ? { filter } : {}),
    ...(count ? { count } : {}),
    ...(duration ? { durationMs: Math.round(duration * 1000) } : {}),
    ...(snaplen ? { snapBytes: snaplen } : {}),
  };
}

// --- the lab that lives ----------------------------------------------------------------------------------------------

async function captureLiving(places: readonly string[], flags: CaptureFlags, signal: AbortSignal): Promise<Captured> {
  const { asError, follow, revivedClient } = await import("./lab-client.ts");
  const { Demultiplexer } = await import("./docker/stdcopy.ts");
  const lab = await labOf(flags);
  const client = await revivedClient(lab);
  const id = crypto.randomUUID().replaceAll("-", "");
  const format = flags.write === undefined ? "lines" : "pcapng";
  const chunks = await client.stream("POST", "/docknet/capture", {
    body: { id, nodes: places, format, ...limitsOf(flags) },
  });
  let report: Promise<Report> | undefined;
  const end = (): void => void client.post("/docknet/capture/stop", { body: { id } }).catch(() => {});
  const [data, told] = [[] as Buffer[], new Lines()];
  const frames = new Demultiplexer(
    (bytes) => data.push(bytes),
    (bytes) => told.push(bytes),
  );
  let output: Output | undefined;
  let summary: CaptureSummary | undefined;
  signal.addEventListener("abort", end, { once: true });
  try {
    for await (const chunk of chunks) {
      frames.push(chunk);
      for (const line of told.take()) {
        const { links, summary: last, error } = JSON.parse(line) as ToldByTap;
        if (error) throw typeof error === "string" ? new Error(error) : asError(error);
        if (last) summary = last;
        if (!links) continue;
        output = await openOutput(flags, links, lab);
        if (signal.aborted) end();
        // the capture ends with it
        else if (flags.while)
          report = follow<Report>(client, "verify", {}, { signal, onProgress: () => {} }).finally(end);
        report?.catch(() => {}); // awaited below
      }
      for (const bytes of data.splice(0)) if (!(await output?.write(bytes))) return {};
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
  } finally {
    signal.removeEventListener("abort", end);
    output?.close();
  }
  const { DocknetError } = await import("../index.ts");
  if (!summary) throw new DocknetError("ABORTED", `The daemon of lab ${lab} ended before the capture did`);
  const verified = signal.aborted ? undefined : await report;
  return { summary, ...(verified ? { report: verified } : {}) };
}

/** Documents of stream 2 (src/lab/capture-process.ts), or the daemon's refusal. */
interface ToldByTap {
  readonly links?: readonly string[];
  readonly summary?: CaptureSummary;
  readonly error?: string | import("./lab-client.ts").Told;
}

// --- the lab of a file -----------------------------------------------------------------------------------------------

async function captureFile(places: readonly string[], flags: CaptureFlags, signal: AbortSignal): Promise<Captured> {
  const { buildLab } = await import("../index.ts");
  const spec = await specToBuild(flags);
  await using lab = await buildLab(spec, { signal });
  await using capture = lab.capture({ ...limitsOf(flags), nodes: places });
  const output = await openOutput(flags, capture.links, spec.name);
  const stop = (): void => capture.stop();
  signal.addEventListener("abort", stop, { once: true });
  const verified = lab.verify().finally(stop);
  verified.catch(() => {}); // awaited below, when the capture is whole
  try {
    for await (const bytes of flags.write === undefined ? linesOf(capture) : capture.pcapng())
      if (!(await output.write(bytes))) return {};
  } finally {
    output.close();
  }
  const summary = capture.summary();
  return signal.aborted ? { summary } : { summary, report: await verified };
}

async function* linesOf(capture: LabCapture): AsyncGenerator<Buffer> {
  const { toLine } = await import("../index.ts");
  for await (const packet of capture) yield Buffer.from(`${JSON.stringify(toLine(packet))}\n`);
}

// --- where it goes ---------------------------------------------------------------------------------------------------

interface Output {
  /** @returns false when the reader has gone */
  write(bytes: Buffer): Promise<boolean>;
  close(): void;
}

/** Bytes of a file, or lines of JSON that become text. Nothing is created before the capture runs. */
async function openOutput(flags: CaptureFlags, links: readonly string[], lab: string): Promise<Output> {
  if (process.stderr.isTTY) say(`docknet: capturing on ${links.length} links of lab ${lab}, Ctrl-C ends`);
  if (flags.write === "-") return { write: (bytes) => writeAll(1, bytes), close: () => {} };
  if (flags.write !== undefined) {
    const fd = await create(flags.write);
    return { write: (bytes) => writeAll(fd, bytes), close: () => closeSync(fd) };
  }
  if (flags.format === "json") return { write: (bytes) => writeAll(1, bytes), close: () => {} };
  const { renderPacketLine } = await import("../index.ts");
  const options = {
    colour: useColour(process.stdout),
    placeWidth: Math.max(...links.map((l) => l.length)),
    utcOffsetMinutes: new Date().getTimezoneOffset(),
  };
  const lines = new Lines();
  return {
    write(bytes) {
      lines.push(bytes);
      const text = lines.take().map((l) => `${renderPacketLine(JSON.parse(l) as PacketLine, options)}\n`);
      return writeAll(1, Buffer.from(text.join("")));
    },
    close: () => {},
  };
}

async function create(file: string): Promise<number> {
  try {
    return openSync(file, "w", 0o644);
  } catch (cause) {
    const { DocknetError } = await import("../index.ts");
    throw new DocknetError("USAGE", `Cannot write the capture to ${file}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
      remedy: "Name a file in a folder that exists and that you may write to, or - for standard output",
    });
  }
}

const LOOK_AGAIN_MS = 5;

/** Waits for a slow reader without holding up signals. @returns false when it has gone */
async function writeAll(fd: number, bytes: Buffer): Promise<boolean> {
  for (let rest = bytes; rest.length > 0; ) {
    const { written, code } = await writeSome(fd, rest);
    if (code === "EPIPE") return false;
    if (code === "EAGAIN") await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    rest = rest.subarray(written);
  }
  return true;
}

function writeSome(fd: number, bytes: Buffer): Promise<{ written: number; code?: string }> {
  return new Promise((resolve, reject) =>
    write(fd, bytes, (error, written) => {
      if (!error) resolve({ written });
      else if (error.code === "EPIPE" || error.code === "EAGAIN") resolve({ written: 0, code: error.code });
      else reject(error);
    }),
  );
}

/** On standard error, when it is over. */
function tell({ packets, dropped, links }: CaptureSummary): void {
  const seen = links.filter((l) => l.delivered > 0).length;
  const lost = links.filter((l) => l.dropped > 0).map((l) => `${l.node}/${l.link} ${l.dropped}`);
  const drops = dropped === 0 ? "none dropped" : `${dropped} DROPPED (${lost.join(", ")})`;
  say(`docknet: ${packets} packet${packets === 1 ? "" : "s"} on ${seen} of ${links.length} links, ${drops}`);
}
