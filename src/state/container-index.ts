/**
 * What the engine looks up among its containers (names, interface names, addresses, host ports), kept along from state to state: a
 * transition replaces few containers, and only those are taken out and put in. From outside a pure function of a list of containers.
 *
 * There is one index for a line of states, and it stands at the newest. Who asks an older state (one that a refused transition left
 * unchanged) makes the index go back over the same steps. Source: H. Baker, "Shallow binding makes functional arrays fast" (1991).
 */
import { toNumber } from "../net/address.ts";
import { type Port, type Proto, portKey } from "../net/port.ts";
import type { Container, PortBinding, State } from "./state.ts";

/** A binding of a running container, or a port that its processes serve in a sandbox that may be the host's. */
export interface HostPortUse {
  /** Id of the container. */
  readonly container: string;
  /** Absent: a process that listens on every address, on the host when `sandboxOwner` says so. */
  readonly binding?: PortBinding;
}

/** The addresses that running containers have on one network. */
class Addresses {
  private readonly uses = new Map<number, number>();
  /** Everything below was found taken; what is given back lowers it. */
  private floor = 0;

  has(address: number): boolean {
    return this.uses.has(address);
  }

  add(address: number, uses: 1 | -1): void {
    const count = (this.uses.get(address) ?? 0) + uses;
    if (count > 0) this.uses.set(address, count);
    else this.uses.delete(address);
    if (count <= 0) this.floor = Math.min(this.floor, address);
  }

  /** @param own addresses of the network itself, always the same ones. @returns the lowest that is free in [first, last] */
  lowestFree(first: number, last: number, own: ReadonlySet<number>): number | undefined {
    let at = Math.max(first, this.floor);
    while (at <= last && (this.uses.has(at) || own.has(at))) at++;
    this.floor = at;
    return at <= last ? at : undefined;
  }
}

class ContainerIndex {
  private readonly ids = new Map<string, Container>();
  private readonly names = new Map<string, Container>();
  private readonly nodes = new Set<string>();
  private readonly hostIfNames = new Set<string>();
  private readonly networks = new Map<string, Addresses>();
  private readonly ports = new Map<number, HostPortUse[]>();
  /** Steps that it has gone forward. */
  steps = 0;

  constructor(containers: readonly Container[]) {
    for (const container of containers) {
      this.put(container);
      this.putPorts(container);
    }
  }

  byId(id: string): Container | undefined {
    return this.ids.get(id);
  }

  byName(name: string): Container | undefined {
    return this.names.get(name);
  }

  hasNode(node: string): boolean {
    return this.nodes.has(node);
  }

  hasHostIfName(name: string): boolean {
    return this.hostIfNames.has(name);
  }

  addressesOf(networkId: string): Addresses {
    const known = this.networks.get(networkId) ?? new Addresses();
    this.networks.set(networkId, known);
    return known;
  }

  /** Of running containers. */
  usesOf(port: Port, proto: Proto): readonly HostPortUse[] {
    return this.ports.get(portKey(port, proto)) ?? [];
  }

  /** Goes one step: `is` in the place of `was`. */
  change(was: Container | undefined, is: Container | undefined): void {
    // what was bound or served mostly stays, and may be a range of thousands
    const samePorts =
      was?.id === is?.id &&
      was?.status === is?.status &&
      was?.bindings === is?.bindings &&
      was?.serves === is?.serves &&
      was?.sandbox.kind === is?.sandbox.kind;
    if (was) this.take(was);
    if (was && !samePorts) this.takePorts(was);
    if (is) this.put(is);
    if (is && !samePorts) this.putPorts(is);
  }

  private put(container: Container): void {
    this.ids.set(container.id, container);
    this.names.set(container.name, container);
    this.nodes.add(container.node);
    for (const { hostIfName } of container.endpoints) if (hostIfName) this.hostIfNames.add(hostIfName);
    this.countAddresses(container, 1);
  }

  private take(container: Container): void {
    this.ids.delete(container.id);
    this.names.delete(container.name);
    this.nodes.delete(container.node);
    for (const { hostIfName } of container.endpoints) if (hostIfName) this.hostIfNames.delete(hostIfName);
    this.countAddresses(container, -1);
  }

  private putPorts(container: Container): void {
    for (const [key, use] of portUses(container)) {
      const uses = this.ports.get(key);
      if (uses) uses.push(use);
      else this.ports.set(key, [use]);
    }
  }

  private takePorts(container: Container): void {
    for (const [key] of portUses(container)) {
      const rest = this.ports.get(key)?.filter((use) => use.container !== container.id) ?? [];
      if (rest.length > 0) this.ports.set(key, rest);
      else this.ports.delete(key);
    }
  }

  private countAddresses({ endpoints }: Container, uses: 1 | -1): void {
    for (const { network, address } of endpoints) this.addressesOf(network).add(toNumber(address), uses);
  }
}

function* portUses({ id, status, bindings, sandbox, serves }: Container): Generator<readonly [number, HostPortUse]> {
  if (status !== "running") return;
  for (const binding of bindings)
    if (binding.hostPort) yield [portKey(binding.hostPort, binding.proto), { container: id, binding }];
  if (sandbox.kind !== "host" && sandbox.kind !== "container") return;
  for (const { port, proto } of serves) yield [portKey(port, proto), { container: id }];
}

/** One list of containers: it has the index, or knows the step to the list that came after it. */
interface Version {
  index?: ContainerIndex;
  next?: { readonly version: Version; readonly was: Container | undefined; readonly is: Container | undefined };
}

/** A state that is kept for long holds no more steps than these; after that it gets an index of its own when it is asked. */
const STEPS_KEPT = 256;

const versions = new WeakMap<State["containers"], Version>();

export function indexOf({ containers }: Pick<State, "containers">): ContainerIndex {
  const version = versionOf(containers);
  const index = goBackTo(version) ?? new ContainerIndex(containers);
  version.index = index;
  return index;
}

/** The containers with `is` in the place of `was`: appended when there was none, gone when there is none. */
export function changeContainers(
  state: State,
  was: Container | undefined,
  is: Container | undefined,
): readonly Container[] {
  const { containers } = state;
  const place = was ? containers.indexOf(was) : containers.length;
  if (place < 0) throw new Error(`state holds no container ${was?.id}`);
  const changed = containers.toSpliced(place, was ? 1 : 0, ...(is ? [is] : []));
  const index = indexOf(state);
  index.change(was, is);
  const version = versionOf(containers);
  const next = versionOf(changed);
  next.index = index;
  delete version.index;
  if (++index.steps % STEPS_KEPT !== 0) version.next = { version: next, was, is };
  return changed;
}

function versionOf(containers: State["containers"]): Version {
  const known = versions.get(containers) ?? {};
  versions.set(containers, known);
  return known;
}

/** Takes the index from the newer version that has it; undefined when none that is known has. */
function goBackTo(version: Version): ContainerIndex | undefined {
  const path: Version[] = [];
  let at = version;
  while (!at.index && at.next) {
    path.push(at);
    at = at.next.version;
  }
  const { index } = at;
  if (!index) return undefined;
  delete at.index;
  for (const older of path.reverse()) {
    const { next } = older;
    if (!next) throw new Error("a version of the containers has lost its step");
    index.change(next.is, next.was);
    next.version.next = { version: older, was: next.is, is: next.was };
    delete older.next;
  }
  return index;
}
