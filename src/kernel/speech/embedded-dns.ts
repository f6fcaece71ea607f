/**
 * The sockets of the embedded DNS server, inside the container's namespace: UDP and TCP at 127.0.0.11 on two high ports, where nat rules
 * of that namespace lead port 53 (plan/embedded-dns.ts). One process serves all containers of a lab. What is said is decided by the function
 * that is given (src/dns/embedded.ts); how it is served, and the rest asked of other servers: query-server.ts.
 */
import type { Ipv4 } from "../../net/address.ts";
import type { Port } from "../../net/port.ts";
import { closeFd } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { openTcpListener, openUdpSocket } from "../socket/socket.ts";
import type { ForwardServer } from "./dns-forward.ts";
import { type DecideQuery, type QueryLimits, type QueryPools, type QueryServer, serveQueries } from "./query-server.ts";

export type { ForwardServer };

export interface EmbeddedDnsOptions {
  readonly udpPort: Port;
  readonly tcpPort: Port;
  readonly answer: DecideQuery;
  /** Asked for each query that is forwarded; in order, the first three count. */
  readonly servers: () => readonly ForwardServer[];
  /** In place of Docker's numbers, for tests. */
  readonly limits?: Partial<QueryLimits>;
  /** In place of the process's own, for tests. */
  readonly pools?: QueryPools;
}

export type EmbeddedDns = QueryServer;

/** The address of libnetwork's resolver (moby daemon/libnetwork/sandbox_dns_unix.go resolverIPSandbox). */
const ADDRESS = "127.0.0.11" as Ipv4;
/** Datagrams that come while this one thread is elsewhere wait in the socket; some 1,300 small ones fit. */
const RECEIVE_BYTES = 512 * 1024;

/** moby daemon/libnetwork/resolver.go maxExtDNS */
const SERVERS = 3;

/**
 * Opens the server in a container's namespace; it listens when this returns. The caller closes it.
 * @throws DocknetError CONFLICT when a port is taken there
 */
export function openEmbeddedDns(ns: Netns, options: EmbeddedDnsOptions): EmbeddedDns {
  const { udpPort, tcpPort, answer, servers, limits, pools } = options;
  return serveQueries(openSockets(ns, udpPort, tcpPort), {
    answer,
    servers: () =>
      servers()
        .filter((server) => server.address !== ADDRESS || server.ns !== ns)
        .slice(0, SERVERS),
    ...(limits ? { limits } : {}),
    ...(pools ? { pools } : {}),
  });
}

function openSockets(ns: Netns, udpPort: Port, tcpPort: Port): { readonly udp: number; readonly tcp: number } {
  const inUse = (port: Port, proto: string) => ({
    inUse: `Cannot open the DNS server of ${ns.label} on ${ADDRESS}:${port}/${proto}: address already in use`,
  });
  const udp = openUdpSocket(ns, ADDRESS, udpPort, { ...inUse(udpPort, "udp"), receiveBytes: RECEIVE_BYTES });
  try {
    return { udp, tcp: openTcpListener(ns, ADDRESS, tcpPort, inUse(tcpPort, "tcp")) };
  } catch (error) {
    closeFd(udp);
    throw error;
  }
}
