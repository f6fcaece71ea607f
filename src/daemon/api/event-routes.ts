/** /events: what happened, as documents one a line. Source: moby daemon/server/router/system, daemon/events/filter.go. */
import type { FastifyInstance } from "fastify";
import { epochNano } from "../../kernel/clock.ts";
import type { Engine } from "../engine.ts";
import type { EngineEvent } from "../event.ts";
import { endSignal, openStream, queryOf } from "./exchange.ts";
import { type Filters, parseFilters } from "./filter.ts";
import { encodeDocument, JSON_TYPE, sortedMap } from "./json.ts";
import { nanosOf } from "./query.ts";
import { httpError } from "./refuse.ts";

/** The longest that setTimeout takes, ms. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

export function eventRoutes(app: FastifyInstance, engine: Engine): void {
  app.get("/events", async (request, reply) => {
    const query = queryOf(request);
    const [since, until] = [nanosOf(query.since), nanosOf(query.until)];
    if (since !== undefined && until !== undefined && since > until)
      throw httpError(400, `\`since\` time (${query.since}) cannot be after \`until\` time (${query.until})`);
    const filters = parseFilters(query.filters);
    const ended = endSignal(reply);
    const sink = openStream(reply, JSON_TYPE);
    const tell = (event: EngineEvent): void => {
      const inTime =
        (since === undefined || event.timeNano >= since) && (until === undefined || event.timeNano <= until);
      if (inTime && includesEvent(filters, event)) sink.write(encodeEvent(event));
    };
    // only those who ask for the past get it
    if (since !== undefined || until !== undefined) for (const event of engine.events.recent()) tell(event);
    const stop = engine.events.follow(tell);
    await over(until, ended);
    stop();
    sink.end();
  });
}

/** Resolves at `until`, or when nobody listens or tells any more. */
function over(until: bigint | undefined, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const waitMs = until === undefined ? undefined : Number((until - epochNano()) / 1_000_000n);
    const timer =
      waitMs === undefined ? undefined : setTimeout(resolve, Math.min(Math.max(waitMs, 0), LONGEST_WAIT_MS));
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (ended.aborted) done();
    else ended.addEventListener("abort", done, { once: true });
  });
}

/** An unknown key filters nothing, as in dockerd. */
export function includesEvent(filters: Filters, { Type, Action, Actor, scope }: EngineEvent): boolean {
  const { ID, Attributes } = Actor;
  const name = Attributes.name ?? "";
  const of = (type: EngineEvent["Type"]): boolean =>
    !filters.has(type) || (Type === type && filters.fuzzy(type, ID, name));
  return (
    matchesAction(filters, Action) &&
    filters.exact("type", Type) &&
    filters.exact("scope", scope) &&
    of("daemon") &&
    of("container") &&
    of("network") &&
    filters.labels("label", Attributes) &&
    (!filters.has("image") || (Type === "container" && filters.fuzzy("image", Attributes.image ?? "")))
  );
}

/** "exec_start: sh -c true" is an exec_start. */
function matchesAction(filters: Filters, action: string): boolean {
  if (filters.exact("event", action)) return true;
  return filters.exact("event", action.split(":")[0] ?? action);
}

/** With the fields of before API 1.22 in front for containers; timeNano is beyond what a JavaScript number can say. */
export function encodeEvent(event: EngineEvent): string {
  const { Type, Action, Actor, scope, time, timeNano } = event;
  const attributes = sortedMap(Actor.Attributes);
  const old = Type === "container" ? { status: Action, id: Actor.ID, from: attributes.image ?? "" } : {};
  const text = encodeDocument({ ...old, Type, Action, Actor: { ID: Actor.ID, Attributes: attributes }, scope, time });
  return `${text.slice(0, -1)},"timeNano":${timeNano}}\n`;
}
