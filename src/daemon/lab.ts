import { networksOf } from "../state/find.ts";
/** The lab's own verbs over an engine: what Docker has no call for. up, down, verify, drift, reconcile. */

import { DocknetError, type Problem } from "../errors.ts";
import { rfc3339Nano } from "../kernel/clock.ts";
import { processesByNetns } from "../kernel/netns-processes.ts";
import { type GraphOptions, graphSite } from "../lab/graph.ts";
import { type MatrixOptions, matrixSite } from "../lab/matrix.ts";
import { type RulesOptions, rulesOfSite } from "../lab/rules.ts";
import { verifySite } from "../lab/verify.ts";
import { type WalkOptions, walkSite } from "../lab/walk.ts";
import { netnsName } from "../net/name.ts";
import { findDrift } from "../observe/drift.ts";
import type { Graph } from "../observe/graph.ts";
import type { Matrix } from "../observe/matrix.ts";
import type { Drift, Report } from "../observe/report.ts";
import type { RuleListing } from "../observe/rules.ts";
import type { Walk } from "../observe/walk/walk.ts";
import { renderRepairOp } from "../plan/shell.ts";
import { type LoadOptions, loadSpec } from "../spec/load.ts";
import { failStart, stopContainer } from "../state/lifecycle.ts";
import { type UpStep, upState } from "../state/up.ts";
import { containerRecord } from "./api/service-record.ts";
import type { Engine } from "./engine.ts";
import { publish, publishAttached, publishNetwork } from "./event.ts";
import type { ContainerRecord } from "./record.ts";

export interface UpRequest {
  readonly load: LoadOptions;
  readonly removeOrphans: boolean;
  readonly forceRecreate: boolean;
}

export interface UpResult {
  readonly steps: readonly UpStep[];
  readonly warnings: readonly Problem[];
  /** Programs that could not be started; their containers have ended. */
  readonly failures: readonly { readonly name: string; readonly message: string }[];
}

/** Brings the lab to what the file wants, in one step of the kernel. @throws ProblemsError, DocknetError; then nothing has changed */
export function up(engine: Engine, { load, removeOrphans, forceRecreate }: UpRequest): Promise<UpResult> {
  const spec = loadSpec({ ...load, projectName: engine.lab });
  return engine.exclusive(async () => {
    const before = engine.state;
    const { state, steps, created, warnings } = upState(before, spec, {
      now: rfc3339Nano(),
      freshId: () => engine.freshId(),
      removeOrphans,
      forceRecreate,
    });
    const gone = before.containers.filter((c) => !state.containers.some((n) => n.id === c.id));
    // nothing of the old is ended for something new that cannot be made
    if (gone.length > 0) engine.site.checkFits(state);
    for (const container of gone) await engine.processes.kill(container.id);
    const kept = Object.entries(engine.records).filter(([id]) => !gone.some((c) => c.id === id));
    const records: Record<string, ContainerRecord> = Object.fromEntries(kept);
    for (const [id, { service, request }] of created) records[id] = containerRecord(service, request);
    await engine.commit(state, records, spec);
    for (const container of gone) engine.forget(container);
    const failures = await startProcesses(engine, before.containers);
    publishSteps(engine, steps);
    return { steps, warnings, failures };
  });
}

/** Programs of services that run one. What cannot be started is a container that has ended, as with compose. */
async function startProcesses(
  engine: Engine,
  before: readonly { readonly id: string; readonly status: string }[],
): Promise<UpResult["failures"]> {
  const failures: { name: string; message: string }[] = [];
  for (const container of engine.state.containers) {
    const ran = before.some((c) => c.id === container.id && c.status === "running");
    if (ran || container.status !== "running") continue;
    engine.site.announce(container);
    const record = engine.record(container.id);
    if (record.argv.length === 0) continue;
    try {
      await engine.processes.start(container, record);
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      const exitCode = typeof error.details.exitCode === "number" ? error.details.exitCode : 128;
      const stopped = stopContainer(engine.state, container.id, { now: rfc3339Nano(), exitCode });
      await engine.commit(failStart(stopped, container.id, error.message, exitCode));
      failures.push({ name: container.name, message: error.message });
    }
  }
  return failures;
}

