/**
 * Kills a lab's daemon (SIGKILL) at random moments of random work, and checks after each that what was promised is there, what was
 * removed is not, that the request under way has happened or not, and that the kernel has what the lab wants.
 */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { startTicksOf } from "../../src/kernel/manifest.ts";
import { type Answer, type DaemonPlace, LabDaemon } from "./daemon.ts";
import { waitFor } from "./wait-for.ts";

export interface Outcome {
  readonly kills: Readonly<Record<string, number>>;
  readonly requests: number;
  /** Requests whose connection broke: those that had happened, and those that had not. */
  readonly broken: { readonly happened: number; readonly not: number };
  readonly adopted: number;
  readonly verified: number;
  /** Milliseconds that a daemon took to take a lab up, each. */
  readonly startsMs: readonly number[];
}

/** One object as its users see it; JSON, to be compared. By "network NAME" or "container NAME". */
type View = ReadonlyMap<string, string>;

interface Seen {
  readonly id: string;
  readonly status: string;
  readonly exitCode: number;
  readonly pid: number;
  readonly networks: readonly string[];
}

/** A request, and what may become of the objects it names. */
interface Act {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly touches: readonly string[];
  /** Is this what the lab looks like when it has happened? */
  happened(after: View): boolean;
  /** Beside "happened" and "not": Docker does it in two steps, and shows the first. */
  halfway?(after: View): boolean;
  /** When it is refused, the container's exit code says so. */
  readonly starts?: boolean;
}

