/**
 * `docker compose up` on a lab that lives: what the file wants and the state has not is made, what differs is made anew, the rest is
 * left alone. Containers and networks carry compose's labels; by the hash among them a difference is seen.
 * Source: docker/compose pkg/compose/convergence.go, pkg/api/labels.go.
 */
import { DocknetError, type Problem } from "../errors.ts";
import type { ServiceSpec, Spec } from "../spec/spec.ts";
import { type ContainerRequest, createContainer, removeContainer } from "./container.ts";
import { deriveId } from "./id.ts";
import { startContainer, stopContainer } from "./lifecycle.ts";
import { createNetwork, emptyState, removeNetwork } from "./network.ts";
import type { NetworkRequest } from "./network-request.ts";
import { networkRequest, plannedContainers, resolveState, usedNetworks } from "./resolve.ts";
import type { Container, State, Timestamp } from "./state.ts";

export const PROJECT = "com.docker.compose.project";
export const SERVICE = "com.docker.compose.service";
const NETWORK = "com.docker.compose.network";
const NUMBER = "com.docker.compose.container-number";
const HASH = "com.docker.compose.config-hash";

export interface UpOptions {
  readonly now: Timestamp;
  /** 64 hex digits, another at each call. */
  readonly freshId: () => string;
  /** Containers of the project that the file does not name go too. */
  readonly removeOrphans?: boolean;
  readonly forceRecreate?: boolean;
}

/** What was done, in order, in compose's words. */
export interface UpStep {
  readonly kind: "network" | "container";
  readonly name: string;
  readonly id: string;
  readonly action: "Created" | "Recreated" | "Started" | "Running" | "Removed";
}

export interface Upped {
  readonly state: State;
  readonly steps: readonly UpStep[];
  /** Services of the containers that were created, by container id. */
  readonly created: ReadonlyMap<string, { readonly service: ServiceSpec; readonly request: ContainerRequest }>;
  readonly warnings: readonly Problem[];
}

/** @throws ProblemsError with everything that Docker would refuse of the file; DocknetError CONFLICT when the lab stands in another world */
export function upState(state: State, spec: Spec, options: UpOptions): Upped {
  const { warnings } = resolveState(spec);
  const run = new Up(inWorld(state, spec), spec, options);
  run.networks();
  run.orphans();
  run.containers();
  return { state: run.state, steps: run.steps, created: run.created, warnings: [...warnings, ...run.warnings] };
}

/** A lab that has nothing in it yet may get another engine and world. */
function inWorld(state: State, spec: Spec): State {
  if (sameWords([state.engine, state.world], [spec.engine, spec.world])) return state;
  if (state.containers.length === 0 && state.networks.length === 1)
    return emptyState(state.lab, spec.engine, spec.world);
  throw new DocknetError("CONFLICT", `Lab ${state.lab} runs with another engine or world than the file wants`, {
    remedy: `Run \`docknet -p ${state.lab} down\` first`,
  });
}

class Up {
  state: State;
  readonly steps: UpStep[] = [];
  readonly created = new Map<string, { service: ServiceSpec; request: ContainerRequest }>();
  readonly warnings: Problem[] = [];
  private readonly spec: Spec;
  private readonly options: UpOptions;
  /** Names of containers that this run removed to make them anew. */
  private readonly recreated = new Set<string>();

  constructor(state: State, spec: Spec, options: UpOptions) {
    this.state = state;
    this.spec = spec;
    this.options = options;
  }

  networks(): void {
    for (const network of usedNetworks(this.spec)) {
      const request = networkRequest(network);
      const found = this.state.networks.find((n) => n.name === network.name);
      if (network.external) {
        if (!found)
          throw new DocknetError("NOT_FOUND", `network ${network.name} declared as external, but could not be found`, {
            at: network.at,
          });
        continue;
      }
      const hash = hashOf(request);
      if (found?.labels[HASH] === hash) continue;
      if (found && found.labels[PROJECT] !== this.spec.name) {
        this.warnings.push({
          message: `a network with name ${network.name} exists but was not created for project "${this.spec.name}"`,
          remedy: "Set `external: true` to use an existing network",
          at: network.at,
        });
        continue;
      }
      if (found) this.leaveNetwork(found.id);
      const labels = { ...request.labels, [HASH]: hash, [NETWORK]: network.key, [PROJECT]: this.spec.name };
      this.create({ ...request, labels });
    }
  }

