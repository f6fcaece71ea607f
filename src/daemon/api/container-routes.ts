/** /containers but for their streams. Source: moby daemon/server/router/container. */
import type { FastifyInstance } from "fastify";
import { DocknetError } from "../../errors.ts";
import { parseRfc3339Nano } from "../../kernel/clock.ts";
import { type NodeName, WORLD_NODES } from "../../net/name.ts";
import {
  createContainer,
  killContainer,
  pidOf,
  removeContainer,
  renameContainer,
  resizeContainer,
  restartContainer,
  type StopRequest,
  startContainer,
  stopContainer,
} from "../container.ts";
import type { Engine } from "../engine.ts";
import { containerDetails, nodeDetails } from "./container-json.ts";
import { listContainers } from "./container-list.ts";
import { createRequest } from "./container-request.ts";
import { bodyOf, nameOf, queryOf, sendJson } from "./exchange.ts";
import { type Filters, parseFilters } from "./filter.ts";
import { cellsOf, flagOf, integerOf, type Query } from "./query.ts";
import { httpError, statusOf } from "./refuse.ts";
import { untilNanos } from "./until.ts";

export function containerRoutes(app: FastifyInstance, engine: Engine): void {
  app.get("/containers/json", (request, reply) => {
    const query = queryOf(request);
    const all = flagOf(query, "all");
    const list = { all, limit: integerOf(query, "limit") ?? 0, filters: parseFilters(query.filters) };
    return sendJson(reply, listContainers(engine.state, engine.records, list, Date.now()));
  });

  app.get("/containers/:name/json", (request, reply) => {
    const ref = checkGiven(nameOf(request));
    if (WORLD_NODES.includes(ref as NodeName)) return sendJson(reply, nodeDetails(ref));
    const container = engine.container(ref);
    const { id } = container;
    const living = {
      pid: pidOf(engine, id),
      execIds: engine.execs
        .of(id)
        .filter((e) => e.running)
        .map((e) => e.id),
      files: engine.files.pathsOf(engine.state, container),
      logPath: engine.logs.pathOf(id),
    };
    return sendJson(reply, containerDetails(engine.state, container, engine.record(id), living));
  });

  app.post("/containers/create", async (request, reply) => {
    if (!(request.body as Buffer | undefined)?.length)
      throw httpError(400, "invalid JSON: got EOF while reading request body");
    const body = bodyOf(request, "container.CreateRequest");
    const { name = "" } = queryOf(request);
    const { container, warnings } = await createContainer(engine, () => createRequest(engine.state, name, body));
    return sendJson(reply, { Id: container.id, Warnings: warnings }, 201);
  });

  app.post("/containers/:name/start", async (request, reply) => {
    const started = await startContainer(engine, nameOf(request));
    return reply.code(started ? 204 : 304).send();
  });

  app.post("/containers/:name/stop", async (request, reply) => {
    const ref = nameOf(request);
    const { id } = engine.container(ref);
    const stopped = await stopContainer(engine, id, stopRequest(queryOf(request))).catch((error: unknown) => {
      throw withPrefix(`cannot stop container: ${ref}: `, error, 500);
    });
    return reply.code(stopped ? 204 : 304).send();
  });

  app.post("/containers/:name/restart", async (request, reply) => {
    const ref = nameOf(request);
    const { id } = engine.container(ref);
    await restartContainer(engine, id, stopRequest(queryOf(request))).catch((error: unknown) => {
      throw withPrefix(`Cannot restart container ${ref}: `, error, 500);
    });
    return reply.code(204).send();
  });

  app.post("/containers/:name/kill", async (request, reply) => {
    const ref = nameOf(request);
    await killContainer(engine, ref, queryOf(request).signal || "SIGKILL").catch((error: unknown) => {
      throw withPrefix(`cannot kill container: ${ref}: `, error, statusOf(error));
    });
    return reply.code(204).send();
  });

  app.post("/containers/:name/rename", async (request, reply) => {
    const name = queryOf(request).name ?? "";
    if (name === "") throw httpError(400, "Neither old nor new names may be empty");
    await renameContainer(engine, nameOf(request), name);
    return reply.code(204).send();
  });

  app.post("/containers/:name/resize", async (request, reply) => {
    const query = queryOf(request);
    const size = { rows: cellsOf(query, "h", "height"), columns: cellsOf(query, "w", "width") };
    await resizeContainer(engine, nameOf(request), size);
    return reply.code(200).send();
  });

  // the client does not escape the name of a link
  app.delete("/containers/:parent/:alias", async (request, reply) => {
    const { parent = "", alias = "" } = request.params as { readonly parent?: string; readonly alias?: string };
    const ref = `${parent}/${alias}`;
    if (!flagOf(queryOf(request), "link")) throw httpError(404, `No such container: ${ref}`);
    await removeContainer(engine, ref, { force: false, link: true });
    return reply.code(204).send();
  });

  app.delete("/containers/:name", async (request, reply) => {
    const query = queryOf(request);
    const ref = checkGiven(nameOf(request));
    const options = { force: flagOf(query, "force"), link: flagOf(query, "link") };
    await removeContainer(engine, ref, options).catch((error: unknown) => {
      throw asRemoveError(ref, error);
    });
    return reply.code(204).send();
  });

  app.post("/containers/prune", async (request, reply) => {
    const filters = parseFilters(queryOf(request).filters).check(["label", "label!", "until"]);
    const removed = await pruneContainers(engine, filters);
    return sendJson(reply, { ContainersDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: 0 });
  });
}

function checkGiven(ref: string): string {
  if (ref === "") throw httpError(400, 'invalid name or ID supplied: ""');
  return ref;
}

function stopRequest(query: Query): StopRequest {
  const timeoutS = integerOf(query, "t");
  const { signal } = query;
  return { ...(signal ? { signal } : {}), ...(timeoutS === undefined ? {} : { timeoutS }) };
}

/** dockerd names the container as the user did. */
const withPrefix = (prefix: string, error: unknown, status: number): unknown =>
  error instanceof DocknetError ? httpError(status, prefix + error.message) : error;

/** The engine says the container's name, dockerd what the user called it. */
function asRemoveError(ref: string, error: unknown): unknown {
  const reason = error instanceof DocknetError && /^cannot remove container "[^"]*": (.*)$/s.exec(error.message)?.[1];
  return reason ? httpError(409, `cannot remove container ${JSON.stringify(ref)}: ${reason}`) : error;
}

/** Those that do not run. @returns the ids of those that went */
async function pruneContainers(engine: Engine, filters: Filters): Promise<readonly string[]> {
  const until = untilNanos(filters);
  const removed: string[] = [];
  for (const container of engine.state.containers) {
    if (container.status === "running" || !filters.labels("label", container.labels)) continue;
    if (filters.has("label!") && filters.labels("label!", container.labels)) continue;
    if (until !== undefined && parseRfc3339Nano(container.created) >= until) continue;
    await removeContainer(engine, container.id, { force: false, link: false });
    removed.push(container.id);
  }
  return removed;
}
