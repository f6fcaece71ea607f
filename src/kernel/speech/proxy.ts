/**
 * The userland proxy, in process, where docker-proxy would stand: it listens in the host's namespace on a published port, and
 * takes what no DNAT rule catches (host to 127.0.0.1, IPv6 clients of the host, containers of the same bridge). The container
 * sees the gateway as the source. Behaviour: moby cmd/docker-proxy/tcp_proxy_linux.go and udp_proxy_linux.go.
 */
import type { Socket } from "node:net";
import { DocknetError } from "../../errors.ts";
import type { Ipv4, Ipv6 } from "../../net/address.ts";
import type { Port, Proto } from "../../net/port.ts";
import { closeFd, recvmsg, SystemError, send } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { type Readiness, watchReadiness } from "../readiness.ts";
import {
  adoptConnection,
  isV6,
  openSctpListener,
  openTcpConnection,
  openTcpListener,
  openUdpConnection,
  openUdpSocket,
  takeSocketError,
} from "../socket/socket.ts";
import { serveTcp } from "../socket/tcp-server.ts";
import { type Datagram, readDatagrams } from "../socket/udp.ts";

export interface ProxyBinding {
  readonly proto: Proto;
  /** "0.0.0.0" and "::" for all of the family; IPv6 takes IPv6 clients only. */
  readonly hostIp: Ipv4 | Ipv6;
  readonly hostPort: Port;
  readonly containerIp: Ipv4;
  readonly containerPort: Port;
}

export interface UserlandProxy {
  readonly counters: { readonly connections: number; readonly datagrams: number };
  /** Clients that have a connection, or for UDP an upstream socket, now. */
  readonly clients: number;
  /** Stops listening and closes every connection. Idempotent. */
  close(): Promise<void>;
}

/** moby cmd/docker-proxy/udp_proxy_linux.go UDPConnTrackTimeout */
const UDP_IDLE_MS = 90_000;
/** docker-proxy has no bound; here one process holds the descriptors of a whole lab. */
const UDP_CLIENTS = 1024;
/** Datagrams read from one upstream in one turn of the loop. */
const UDP_BATCH = 64;

/**
 * Opens the proxy of one binding in the host's namespace; it listens when this returns. The caller closes it.
 * @throws DocknetError CONFLICT in Docker's words (port taken, or address not on the host); KERNEL_FEATURE without IPv6 or SCTP
 */
export function openProxy(ns: Netns, binding: ProxyBinding, options: { readonly inUse?: string } = {}): UserlandProxy {
  const what = `failed to bind host port ${renderHostPort(binding)}`;
  const inUse = options.inUse ?? `${what}: address already in use`;
  try {
    switch (binding.proto) {
      case "tcp":
        return openTcpProxy(ns, openTcpListener(ns, binding.hostIp, binding.hostPort, { inUse }), binding);
      case "udp":
        return openUdpProxy(ns, openUdpSocket(ns, binding.hostIp, binding.hostPort, { inUse }), binding);
      case "sctp":
        closeFd(openSctpListener(ns, binding.hostIp, binding.hostPort, { inUse }));
        throw new DocknetError("KERNEL_FEATURE", `${what}: docknet's userland proxy carries no SCTP`);
    }
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EADDRNOTAVAIL") throw error;
    throw new DocknetError("CONFLICT", `${what}: cannot assign requested address`, {
      cause: error,
      remedy: `Publish on an address that the host has`,
    });
  }
}

/** As Docker's messages have it: "0.0.0.0:9000/tcp", "[::]:9000/tcp". */
function renderHostPort({ hostIp, hostPort, proto }: ProxyBinding): string {
  return `${isV6(hostIp) ? `[${hostIp}]` : hostIp}:${hostPort}/${proto}`;
}

function openTcpProxy(ns: Netns, fd: number, binding: ProxyBinding): UserlandProxy {
  const counters = { connections: 0, datagrams: 0 };
  const clients = new Map<Socket, () => void>();
  // Paused: what the client sends stays in the kernel until the container has accepted. A client whose bytes were never read
  // is then closed by a reset, one that sent nothing by a FIN, as with docker-proxy, which dials before it copies.
  const serve = (client: Socket): void => {
    counters.connections += 1;
    const disconnect = connectUpstream(ns, binding, client);
    clients.set(client, disconnect);
    client.on("close", () => {
      clients.delete(client);
      disconnect();
    });
  };
  const server = serveTcp(fd, serve, { paused: true });
  return {
    counters,
    get clients() {
      return clients.size;
    },
    close() {
      for (const disconnect of clients.values()) disconnect();
      return server.close();
    },
  };
}

