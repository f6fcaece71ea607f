/**
 * A name server on sockets that are given: the embedded one of a container, or one that runs in a container. What waits costs two
 * descriptors and no timer. Each query is answered by the function that is given, or asked of other servers (dns-forward.ts). Over TCP a
 * connection's queries are answered one after another, as miekg/dns server.go does.
 */
import type { Socket } from "node:net";
import { ANY_IPV4, type Ipv4 } from "../../net/address.ts";
import { closeFd } from "../libc.ts";
import { Pool } from "../pool.ts";
import { descriptorLimit } from "../socket/socket.ts";
import { serveTcp } from "../socket/tcp-server.ts";
import { readDatagrams } from "../socket/udp.ts";
import {
  FORWARD_LIMITS,
  Forwarder,
  type ForwardLimits,
  type ForwardPools,
  type ForwardRequest,
  type ForwardServer,
  frameOf,
} from "./dns-forward.ts";
import type { LoopGuard } from "./loop-guard.ts";
import type { QueryEnds } from "./name-server.ts";

/** What to do about a query, as `answerEmbedded` and `answerResolver` say it. */
export type DecideQuery = (
  query: Uint8Array,
  transport: "udp" | "tcp",
  ends: QueryEnds,
) =>
  | { readonly kind: "answer"; readonly bytes: Uint8Array }
  | { readonly kind: "drop" }
  | ({ readonly kind: "forward" } & ForwardRequest);

/** Shared by all servers of a process, so that one container's flood leaves room for the others. */
export interface QueryPools extends ForwardPools {
  /** TCP connections of clients. */
  readonly connections: Pool;
}

export interface QueryLimits extends ForwardLimits {
  /** From connecting to a whole query, in ms. */
  readonly firstQueryMs: number;
  /** From an answer to the next whole query, in ms; also to take an answer. */
  readonly idleMs: number;
  /** Of one connection; then it is ended. */
  readonly queries: number;
  /** Open at once; one more is closed when it comes. */
  readonly connections: number;
}

/** miekg/dns server.go: dnsTimeout, tcpIdleTimeout, maxTCPQueries, all seen on dockerd 28.5.2, which has no bound on connections. */
const LIMITS: QueryLimits = {
  ...FORWARD_LIMITS,
  firstQueryMs: 2000,
  idleMs: 8000,
  queries: 128,
  connections: 256,
};

export interface QueryServer {
  /** Counted since it was opened, over both transports; `forwards` are queries passed on, whatever became of them. */
  readonly counters: { readonly queries: number; readonly answers: number; readonly forwards: number };
  /** Stops listening, closes open connections and forgets what is under way. Idempotent. */
  close(): Promise<void>;
}

export interface QueryServerOptions {
  readonly answer: DecideQuery;
  /** Asked for each query that is forwarded; in order. */
  readonly servers: () => readonly ForwardServer[];
  /** For servers that others may lead back to. */
  readonly loops?: LoopGuard;
  readonly limits?: Partial<QueryLimits>;
  readonly pools?: QueryPools;
}

/** A lone container can have as many exchanges as moby lets it (1024) where a process may have 8192 descriptors or more. */
let processPools: QueryPools | undefined;

function poolsOfProcess(): QueryPools {
  const quarter = Math.min(2048, Math.floor(descriptorLimit() / 4));
  processPools ??= { exchanges: new Pool(quarter), waiting: new Pool(16_384), connections: new Pool(quarter) };
  return processPools;
}

