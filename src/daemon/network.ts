/** Docker's network verbs over an engine. Events as moby daemon/network.go and container_operations.go publish them. */

import { rfc3339Nano } from "../kernel/clock.ts";
import { connectContainer, disconnectContainer } from "../state/attachment.ts";
import type { EndpointRequest } from "../state/container.ts";
import { findContainer, findNetwork } from "../state/find.ts";
import { createNetwork as create, pruneNetworks as prune, removeNetwork as remove } from "../state/network.ts";
import type { NetworkRequest } from "../state/network-request.ts";
import type { AnyNetwork, Network } from "../state/state.ts";
import type { Engine } from "./engine.ts";
import { publishAttached, publishNetwork } from "./event.ts";
import { endpointSysctlRefusal } from "./sysctl-refusal.ts";

/** @throws DocknetError in Docker's words */
export function createNetwork(engine: Engine, request: NetworkRequest): Promise<AnyNetwork> {
  return engine.exclusive(async () => {
    const id = engine.freshId();
    const next = create(engine.state, { ...request, id, now: rfc3339Nano() });
    await engine.commit(next);
    const network = findNetwork(next, id);
    publishNetwork(engine, "create", network);
    return network;
  });
}

export function removeNetwork(engine: Engine, ref: string): Promise<void> {
  return engine.exclusive(async () => {
    const next = remove(engine.state, ref);
    const network = findNetwork(engine.state, ref);
    await engine.commit(next);
    publishNetwork(engine, "destroy", network);
  });
}

/** @param matches which of the unused networks may go. @returns those that went */
export function pruneNetworks(engine: Engine, matches: (network: Network) => boolean): Promise<readonly Network[]> {
  return engine.exclusive(async () => {
    const { state, removed } = prune(engine.state, matches);
    await engine.commit(state);
    for (const network of removed) publishNetwork(engine, "destroy", network);
    return removed;
  });
}

export function connectNetwork(
  engine: Engine,
  networkRef: string,
  containerRef: string,
  request: EndpointRequest,
): Promise<void> {
  return engine.exclusive(async () => {
    const next = connectContainer(engine.state, containerRef, { ...request, network: networkRef });
    await engine.commit(next).catch((error: unknown) => {
      throw endpointSysctlRefusal(error, next);
    });
    const container = findContainer(next, containerRef);
    // a network that is not there yet can be asked for by a container that does not run
    if (container.status !== "running") return;
    const network = findNetwork(next, networkRef);
    publishAttached(engine, "connect", network, container);
    engine.site.announce(container, network.id);
  });
}

export function disconnectNetwork(
  engine: Engine,
  networkRef: string,
  containerRef: string,
  force: boolean,
): Promise<void> {
  return engine.exclusive(async () => {
    const next = disconnectContainer(engine.state, containerRef, networkRef, { force });
    const container = findContainer(engine.state, containerRef);
    const network = findNetwork(engine.state, networkRef);
    await engine.commit(next);
    if (container.status === "running") publishAttached(engine, "disconnect", network, container);
  });
}
