/** What stands in for a name server's program in a container, on port 53 of one protocol: it answers or forwards, and logs who asked. */
import { ANY_IPV4 } from "../../net/address.ts";
import { renderProtoPort } from "../../net/port.ts";
import type { Netns } from "../netns.ts";
import { openTcpListener, openUdpSocket } from "../socket/socket.ts";
import type { ForwardServer } from "./dns-forward.ts";
import { LoopGuard } from "./loop-guard.ts";
import { type DecideQuery, type QueryServer, serveQueries } from "./query-server.ts";
import { type ResponderRequest, renderAnswer } from "./responder.ts";

export interface DnsResponderRequest extends ResponderRequest {
  /** @param line what a responder of any other port would say to this client */
  readonly answer: (line: string, query: Uint8Array, transport: "udp" | "tcp") => ReturnType<DecideQuery>;
  /** Asked for each query that is forwarded. */
  readonly servers: () => readonly ForwardServer[];
}

/** Datagrams that come while this one thread is elsewhere wait in the socket. */
const RECEIVE_BYTES = 512 * 1024;

/**
 * Opens it in a namespace; it listens when this returns. The caller closes it.
 * @throws DocknetError CONFLICT when the port is taken there
 */
export function openDnsResponder(ns: Netns, request: DnsResponderRequest): QueryServer {
  const { service, port, address = ANY_IPV4, onAnswer, servers } = request;
  const inUse = `Cannot open a name server for ${service} on ${renderProtoPort(port)} in ${ns.label}: address already in use`;
  const sockets =
    port.proto === "tcp"
      ? { tcp: openTcpListener(ns, address, port.port, { inUse }) }
      : { udp: openUdpSocket(ns, address, port.port, { inUse, receiveBytes: RECEIVE_BYTES }) };
  return serveQueries(sockets, {
    answer: (query, transport, { from, to }) => {
      const line = renderAnswer(service, port, from, to);
      onAnswer?.(line);
      return request.answer(line, query, transport);
    },
    servers,
    loops: new LoopGuard(),
  });
}