  private create(request: NetworkRequest): void {
    const id = this.options.freshId();
    this.state = createNetwork(this.state, { ...request, id, now: this.options.now });
    this.steps.push({ kind: "network", name: request.name, id, action: "Created" });
  }

  /** A network whose settings changed is made anew, and with it all of the project's containers on it. */
  private leaveNetwork(id: string): void {
    for (const container of this.mine())
      if (container.attachments.some((a) => a.networkId === id)) this.remove(container);
    const network = this.state.networks.find((n) => n.id === id);
    this.state = removeNetwork(this.state, id);
    this.steps.push({ kind: "network", name: network?.name ?? id, id, action: "Removed" });
  }

  orphans(): void {
    const wanted = new Set(plannedContainers(this.spec).map((p) => p.request.name));
    const orphans = this.mine().filter((c) => !wanted.has(c.name));
    if (orphans.length === 0) return;
    if (this.options.removeOrphans) {
      for (const container of orphans) {
        this.remove(container);
        this.steps.push({ kind: "container", name: container.name, id: container.id, action: "Removed" });
      }
      return;
    }
    this.warnings.push({
      message: `Found orphan containers ([${orphans.map((c) => c.name).join(" ")}]) for this project`,
      remedy: "Run this command with the --remove-orphans flag to clean them up",
    });
  }

  containers(): void {
    for (const { service, request, index } of plannedContainers(this.spec)) this.container(service, request, index);
  }

  private container(service: ServiceSpec, request: ContainerRequest, index: number): void {
    const { name } = request;
    const hash = hashOf(request);
    const found = this.state.containers.find((c) => c.name === name);
    const isSame =
      found?.labels[HASH] === hash && found.labels[PROJECT] === this.spec.name && !this.options.forceRecreate;
    if (found && isSame) {
      if (found.status === "running") {
        this.steps.push({ kind: "container", name, id: found.id, action: "Running" });
        return;
      }
      this.start(found.id, name, "Started");
      return;
    }
    const isNew = !found && !this.recreated.has(name);
    if (found && found.labels[PROJECT] === this.spec.name) this.remove(found);
    const id = this.options.freshId();
    const labels = {
      ...request.labels,
      [HASH]: hash,
      [NUMBER]: String(index),
      [PROJECT]: this.spec.name,
      [SERVICE]: service.key,
    };
    this.state = createContainer(this.state, { ...request, labels, id, now: this.options.now });
    this.created.set(id, { service, request: { ...request, labels } });
    this.steps.push({ kind: "container", name, id, action: isNew ? "Created" : "Recreated" });
    this.start(id, name, "Started");
  }

  private start(id: string, name: string, action: UpStep["action"]): void {
    this.state = startContainer(this.state, id, { now: this.options.now, endpointSalt: this.options.freshId() });
    this.steps.push({ kind: "container", name, id, action });
  }

  private remove(container: Container): void {
    this.recreated.add(container.name);
    const stopped = stopContainer(this.state, container.id, { now: this.options.now, exitCode: 0 });
    this.state = removeContainer(stopped, container.id);
  }

  private mine(): Container[] {
    return this.state.containers.filter((c) => c.labels[PROJECT] === this.spec.name);
  }
}

/** Of what is asked for, without the places where it was asked. */
const hashOf = (request: NetworkRequest | ContainerRequest): string => deriveId("compose", words(request));

const words = (value: unknown): string => JSON.stringify(value, (key, v: unknown) => (key === "at" ? undefined : v));

const sameWords = (a: unknown, b: unknown): boolean => words(a) === words(b);
