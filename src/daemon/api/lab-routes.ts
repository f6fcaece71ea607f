/**
 * `/docknet/...`: what Docker has no call for. Errors carry all problems with their places; long work is a stream of JSON lines,
 * {"progress":[done,total]} and at last {"result":...} or {"error":...}.
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import { messageOf, ProblemsError, toDocknetError } from "../../errors.ts";
import type { Engine } from "../engine.ts";
import * as lab from "../lab.ts";
import type { JsonObject } from "../record.ts";
import { captureRoutes } from "./capture-routes.ts";
import { bodyOf, goneSignal, openStream, sendJson } from "./exchange.ts";
import { Fields } from "./fields.ts";
import { inspectionRoutes } from "./inspection-routes.ts";
import { JSON_TYPE } from "./json.ts";

/** A few lab files of the biggest size (spec/document.ts), as JSON. */
const MAX_UP_BYTES = 32 * 1024 * 1024;
/** What a client gets to read the end of what it follows. */
const UNREAD_MS = 1000;
/** Progress is reported at most this often. */
const PROGRESS_MS = 50;

/** @param end called when the lab is gone and its answer sent */
export function registerLabRoutes(server: FastifyInstance, engine: Engine, end: () => void): void {
  server.get("/docknet/lab", (_request, reply) =>
    sendJson(reply, {
      lab: engine.lab,
      startedAt: engine.startedAt,
      pid: process.pid,
      profile: engine.state.engine.profile,
      networks: engine.state.networks.length,
      containers: engine.state.containers.length,
      running: engine.state.containers.filter((c) => c.status === "running").length,
      files: engine.spec?.files ?? [],
    }),
  );
  server.post("/docknet/up", { bodyLimit: MAX_UP_BYTES }, (request, reply) =>
    answer(reply, () => lab.up(engine, upRequest(bodyOf(request, "Up")))),
  );
  server.post("/docknet/down", async (_request, reply) => {
    const answered = await answer(reply, () => lab.down(engine));
    reply.raw.once("close", end);
    return answered;
  });
  server.get("/docknet/drift", (_request, reply) => answer(reply, () => lab.drift(engine)));
  server.post("/docknet/reconcile", (_request, reply) => answer(reply, () => lab.reconcile(engine)));
  captureRoutes(server, engine, describe);
  inspectionRoutes(server, engine, { answer, describe });
  server.post("/docknet/walk", (request, reply) =>
    answer(reply, () => {
      const fields = new Fields(bodyOf(request, "Walk"), "");
      const [silenceMs, sourcePort] = [fields.integer("silenceMs"), fields.integer("sourcePort")];
      const options = {
        reply: fields.flag("reply"),
        second: fields.flag("second"),
        ...(silenceMs ? { silenceMs } : {}),
        ...(sourcePort ? { sourcePort } : {}),
        signal: goneSignal(reply),
      };
      return lab.walk(engine, fields.text("from"), fields.text("to"), options);
    }),
  );
  server.post("/docknet/graph", (request, reply) =>
    answer(reply, () => {
      const fields = new Fields(bodyOf(request, "Graph"), "");
      return lab.graph(engine, { only: fields.texts("only") ?? [], planned: fields.flag("planned") });
    }),
  );
  server.post("/docknet/verify", (request, reply) => {
    const limits = limitsOf(new Fields(bodyOf(request, "Verify"), ""));
    return stream(reply, (listener) => lab.verify(engine, { ...limits, ...listener }));
  });
  server.post("/docknet/matrix", (request, reply) => {
    const fields = new Fields(bodyOf(request, "Matrix"), "");
    const [from, to] = [fields.texts("from"), fields.texts("to")];
    const options = {
      ...limitsOf(fields),
      ...(from ? { from } : {}),
      ...(to ? { to } : {}),
      predicted: fields.flag("predicted"),
    };
    return stream(reply, (listener) => lab.matrix(engine, { ...options, ...listener }));
  });
  // the last of these hooks: all ends have been reported; a client that does not read is not waited for
  server.addHook("preClose", async () => {
    setTimeout(() => server.server.closeAllConnections(), UNREAD_MS).unref();
  });
}

/** How long answers and silence may take, in milliseconds. */
function limitsOf(fields: Fields): { readonly answerDeadlineMs?: number; readonly silenceMs?: number } {
  const [answerDeadlineMs, silenceMs] = [fields.integer("answerDeadlineMs"), fields.integer("silenceMs")];
  return { ...(answerDeadlineMs ? { answerDeadlineMs } : {}), ...(silenceMs ? { silenceMs } : {}) };
}

interface Listener {
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** Long work: its progress as it goes on, at last its result or error. */
async function stream(reply: FastifyReply, work: (listener: Listener) => Promise<unknown>): Promise<void> {
  const signal = goneSignal(reply);
  const body = openStream(reply, JSON_TYPE);
  let told = 0;
  const write = (line: object): void => void body.write(`${JSON.stringify(line)}\n`);
  const onProgress = (done: number, total: number): void => {
    if (performance.now() - told < PROGRESS_MS) return;
    told = performance.now();
    write({ progress: [done, total] });
  };
  try {
    write({ result: await work({ signal, onProgress }) });
  } catch (error) {
    write({ error: describe(error) });
  }
  body.end();
}

async function answer(reply: FastifyReply, work: () => Promise<unknown>): Promise<FastifyReply> {
  try {
    return sendJson(reply, { result: await work() });
  } catch (error) {
    // in the body, with places and remedies: the HTTP request itself succeeded
    return sendJson(reply, { error: describe(error) });
  }
}

/** An error as the command line shows it, with every problem's place and remedy. */
function describe(error: unknown): object {
  const known = toDocknetError(error);
  if (!known) return { code: "INTERNAL", message: messageOf(error) };
  const { code, message, remedy, at } = known;
  const problems = error instanceof ProblemsError ? { problems: error.problems } : {};
  return { code, message, ...(remedy ? { remedy } : {}), ...(at ? { at } : {}), ...problems };
}

/** With `texts`, files by path, no other file is there; without, this process reads them. */
function upRequest(body: JsonObject): lab.UpRequest {
  const fields = new Fields(body, "");
  const [files, profiles, envFiles] = [fields.texts("files"), fields.texts("profiles"), fields.texts("envFiles")];
  const texts = fields.textMap("texts");
  return {
    load: {
      cwd: fields.text("cwd"),
      env: fields.textMap("env") ?? {},
      ...(files ? { files } : {}),
      ...(profiles ? { profiles } : {}),
      ...(envFiles ? { envFiles } : {}),
      ...(texts ? { readFile: (path) => textOf(texts, path) } : {}),
    },
    removeOrphans: fields.flag("removeOrphans"),
    forceRecreate: fields.flag("forceRecreate"),
  };
}

function textOf(texts: Readonly<Record<string, string>>, path: string): string {
  if (Object.hasOwn(texts, path)) return texts[path] as string;
  throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: "ENOENT" });
}
