/**
 * What happened, as `docker events` shows it: the last events, bounded, and their followers.
 * Source: moby daemon/events/events.go (256 are kept), api/types/events.
 */
import { epochNano } from "../kernel/clock.ts";
import type { AnyNetwork, Container } from "../state/state.ts";

export interface EngineEvent {
  readonly Type: "container" | "network" | "daemon";
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: "local";
  /** Seconds since the epoch. */
  readonly time: number;
  /** Nanoseconds since the epoch; beyond 2^53, so JSON has it as digits of a bigint. */
  readonly timeNano: bigint;
}

const KEPT = 256;

export class EventLog {
  private readonly kept: EngineEvent[] = [];
  private readonly followers = new Set<(event: EngineEvent) => void>();

  publish(
    type: EngineEvent["Type"],
    action: string,
    id: string,
    attributes: Readonly<Record<string, string>> = {},
  ): void {
    const timeNano = epochNano();
    const event: EngineEvent = {
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      scope: "local",
      time: Number(timeNano / 1_000_000_000n),
      timeNano,
    };
    this.kept.push(event);
    if (this.kept.length > KEPT) this.kept.shift();
    for (const follower of [...this.followers]) follower(event);
  }

  /** Those kept, oldest first. */
  recent(): readonly EngineEvent[] {
    return this.kept;
  }

  /** Called with each event from now on, until what is returned is called. */
  follow(follower: (event: EngineEvent) => void): () => void {
    this.followers.add(follower);
    return () => void this.followers.delete(follower);
  }
}

/** Who has a log of events: an engine. */
interface Publisher {
  readonly events: EventLog;
}

/** @param more attributes of the action beside name, image and labels */
export function publish(
  { events }: Publisher,
  action: string,
  container: Container,
  more: Readonly<Record<string, string>> = {},
): void {
  events.publish("container", action, container.id, {
    ...container.labels,
    ...more,
    image: container.image ?? "",
    name: container.name,
  });
}

export function publishAttached(
  { events }: Publisher,
  action: "connect" | "disconnect",
  network: AnyNetwork,
  container: Container,
): void {
  publishNetwork({ events }, action, network, { container: container.id });
}

export function publishNetwork(
  { events }: Publisher,
  action: string,
  network: AnyNetwork,
  more: Readonly<Record<string, string>> = {},
): void {
  events.publish("network", action, network.id, { ...more, name: network.name, type: network.driver });
}