/** A process that needs longer hangs. */
const PROCESS_MS = 20_000;
const STUBBORN = { Image: "busybox", Cmd: ["sleep", "1000"] };
const DUTIFUL = { Image: "busybox", Cmd: ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.02; done"] };

export class KillPoints {
  private readonly daemon: LabDaemon;
  private readonly random: () => number;
  private view: View = new Map();
  private names = 0;
  private port = 20_000;
  private readonly kills: Record<string, number> = {};
  private requests = 0;
  private happened = 0;
  private not = 0;
  private adopted = 0;
  private verified = 0;
  private readonly startsMs: number[] = [];
  /** Is this daemon one that kills itself? */
  private byOps = false;

  constructor(place: DaemonPlace, seed: number) {
    this.daemon = new LabDaemon(place);
    this.random = mulberry32(seed);
  }

  get outcome(): Outcome {
    const { kills, requests, adopted, verified, startsMs } = this;
    return { kills, requests, broken: { happened: this.happened, not: this.not }, adopted, verified, startsMs };
  }

  /** Lives through `kills` deaths in one lab, then ends it, by a `down` that is killed as often as not. @throws when anything is not as promised */
  async run(kills: number): Promise<void> {
    try {
      await this.start();
      for (let i = 0; i < kills; i++) {
        const [act, answer] = await this.untilKilled();
        if (this.random() < 0.1) await this.verifyNext(act, answer);
        else await this.revive(act, answer);
      }
      await this.down();
    } catch (error) {
      throw new Error(`${String(error)}\n${this.daemon.complaints.slice(-3).join("")}${this.daemon.logs()}`, {
        cause: error,
      });
    } finally {
      await this.daemon.remove();
    }
  }

  /** The next daemon comes up, sometimes killed over it: the request under way has happened or not, and all else is as it was. */
  private async revive(act: Act, answer: Answer): Promise<void> {
    const settled = answer.status !== 0;
    // of what the last request touched nobody has looked yet which process it has, and a start is to be seen as one
    if (settled && this.random() < 0.5) await this.endProcess(act.touches);
    else if (settled && !act.starts && this.random() < 0.2) await this.killShim();
    while (this.random() < 0.3) {
      const up = this.daemon.start();
      const late = setTimeout(() => void this.daemon.kill(), this.random() * 1500);
      const listened = await up;
      clearTimeout(late);
      await this.daemon.kill();
      this.count(listened ? "by time" : "at its start");
    }
    await this.start();
    this.check(await this.look(), act, answer);
    await this.checkDrift();
  }

  /** Some daemons are going to kill themselves after so many steps on the kernel, those of their start included. */
  private async start(): Promise<void> {
    this.byOps = this.random() < 0.4;
    const env = { DOCKNET_CRASH_AFTER_OPS: String(1 + Math.floor(this.random() * 60)) };
    if (this.byOps && (await this.timed(env))) return;
    if (this.byOps) this.count("at its start");
    this.byOps = false;
    if (!(await this.timed({}))) throw new Error("the daemon was killed by somebody else");
  }

  private async timed(env: Readonly<Record<string, string>>): Promise<boolean> {
    const began = performance.now();
    const up = await this.daemon.start(env);
    if (up) this.startsMs.push(Math.round(performance.now() - began));
    return up;
  }

  /** Random requests until a moment that nobody chose. @returns the last one; of that nobody looked at what became of it */
  private async untilKilled(): Promise<[Act, Answer]> {
    const last = this.byOps ? 40 : Math.floor(this.random() * 6);
    for (let i = 0; ; i++) {
      const act = this.draw();
      const reply = this.daemon.request(act.method, act.path, act.body);
      if (i >= last) {
        await new Promise((resolve) => setTimeout(resolve, this.random() * 120)); // the random moment itself
        await this.daemon.kill();
      }
      const answer = await reply;
      this.requests++;
      this.expect(act, answer);
      if (answer.status === 0 || !this.daemon.isUp) {
        await this.daemon.exited();
        this.count(i >= last ? "by time" : "between two steps on the kernel");
        return [act, answer];
      }
      this.check(await this.look(), act, answer);
    }
  }

  private expect({ what }: Act, { status, body }: Answer): void {
    // dockerd says 500 to a disconnect of what is not connected
    const told = (body as { readonly message?: string } | undefined)?.message ?? "";
    if (status >= 500 && !told.includes("is not connected"))
      throw new Error(`${what} was answered with ${status} ${JSON.stringify(body)}`);
  }

  private check(after: View, act: Act | undefined, answer?: Answer): void {
    const before = this.view;
    const keys = new Set([...before.keys(), ...after.keys()]);
    const shown = (text = ""): string => (act?.starts ? text.replace(/"exitCode":\d+/, "") : text);
    const changed = [...keys].filter((key) => shown(before.get(key)) !== shown(after.get(key)));
    const stray = changed.filter((key) => !act?.touches.includes(key));
    if (stray.length > 0)
      throw new Error(
        `after ${act?.what ?? "a start"}: ${stray.map((k) => `${k} was ${before.get(k)}, is ${after.get(k)}`).join("; ")}`,
      );
    if (act && answer) {
      const success = answer.status >= 200 && answer.status < 300;
      const done = act.happened(after);
      if (success && !done) throw new Error(`${act.what} was answered with success, and has not happened`);
      if (answer.status >= 400 && changed.length > 0) throw new Error(`${act.what} was refused, and has happened`);
      if (answer.status === 0) {
        if (!done && changed.length > 0 && !act.halfway?.(after))
          throw new Error(
            `half of ${act.what}: ${changed.map((k) => `${k} was ${before.get(k)}, is ${after.get(k)}`).join("; ")}`,
          );
        if (done) this.happened++;
        else this.not++;
      }
    }
    this.view = after;
  }

  private async checkDrift(): Promise<void> {
    const { result, error } = await this.daemon.ask<{ result?: unknown[]; error?: unknown }>("GET", "/docknet/drift");
    if (!result || result.length > 0) throw new Error(`drift: ${JSON.stringify(result ?? error)}`);
  }

  private async verifyNext(act: Act, answer: Answer): Promise<void> {
    await this.revive(act, answer);
    // a verification makes no steps on the kernel: no daemon kills itself over it
    const text = await this.daemon.ask<string>("POST", "/docknet/verify", {});
    const last = String(typeof text === "string" ? text.trimEnd().split("\n").at(-1) : JSON.stringify(text));
    const { result, error } = JSON.parse(last) as { result?: { verdict: string; checks: { verdict: string }[] } } & {
      error?: unknown;
    };
    // a lab in which nothing runs has nothing to prove
    if (result?.verdict === "INCONCLUSIVE" && result.checks.length === 0) return;
    if (result?.verdict !== "PASS") {
      const { checks = [], ...rest } = result ?? {};
      const failed = checks.filter((c) => c.verdict !== "PASS");
      throw new Error(`verify: ${JSON.stringify({ error, ...rest, failed }).slice(0, 2000)}`);
    }
    this.verified++;
  }

  /** A process ends while no daemon looks: its exit code is known to the next one. */
  private async endProcess(but: readonly string[]): Promise<void> {
    const mine = [...this.view].filter(
      ([key, seen]) => !but.includes(key) && seen.includes('"sh"') && seen.includes('"running"'),
    );
    const [key, text] = mine[Math.floor(this.random() * mine.length)] ?? [];
    if (!key || !text) return;
    const seen = JSON.parse(text) as Seen & { argv: string };
    const ticks = startTicksOf(seen.pid);
    // the first process of a PID namespace gets no signal that it does not catch (pid_namespaces(7))
    await waitFor(`process ${seen.pid} catches SIGTERM`, PROCESS_MS, () =>
      catches(seen.pid, constants.signals.SIGTERM),
    );
    process.kill(seen.pid, "SIGTERM");
    await waitFor(`process ${seen.pid} has ended`, PROCESS_MS, () => startTicksOf(seen.pid) !== ticks);
    this.view = new Map(this.view).set(key, ended(text, 7));
    this.count("(a process ended meanwhile)");
  }

  /** Its processes die with it. */
  private async killShim(): Promise<void> {
    const shim = this.daemon.shim();
    if (!shim) return;
    process.kill(shim.pid, "SIGKILL");
    await waitFor("the shim has ended", PROCESS_MS, () => startTicksOf(shim.pid) !== shim.startTicks);
    const dead = [...this.view].map(([key, text]): [string, string] => {
      const { status, pid } = JSON.parse(text) as Seen;
      return [key, status === "running" && pid > 0 ? ended(text, 137) : text];
    });
    this.view = new Map(dead);
    this.count("(the shim was killed too)");
  }

  private async down(): Promise<void> {
    if (this.random() < 0.6) {
      const reply = this.daemon.request("POST", "/docknet/down");
      await new Promise((resolve) => setTimeout(resolve, this.random() * 400)); // the random moment itself
      await this.daemon.kill();
      await reply;
      this.count("during down");
      if (!(await this.daemon.start())) throw new Error("the daemon was killed by somebody else");
      const after = await this.look();
      // it goes on with the removal, or nothing was removed yet
      if (after.size > 0) this.check(after, undefined);
      await this.checkDrift();
    }
    await this.daemon.ask("POST", "/docknet/down");
    await this.daemon.exited();
    await this.daemon.remove();
    const left = await this.daemon.leftovers();
    if (left.length > 0) throw new Error(`left after down: ${left.join("; ")}`);
  }

  private async look(): Promise<View> {
    const view = new Map<string, string>();
    const networks = await this.daemon.ask<{ Name: string; Id: string }[]>("GET", "/networks");
    for (const { Name, Id } of networks)
      if (!["bridge", "host", "none"].includes(Name)) view.set(`network ${Name}`, JSON.stringify({ id: Id }));
    const list = await this.daemon.ask<{ Id: string }[]>("GET", "/containers/json?all=1");
    for (const { Id } of list) {
      const found = await this.daemon.ask<Inspected>("GET", `/containers/${Id}/json`);
      const { Status: status, ExitCode: exitCode, Pid: pid } = found.State;
      this.daemon.notice(...(pid > 0 ? [pid] : []));
      if (status === "running" && found.Path !== "" && startTicksOf(pid) === undefined)
        throw new Error(`container ${found.Name} runs, but its process ${pid} does not`);
      const networks = Object.keys(found.NetworkSettings.Networks).sort();
      const seen: Seen & { argv: string } = { id: Id, status, exitCode, pid, networks, argv: found.Path };
      view.set(`container ${found.Name.slice(1)}`, JSON.stringify(seen));
    }
    const shim = this.daemon.shim();
    if (shim) this.daemon.notice(shim.pid);
    this.adopted += [...view.values()].filter((v) => v.includes('"running"') && !v.includes('"pid":0')).length;
    return view;
  }

  private draw(): Act {
    const containers = [...this.view].filter(([key]) => key.startsWith("container "));
    const networks = [...this.view.keys()].filter((key) => key.startsWith("network ")).map((key) => key.slice(8));
    const some = <T>(list: readonly T[]): T | undefined => list[Math.floor(this.random() * list.length)];
    const [key = "", text = "{}"] = some(containers) ?? [];
    const name = key.slice("container ".length);
    const network = some(networks);
    const is = (view: View, status: string): boolean => (view.get(key) ?? "").includes(`"status":"${status}"`);
    const on = (view: View): boolean =>
      network !== undefined && (view.get(key) ?? "").includes(JSON.stringify(network));
    const gone = (view: View): boolean => !view.has(key);
    const seen = JSON.parse(text) as Partial<Seen>;
    const at = `/containers/${name}`;
    const of = (what: string, path: string, more: Partial<Act> & Pick<Act, "happened">): Act => ({
      ...{ what: `${what} ${name}`, method: "POST", path, touches: [key] },
      ...more,
    });
    const choice = this.random();
    if (choice < 0.12 && networks.length < 5) return this.createNetwork();
    if (containers.length === 0 || (choice < 0.3 && containers.length < 9)) return this.createContainer(network);
    if (choice < 0.36 && network !== undefined) {
      const touches = [`network ${network}`];
      return {
        ...{ what: `network rm ${network}`, method: "DELETE", path: `/networks/${network}`, touches },
        happened: (after) => !after.has(`network ${network}`),
      };
    }
    if (choice < 0.55) return of("start", `${at}/start`, { starts: true, happened: (v) => is(v, "running") });
    if (choice < 0.65)
      return of("stop", `${at}/stop?t=0`, { happened: (v) => !is(v, "running"), halfway: (v) => is(v, "exited") });
    if (choice < 0.72)
      return of("rm -f", `${at}?force=1`, { method: "DELETE", happened: gone, halfway: (v) => is(v, "exited") });
    if (choice < 0.78) {
      const next = `c${this.names++}`;
      const touches = [key, `container ${next}`];
      return of("rename", `${at}/rename?name=${next}`, {
        touches,
        happened: (v) => !v.has(key) && (v.get(`container ${next}`) ?? "").includes(String(seen.id)),
      });
    }
    if (choice < 0.86 && network !== undefined)
      return of(`connect ${network}`, `/networks/${network}/connect`, { body: { Container: name }, happened: on });
    if (choice < 0.93 && network !== undefined)
      return of(`disconnect ${network}`, `/networks/${network}/disconnect`, {
        body: { Container: name },
        happened: (v) => !on(v),
      });
    return of("exec", `${at}/exec`, { body: { Cmd: ["true"] }, touches: [], happened: () => true });
  }

  private createNetwork(): Act {
    const name = `n${this.names++}`;
    return {
      ...{ what: `network create ${name}`, method: "POST", path: "/networks/create", body: { Name: name } },
      touches: [`network ${name}`],
      happened: (after) => after.has(`network ${name}`),
    };
  }

  private createContainer(network: string | undefined): Act {
    const name = `c${this.names++}`;
    const bindings = { "80/tcp": [{ HostPort: String(this.port++) }] };
    const image = [STUBBORN, DUTIFUL, { Image: "nginx" }][Math.floor(this.random() * 3)];
    const ports = image && "Cmd" in image ? {} : { PortBindings: bindings };
    return {
      ...{ what: `create ${name}`, method: "POST", path: `/containers/create?name=${name}` },
      body: { ...image, HostConfig: { ...ports, ...(network === undefined ? {} : { NetworkMode: network }) } },
      touches: [`container ${name}`],
      happened: (after) => after.has(`container ${name}`),
    };
  }

  private count(kind: string): void {
    this.kills[kind] = (this.kills[kind] ?? 0) + 1;
  }
}

interface Inspected {
  readonly Name: string;
  readonly Path: string;
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly Pid: number };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

/** Has it a handler for the signal? proc(5), SigCgt: the lowest bit is signal 1. */
function catches(pid: number, signal: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

const ended = (text: string, exitCode: number): string =>
  JSON.stringify({ ...(JSON.parse(text) as object), status: "exited", exitCode, pid: 0 });

/** A small generator of numbers in [0, 1) that a seed repeats. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
