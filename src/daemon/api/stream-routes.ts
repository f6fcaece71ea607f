/** The streams of a container: attach, logs, wait. Source: moby daemon/server/router/container/container_routes.go, daemon/attach.go. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyInstance } from "fastify";
import { type Attached, attachContainer, outputFrame } from "../attach.ts";
import { waitContainer } from "../container.ts";
import type { Engine } from "../engine.ts";

import { detachable } from "./detach-keys.ts";
import { endSignal, goneSignal, nameOf, openStream, queryOf } from "./exchange.ts";
import { lengthOf, MULTIPLEXED_STREAM, openRaw, RAW_STREAM, readLeadingJson, refuseAttach, upgrade } from "./hijack.ts";
import { encodeBody, JSON_TYPE } from "./json.ts";
import { flagOf, nanosOf, parseQuery, type Query } from "./query.ts";
import { httpError, notEmulated } from "./refuse.ts";

export function streamRoutes(app: FastifyInstance, engine: Engine): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // the body is input: it is not read here
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.post("/containers/:name/attach", async (request, reply) => {
      if (lengthOf(request.raw) !== undefined) await skipBody(request.raw, request.raw);
      const attached = await attach(engine, nameOf(request), queryOf(request)).catch((error: unknown) => {
        reply.hijack();
        refuseAttach(request.raw.socket, error);
      });
      if (!attached) return reply;
      reply.hijack();
      openRaw(request.raw, reply.raw, attached, {});
      return reply;
    });
  });

  app.get("/containers/:name/attach/ws", () => {
    throw notEmulated("attach over a websocket");
  });

  app.get("/containers/:name/logs", async (request, reply) => {
    const query = queryOf(request);
    const [stdout, stderr] = [flagOf(query, "stdout"), flagOf(query, "stderr")];
    const container = engine.container(nameOf(request));
    if (!stdout && !stderr) throw httpError(400, "Bad parameters: you must choose at least one stream");
    const { tty } = engine.record(container.id);
    const [tail, since, until] = [tailOf(query.tail), sinceOf(query.since), sinceOf(query.until)];
    const lines = engine.logs.read(
      container.id,
      {
        stdout,
        stderr,
        follow: flagOf(query, "follow"),
        ...(tail === undefined ? {} : { tail }),
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
        signal: endSignal(reply),
      },
      container.status === "running",
    );
    const sink = openStream(reply, tty ? RAW_STREAM : MULTIPLEXED_STREAM);
    const timestamps = flagOf(query, "timestamps");
    for await (const line of lines) {
      const bytes = Buffer.from(timestamps ? `${fixedNano(line.time)} ${line.text}` : line.text);
      if (!sink.write(tty ? bytes : outputFrame(line.stream, bytes))) await drained(sink);
    }
    sink.end();
  });

  app.post("/containers/:name/wait", async (request, reply) => {
    const condition = conditionOf(queryOf(request).condition ?? "");
    const { armed, result } = waitContainer(engine, nameOf(request), condition, goneSignal(reply));
    await armed;
    const sink = openStream(reply, JSON_TYPE);
    const { exitCode, error } = await result;
    sink.end(encodeBody({ ...(error === undefined ? {} : { Error: { Message: error } }), StatusCode: exitCode }));
  });
}

/** POST /containers/{name}/attach with `Upgrade: tcp`. @param head what came after the request */
export async function upgradeAttach(
  engine: Engine,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  ref: string,
): Promise<void> {
  if (head.length > 0) socket.unshift(head);
  await skipBody(request, socket);
  const attached = await attach(engine, ref, parseQuery(request.url ?? "")).catch((error: unknown) =>
    refuseAttach(socket, error),
  );
  if (!attached) return;
  upgrade(socket, attached, {});
}

/** dockerode sends its options once more as a body of known length: dockerd takes that for no input. */
const skipBody = (request: IncomingMessage, stream: Duplex | IncomingMessage): Promise<Buffer> =>
  readLeadingJson(stream, lengthOf(request) ?? 0);

async function attach(engine: Engine, ref: string, query: Query): Promise<Attached> {
  const [stdin, stdout, stderr] = [flagOf(query, "stdin"), flagOf(query, "stdout"), flagOf(query, "stderr")];
  const attached = await attachContainer(engine, ref, {
    stdin,
    stdout,
    stderr,
    stream: flagOf(query, "stream"),
    logs: flagOf(query, "logs"),
  });
  return detachable(attached, query.detachKeys ?? "");
}

type Condition = "not-running" | "next-exit" | "removed";

function conditionOf(text: string): Condition {
  if (text === "") return "not-running";
  if (text === "not-running" || text === "next-exit" || text === "removed") return text;
  throw httpError(400, `invalid condition: ${JSON.stringify(text)}`);
}

/** Anything but a number is all. */
function tailOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** "0" is what clients send for "not given". */
function sinceOf(text: string | undefined): bigint | undefined {
  const nanos = nanosOf(text);
  return nanos === 0n ? undefined : nanos;
}

/** Always nine digits, so that lines stand below each other (moby api/types/jsonstream RFC3339NanoFixed). */
function fixedNano(time: string): string {
  const [, whole, fraction = ""] = /^([^.Z]*)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return whole === undefined ? time : `${whole}.${fraction.padEnd(9, "0")}Z`;
}

/** Resolves when more may be written, or nobody reads any more. */
function drained(sink: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    sink.once("drain", resolve);
    sink.once("close", resolve);
  });
}
