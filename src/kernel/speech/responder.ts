/**
 * What stands in for a container's program: an HTTP echo or a UDP echo that tells who asked, and under which address it was
 * asked; on 21/tcp an FTP server that greets with the same line. Its one line is the evidence of NAT: the source address after every translation on the way.
 *
 * The answer's form is a contract with probe-speech.ts: `service=web port=80/tcp from=192.168.0.20:41234 to=172.17.0.2:80`.
 */
import type { Socket } from "node:net";
import { startDeadline } from "../../deadline.ts";
import { DocknetError } from "../../errors.ts";
import { ANY_IPV4, type Ipv4 } from "../../net/address.ts";
import { FTP_PORT } from "../../net/ftp.ts";
import { type ProtoPort, renderProtoPort } from "../../net/port.ts";
import { closeFd } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { openSctpListener, openTcpListener, openUdpSocket, type SocketAddress } from "../socket/socket.ts";
import { serveTcp } from "../socket/tcp-server.ts";
import { readDatagrams } from "../socket/udp.ts";
import { FTP_CONNECTIONS, serveFtp } from "./ftp-server.ts";

export interface ResponderRequest {
  /** The name in the answer: no white space. */
  readonly service: string;
  readonly port: ProtoPort;
  /** Where it listens; every address of the namespace when left out. */
  readonly address?: Ipv4;
  /** Called with each answer given. */
  readonly onAnswer?: (line: string) => void;
}

export interface Responder {
  readonly service: string;
  readonly port: ProtoPort;
  /** Counted since it was opened. */
  readonly counters: { readonly connections: number; readonly datagrams: number };
  /** Stops listening and closes open connections. Idempotent. */
  close(): Promise<void>;
}

/** Bytes and time that a client has for the first line of its request, and time to take the answer. */
const REQUEST_BYTES = 8192;
const REQUEST_MS = 5000;
/** Of a datagram, as many bytes are sent back. */
const ECHO_BYTES = 64;

/**
 * Opens a responder in a namespace; it listens when this returns. The caller closes it.
 * @throws DocknetError CONFLICT when the port is taken there, KERNEL_FEATURE for SCTP on a kernel without it
 */
export function openResponder(ns: Netns, request: ResponderRequest): Responder {
  if (/\s/.test(request.service))
    throw new DocknetError("INTERNAL", `Cannot open a responder: "${request.service}" has white space`);
  const inUse = `Cannot open a responder for ${request.service} on ${renderProtoPort(request.port)} in ${ns.label}: address already in use`;
  switch (request.port.proto) {
    case "tcp":
      return openTcpResponder(
        ns,
        openTcpListener(ns, request.address ?? ANY_IPV4, request.port.port, { inUse }),
        request,
      );
    case "udp":
      return openUdpResponder(openUdpSocket(ns, request.address ?? ANY_IPV4, request.port.port, { inUse }), request);
    case "sctp":
      closeFd(openSctpListener(ns, request.address ?? ANY_IPV4, request.port.port, { inUse }));
      throw new DocknetError(
        "KERNEL_FEATURE",
        `Cannot open a responder on ${renderProtoPort(request.port)}: docknet answers no SCTP`,
      );
  }
}

function openTcpResponder(ns: Netns, fd: number, request: ResponderRequest): Responder {
  const { service, port } = request;
  const isFtp = port.port === FTP_PORT;
  const counters = { connections: 0, datagrams: 0 };
  const server = serveTcp(
    fd,
    (socket) => {
      counters.connections += 1;
      if (isFtp) answerFtp(socket, ns, request);
      else answerHttp(socket, request);
    },
    isFtp ? { connections: FTP_CONNECTIONS } : {},
  );
  return { service, port, counters, close: () => server.close() };
}

function answerFtp(socket: Socket, ns: Netns, { service, port, onAnswer }: ResponderRequest): void {
  serveFtp(socket, {
    ns,
    service,
    greeting: (from, to) => {
      const line = renderAnswer(service, port, from, to);
      onAnswer?.(line);
      return line;
    },
    ...(onAnswer ? { onTransfer: onAnswer } : {}),
  });
}

/** Answers when the first line is there, whatever it says; then waits for the client to end, so that nothing unread turns the end into a reset. */
function answerHttp(socket: Socket, { service, port, onAnswer }: ResponderRequest): void {
  let received = 0;
  let answered = false;
  const deadline = startDeadline(REQUEST_MS, () => socket.destroy());
  socket.on("close", () => deadline.cancel());
  socket.on("error", () => socket.destroy());
  socket.on("end", () => {
    if (!answered) socket.destroy();
  });
  socket.on("data", (chunk) => {
    received += chunk.length;
    if (received > REQUEST_BYTES) {
      socket.destroy();
      return;
    }
    if (answered || !chunk.includes(0x0a)) return;
    answered = true;
    const from = { address: (socket.remoteAddress ?? ANY_IPV4) as Ipv4, port: socket.remotePort ?? 0 };
    const to = { address: (socket.localAddress ?? ANY_IPV4) as Ipv4, port: socket.localPort ?? 0 };
    const line = renderAnswer(service, port, from, to);
    onAnswer?.(line);
    const body = `${line}\n`;
    socket.end(
      `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
}

function openUdpResponder(fd: number, { service, port, onAnswer }: ResponderRequest): Responder {
  const counters = { connections: 0, datagrams: 0 };
  const reader = readDatagrams(fd, ({ data, from, to, reply }) => {
    counters.datagrams += 1;
    const echo = data.subarray(0, ECHO_BYTES).toString("hex");
    const line = renderAnswer(service, port, from, to);
    onAnswer?.(line);
    reply(Buffer.from(`${line} data=${echo}\n`));
  });
  let closed = false;
  return {
    service,
    port,
    counters,
    async close() {
      if (closed) return;
      closed = true;
      reader.close();
      closeFd(fd);
    },
  };
}

export function renderAnswer(service: string, port: ProtoPort, from: SocketAddress, to: SocketAddress): string {
  return `service=${service} port=${renderProtoPort(port)} from=${from.address}:${from.port} to=${to.address}:${to.port}`;
}
