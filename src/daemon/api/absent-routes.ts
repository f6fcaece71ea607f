/** What Docker's API has and a lab has not: each path is known, so that a client learns that it is not there rather than mistyped. */
import type { FastifyInstance } from "fastify";
import { nameOf, sendJson } from "./exchange.ts";
import { httpError, notEmulated } from "./refuse.ts";

const NO_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

type Method = "GET" | "POST" | "PUT" | "DELETE" | "HEAD";

/** Method, path and the noun of the refusal. */
const ABSENT: readonly (readonly [readonly Method[], string, string])[] = [
  [["GET"], "/containers/:name/top", "process lists"],
  [["GET"], "/containers/:name/stats", "statistics"],
  [["GET"], "/containers/:name/changes", "changes of file systems"],
  [["GET"], "/containers/:name/export", "file systems of containers"],
  [["GET", "PUT", "HEAD"], "/containers/:name/archive", "file systems of containers"],
  [["POST"], "/containers/:name/copy", "file systems of containers"],
  [["POST"], "/containers/:name/update", "resource limits"],
  [["POST"], "/containers/:name/pause", "pause"],
  [["POST"], "/containers/:name/unpause", "pause"],
  [["GET", "POST"], "/containers/:name/checkpoints", "checkpoints"],
  [["DELETE"], "/containers/:name/checkpoints/:checkpoint", "checkpoints"],
  [["POST"], "/volumes/create", "volumes"],
  [["POST"], "/volumes/prune", "volumes"],
  [["PUT"], "/volumes/:name", "volumes"],
  [["POST"], "/plugins/*", "plugins"],
  [["POST"], "/build", "builds"],
  [["POST"], "/build/prune", "builds"],
  [["POST"], "/build/cancel", "builds"],
  [["POST"], "/session", "builds"],
  [["POST"], "/grpc", "builds"],
  [["POST"], "/commit", "images made of containers"],
  [["POST"], "/auth", "registries"],
  [["GET"], "/distribution/*", "registries"],
  [["GET"], "/system/df", "disk usage"],
  [["POST"], "/swarm/init", "swarms"],
  [["POST"], "/swarm/join", "swarms"],
];

const SWARM_NOUNS = ["nodes", "services", "tasks", "secrets", "configs"];

export function absentRoutes(app: FastifyInstance): void {
  for (const [method, url, noun] of ABSENT) {
    app.route({
      method: [...method],
      url,
      handler: () => {
        throw notEmulated(noun);
      },
    });
  }
  for (const noun of SWARM_NOUNS) {
    for (const url of [`/${noun}`, `/${noun}/*`])
      app.route({ method: ["GET", "POST", "DELETE"], url, handler: noManager });
  }
  app.route({ method: ["GET"], url: "/swarm", handler: noManager });
  app.route({ method: ["GET"], url: "/swarm/unlockkey", handler: noManager });
  app.route({ method: ["POST"], url: "/swarm/update", handler: noManager });
  app.route({ method: ["POST"], url: "/swarm/unlock", handler: noManager });
  app.post("/swarm/leave", () => {
    throw httpError(503, "This node is not part of a swarm");
  });
  // true of every lab: there is none
  app.get("/volumes", (_request, reply) => sendJson(reply, { Volumes: [], Warnings: null }));
  // `docker inspect` asks for one after the other until something is not missing
  app.route({
    method: ["GET", "DELETE"],
    url: "/volumes/:name",
    handler: (request) => {
      throw httpError(404, `get ${nameOf(request)}: no such volume`);
    },
  });
  app.get("/plugins/:name/json", (request) => {
    throw httpError(404, `plugin ${JSON.stringify(nameOf(request))} not found`);
  });
  app.get("/plugins", (_request, reply) => sendJson(reply, []));
}

function noManager(): never {
  throw httpError(503, NO_MANAGER);
}
