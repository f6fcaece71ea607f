/**
 * The Docker Engine API (v1.51) as a client sees it: HTTP over a unix socket, JSON in and out, byte streams, and connections that are
 * handed over (attach, exec). It knows no command and no object. Source: moby api/swagger.yaml, client/request.go, client/hijack.go.
 */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import type { Connection } from "../../daemon/connection.ts";
import { DocknetError } from "../../errors.ts";
import { PROGRAM, StatusError } from "./status.ts";

/** The newest API that this client speaks. */
export const API_VERSION = "1.51";
const API_PREFIX = `/v${API_VERSION}`;
/** An answer that is not a stream is held in memory: no list of a lab comes near this. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  /** Undefined values are left out; booleans are sent as 1, false ones are left out. */
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The daemon refused: its own sentence and the HTTP status. */
export class EngineError extends StatusError {
  override readonly name = "EngineError";
  readonly status: number;
  /** The daemon's words, without "Error response from daemon". */
  readonly reason: string;

  constructor(status: number, reason: string) {
    super(`Error response from daemon: ${reason}`);
    this.status = status;
    this.reason = reason;
  }
}

/** No daemon answers at the socket. */
export class ConnectError extends StatusError {
  override readonly name: string = "ConnectError";
}

/** The daemon is there, and cannot answer or must not be asked: `cause` says why and what to do. */
export class UnfitDaemonError extends ConnectError {
  override readonly name = "UnfitDaemonError";
  override readonly cause: DocknetError;

  constructor(cause: DocknetError) {
    super(`${PROGRAM}: ${cause.message}${cause.remedy ? `\n  ${cause.remedy}` : ""}`);
    this.cause = cause;
  }
}

/** A connection that left HTTP: bytes both ways until an end closes. The caller owns the socket. */
export interface Hijacked {
  readonly socket: Socket;
  /** What arrived together with the answer's head; to be read before the socket. */
  readonly head: Buffer;
  /** application/vnd.docker.multiplexed-stream (8-byte frames) or application/vnd.docker.raw-stream (a terminal). */
  readonly mediaType: string;
}

export class EngineClient {
  readonly socketPath: string;
  /** Of a lab of ours; undefined: somebody else's socket. */
  private readonly connection: Connection | undefined;

  /** @param to a lab's daemon, or the path of any socket */
  constructor(to: Connection | string) {
    this.socketPath = typeof to === "string" ? to : to.socketPath;
    this.connection = typeof to === "string" ? undefined : to;
  }

  /** @returns the JSON of the answer, undefined when it has no body; throws EngineError or ConnectError */
  get<T = unknown>(path: string, options: CallOptions = {}): Promise<T> {
    return this.call<T>("GET", path, options);
  }

  /** The JSON of the answer as the daemon wrote it: order, numbers and escapes kept. */
  async getText(path: string, options: CallOptions = {}): Promise<string> {
    const { answer } = await this.send("GET", path, options);
    await refuse(answer);
    return readAll(answer);
  }

  post<T = unknown>(path: string, options: CallOptions = {}): Promise<T> {
    return this.call<T>("POST", path, options);
  }

  delete<T = unknown>(path: string, options: CallOptions = {}): Promise<T> {
    return this.call<T>("DELETE", path, options);
  }

  /** The answer as bytes while they come (logs, events). Ending the iteration, or `signal`, closes the connection. */
  async stream(method: "GET" | "POST", path: string, options: CallOptions = {}): Promise<AsyncIterable<Buffer>> {
    const { answer } = await this.send(method, path, options);
    await refuse(answer);
    return answer;
  }

  /** POSTs and takes the connection over. Source: moby client/hijack.go (Upgrade: tcp). */
  async hijack(path: string, options: CallOptions = {}): Promise<Hijacked> {
    const headers = { ...options.headers, Connection: "Upgrade", Upgrade: "tcp" };
    const outcome = await this.send("POST", path, { ...options, headers });
    const mediaType = outcome.answer.headers["content-type"] ?? "";
    if (outcome.socket) return { socket: outcome.socket, head: outcome.head, mediaType };
    // docker does not read the daemon's reason here
    outcome.answer.destroy();
    throw new StatusError(`unable to upgrade to tcp, received ${outcome.answer.statusCode}`);
  }

  private async call<T>(method: string, path: string, options: CallOptions): Promise<T> {
    const { answer } = await this.send(method, path, options);
    await refuse(answer);
    const text = await readAll(answer);
    return (text.trim() === "" ? undefined : JSON.parse(text)) as T;
  }

