/** A recorded session that is run again: what differs, step by step, as text to read. */
import { readFileSync } from "node:fs";
import {
  type Client,
  keepSaid,
  lineOf,
  MissingName,
  NAME,
  type Recording,
  type Said,
  Session,
  type Step,
  wordsOf,
} from "./docker-script.ts";
import { inNameOf, type Known, normaliser } from "./normalise.ts";

/** @throws when the recording is not of these steps */
export function readRecording(file: string, steps: readonly Step[]): Recording {
  const recording = JSON.parse(readFileSync(file, "utf8")) as Recording;
  const other = steps.findIndex((step, i) => {
    const golden = recording.steps[i];
    return golden?.title !== step.title || golden.line !== lineOf(step);
  });
  if (other >= 0 || recording.steps.length !== steps.length) {
    throw new Error(`${file} is of another session, from step ${other + 1} on: run scripts/record-docker.mjs`);
  }
  return recording;
}

/** A recorded session that is run again, step by step. */
export class Replay {
  private readonly client: Client;
  private readonly steps: readonly Step[];
  private readonly recording: Recording;
  private readonly options: { readonly sameClient: boolean };
  private readonly running: Session;
  private readonly recordedKept = new Map<string, string>();
  private readonly macs: ReadonlySet<string>;
  private at = 0;

  /** @param recording of these very steps (readRecording) */
  constructor(client: Client, steps: readonly Step[], recording: Recording, options: { readonly sameClient: boolean }) {
    this.client = client;
    this.steps = steps;
    this.recording = recording;
    this.options = options;
    this.running = new Session(client);
    this.macs = askedMacs(steps);
  }

  /** Runs the next step. @returns the command line and what differs, as text to read; undefined when nothing does */
  async next(): Promise<string | undefined> {
    const step = this.steps[this.at];
    const golden = this.recording.steps[this.at];
    if (!step || !golden) throw new Error(`no step ${this.at + 1}`);
    this.at += 1;
    keepSaid(step, golden, this.recordedKept);
    const line = `$ ${this.client.program} ${lineOf(step)}`;
    try {
      const said = await this.running.run(step);
      if (!this.options.sameClient && golden.otherClientDiffers) return undefined;
      const difference = compareStep(
        step,
        { said: golden, kept: this.recordedKept },
        { said, kept: this.running.kept },
        { macs: this.macs, program: this.client.program, sameClient: this.options.sameClient },
      );
      return difference && `${line}\n${difference}`;
    } catch (error) {
      if (!(error instanceof MissingName)) throw error;
      if (!this.options.sameClient && golden.otherClientDiffers) return undefined;
      return `${line}\n${error.message}`;
    }
  }

  /** Ends what is still running. */
  close(): void {
    this.running.close();
  }
}

/** What differs between the recorded and the observed, as text to read; undefined when nothing does. */
export function compareStep(
  step: Step,
  recorded: { readonly said: Said; readonly kept: ReadonlyMap<string, string> },
  observed: { readonly said: Said; readonly kept: ReadonlyMap<string, string> },
  options: { readonly macs: ReadonlySet<string>; readonly program: Client["program"]; readonly sameClient: boolean },
): string | undefined {
  const plain = (given: typeof recorded): Said => normaliseSaid(step, given.said, given.kept, options.macs);
  const want = plain(recorded);
  const got = plain(observed);
  const wanted: Said = {
    stdout: inNameOf(options.program, want.stdout),
    stderr: inNameOf(options.program, want.stderr),
    exitCode: want.exitCode,
  };
  const [a, b] = options.sameClient ? [wanted, got] : [daemonMade(step, wanted), daemonMade(step, got)];
  const parts = [
    a.exitCode === b.exitCode ? undefined : `exit code: recorded ${a.exitCode}, now ${b.exitCode}`,
    a.stdout === b.stdout ? undefined : `stdout:\n${lineDiff(a.stdout, b.stdout)}`,
    a.stderr === b.stderr ? undefined : `stderr:\n${lineDiff(a.stderr, b.stderr)}`,
  ].filter((part) => part !== undefined);
  return parts.length > 0 ? parts.join("\n") : undefined;
}

function normaliseSaid(step: Step, said: Said, kept: ReadonlyMap<string, string>, macs: ReadonlySet<string>): Said {
  const text = normaliser(knownOf(step, kept, macs));
  const plain = (raw: string): string => {
    const counted = step.anyCount ? raw.replace(/\b\d+(?= matches)/g, "<count>") : raw;
    const out = text(step.anyFamily ? counted.replace(/\bBind for (0\.0\.0\.0|::):/g, "Bind for <any>:") : counted);
    return step.unordered ? sortLines(out) : out;
  };
  return { stdout: plain(said.stdout), stderr: plain(said.stderr), exitCode: said.exitCode };
}

function knownOf(step: Step, kept: ReadonlyMap<string, string>, macs: ReadonlySet<string>): Known {
  const prefixes = new Map<string, string>();
  for (const [, name = "", digits] of wordsOf(step).join(" ").matchAll(NAME)) {
    const value = kept.get(name)?.slice(0, digits === undefined ? undefined : Number(digits));
    if (value && value.length !== 64 && value.length !== 12) prefixes.set(value, digits ? `${name}:${digits}` : name);
  }
  const ids = new Map([...kept].filter(([, value]) => value.length === 64).map(([name, id]) => [id, name]));
  return { ids, macs, prefixes };
}

const sortLines = (text: string): string => text.split("\n").sort().join("\n");

/** Which MAC addresses a session asks for. */
export function askedMacs(steps: readonly Step[]): Set<string> {
  const words = steps.flatMap((step) => wordsOf(step).join(" "));
  return new Set(words.flatMap((word) => word.match(/\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b/g) ?? []));
}

/** With another release of the client: what the daemon said and containers printed, without the client's own tables and words. */
function daemonMade(step: Step, said: Said): Said {
  const [first = "", second = ""] = wordsOf(step);
  const table = ["ps", "--help"].includes(first) || (first === "network" && ["ls", "list"].includes(second));
  const errors = said.stderr.split("\n").flatMap((line) => line.match(/Error response from daemon: .*/) ?? []);
  return { stdout: table ? "" : said.stdout, stderr: errors.join("\n"), exitCode: said.exitCode };
}

/** "- recorded", "+ now", "  both": the shortest such list (longest common subsequence). */
export function lineDiff(recorded: string, now: string): string {
  const a = recorded.split("\n");
  const b = now.split("\n");
  if (a.length * b.length > 4e6) return `- ${JSON.stringify(recorded)}\n+ ${JSON.stringify(now)}`;
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      (common[i] as Uint32Array)[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${visible(a[i])}`);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) lines.push(`- ${visible(a[i++])}`);
    else lines.push(`+ ${visible(b[j++])}`);
  }
  return lines.join("\n");
}

/** Carriage returns, tabs and blanks at the end can be seen. */
function visible(line = ""): string {
  return line
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t")
    .replace(/ +$/, (blanks) => "·".repeat(blanks.length));
}
