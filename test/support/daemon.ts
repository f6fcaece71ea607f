/** One lab's daemon as tests drive it: its process, its socket, and what it would leave behind. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { removeOwned } from "../../src/kernel/clean.ts";
import { isRunning, type Owned, type OwnedProcess, readOwned, startTicksOf } from "../../src/kernel/manifest.ts";
import { waitFor } from "./wait-for.ts";

/** What a request came to; `status` 0: the connection broke, so it has happened or not. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DaemonPlace {
  /** DOCKNET_RUN_DIR. */
  readonly runDirectory: string;
  readonly lab: string;
  /** The built bundles: dist/bin. */
  readonly bin: string;
}

/** A request that takes longer hangs. */
const ANSWER_MS = 120_000;
/** What is there for longer stays. */
const LEFT_MS = 20_000;

export class LabDaemon {
  readonly directory: string;
  readonly lab: string;
  /** Every process of the lab that was seen, with its start: none may outlive the lab. */
  readonly seen = new Map<number, number>();
  private readonly place: DaemonPlace;
  private child: ChildProcess | undefined;

  constructor(place: DaemonPlace) {
    this.place = place;
    this.lab = place.lab;
    this.directory = `${place.runDirectory}/${place.lab}`;
  }

  get isUp(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @returns false when it ended before it listened. @param env e.g. DOCKNET_CRASH_AFTER_OPS */
  async start(env: Readonly<Record<string, string>> = {}): Promise<boolean> {
    const child = spawn(process.execPath, [`${this.place.bin}/docknetd.mjs`, "--lab", this.lab], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, DOCKNET_RUN_DIR: this.place.runDirectory, ...env },
    });
    this.child = child;
    let said = "";
    child.stderr?.on("data", (text) => {
      this.complaints.push(String(text));
    });
    const ended = once(child, "exit").then(() => false);
    const ready = new Promise<boolean>((resolve) => {
      child.stdout?.on("data", (text) => {
        said += text;
        if (said.startsWith("ready\n")) resolve(true);
      });
    });
    const up = await Promise.race([ready, ended]);
    if (!up && child.signalCode === null) throw new Error(`the daemon of ${this.lab} did not start: ${said}`);
    return up;
  }

  /** What it wrote on its standard error: nothing, if all is well. */
  readonly complaints: string[] = [];

  /** Resolves when its process has gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (!this.child || !this.isUp) return;
    this.child.kill(signal);
    await once(this.child, "exit");
  }

  async exited(): Promise<void> {
    if (this.child && this.isUp) await once(this.child, "exit");
  }

  request(method: string, path: string, body?: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const broken: Answer = { status: 0, body: undefined };
    return new Promise((resolve, reject) => {
      const headers =
        text === undefined ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
      // a connection each: one that was kept may be to a daemon that has died since
      const to = { socketPath: `${this.directory}/docknet.sock`, agent: false as const };
      const request = httpRequest({ ...to, method, path, headers }, (reply) => {
        let said = "";
        reply.setEncoding("utf8").on("data", (chunk: string) => {
          said += chunk;
        });
        reply.on("close", () =>
          resolve(reply.complete ? { status: reply.statusCode ?? 0, body: parse(said) } : broken),
        );
        reply.on("error", () => resolve(broken));
      });
      request.setTimeout(ANSWER_MS, () => reject(new Error(`${method} ${path} hangs`)));
      request.on("error", () => resolve(broken));
      request.end(text);
    });
  }

  /** @throws when it is not answered with success */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.request(method, path, body);
    if (answer.status < 200 || answer.status > 299)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  }

  /** The shim's process, when it has one that runs. */
  shim(): OwnedProcess | undefined {
    const isShim = (o: Owned): o is OwnedProcess => o.kind === "process" && o.role === "shim";
    return [...readOwned(this.directory).values()].filter(isShim).find(isRunning);
  }

  /** Remembers processes that must not outlive the lab. */
  notice(...pids: readonly number[]): void {
    for (const pid of pids) {
      const ticks = startTicksOf(pid);
      if (ticks !== undefined) this.seen.set(pid, ticks);
    }
  }

  /** The command line, on this lab. */
  docknet(...args: string[]): Promise<Ended> {
    const env = { ...process.env, DOCKNET_RUN_DIR: this.place.runDirectory };
    const all = [`${this.place.bin}/docknet.js`, "-p", this.lab, ...args];
    return new Promise((resolve) => {
      execFile(process.execPath, all, { env }, (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, stdout, stderr });
      });
    });
  }

  /** Pids of this lab's daemons, whoever started them. */
  processes(): number[] {
    return processesNaming(this.directory, this.lab)
      .filter((line) => line.includes("docknetd.mjs"))
      .map((line) => Number(line.split(/[ :]+/)[1]));
  }

  /** SIGKILL for this lab's daemons, whoever started them; resolves when they have gone. */
  async killAll(): Promise<void> {
    for (const pid of this.processes()) process.kill(pid, "SIGKILL");
    await waitFor("no daemon runs", LEFT_MS, () => this.processes().length === 0);
  }

  /** What its manifest and its shim have said last. */
  logs(): string {
    return ["manifest.jsonl", "shim.log"]
      .map((file) => `${this.directory}/${file}`)
      .filter(existsSync)
      .map((path) => readFileSync(path, "utf8").split("\n").filter(Boolean).slice(-8).join("\n"))
      .join("\n");
  }

  /** Everything of this lab that is on the machine: nothing, after its end. @param foreign the name of a namespace that only looks like the lab's */
  async leftovers(foreign?: string): Promise<string[]> {
    const find = (): string[] => all().filter((what) => foreign === undefined || !what.includes(foreign));
    const all = (): string[] => [
      ...readdirSync("/run/netns").filter((name) => name.startsWith(`${this.lab}.`)),
      ...[...this.seen].filter(([pid, ticks]) => startTicksOf(pid) === ticks).map(([pid]) => `process ${pid}`),
      ...processesNaming(this.directory, this.lab),
      ...(existsSync(this.directory) ? [this.directory] : []),
      ...readFileSync("/proc/self/mountinfo", "utf8")
        .split("\n")
        .filter((line) => line.includes(`/${this.lab}.`) || line.includes(this.directory)),
    ];
    // the kernel takes a moment to end the processes of a PID namespace
    await waitFor("nothing of the lab is left", LEFT_MS, () => find().length === 0).catch(() => {});
    return find();
  }

  /** Whatever state it is in. */
  async remove(): Promise<void> {
    await this.kill();
    await removeOwned(this.directory);
  }
}

export const machineLinks = (): string =>
  execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).replaceAll(/ state .*$/gm, "");

/** Daemons and shims name their lab or its directory on their command lines. */
function processesNaming(directory: string, lab: string): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((pid) => {
      const words = commandLine(pid).split("\0");
      const ours = words.includes(directory) || (words.some((w) => w.endsWith("docknetd.mjs")) && words.includes(lab));
      return ours ? [`process ${pid}: ${words.join(" ")}`] : [];
    });
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
