/**
 * Which container listens on which port of a network stack, and what a program that starts finds taken. One port of a stack has one
 * listener: whoever binds second gets EADDRINUSE (bind(2)), and a server ends. Programs bind 0.0.0.0, which takes every address.
 */
import { ANY_IPV4 } from "../net/address.ts";
import type { ProtoPort } from "../net/port.ts";
import { indexOf } from "./container-index.ts";
import { containerById } from "./find.ts";
import { collides } from "./port-binding.ts";
import { originOf } from "./refusal.ts";
import { type Container, type FailedBind, type ServedPort, type State, sandboxOwner } from "./state.ts";

/** A network stack, by its owner: a container, or the emulated host. */
export type Stack = Container | "host";

/** The container whose program has the port in this stack. Only running ones have any. */
export function listenerAt(state: State, stack: Stack, port: ProtoPort): Container | undefined {
  return indexListeners(state).get(keyOf(stack, port));
}

/**
 * Who should answer at a port that is asked of `container`: itself, unless it only publishes the port for one that shares its sandbox,
 * or does not serve it at all.
 */
export function meantListener(state: State, container: Container, port: ProtoPort): Container {
  const stack = sandboxOwner(state, container);
  const isCertain = container.serves.some((s) => isSamePort(s, port) && !isPresumed(container, s));
  if (stack === "gone" || stack === "host" || isCertain) return container;
  return listenerAt(state, stack, port) ?? container;
}

/** What the program of a container that has just been started finds taken: empty when it can listen on all that it serves. */
export function takenPorts(state: State, container: Container): readonly FailedBind[] {
  const stack = sandboxOwner(state, container);
  // nobody else is in a sandbox that has just been made
  if (stack === "gone" || stack === container) return [];
  return container.serves.flatMap((served): FailedBind[] => {
    const holder = holderOf(state, container, stack, served);
    if (!holder) return [];
    const { port, proto } = served;
    return [{ port, proto, address: ANY_IPV4, holder: holder.id, ...originOf(served) }];
  });
}

/** One that serves it, or whose port is published there: the userland proxy, or the engine in its place, holds a socket. */
function holderOf(state: State, container: Container, stack: Stack, wanted: ServedPort): Container | undefined {
  const { port, proto } = wanted;
  const index = indexOf(state);
  const isOther = (id: string): boolean => id !== container.id;
  const sharers = [...index.serversAt(port, proto)].filter(isOther).map((id) => containerById(state, id));
  const there = [...(stack === "host" ? [] : [stack]), ...sharers.filter((c) => sandboxOwner(state, c) === stack)];
  // one that only publishes the port for whom it shares its network with gives way to that one
  const holds = (c: Container): boolean =>
    c.serves.some((s) => isSamePort(s, wanted) && (!isPresumed(c, s) || isPresumed(container, wanted)));
  const listener = there.find(holds);
  if (listener || stack !== "host") return listener;
  const binding = index
    .bindingsAt(port, proto)
    .find((held) => isOther(held.container) && collides(held.binding, ANY_IPV4, port, proto));
  return binding && containerById(state, binding.container);
}

/** In host mode nothing is published, so a port that the user wrote down is the container's own. */
const isPresumed = ({ sandbox }: Container, served: ServedPort): boolean =>
  served.presumed === true && sandbox.kind === "own";

const isSamePort = (a: ProtoPort, b: ProtoPort): boolean => a.port === b.port && a.proto === b.proto;

/** Made once per list of containers, which never changes: thousands of predictions ask. */
const indexes = new WeakMap<State["containers"], ReadonlyMap<string, Container>>();

function indexListeners(state: State): ReadonlyMap<string, Container> {
  const known = indexes.get(state.containers);
  if (known) return known;
  const index = new Map<string, Container>();
  const presumed = new Map<string, Container>();
  for (const container of state.containers) {
    const stack = sandboxOwner(state, container);
    if (stack === "gone") continue;
    for (const served of container.serves) {
      const key = keyOf(stack, served);
      const into = isPresumed(container, served) ? presumed : index;
      if (!into.has(key)) into.set(key, container);
    }
  }
  for (const [key, container] of presumed) if (!index.has(key)) index.set(key, container);
  indexes.set(state.containers, index);
  return index;
}

const keyOf = (stack: Stack, { port, proto }: ProtoPort): string =>
  `${stack === "host" ? "host" : stack.id} ${port}/${proto}`;
