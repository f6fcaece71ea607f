/** One request and its answer, in the few forms that the routes use. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { JsonObject } from "../record.ts";
import { parseBody } from "./fields.ts";
import { encodeBody, JSON_TYPE } from "./json.ts";
import { parseQuery, type Query } from "./query.ts";

export const queryOf = (request: FastifyRequest): Query => parseQuery(request.originalUrl);

/** The `:name` of a path. */
export const nameOf = (request: FastifyRequest): string => (request.params as { readonly name?: string }).name ?? "";

/** @param type Go's name of what is decoded. @throws DocknetError USAGE */
export function bodyOf(request: FastifyRequest, type: string): JsonObject {
  return parseBody(request.body as Buffer | undefined, request.headers["content-type"], type);
}

export function sendJson(reply: FastifyReply, value: unknown, status = 200): FastifyReply {
  // as bytes: of a text Fastify would say its charset, and Docker's client knows no JSON with one
  return reply
    .code(status)
    .header("Content-Type", JSON_TYPE)
    .send(Buffer.from(encodeBody(value)));
}

/** Aborts when the client has gone. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => controller.abort());
  return controller.signal;
}

declare module "fastify" {
  interface FastifyInstance {
    /** Aborts when the server begins to close: what follows without end ends then. */
    readonly closing: AbortSignal;
  }
}

/** Aborts when the client has gone, or the server closes. */
export const endSignal = (reply: FastifyReply): AbortSignal =>
  AbortSignal.any([goneSignal(reply), reply.server.closing]);

/** Sends the head now; the body follows as it comes. Fastify has no further part in this answer. */
export function openStream(reply: FastifyReply, contentType: string): NodeJS.WritableStream {
  const headers = { ...reply.getHeaders(), "Content-Type": contentType } as Record<string, string>;
  reply.hijack();
  reply.raw.writeHead(200, headers);
  reply.raw.flushHeaders();
  // who has gone needs no answer
  reply.raw.on("error", () => {});
  return reply.raw;
}
