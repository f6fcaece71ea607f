/**
 * The sockets of a name server: UDP and TCP on port 53 of one address in a namespace. What is asked and answered is bytes here; the
 * function that answers is given (src/dns). Over TCP a message has its length before it (RFC 1035 4.2.2), several may come on
 * one connection, and the answers keep their order (RFC 7766 6.2.1.1). No client can make it hold more than the bounds below.
 */
import type { Socket } from "node:net";
import { ANY_IPV4, type Ipv4 } from "../../net/address.ts";
import { closeFd } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { openTcpListener, openUdpSocket, type SocketAddress } from "../socket/socket.ts";
import { serveTcp } from "../socket/tcp-server.ts";
import { readDatagrams } from "../socket/udp.ts";

/** The client's end of a query, and the end that it was sent to. */
export interface QueryEnds {
  readonly from: SocketAddress;
  readonly to: SocketAddress;
}

/** @returns undefined when nothing is to be said */
export type AnswerQuery = (query: Uint8Array, transport: "udp" | "tcp", ends: QueryEnds) => Uint8Array | undefined;

export interface NameServer {
  /** Counted since it was opened; queries and answers over both transports. */
  readonly counters: { readonly connections: number; readonly queries: number; readonly answers: number };
  /** Stops listening and closes open connections. Idempotent. */
  close(): Promise<void>;
}

const DNS_PORT = 53;
/** Open at once; one more is closed when it comes. All containers' embedded servers ask here, a connection per query over TCP. */
const CONNECTIONS = 1024;
/** Datagrams that come while this one thread is elsewhere wait in the socket; some 5,000 small ones fit. */
const RECEIVE_BYTES = 2 * 1024 * 1024;
/** From the last whole query, or the beginning, to the next (RFC 7766 6.2.3: a few seconds). */
const IDLE_MS = 5000;
/** Answers that a client has not fetched, per connection; then it is not read until it does. */
const UNSENT_BYTES = 65_536;

/**
 * Opens a name server in a namespace; it listens when this returns. The caller closes it.
 * @throws DocknetError CONFLICT when the port is taken there
 */
export function openNameServer(ns: Netns, address: Ipv4, answer: AnswerQuery): NameServer {
  const inUse = `Cannot open a name server on ${address}:${DNS_PORT} in ${ns.label}: address already in use`;
  const counters = { connections: 0, queries: 0, answers: 0 };
  const counted: AnswerQuery = (query, transport, ends) => {
    counters.queries += 1;
    const said = answer(query, transport, ends);
    if (said) counters.answers += 1;
    return said;
  };
  const udp = openUdpSocket(ns, address, DNS_PORT, { inUse, receiveBytes: RECEIVE_BYTES });
  let tcp: number;
  try {
    tcp = openTcpListener(ns, address, DNS_PORT, { inUse });
  } catch (error) {
    closeFd(udp);
    throw error;
  }
  const reader = readDatagrams(udp, ({ data, from, to, reply }) => {
    const said = counted(data, "udp", { from, to });
    if (said) reply(said);
  });
  const serve = (socket: Socket): void => {
    counters.connections += 1;
    const from = { address: (socket.remoteAddress ?? ANY_IPV4) as Ipv4, port: socket.remotePort ?? 0 };
    const to = { address, port: DNS_PORT };
    serveConnection(socket, (query) => counted(query, "tcp", { from, to }));
  };
  const server = serveTcp(tcp, serve, { connections: CONNECTIONS });
  let closed = false;
  return {
    counters,
    close() {
      if (!closed) {
        closed = true;
        reader.close();
        closeFd(udp);
      }
      return server.close();
    },
  };
}

function serveConnection(socket: Socket, answer: (query: Uint8Array) => Uint8Array | undefined): void {
  let input: Buffer = Buffer.alloc(0);
  let ended = false;
  const idle = setTimeout(() => socket.destroy(), IDLE_MS);
  /** Answers what is there, until the client is to fetch answers first. */
  const serve = (): void => {
    while (socket.writableLength < UNSENT_BYTES) {
      const length = input.length < 2 ? undefined : input.readUInt16BE(0);
      if (length === undefined || input.length < 2 + length) {
        if (ended) socket.end();
        return;
      }
      const said = answer(input.subarray(2, 2 + length));
      input = input.subarray(2 + length);
      // a stream of something else than queries: what follows would be no better
      if (!said) {
        socket.destroy();
        return;
      }
      idle.refresh();
      const frame = Buffer.alloc(2 + said.length);
      frame.writeUInt16BE(said.length);
      frame.set(said, 2);
      socket.write(frame);
    }
    socket.pause();
  };
  socket.on("close", () => clearTimeout(idle));
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
    serve();
  });
  socket.on("end", () => {
    ended = true;
    serve();
  });
  socket.on("drain", () => {
    socket.resume();
    serve();
  });
}
