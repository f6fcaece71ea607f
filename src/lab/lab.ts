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
import { DisposerStack } from "../dispose.ts";
import { DocknetError } from "../errors.ts";
import type { ConntrackWatch } from "../kernel/netlink/conntrack-events.ts";
import type { NodeName } from "../net/name.ts";
import type { NatEvent, NatTable } from "../observe/conntrack.ts";
import type { Graph } from "../observe/graph.ts";
import type { Matrix } from "../observe/matrix.ts";
import type { Report } from "../observe/report.ts";
import type { RuleListing } from "../observe/rules.ts";
import type { Walk } from "../observe/walk/walk.ts";
import type { Check } from "../plan/check/check.ts";
import type { Layout } from "../plan/layout.ts";
import type { Op } from "../plan/op.ts";
import { type LoadOptions, loadSpec } from "../spec/load.ts";
import type { Spec } from "../spec/spec.ts";
import { type Resolved, resolveState } from "../state/resolve.ts";
import type { State } from "../state/state.ts";
import { type CaptureLimits, LabCapture } from "./capture.ts";
import { CaptureLinks } from "./capture-links.ts";
import { type ConntrackOptions, conntrackOfSite, watchSite } from "./conntrack.ts";
import { type GraphOptions, graphSite } from "./graph.ts";
import { type MatrixOptions, matrixSite } from "./matrix.ts";
import { type RulesOptions, rulesOfSite } from "./rules.ts";
import { Site } from "./site.ts";
import { checksOfSite, type VerifySiteOptions, verifySite } from "./verify.ts";
import { type WalkOptions, walkSite } from "./walk.ts";

export interface LabOptions {
  /** Called with each step before it is done. */
  readonly onOp?: (op: Op) => void;
  /** Aborts building and verifying; what exists is removed. */
  readonly signal?: AbortSignal;
}

export type VerifyLabOptions = Pick<VerifySiteOptions, "answerDeadlineMs" | "silenceMs" | "onProgress">;

export type MatrixLabOptions = Omit<MatrixOptions, "signal">;

export interface CaptureLabOptions extends CaptureLimits {
  readonly nodes?: readonly string[];
}

/** Reads, resolves and builds. The caller owns the lab. @throws ProblemsError for the file, DocknetError for the machine */
export async function createLab(file: string | LoadOptions, options: LabOptions = {}): Promise<Lab> {
  const load = typeof file === "string" ? { files: [file], cwd: process.cwd(), env: process.env } : file;
  return buildLab(loadSpec(load), options);
}

/** Builds a parsed lab. On failure nothing is left. */
export async function buildLab(spec: Spec, options: LabOptions = {}): Promise<Lab> {
  const resolved = resolveState(spec);
  await using undo = new DisposerStack();
  const startedAt = performance.now();
  const site = undo.use("the lab", new Site({ lab: spec.name, ...options }));
  await site.become(resolved.state);
  return new Lab({ spec, resolved, site, buildMs: performance.now() - startedAt, signal: options.signal }, undo.move());
}

/** Could this process and this machine hold the lab? Makes nothing. @throws ProblemsError with everything that does not fit, each with its number */
export function checkFits(spec: Spec): void {
  new Site({ lab: spec.name }).checkFits(resolveState(spec).state);
}

interface LabParts {
  readonly spec: Spec;
  readonly resolved: Resolved;
  readonly site: Site;
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
    this.layout = parts.site.layout;
    this.buildMs = parts.buildMs;
  }

  /** The checks that `verify` will make: the file's own, or those derived from it. */
  checks(): Check[] {
    return checksOfSite(this.parts.site, this.spec.checks);
  }

  /** Sends and captures packets for every check and compares. Changes nothing in the lab. @throws DocknetError ABORTED */
  verify(options: VerifyLabOptions = {}): Promise<Report> {
    const { site, resolved, signal } = this.parts;
    return verifySite(site, {
      ...options,
      ...(signal ? { signal } : {}),
      checks: this.spec.checks,
      files: this.spec.files,
      warnings: resolved.warnings,
      buildMs: this.buildMs,
    });
  }

  /**
   * Records packets from now on, on all links or those of `nodes` ("web", "web/eth0", "@host"). Read it as packets, `for await (const p
   * of capture)`, or as a file's bytes, `capture.pcapng()`; the caller closes it. @throws DocknetError NOT_FOUND, USAGE for the filter
   */
  capture({ nodes = [], ...limits }: CaptureLabOptions = {}): LabCapture {
    return new LabCapture(new CaptureLinks(this.parts.site, nodes, limits).open(), limits);
  }

  /** Sends one packet and follows it from socket to socket. @throws DocknetError USAGE, NOT_FOUND, CONFLICT */
  walk(from: string, to: string, options: WalkOptions = {}): Promise<Walk> {
    return walkSite(this.parts.site, from, to, options);
  }

  /**
   * Who reaches what: a packet from every service, the host, the neighbour and the internet to every port that is served or published,
   * and a walk for what is otherwise than predicted. @throws DocknetError NOT_FOUND for `from` and `to`, ABORTED
   */
  matrix(options: MatrixLabOptions = {}): Promise<Matrix> {
    const { site, resolved, signal } = this.parts;
    const origin = { files: this.spec.files, warnings: resolved.warnings, buildMs: this.buildMs };
    return matrixSite(site, origin, { ...options, ...(signal ? { signal } : {}) });
  }

  /** The rules of @host, of `node`, or of `all`: with counters, words and owners. @throws DocknetError NOT_FOUND, CONFLICT */
  rules(options: RulesOptions = {}): Promise<RuleListing> {
    return rulesOfSite(this.parts.site, options);
  }

  /** The NAT tables of @host and @router, or that of `node`, at this moment. @throws DocknetError NOT_FOUND, CONFLICT */
  conntrack(options: ConntrackOptions = {}): NatTable {
    return conntrackOfSite(this.parts.site, options);
  }

  /** Reports each change of them from its return on; the caller closes it. @throws DocknetError NOT_FOUND, CONFLICT */
  watchConntrack(onEvent: (event: NatEvent) => void, options: ConntrackOptions = {}): ConntrackWatch {
    return watchSite(this.parts.site, options, onEvent);
  }

  /** The lab as data to draw: namespaces, links with their indexes, networks, published ports. @throws DocknetError NOT_FOUND */
  graph(options: GraphOptions = {}): Graph {
    return graphSite(this.parts.site, options);
  }

  /** Runs a program of this machine inside a node's network. No shell. A non-zero exit is a result, not an error. */
  async exec(
    node: string,
    argv: readonly [string, ...string[]],
    options: { readonly input?: string; readonly timeoutMs?: number } = {},
  ): Promise<ExecResult> {
    const [file, ...args] = argv;
    const { site } = this.parts;
    const container = this.state.containers.find((c) => c.node === node);
    const ns = site.netns((container && site.sandboxOf(container)) ?? (node as NodeName));
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
}

export { VERSION } from "./verify.ts";
