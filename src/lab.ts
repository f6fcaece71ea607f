/**
 * A lab that lives as long as this process: a compose file's network built on the kernel in unnamed namespaces, with responders on
 * every service's ports. It joins the stages; each stage is tested alone.
 *
 * ```ts
 * await using lab = await createLab("compose.yaml");
 * const report = await lab.verify();
 * ```
 */
import { execa } from "execa";
import { DisposerStack } from "./dispose.ts";
import { answerQuery } from "./dns/authority.ts";
import { worldZones } from "./dns/zone.ts";
import { DocknetError, type Problem } from "./errors.ts";
import { openCapture } from "./kernel/capture.ts";
import { readConntrack } from "./kernel/conntrack.ts";
import { Executor } from "./kernel/executor.ts";
import { kernelRelease, readMachine } from "./kernel/machine.ts";
import { type NameServer, openNameServer } from "./kernel/name-server.ts";
import { startProbe } from "./kernel/probe.ts";
import { readNode } from "./kernel/reading.ts";
import { openResponder } from "./kernel/responder.ts";
import { readRules } from "./kernel/rules.ts";
import { HOST, INTERNET, type NodeName, ROUTER } from "./net/name.ts";
import type { ProtoPort } from "./net/port.ts";
import type { Instruments } from "./observe/instruments.ts";
import type { CheckResult, Report } from "./observe/report.ts";
import { describeTopology } from "./observe/topology.ts";
import { verifyLayout } from "./observe/verify.ts";
import { type Check, checksOf } from "./plan/check.ts";
import { layoutOf } from "./plan/lab.ts";
import { type Layout, nodeOf } from "./plan/layout.ts";
import type { Op } from "./plan/op.ts";
import { planLab } from "./plan/plan.ts";
import { INTERNET_PORTS } from "./plan/predict.ts";
import { EMPTY_RULESET } from "./plan/rule.ts";
import { type LoadOptions, loadSpec } from "./spec/load.ts";
import type { Spec } from "./spec/spec.ts";
import { type Resolved, resolveState } from "./state/resolve.ts";
import { type State, sandboxOwner } from "./state/state.ts";

export interface LabOptions {
  /** Called with each step before it is done. */
  readonly onOp?: (op: Op) => void;
  /** Aborts building and verifying; what exists is removed. */
  readonly signal?: AbortSignal;
}