/** @param sockets a bound UDP socket, a TCP listener, or both; they are the server's from here on */
export function serveQueries(
  sockets: { readonly udp?: number; readonly tcp?: number },
  options: QueryServerOptions,
): QueryServer {
  const { answer, servers, loops, pools = poolsOfProcess() } = options;
  const limits = { ...LIMITS, ...options.limits };
  const counters = { queries: 0, answers: 0, forwards: 0 };
  const forwarder = new Forwarder(limits, pools);
  const connections = pools.connections.open(limits.connections);
  let closed = false;

  const forward = async (
    request: ForwardRequest,
    transport: "udp" | "tcp",
    ends: QueryEnds,
  ): Promise<Uint8Array | undefined> => {
    const leave = loops ? loops.enter(request.query, ends.from.address) : () => {};
    if (!leave) return request.fail("SERVFAIL");
    counters.forwards += 1;
    try {
      return await forwarder.forward(servers(), request, transport);
    } finally {
      leave();
    }
  };
  const say = async (query: Uint8Array, transport: "udp" | "tcp", ends: QueryEnds): Promise<Uint8Array | undefined> => {
    counters.queries += 1;
    const decision = answer(query, transport, ends);
    if (decision.kind === "drop") return undefined;
    const said = decision.kind === "answer" ? decision.bytes : await forward(decision, transport, ends);
    if (said && !closed) counters.answers += 1;
    return closed ? undefined : said;
  };

  const reader =
    sockets.udp === undefined
      ? undefined
      : readDatagrams(sockets.udp, async ({ data, from, to, reply }) => {
          const said = await say(data, "udp", { from, to });
          // closed in between, the descriptor may be another's by now
          if (said && !closed) reply(said);
        });
  const serve = (socket: Socket): void => {
    if (closed || !connections.tryTake()) {
      socket.destroy();
      return;
    }
    socket.on("close", () => {
      // all were given back at once when it was closed
      if (!closed) connections.giveBack();
    });
    const ends = endsOf(socket);
    void serveConnection(socket, limits, (query) => say(query, "tcp", ends));
  };
  const server = sockets.tcp === undefined ? undefined : serveTcp(sockets.tcp, serve);
  return {
    counters,
    async close() {
      if (!closed) {
        closed = true;
        reader?.close();
        if (sockets.udp !== undefined) closeFd(sockets.udp);
        forwarder.close();
        connections.close();
      }
      await server?.close();
    },
  };
}

const endsOf = (socket: Socket): QueryEnds => ({
  from: { address: (socket.remoteAddress ?? ANY_IPV4) as Ipv4, port: socket.remotePort ?? 0 },
  to: { address: (socket.localAddress ?? ANY_IPV4) as Ipv4, port: socket.localPort ?? 0 },
});

/** Never rejects. The timer runs while the client is waited for, not while others are. */
async function serveConnection(
  socket: Socket,
  limits: QueryLimits,
  say: (query: Uint8Array) => Promise<Uint8Array | undefined>,
): Promise<void> {
  let deadline: NodeJS.Timeout | undefined;
  const cutAfter = (ms: number): void => {
    clearTimeout(deadline);
    deadline = setTimeout(() => socket.destroy(), ms);
  };
  socket.on("close", () => clearTimeout(deadline));
  socket.on("error", () => socket.destroy());
  cutAfter(limits.firstQueryMs);
  let left = limits.queries;
  try {
    for await (const query of readFrames(socket)) {
      clearTimeout(deadline);
      const said = await say(query);
      if (socket.destroyed) return;
      cutAfter(limits.idleMs);
      if (said) await writeOut(socket, frameOf(said));
      left -= 1;
      if (left === 0) break;
    }
    socket.destroySoon();
  } catch {
    // the client went, or was cut off
    socket.destroy();
  }
}

/** Reads no further than the frame it gives, but for what came with it. Ends with the client's end; half a frame is not given. */
async function* readFrames(socket: Socket): AsyncGenerator<Buffer> {
  let input: Buffer = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
    while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
      const end = 2 + input.readUInt16BE(0);
      yield input.subarray(2, end);
      input = input.subarray(end);
    }
  }
}

/** Until the client has room for it. @throws Error when the connection ends before */
function writeOut(socket: Socket, frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(frame, (error) => (error ? reject(error) : resolve()));
  });
}