/** @returns what ends the upstream side, whether it stands or is under way; idempotent */
function connectUpstream(ns: Netns, binding: ProxyBinding, client: Socket): () => void {
  client.on("error", () => client.destroy());
  let fd: number;
  try {
    fd = openTcpConnection(ns, binding.containerIp, binding.containerPort);
  } catch {
    client.destroy();
    return () => {};
  }
  let upstream: Socket | undefined;
  let watch: Readiness | undefined;
  const abandon = (): void => {
    watch?.close();
    watch = undefined;
    closeFd(fd);
  };
  watch = watchReadiness(fd, "writable", () => {
    if (takeSocketError(fd) !== undefined) {
      client.destroy();
      return;
    }
    watch?.close();
    watch = undefined;
    upstream = adoptConnection(fd);
    join(client, upstream);
  });
  return () => {
    if (upstream) upstream.destroy();
    else if (watch) abandon();
  };
}

/** Both ways; the end of one way is passed on (half close), back pressure is pipe's. An error of one side ends the other when its data is out. */
function join(client: Socket, upstream: Socket): void {
  upstream.on("error", () => client.destroySoon());
  upstream.on("close", () => client.destroySoon());
  client.pipe(upstream);
  upstream.pipe(client);
}

interface UdpClient {
  readonly fd: number;
  readonly watch: Readiness;
  readonly idle: NodeJS.Timeout;
}

function openUdpProxy(ns: Netns, fd: number, binding: ProxyBinding): UserlandProxy {
  const counters = { connections: 0, datagrams: 0 };
  /** By client and by the address that it wrote to, longest idle first. */
  const clients = new Map<string, UdpClient>();
  const drop = (key: string): void => {
    const client = clients.get(key);
    if (!client) return;
    clients.delete(key);
    clearTimeout(client.idle);
    client.watch.close();
    closeFd(client.fd);
  };
  const touch = (key: string, client: UdpClient): void => {
    client.idle.refresh();
    clients.delete(key);
    clients.set(key, client);
  };
  const admit = (key: string, datagram: Datagram): UdpClient => {
    for (const oldest of clients.keys()) {
      if (clients.size < UDP_CLIENTS) break;
      drop(oldest);
    }
    const upstream = openUdpConnection(ns, binding.containerIp, binding.containerPort);
    const client: UdpClient = {
      fd: upstream,
      idle: setTimeout(() => drop(key), UDP_IDLE_MS),
      watch: watchReadiness(upstream, "readable", () => {
        for (let i = 0; i < UDP_BATCH && clients.get(key) === client; i++) {
          const data = receiveAnswer(upstream);
          if (data === undefined) return;
          touch(key, client);
          datagram.reply(data);
        }
      }),
    };
    clients.set(key, client);
    return client;
  };
  const reader = readDatagrams(fd, (datagram) => {
    counters.datagrams += 1;
    const key = `${datagram.from.address} ${datagram.from.port} ${datagram.to.address}`;
    try {
      const client = clients.get(key) ?? admit(key, datagram);
      touch(key, client);
      send(client.fd, datagram.data);
    } catch (error) {
      // No route to the container, no descriptors left, an ICMP error of an earlier datagram: this one is lost, as UDP may be.
      if (!(error instanceof SystemError) && !(error instanceof DocknetError)) throw error;
    }
  });
  let closed = false;
  return {
    counters,
    get clients() {
      return clients.size;
    },
    async close() {
      if (closed) return;
      closed = true;
      reader.close();
      closeFd(fd);
      for (const key of [...clients.keys()]) drop(key);
    },
  };
}

/** The container may refuse (ECONNREFUSED): docker-proxy goes on until the idle timeout, for the port may open later. */
function receiveAnswer(fd: number): Buffer | undefined {
  try {
    return recvmsg(fd)?.data;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
