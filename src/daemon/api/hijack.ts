/**
 * Connections that leave HTTP: bytes both ways until one side is done. With `Upgrade: tcp` the answer is 101 and the bare socket
 * follows; without, it is 200 and the body goes on until the end. Source: moby daemon/server/httputils, client/hijack.go.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Attached } from "../attach.ts";
import { encodeBody, JSON_TYPE } from "./json.ts";
import { errorBody, httpError, statusOf } from "./refuse.ts";

export const RAW_STREAM = "application/vnd.docker.raw-stream";
export const MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream";

/** 101, then the streams. @param headers beside those of the upgrade */
export function upgrade(socket: Duplex, attached: Attached, headers: Readonly<Record<string, string>>): void {
  const type = attached.tty ? RAW_STREAM : MULTIPLEXED_STREAM;
  writeHead(socket, "101 UPGRADED", { "Content-Type": type, Connection: "Upgrade", Upgrade: "tcp", ...headers });
  // like dockerd, which closes both ways: a client that never ends its side would keep the socket
  socket.once("finish", () => socket.destroy());
  join(socket, socket, attached);
}

/** 200 and raw bytes; what the body of the request still holds is input. @param headers as they stand in the answer */
export function openRaw(
  request: IncomingMessage,
  response: ServerResponse,
  attached: Attached,
  headers: Readonly<Record<string, string>>,
): void {
  // neither chunks nor a length: the bytes go on until the connection ends
  response.useChunkedEncodingByDefault = false;
  response.sendDate = false;
  response.writeHead(200, { "Content-Type": RAW_STREAM, Connection: "close", ...headers });
  response.flushHeaders();
  join(request.complete ? undefined : request, response, attached);
}

/** An answer on a connection that Node handed over before it was sure. */
export function refuseUpgrade(socket: Duplex, error: unknown, headers: Readonly<Record<string, string>>): void {
  const status = statusOf(error);
  const body = encodeBody(errorBody(error));
  const length = String(Buffer.byteLength(body));
  socket.on("error", () => socket.destroy());
  socket.once("finish", () => socket.destroy());
  writeHead(socket, `${status} ${STATUS_CODES[status] ?? ""}`, {
    ...headers,
    "Content-Type": JSON_TYPE,
    "Content-Length": length,
    Connection: "close",
  });
  socket.end(body);
}

/** dockerd has left HTTP already when it finds out: a bare text, and the end. */
export function refuseAttach(socket: Duplex, error: unknown): void {
  const status = statusOf(error);
  socket.on("error", () => socket.destroy());
  socket.once("finish", () => socket.destroy());
  writeHead(socket, `${status} ${STATUS_CODES[status] ?? ""}`, { "Content-Type": RAW_STREAM });
  socket.end(`${errorBody(error).message}\r\n`);
}

function writeHead(socket: Duplex, status: string, headers: Readonly<Record<string, string>>): void {
  const lines = Object.entries(headers).map(([key, value]) => `${key}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`);
}

/** The end of the output ends the connection; the end of the input is passed on; who has gone takes the streams along. */
function join(source: NodeJS.ReadableStream | undefined, sink: NodeJS.WritableStream, attached: Attached): void {
  const gone = (): void => {
    attached.input?.end();
    attached.close();
  };
  const { input, output } = attached;
  if (source && input) {
    source.pipe(input);
    input.on("error", () => source.unpipe(input));
  } else source?.resume();
  output.pipe(sink);
  output.on("error", () => sink.end());
  output.once("close", () => sink.end());
  sink.on("error", gone);
  sink.once("close", gone);
}

/** Of the body. Undefined: chunks, whose end shows when it comes. */
export function lengthOf(request: IncomingMessage): number | undefined {
  if (request.headers["transfer-encoding"] !== undefined) return undefined;
  return Number(request.headers["content-length"] ?? 0);
}

const MAX_BODY = 1024 * 1024;

/**
 * The JSON that a request begins with; what comes after it is left in the stream. A length, where there is one, says where it ends;
 * a body in chunks may go on with input, so there it ends as soon as it is whole.
 * @param length bytes; undefined: not known. @throws DocknetError USAGE
 */
export async function readLeadingJson(stream: Duplex | IncomingMessage, length: number | undefined): Promise<Buffer> {
  if (length !== undefined && length > MAX_BODY) throw httpError(413, "http: request body too large");
  let bytes = Buffer.alloc(0);
  while (length === undefined ? !isWhole(bytes) : bytes.length < length) {
    const chunk = await nextChunk(stream);
    if (!chunk) return bytes;
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length > MAX_BODY && length === undefined) throw httpError(413, "http: request body too large");
  }
  const end = length ?? bytes.length;
  if (bytes.length > end) stream.unshift(bytes.subarray(end));
  return bytes.subarray(0, end);
}

function isWhole(bytes: Buffer): boolean {
  if (bytes.length === 0) return false;
  try {
    JSON.parse(bytes.toString("utf8"));
    return true;
  } catch {
    return false;
  }
}

/** Undefined at the end. */
function nextChunk(stream: Duplex | IncomingMessage): Promise<Buffer | undefined> {
  const ready = stream.read() as Buffer | null;
  if (ready) return Promise.resolve(ready);
  if (stream.readableEnded || stream.destroyed) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("readable", done).off("end", done).off("close", done);
      resolve((stream.read() as Buffer | null) ?? undefined);
    };
    stream.on("readable", done).on("end", done).on("close", done);
  });
}
