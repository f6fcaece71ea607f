/**
 * The Docker Engine API v1.51 of one lab, over a unix socket. Routes are a file per noun; what they share is here: versions in front of
 * paths, headers, errors as `{"message": ...}`, and connections that leave HTTP. Source: moby daemon/server, api/swagger.yaml.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import Fastify, { type FastifyInstance } from "fastify";
import { DocknetError } from "../../errors.ts";
import { isOwnPeer } from "../../kernel/peer-credentials.ts";
import type { Engine } from "../engine.ts";
import { answers } from "../place.ts";
import { absentRoutes } from "./absent-routes.ts";
import { containerRoutes } from "./container-routes.ts";
import { eventRoutes } from "./event-routes.ts";
import { sendJson } from "./exchange.ts";
import { execRoutes, upgradeExec } from "./exec-routes.ts";
import { checkVersion, commonHeaders, isTooOld, splitVersion } from "./headers.ts";
import { refuseUpgrade } from "./hijack.ts";
import { imageRoutes } from "./image-routes.ts";
import { encodeBody, JSON_TYPE } from "./json.ts";
import { networkRoutes } from "./network-routes.ts";
import { errorBody, httpError, notEmulated, statusOf } from "./refuse.ts";
import { streamRoutes, upgradeAttach } from "./stream-routes.ts";
import { systemRoutes } from "./system-routes.ts";

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_NAME_LENGTH = 512;
/** What another user gets to read the refusal. */
const REFUSED_MS = 1000;

export interface ServerOptions {
  /** docknet's own. */
  readonly version: string;
}

/** Not listening yet; routes of docknet's own may be added until it does. Closing it ends every connection. */
export function createServer(engine: Engine, { version }: ServerOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    // streams have no end that a clock could know
    requestTimeout: 0,
    connectionTimeout: 0,
    exposeHeadRoutes: false,
    rewriteUrl: (request) => splitVersion(request.url ?? "/").url,
    routerOptions: { maxParamLength: MAX_NAME_LENGTH },
  });
  const closing = new AbortController();
  app.decorate("closing", closing.signal);
  app.addHook("preClose", async () => closing.abort());
  // bodies are parsed by the routes, in dockerd's words
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.addHook("onRequest", async (request, reply) => {
    if (request.is404) return;
    reply.headers(commonHeaders(version));
    const { version: asked } = splitVersion(request.originalUrl);
    if (asked !== undefined) checkVersion(asked);
  });
  app.setErrorHandler((error, request, reply) => {
    const { version: asked } = splitVersion(request.originalUrl);
    if (asked === undefined || !isTooOld(asked)) return sendJson(reply, errorBody(error), httpStatusOf(error));
    const plain = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" };
    return reply
      .code(httpStatusOf(error))
      .headers(plain)
      .send(`${errorBody(error).message}\n`);
  });
  app.setNotFoundHandler((_request, reply) => sendJson(reply, { message: "page not found" }, 404));
  systemRoutes(app, engine, version);
  eventRoutes(app, engine);
  networkRoutes(app, engine);
  containerRoutes(app, engine);
  streamRoutes(app, engine);
  execRoutes(app, engine, version);
  imageRoutes(app, engine);
  absentRoutes(app);
  takeUpgrades(app, engine, version);
  refuseOthers(app);
  return app;
}

/** Listens with mode 0600. A socket file at which nobody listens is replaced. @throws DocknetError CONFLICT when somebody does */
export async function listen(app: FastifyInstance, path: string): Promise<void> {
  if (await answers(path)) throw new DocknetError("CONFLICT", `Cannot listen at ${path}: another daemon does`);
  rmSync(path, { force: true });
  await app.ready();
  const before = process.umask(0o177);
  try {
    app.server.listen(path);
  } finally {
    process.umask(before);
  }
  await once(app.server, "listening");
}

/** The mode of the socket lets only its owner in, and who may do anything; a peer that is another user has found another way. */
function refuseOthers(app: FastifyInstance): void {
  const { server } = app;
  const serving = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (isOwnPeer(socket)) {
      for (const serve of serving) serve.call(server, socket);
      return;
    }
    const body = encodeBody({ message: "this lab belongs to another user" });
    const head = `Content-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close`;
    socket.on("error", () => socket.destroy());
    // what it says is thrown away: bytes that nobody has read would break the connection before the answer is
    socket.resume();
    socket.end(`HTTP/1.1 403 Forbidden\r\n${head}\r\n\r\n${body}`);
    setTimeout(() => socket.destroy(), REFUSED_MS).unref();
  });
}

/** Fastify's own errors (a body that is too large) bear their status. */
function httpStatusOf(error: unknown): number {
  const own = (error as { readonly statusCode?: unknown }).statusCode;
  return !(error instanceof DocknetError) && typeof own === "number" ? own : statusOf(error);
}

/** Node hands over every connection that asks for an upgrade; those of attach and exec are taken, the others refused. */
function takeUpgrades(app: FastifyInstance, engine: Engine, version: string): void {
  const open = new Set<Duplex>();
  app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    takeUpgrade(engine, version, request, socket, head).catch((error: unknown) =>
      refuseUpgrade(socket, error, commonHeaders(version)),
    );
  });
  // before the server waits for its connections to end
  app.addHook("preClose", async () => {
    for (const socket of open) socket.destroy();
  });
}

async function takeUpgrade(
  engine: Engine,
  version: string,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { version: asked, url } = splitVersion(request.url ?? "/");
  if (asked !== undefined) checkVersion(asked);
  const [, noun, ref = "", verb] = /^\/([a-z]+)\/([^/?]{1,512})\/([a-z]+)(?:\?|$)/.exec(url) ?? [];
  const target = `${request.method} ${noun} ${verb}`;
  if (target === "POST containers attach") return upgradeAttach(engine, request, socket, head, decode(ref));
  if (target === "POST exec start") return upgradeExec(engine, request, socket, head, decode(ref), version);
  if (/^\/(session|grpc)(\?|$)/.test(url)) throw notEmulated("builds");
  throw httpError(404, "page not found");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw httpError(400, `invalid URL escape ${JSON.stringify(text)}`);
  }
}
