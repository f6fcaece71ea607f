/**
 * Runs a session (test/golden/docker/session.ts) with a client of the Engine and takes down what it says. Comparing is in
 * docker-replay.ts. Used by scripts/record-docker.mjs, scripts/replay-docker.mjs and test/cli/docker-script.test.ts.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter } from "node:path";

/** One command line. `@NAME` in it is what an earlier step kept, `@NAME:4` its first four digits. */
export interface Step {
  readonly title: string;
  /** Words apart by one blank, or the words. */
  readonly line: string | readonly string[];
  /** Written to stdin, which then ends; without it stdin is empty. */
  readonly stdin?: string;
  /** The client gets a terminal for stdin, stdout and stderr; stdin stays open. */
  readonly tty?: true;
  /** Goes on in the background; what it said is compared at the step that joins it. */
  readonly background?: string;
  /** Waits for the background step of this name; `line` is empty. */
  readonly join?: string;
  /** stdout is an id: keep it under this name. */
  readonly keep?: string;
  /** stdout is a list of ids: keep the shortest prefix that at least two share. */
  readonly keepShared?: string;
  /** Keep the time before this step, as `--since` takes it. */
  readonly now?: string;
  /** Docker prints these lines in the order of random ids: compare them sorted. */
  readonly unordered?: true;
  /** Run again until stdout is this, for a program that has to come so far first. */
  readonly until?: string;
  /** Docker names one of "0.0.0.0" and "::" at random in "Bind for ...". */
  readonly anyFamily?: true;
  /** How many share a prefix is random too: numbers in "3 matches" do not count. */
  readonly anyCount?: true;
}

export interface Said {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface RecordedStep extends Said {
  readonly title: string;
  /** As in the step, `@NAME`s included; terminal and background steps say so here too. */
  readonly line: string;
  /** A client of another release need not say this: one did not, with the same engine (record-docker.mjs --other-client). */
  readonly otherClientDiffers?: true;
}

export interface Recording {
  readonly client: string;
  readonly server: string;
  readonly api: string;
  readonly recordedAt: string;
  /** The release whose steps are marked `otherClientDiffers`. */
  readonly otherClient?: string;
  readonly steps: readonly RecordedStep[];
}

/** How to call it: what comes before the step's words, and the environment that is added. */
export interface Client {
  readonly program: "docker" | "docknet";
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/** Where scripts/setup.sh --dev puts Docker's client when the machine has none, from the repository's root. */
const FETCHED_CLIENT = "node_modules/.cache/docknet/docker-client/usr/bin";

/** The real client: on PATH, or fetched. @param root the repository's; @returns its path and release */
export function findDockerClient(root: string): { path: string; version: string } | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), `${root}/${FETCHED_CLIENT}`];
  const path = folders.map((folder) => `${folder}/docker`).find(isExecutable);
  if (path === undefined) return undefined;
  const { stdout } = spawnSync(path, ["version", "--format", "{{.Client.Version}}"], { encoding: "utf8" });
  return { path, version: stdout.trim() };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A step that takes longer hangs. */
const STEP_MS = 120_000;
const OUTPUT_BYTES = 1 << 22;

/** The words of a step as they stand in the session. */
export function wordsOf({ line }: Pick<Step, "line">): readonly string[] {
  if (typeof line !== "string") return line;
  return line === "" ? [] : line.split(" ");
}