function publishSteps(engine: Engine, steps: readonly UpStep[]): void {
  for (const { kind, id, action } of steps) {
    if (kind === "network") {
      const network = engine.state.networks.find((n) => n.id === id);
      if (network) publishNetwork(engine, "create", network);
      continue;
    }
    const container = engine.state.containers.find((c) => c.id === id);
    if (!container || action === "Running") continue;
    if (action !== "Started") {
      publish(engine, "create", container);
      continue;
    }
    for (const network of networksOf(engine.state, container)) publishAttached(engine, "connect", network, container);
    publish(engine, "start", container);
  }
}

export interface Gone {
  readonly containers: readonly string[];
  readonly networks: readonly string[];
  readonly namespaces: readonly string[];
  /** Namespaces that somebody made in a node of the world, "red of @host". */
  readonly handMade: readonly string[];
  /** Of those, what lives on, and why. */
  readonly left: readonly string[];
}

/** Removes the lab. @returns what there was. @throws DocknetError naming what could not be removed */
export async function down(engine: Engine): Promise<Gone> {
  const { state, site } = engine;
  // a shim that does not answer is killed below, and what is in its nodes goes with it
  const handMade = await engine.processes.handMade().catch(() => []);
  const gone = {
    containers: state.containers.map((c) => c.name),
    networks: state.networks.filter((n) => !n.isDefault).map((n) => n.name),
    namespaces: site.layout.nodes.map((n) => netnsName(engine.lab, n.name)),
  };
  await engine.remove();
  const users = processesByNetns();
  const left = handMade.flatMap(({ name, node, inode }) => {
    const pids = users.get(String(inode)) ?? [];
    return pids.length === 0 ? [] : [`namespace ${name} of ${node}: used by process ${pids.join(", ")}`];
  });
  return { ...gone, handMade: handMade.map(({ name, node }) => `${name} of ${node}`), left };
}

export interface VerifyRequest {
  readonly answerDeadlineMs?: number;
  readonly silenceMs?: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** Proves the lab as it is now; nothing else changes it meanwhile. */
export function verify(engine: Engine, request: VerifyRequest): Promise<Report> {
  return engine.exclusive(() => {
    const { spec } = engine;
    return verifySite(engine.site, {
      ...request,
      drift: true,
      checks: spec?.checks ?? [],
      files: spec?.files ?? [],
      warnings: [],
      buildMs: 0,
    });
  });
}

/** Sends one packet and follows it; nothing else changes the lab meanwhile. @throws DocknetError */
export function walk(engine: Engine, from: string, to: string, options: WalkOptions): Promise<Walk> {
  return engine.exclusive(() => walkSite(engine.site, from, to, options));
}

/** Who reaches what, as the lab is now; nothing else changes it meanwhile. @throws DocknetError */
export function matrix(engine: Engine, options: MatrixOptions): Promise<Matrix> {
  return engine.exclusive(() =>
    matrixSite(engine.site, { files: engine.spec?.files ?? [], warnings: [], buildMs: 0 }, options),
  );
}

/** What rules there are; nothing else changes the lab meanwhile. @throws DocknetError */
export function rules(engine: Engine, options: RulesOptions): Promise<RuleListing> {
  return engine.exclusive(() => rulesOfSite(engine.site, options));
}

/** The lab as it is at this moment, as data to draw. @throws DocknetError NOT_FOUND */
export function graph(engine: Engine, options: GraphOptions): Promise<Graph> {
  return engine.exclusive(async () => graphSite(engine.site, options));
}

/** What the kernel has otherwise than the lab wants. */
export function drift(engine: Engine): Promise<readonly Drift[]> {
  return engine.exclusive(() => findDrift(engine.site.instruments(), engine.site.layout));
}

export interface Reconciled {
  readonly drift: readonly Drift[];
  /** What was done, as the commands that a person would type. */
  readonly commands: readonly string[];
}

/** Puts back what others changed. @throws DocknetError */
export function reconcile(engine: Engine): Promise<Reconciled> {
  return engine.exclusive(async () => {
    const { drift: found, done } = await engine.site.reconcile();
    engine.notifyFollowers();
    return { drift: found, commands: done.flatMap((op) => renderRepairOp(engine.lab, op)) };
  });
}
