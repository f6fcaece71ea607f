/** /containers/{name}/exec and /exec. Source: moby daemon/server/router/container/exec.go, daemon/exec.go. */
import type { IncomingMessage } from "node:http";
import { type Duplex, Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { DocknetError } from "../../errors.ts";
import { type Attached, outputFrame } from "../attach.ts";
import type { Engine } from "../engine.ts";
import { createExec, type ExecStart, execOf, resizeExec, startableExec, startExec } from "../exec.ts";
import type { ExecConfig, ExecInstance } from "../exec-table.ts";
import type { Json, JsonObject } from "../record.ts";
import { detachable } from "./detach-keys.ts";
import { bodyOf, nameOf, queryOf, sendJson } from "./exchange.ts";
import { Fields, parseBody } from "./fields.ts";
import { commonHeaders } from "./headers.ts";
import { lengthOf, openRaw, readLeadingJson, upgrade } from "./hijack.ts";
import { cellsOf } from "./query.ts";
import { errorBody, httpError } from "./refuse.ts";

export function execRoutes(app: FastifyInstance, engine: Engine, version: string): void {
  app.post("/containers/:name/exec", async (request, reply) => {
    const config = execConfig(new Fields(bodyOf(request, "container.ExecCreateRequest"), "ExecCreateRequest"));
    const id = await createExec(engine, nameOf(request), config);
    return sendJson(reply, { Id: id }, 201);
  });

  app.get("/exec/:name/json", (request, reply) => sendJson(reply, execDetails(execOf(engine, nameOf(request)))));

  app.post("/exec/:name/resize", async (request, reply) => {
    const query = queryOf(request);
    const { id, running } = execOf(engine, nameOf(request));
    const size = { rows: cellsOf(query, "h", "height"), columns: cellsOf(query, "w", "width") };
    if (!running) throw httpError(404, `NotFound: process does not exist ${id}: not found`);
    await resizeExec(engine, id, size);
    return reply.code(200).send();
  });

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // input may follow the JSON in the same body: it is read below, no further than it must be
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.post("/exec/:name/start", async (request, reply) => {
      const body = await readLeadingJson(request.raw, lengthOf(request.raw));
      const attached = await start(engine, nameOf(request), body, request.raw);
      if (!attached) return reply.code(200).send();
      reply.hijack();
      openRaw(request.raw, reply.raw, attached, commonHeaders(version));
      return reply;
    });
  });
}

/** POST /exec/{id}/start with `Upgrade: tcp`. @param head what came after the request's head */
export async function upgradeExec(
  engine: Engine,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  ref: string,
  version: string,
): Promise<void> {
  if (head.length > 0) socket.unshift(head);
  const body = await readLeadingJson(socket, lengthOf(request) ?? 0);
  const attached = await start(engine, ref, body, request);
  if (attached) upgrade(socket, attached, commonHeaders(version));
  else socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

async function start(
  engine: Engine,
  ref: string,
  body: Buffer,
  request: IncomingMessage,
): Promise<Attached | undefined> {
  const fields = new Fields(
    parseBody(body, request.headers["content-type"], "container.ExecStartRequest"),
    "ExecStartRequest",
  );
  const instance = startableExec(engine, ref);
  const { config } = instance;
  const size = sizeOf(fields.list("ConsoleSize"));
  const options: ExecStart = { detach: fields.flag("Detach"), tty: fields.flag("Tty"), ...(size ? { size } : {}) };
  try {
    const attached = await startExec(engine, instance.id, options);
    return attached && detachable(attached, config.detachKeys);
  } catch (error) {
    if (options.detach) throw error;
    return toldInStream(config.tty, error);
  }
}

/** dockerd has left HTTP before it starts the program, so that its client reads on the standard output why it cannot. */
function toldInStream(tty: boolean, error: unknown): Attached {
  // Docker's own refusals are one line; what docknet alone can say has its remedy
  const remedy = error instanceof DocknetError && error.code === "TIMEOUT" ? error.remedy : undefined;
  const text = Buffer.from([errorBody(error).message, ...(remedy ? [`  ${remedy}`] : []), ""].join("\r\n"));
  return { tty, output: Readable.from([tty ? text : outputFrame("stdout", text)]), close: () => {} };
}

/** [rows, columns]. */
function sizeOf(list: readonly Json[] | undefined): { readonly rows: number; readonly columns: number } | undefined {
  const [rows, columns] = list ?? [];
  const fits = (value: Json | undefined): value is number =>
    Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
  return fits(rows) && fits(columns) ? { rows, columns } : undefined;
}

function execConfig(fields: Fields): ExecConfig {
  const argv = fields.words("Cmd") ?? [];
  if (argv.length === 0) throw httpError(400, "No exec command specified");
  const env = fields.texts("Env") ?? [];
  const workingDir = fields.text("WorkingDir");
  if ([...argv, ...env, workingDir].some((word) => word.includes("\0")))
    throw httpError(400, "a command, variable or path has a NUL in it");
  return {
    argv,
    env,
    workingDir,
    user: fields.text("User"),
    tty: fields.flag("Tty"),
    attachStdin: fields.flag("AttachStdin"),
    attachStdout: fields.flag("AttachStdout"),
    attachStderr: fields.flag("AttachStderr"),
    detachKeys: fields.text("DetachKeys"),
    privileged: fields.flag("Privileged"),
  };
}

/** Field order as dockerd 28.5.2 (moby daemon/server/backend ExecInspect). */
export function execDetails({ id, containerId, config, running, exitCode, pid }: ExecInstance): JsonObject {
  const [entrypoint = "", ...args] = config.argv;
  const { tty, privileged, user } = config;
  return {
    ID: id,
    Running: running,
    ExitCode: exitCode,
    ProcessConfig: { tty, entrypoint, arguments: args, privileged, ...(user ? { user } : {}) },
    OpenStdin: config.attachStdin,
    OpenStderr: config.attachStderr,
    OpenStdout: config.attachStdout,
    CanRemove: false,
    ContainerID: containerId,
    DetachKeys: config.detachKeys,
    Pid: pid,
  };
}