/** One line for people, and to see that a recording is of this very step. */
export function lineOf(step: Step): string {
  const marks = [
    step.now && `now ${step.now}`,
    step.tty && "tty",
    step.background && `background ${step.background}`,
    step.join && `join ${step.join}`,
    step.stdin !== undefined && `stdin ${JSON.stringify(step.stdin)}`,
  ].filter((mark) => mark);
  const words = wordsOf(step).map((word) => (/^[^\s'"]+$/.test(word) ? word : JSON.stringify(word)));
  return [...(marks.length > 0 ? [`(${marks.join(", ")})`] : []), ...words].join(" ");
}

/** A session on its way: steps are run one by one, in order. */
export class Session {
  readonly kept = new Map<string, string>();
  private readonly background = new Map<string, Promise<Said>>();
  private readonly children = new Set<ChildProcess>();

  private readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  /** @throws MissingName when an earlier step did not keep what this one needs */
  async run(step: Step): Promise<Said> {
    if (step.now) this.kept.set(step.now, microseconds());
    if (step.join) {
      const said = this.background.get(step.join);
      if (!said) throw new MissingName(step.join);
      return said;
    }
    const running = this.spawn(
      step,
      wordsOf(step).map((word) => this.fill(word)),
    );
    if (step.background) {
      this.background.set(step.background, running);
      return { stdout: "", stderr: "", exitCode: 0 };
    }
    let said = await running;
    const deadline = Date.now() + STEP_MS;
    while (step.until !== undefined && said.stdout !== step.until && Date.now() < deadline) {
      said = await this.spawn(
        step,
        wordsOf(step).map((word) => this.fill(word)),
      );
    }
    keepSaid(step, said, this.kept);
    return said;
  }

  /** Ends what is still running. */
  close(): void {
    for (const child of this.children) child.kill("SIGKILL");
  }

  /** The word with `@NAME`s replaced. @throws MissingName */
  fill(word: string): string {
    return word.replace(NAME, (_, name: string, digits: string | undefined) => {
      const value = this.kept.get(name);
      if (value === undefined) throw new MissingName(name);
      return digits === undefined ? value : value.slice(0, Number(digits));
    });
  }

  private spawn(step: Step, words: readonly string[]): Promise<Said> {
    const [file, ...rest] = [...this.client.argv, ...words] as [string, ...string[]];
    // script(1) gives a terminal; it wants one string for sh
    const [program, args] = step.tty
      ? ["script", ["-qefc", [file, ...rest].map(quote).join(" "), "/dev/null"]]
      : [file, rest];
    const child = spawn(program, args, { env: { ...process.env, ...CLIENT_ENV, ...this.client.env }, stdio: "pipe" });
    this.children.add(child);
    const timer = setTimeout(() => child.kill("SIGKILL"), STEP_MS);
    child.stdin.on("error", () => {}); // it may end without reading
    if (!step.tty) child.stdin.end(step.stdin ?? "");
    else if (step.stdin !== undefined) child.stdin.write(step.stdin);
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        this.children.delete(child);
        const late = signal ? `\n<ended by ${signal} after ${STEP_MS} ms>` : "";
        resolve({ stdout: stdout(), stderr: stderr() + late, exitCode: code ?? -1 });
      });
    });
  }
}

/** A step needs what an earlier one was to keep. */
export class MissingName extends Error {
  constructor(name: string) {
    super(`needs @${name}, which an earlier step did not give`);
  }
}

/** A client's own configuration and the machine's zone and language have no part in it. */
const CLIENT_ENV = {
  TZ: "UTC",
  LC_ALL: "C.UTF-8",
  DOCKER_CONFIG: "/nonexistent",
  DOCKER_CLI_HINTS: "false",
  TERM: "xterm",
};
/** What was kept, as a word of a step names it. */
export const NAME = /@([A-Z][A-Z0-9_]*)(?::(\d+))?/g;

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on("data", (chunk: Buffer) => {
    if (length < OUTPUT_BYTES) chunks.push(chunk);
    length += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8") + (length >= OUTPUT_BYTES ? "\n<cut>" : "");
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** "1700000000.123456", rounded up: what happened before this call is not since then. */
function microseconds(): string {
  const us = Math.ceil((performance.timeOrigin + performance.now()) * 1000);
  return `${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, "0")}`;
}

/** Puts into `kept` what the step keeps of what was said. */
export function keepSaid(step: Step, { stdout, exitCode }: Said, kept: Map<string, string>): void {
  // `run -d` of a program that is not there prints the id all the same
  if (step.keep && /^[0-9a-f]{64}\n$/.test(stdout)) kept.set(step.keep, stdout.trimEnd());
  if (!step.keepShared || exitCode !== 0) return;
  const shared = sharedPrefix(stdout.split("\n").filter((id) => id !== ""));
  if (shared) kept.set(step.keepShared, shared);
}

/** The highest one-digit prefix that two of the ids have (a letter, mostly: no number of the texts); 17 ids always have one. */
function sharedPrefix(ids: readonly string[]): string | undefined {
  const digits = ids
    .map((id) => id.slice(0, 1))
    .sort()
    .reverse();
  return digits.find((digit, i) => digit === digits[i + 1]);
}
