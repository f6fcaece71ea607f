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

/** A binding with the container that holds it. */
export interface HeldBinding {
  /** Id of the container. */
  readonly container: string;
  readonly binding: PortBinding;
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
  private readonly bindings = new Map<number, HeldBinding[]>();
  /** Ids of containers that serve a port in a sandbox that may be the host's. */
  private readonly servers = new Map<number, Set<string>>();
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
  bindingsAt(port: Port, proto: Proto): readonly HeldBinding[] {
    return this.bindings.get(portKey(port, proto)) ?? [];
  }

  /** Ids of running containers whose processes listen on it, on the host when `sandboxOwner` says so. */
  serversAt(port: Port, proto: Proto): Iterable<string> {
    return this.servers.get(portKey(port, proto)) ?? [];
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
    for (const binding of hostBindings(container)) {
      const held = { container: container.id, binding };
      const others = this.bindings.get(keyOf(binding));
      if (others) others.push(held);
      else this.bindings.set(keyOf(binding), [held]);
    }
    for (const { port, proto } of servedOutside(container)) {
      const ids = this.servers.get(portKey(port, proto)) ?? new Set();
      this.servers.set(portKey(port, proto), ids.add(container.id));
    }
  }

  private takePorts(container: Container): void {
    for (const binding of hostBindings(container)) {
      const rest = this.bindings.get(keyOf(binding))?.filter((held) => held.container !== container.id) ?? [];
      if (rest.length > 0) this.bindings.set(keyOf(binding), rest);
      else this.bindings.delete(keyOf(binding));
    }
    for (const { port, proto } of servedOutside(container))
      this.servers.get(portKey(port, proto))?.delete(container.id);
  }

  private countAddresses({ endpoints }: Container, uses: 1 | -1): void {
    for (const { network, address } of endpoints) this.addressesOf(network).add(toNumber(address), uses);
  }
}

type HostBinding = PortBinding & { readonly hostPort: Port };

const keyOf = ({ hostPort, proto }: HostBinding): number => portKey(hostPort, proto);

function hostBindings({ status, bindings }: Container): readonly HostBinding[] {
  return status === "running" ? bindings.filter((b): b is HostBinding => b.hostPort !== undefined) : [];
}

function servedOutside({ status, sandbox, serves }: Container): Container["serves"] {
  return status === "running" && (sandbox.kind === "host" || sandbox.kind === "container") ? serves : [];
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