export interface VerifyLabOptions {
  /** Milliseconds that an expected answer may take; 3000 unless said. */
  readonly answerDeadlineMs?: number;
  /** Milliseconds after which silence counts as silence; 250 unless said. */
  readonly silenceMs?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Reads, resolves and builds. The caller owns the lab. @throws ProblemsError for the file, DocknetError for the machine */
export async function createLab(file: string | LoadOptions, options: LabOptions = {}): Promise<Lab> {
  const load = typeof file === "string" ? { files: [file], cwd: process.cwd(), env: process.env } : file;
  return buildLab(loadSpec(load), options);
}

/** Builds a parsed lab. On failure nothing is left. */
export async function buildLab(spec: Spec, options: LabOptions = {}): Promise<Lab> {
  const resolved = resolveState(spec);
  const layout = layoutOf(resolved.state, readMachine());
  await using undo = new DisposerStack();
  const startedAt = performance.now();
  const executor = undo.use("the lab's namespaces", new Executor({ lab: spec.name, named: false, ...options }));
  await executor.apply(planLab(undefined, layout));
  for (const { node, service, port } of respondersOf(resolved.state)) {
    undo.use(`responder ${service}:${port.port}/${port.proto}`, openResponder(executor.netns(node), { service, port }));
  }
  undo.use("the internet's name server", openInternetDns(executor, resolved.state));
  return new Lab(
    { spec, resolved, layout, executor, buildMs: performance.now() - startedAt, signal: options.signal },
    undo.move(),
  );
}

interface LabParts {
  readonly spec: Spec;
  readonly resolved: Resolved;
  readonly layout: Layout;
  readonly executor: Executor;
  readonly buildMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export class Lab implements AsyncDisposable {
  readonly spec: Spec;
  readonly state: State;
  /** What the kernel should look like. */
  readonly layout: Layout;
  /** Milliseconds that building took, responders included. */
  readonly buildMs: number;
  private readonly parts: LabParts;
  private readonly undo: DisposerStack;

  constructor(parts: LabParts, undo: DisposerStack) {
    this.parts = parts;
    this.undo = undo;
    this.spec = parts.spec;
    this.state = parts.resolved.state;
    this.layout = parts.layout;
    this.buildMs = parts.buildMs;
  }

  /** The checks that `verify` will make: the file's own, or those derived from it. */
  checks(): Check[] {
    const rules = (node: NodeName) => nodeOf(this.layout, node)?.rules ?? EMPTY_RULESET;
    return checksOf(this.state, { host: rules(HOST), router: rules(ROUTER) }, this.spec.checks);
  }

  /** Sends and captures packets for every check and compares. Changes nothing in the lab. @throws DocknetError ABORTED */
  async verify(options: VerifyLabOptions = {}): Promise<Report> {
    const startedAt = performance.now();
    const { signal } = this.parts;
    const verified = await verifyLayout(this.instruments(), this.layout, this.checks(), {
      answerDeadlineMs: options.answerDeadlineMs ?? 3000,
      silenceMs: options.silenceMs ?? 250,
      ...(signal ? { signal } : {}),
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    });
    if (signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while verifying the lab");
    return {
      schema: 1,
      docknet: VERSION,
      lab: this.spec.name,
      files: this.spec.files,
      profile: this.spec.engine.profile,
      kernel: kernelRelease(),
      ...summarise(verified.results),
      topology: describeTopology(this.state),
      checks: verified.results,
      drift: verified.drift,
      warnings: [...this.parts.resolved.warnings, ...nothingToCheck(verified.results)],
      captures: verified.captures,
      durations: { buildMs: this.buildMs, verifyMs: performance.now() - startedAt },
    };
  }

  /** Runs a program of this machine inside a node's network. No shell. A non-zero exit is a result, not an error. */
  async exec(
    node: string,
    argv: readonly [string, ...string[]],
    options: { readonly input?: string; readonly timeoutMs?: number } = {},
  ): Promise<ExecResult> {
    const [file, ...args] = argv;
    const ns = this.parts.executor.netns(this.sandboxOf(node));
    const started = ns.enter(() => ({
      run: execa(file, args, {
        reject: false,
        input: options.input ?? "",
        timeout: options.timeoutMs ?? 30_000,
        stripFinalNewline: false,
      }),
    }));
    const result = await started.run;
    if (result.exitCode === undefined)
      throw new DocknetError(
        "NOT_FOUND",
        `Cannot run ${file} in ${node}: ${result.originalMessage ?? result.shortMessage}`,
      );
    return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode };
  }

  /** Idempotent. @throws DocknetError naming what could not be removed */
  close(): Promise<void> {
    return this.undo.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The node whose network a container uses: its own, the one it joins, or the host's. */
  private sandboxOf(node: string): NodeName {
    const container = this.state.containers.find((c) => c.node === node);
    if (!container) return node as NodeName;
    return sandboxOwner(this.state, container)?.node ?? HOST;
  }

  private instruments(): Instruments {
    const { executor } = this.parts;
    const netns = (node: NodeName) => executor.netns(this.sandboxOf(node));
    return {
      probe: ({ node, ...request }) => {
        if (request.proto === "sctp") throw new DocknetError("KERNEL_FEATURE", "docknet sends and serves no SCTP");
        return startProbe({ ns: netns(node), token: nextToken(), ...request });
      },
      capture: ({ node, link, mac }, onFrame) =>
        openCapture(netns(node), link, {
          ...(mac ? { mac } : {}),
          filter: STORY_FILTER,
          onFrame: ({ frame, direction }) => onFrame(frame, direction),
        }),
      readRules: (node) => readRules(netns(node)),
      readConntrack: (node) => readConntrack(netns(node)),
      readNode: (node, sysctls) => readNode(netns(node), sysctls),
    };
  }
}

declare const __DOCKNET_VERSION__: string | undefined;
export const VERSION: string = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";

let tokens = 0;

/** Payload of a probe: each differs in its length, up to a frame's worth, so that captures tell two datagrams apart. */
function nextToken(): string {
  const n = tokens++;
  return `probe-${n} `.padEnd(16 + (n % 1024), ".");
}

/** What tells a flow's story: its first packets and its refusals; data and acknowledgements would only load the captures. */
const STORY_FILTER = "(tcp[tcpflags] & (tcp-syn|tcp-rst) != 0) or udp or icmp";

interface ResponderPlace {
  readonly node: NodeName;
  readonly service: string;
  readonly port: ProtoPort;
}

/** One responder per port of a sandbox, but for sctp, which Node has no sockets for: of several containers that share it and serve one port, the first has it. */
function respondersOf(state: State): ResponderPlace[] {
  const places = state.containers.flatMap((c) =>
    c.serves
      .filter(({ proto }) => proto !== "sctp")
      .map(
        ({ port, proto }): ResponderPlace => ({
          node: sandboxOwner(state, c)?.node ?? HOST,
          service: c.node,
          port: { port, proto },
        }),
      ),
  );
  const internet = INTERNET_PORTS.map((port): ResponderPlace => ({ node: INTERNET, service: INTERNET, port }));
  const key = (p: ResponderPlace): string => `${p.node} ${p.port.port}/${p.port.proto}`;
  return [...new Map([...places, ...internet].reverse().map((p) => [key(p), p])).values()].reverse();
}

function openInternetDns(executor: Executor, { world }: State): NameServer {
  const zones = worldZones(world);
  return openNameServer(executor.netns(INTERNET), world.internet.dns, (query, transport) =>
    answerQuery(zones, query, transport),
  );
}

function nothingToCheck(results: readonly CheckResult[]): Problem[] {
  if (results.length > 0) return [];
  return [
    { message: "there is nothing to check: no service runs, and the file names no checks", remedy: "Add services" },
  ];
}

function summarise(results: readonly CheckResult[]): Pick<Report, "verdict" | "counts"> {
  const count = (verdict: CheckResult["verdict"]): number => results.filter((r) => r.verdict === verdict).length;
  const counts = {
    pass: count("PASS"),
    fail: count("FAIL"),
    inconclusive: count("INCONCLUSIVE"),
    controls: results.filter((r) => r.group === "control").length,
  };
  // nothing measured is nothing proven
  const unproven = counts.inconclusive > 0 || results.length === 0;
  return { counts, verdict: counts.fail > 0 ? "FAIL" : unproven ? "INCONCLUSIVE" : "PASS" };
}