  /** Sends the request and waits for the head of the answer, or for the connection when it is handed over. */
  private send(method: string, path: string, options: CallOptions): Promise<Outcome> {
    const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    return new Promise((resolve, reject) => {
      const { connection } = this;
      const sent: ClientRequest = request({
        ...(connection
          ? { createConnection: (_, done) => void connection.connect(done as ConnectionDone) }
          : { socketPath: this.socketPath }),
        method,
        path: `${API_PREFIX}${path}${renderQuery(options.query)}`,
        headers: {
          Host: "api.moby.localhost",
          "User-Agent": "Docknet-Client (linux)",
          ...(body ? { "Content-Type": "application/json", "Content-Length": body.length } : {}),
          ...options.headers,
        },
        ...(options.signal ? { signal: options.signal } : {}),
      });
      let waitingFor: { destroy(error: Error): unknown } = sent;
      const unwatch = connection?.watch((error) => waitingFor.destroy(new UnfitDaemonError(error)));
      sent.on("response", (answer) => {
        waitingFor = answer;
        resolve({ answer, head: Buffer.alloc(0) });
      });
      sent.on("upgrade", (answer, socket, head) => {
        waitingFor = socket;
        socket.once("close", () => unwatch?.());
        resolve({ answer, socket: socket as Socket, head });
      });
      // of a connection that was handed over the request closes at once
      sent.on("close", () => {
        if (waitingFor === sent || "statusCode" in waitingFor) unwatch?.();
      });
      sent.on("error", (error) => {
        unwatch?.();
        reject(this.explain(error, method, path));
      });
      sent.end(body);
    });
  }

  private explain(error: NodeJS.ErrnoException, method: string, path: string): Error {
    const host = `unix://${this.socketPath}`;
    if (error.name === "AbortError" || error instanceof UnfitDaemonError) return error;
    if (error instanceof DocknetError) return new UnfitDaemonError(error);
    if (error.code === "EACCES")
      return new ConnectError(
        `permission denied while trying to connect to the ${PROGRAM} daemon socket at ${host}: ${method} "http://${encodeURIComponent(this.socketPath)}${API_PREFIX}${path}": dial unix ${this.socketPath}: connect: permission denied`,
      );
    if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "ENOTSOCK")
      return new ConnectError(`Cannot connect to the ${PROGRAM} daemon at ${host}. Is the ${PROGRAM} daemon running?`);
    return new ConnectError(`error during connect: ${method} "${path}": ${error.message}`);
  }
}

type ConnectionDone = Parameters<Connection["connect"]>[0];

interface Outcome {
  readonly answer: IncomingMessage;
  readonly socket?: Socket;
  readonly head: Buffer;
}

function renderQuery(query: Query | undefined): string {
  const pairs = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === false) continue;
    pairs.append(key, value === true ? "1" : String(value));
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

/** Throws the daemon's refusal; an answer below 400 is left to be read. */
async function refuse(answer: IncomingMessage): Promise<void> {
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 400) return;
  const text = await readAll(answer);
  throw new EngineError(status, reasonOf(status, answer.statusMessage ?? "", text));
}

function reasonOf(status: number, statusText: string, body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "message" in parsed && typeof parsed.message === "string")
      return parsed.message.trim();
  } catch {
    if (body.trim() !== "") return body.trim();
  }
  return `API returned a ${status} (${statusText}) but provided no error-message`;
}

async function readAll(answer: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new StatusError(`the daemon's answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

export interface ConnectionOptions {
  /** unix:///path, from -H or DOCKNET_HOST; without it the lab's own daemon is found, or started. */
  readonly host?: string;
  /** The lab, from -p or DOCKNET_PROJECT. */
  readonly lab: string;
}

/** A client of the named daemon; a lab's daemon is started when none runs. */
export async function openClient(options: ConnectionOptions): Promise<EngineClient> {
  if (options.host === undefined) {
    const { ensureDaemon } = await import("../../daemon/launch.ts");
    try {
      return new EngineClient(await ensureDaemon(options.lab));
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      throw new UnfitDaemonError(error);
    }
  }
  const path = /^unix:\/\/(\/.+)$/s.exec(options.host)?.[1];
  if (path === undefined)
    throw new StatusError(`unable to parse ${PROGRAM} host "${options.host}": wanted unix:///path/of/the/socket`);
  return new EngineClient(path);
}
