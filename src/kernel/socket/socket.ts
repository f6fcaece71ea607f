/**
 * Sockets made by FFI inside a namespace and used from outside it: a socket belongs to the namespace that socket(2) was called
 * in, whoever uses it later. Every function here does all of its work inside one bracket, gives back a non-blocking descriptor
 * that the caller owns, and closes it itself when it throws. `adopt` functions hand a descriptor to Node for good.
 */
import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { DocknetError } from "../../errors.ts";
import { ANY_IPV4, type Ipv4, type Ipv6, parseIpv6, toBytes } from "../../net/address.ts";
import {
  AF_INET,
  AF_INET6,
  bind,
  closeFd,
  connect,
  ERRNO,
  getsockname,
  getsockopt,
  IPPROTO_ICMP,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  listen,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SystemError,
  setsockopt,
  socket,
} from "../libc.ts";
import type { Netns } from "../netns.ts";
import {
  IP_BIND_ADDRESS_NO_PORT,
  IP_PKTINFO,
  IP_RECVERR,
  IPV6_PKTINFO,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  SO_ERROR,
  SO_LINGER,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SOL_SOCKET,
  TCP_SYNCNT,
} from "../uapi/socket.ts";

/** An address with its port, on a wire or on a socket. */
export interface SocketAddress<A extends Ipv4 | Ipv6 = Ipv4 | Ipv6> {
  readonly address: A;
  readonly port: number;
}

/** Where a socket shall send from; the kernel chooses what is left out. */
export interface SourceAddress {
  readonly address?: Ipv4 | undefined;
  readonly port?: number | undefined;
}

export interface BindOptions {
  /** The message of the CONFLICT error when another socket has the port, as Docker words it. */
  readonly inUse?: string;
  /** What may wait in a UDP socket, in the kernel's counting: some 400 bytes for a small datagram. */
  readonly receiveBytes?: number;
}

// asm-generic/socket.h, linux/in.h, linux/in6.h, linux/tcp.h; the same on all 64-bit architectures but alpha, mips, parisc, sparc

/** Node's own default (lib/net.js). */
const BACKLOG = 511;
/** SYNs sent again before the kernel gives up: more than any deadline of ours. */
const SYN_RETRIES = 100;

/**
 * A listening TCP socket; adopt it with `server.listen({ fd })`. An IPv6 address listens for IPv6 only, as Docker's do.
 * @throws DocknetError CONFLICT when the port is taken and `inUse` says so, KERNEL_FEATURE without IPv6; else SystemError
 */
export function openTcpListener(ns: Netns, address: Ipv4 | Ipv6, port: number, options: BindOptions = {}): number {
  return openBound(ns, address, port, SOCK_STREAM, IPPROTO_TCP, options, (fd) => {
    listen(fd, BACKLOG);
  });
}

/**
 * A bound UDP socket that tells for each datagram the local address it came to (IP_PKTINFO); see udp.ts for reading it.
 * No SO_REUSEADDR: two UDP sockets would share the port in silence.
 */
export function openUdpSocket(ns: Netns, address: Ipv4 | Ipv6, port: number, options: BindOptions = {}): number {
  return openBound(ns, address, port, SOCK_DGRAM, 0, options, (fd) => {
    if (options.receiveBytes !== undefined) enlargeReceiveBuffer(fd, options.receiveBytes);
  });
}

/** As far as this process may. @throws SystemError */
export function enlargeReceiveBuffer(fd: number, bytes: number): void {
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
  } catch (error) {
    // only the machine's own root may go above net.core.rmem_max; others get what it lets them have
    if (!(error instanceof SystemError) || error.code !== "EPERM") throw error;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  }
}

/** A TCP connection under way: writable when it stands, with SO_ERROR when it failed. @throws SystemError at once when there is no route */
export function openTcpConnection(
  ns: Netns,
  address: Ipv4,
  port: number,
  options: { readonly source?: SourceAddress } = {},
): number {
  return openSocket(ns, AF_INET, SOCK_STREAM, IPPROTO_TCP, (fd) => {
    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, SYN_RETRIES);
    bindSource(fd, options.source);
    connect(fd, encodeSockaddr(address, port));
  });
}

/**
 * A connected UDP socket: sends to and hears from one address only. ICMP port unreachable comes as ECONNREFUSED; with
 * `allErrors` those of every code come (IP_RECVERR, ip(7)), and the owner must close it then, as the error queue stays ready.
 */
export function openUdpConnection(
  ns: Netns,
  address: Ipv4,
  port: number,
  options: { readonly source?: SourceAddress; readonly allErrors?: boolean } = {},
): number {
  return openSocket(ns, AF_INET, SOCK_DGRAM, 0, (fd) => {
    if (options.allErrors) setsockopt(fd, IPPROTO_IP, IP_RECVERR, 1);
    bindSource(fd, options.source);
    connect(fd, encodeSockaddr(address, port));
  });
}

/**
 * A ping socket (icmp(7), ping_group_range), connected; its port is the echo id. A new namespace lets nobody have one ("1 0"):
 * on EACCES the range is opened, which Docker does in its containers too (moby daemon/container_operations.go, since 20.10).
 */
export function openPingSocket(
  ns: Netns,
  address: Ipv4,
  options: { readonly source?: Ipv4; readonly id?: number } = {},
): number {
  const open = (): number =>
    openSocket(ns, AF_INET, SOCK_DGRAM, IPPROTO_ICMP, (fd) => {
      setsockopt(fd, IPPROTO_IP, IP_RECVERR, 1);
      bindSource(fd, { address: options.source, port: options.id });
      connect(fd, encodeSockaddr(address, 0));
    });
  try {
    return open();
  } catch (error) {
    if (!(error instanceof SystemError) || error.syscall !== "socket" || error.code !== "EACCES") throw error;
    const gid = process.getegid?.() ?? 0;
    ns.writeSysctl("net.ipv4.ping_group_range", `${gid} ${gid}`);
    return open();
  }
}

/** A one-to-one SCTP socket, connection under way. @throws DocknetError KERNEL_FEATURE when the kernel has no SCTP */
export function openSctpConnection(
  ns: Netns,
  address: Ipv4,
  port: number,
  options: { readonly source?: SourceAddress } = {},
): number {
  return openSocket(ns, AF_INET, SOCK_STREAM, IPPROTO_SCTP, (fd) => {
    bindSource(fd, options.source);
    connect(fd, encodeSockaddr(address, port));
  });
}

/** A listening one-to-one SCTP socket. @throws as openTcpListener, and KERNEL_FEATURE when the kernel has no SCTP */
export function openSctpListener(ns: Netns, address: Ipv4 | Ipv6, port: number, options: BindOptions = {}): number {
  return openBound(ns, address, port, SOCK_STREAM, IPPROTO_SCTP, options, (fd) => {
    listen(fd, BACKLOG);
  });
}

/**
 * Gives a connected TCP descriptor to Node. Half-open: the owner ends its own side.
 * @param options paused: nothing is read until somebody wants it, as `pauseOnConnect` of Node's server has it (lib/net.js pauseOnCreate)
 */
export function adoptConnection(fd: number, { paused = false }: { readonly paused?: boolean } = {}): Socket {
  const options = { fd, readable: true, writable: true, allowHalfOpen: true, pauseOnCreate: paused };
  return new Socket(options);
}

export function localAddressOf(fd: number): SocketAddress {
  return decodeSockaddr(getsockname(fd));
}

/**
 * The error that waits on the socket, by name, and clears it. SO_ERROR also gives the soft error (net/core/sock.c): an ICMP
 * error that came while connect(2) still held the socket is only there, and would else come only with a retransmission a second later.
 */
export function takeSocketError(fd: number): string | undefined {
  const errno = getsockopt(fd, SOL_SOCKET, SO_ERROR, 4).readInt32LE();
  return errno === 0 ? undefined : (ERRNO[errno] ?? `errno ${errno}`);
}

/** Makes close(2) reset the connection instead of leaving TIME_WAIT behind (socket(7) SO_LINGER with zero seconds). */
export function resetOnClose(fd: number): void {
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1, 0);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, linger);
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes), ip(7) and ipv6(7). */
export function encodeSockaddr(address: Ipv4 | Ipv6, port: number): Buffer {
  const v6 = isV6(address);
  const bytes = Buffer.alloc(v6 ? 28 : 16);
  bytes.writeUInt16LE(v6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  if (v6) bytes.set(ipv6ToBytes(address), 8);
  else bytes.set(toBytes(address), 4);
  return bytes;
}

/** @throws DocknetError INTERNAL for another family or too few bytes */
export function decodeSockaddr(bytes: Uint8Array): SocketAddress {
  const view = Buffer.from(bytes);
  const family = view.length >= 2 ? view.readUInt16LE(0) : 0;
  if (family === AF_INET && view.length >= 8) {
    return { address: view.subarray(4, 8).join(".") as Ipv4, port: view.readUInt16BE(2) };
  }
  if (family === AF_INET6 && view.length >= 24) {
    const groups = Array.from({ length: 8 }, (_, i) => view.readUInt16BE(8 + 2 * i).toString(16));
    return { address: parseIpv6(groups.join(":")), port: view.readUInt16BE(2) };
  }
  throw new DocknetError("INTERNAL", `Cannot decode a socket address of family ${family} and ${view.length} bytes`);
}

export function isV6(address: Ipv4 | Ipv6): address is Ipv6 {
  return address.includes(":");
}

/** Groups before and after "::"; what is between is zero (RFC 4291 2.2). An Ipv6 is normalised: no dotted tail, no zone. */
function ipv6ToBytes(address: Ipv6): Uint8Array {
  const [head = "", tail = ""] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 255]),
  );
}

function openBound(
  ns: Netns,
  address: Ipv4 | Ipv6,
  port: number,
  type: number,
  protocol: number,
  options: BindOptions,
  after: (fd: number) => void,
): number {
  const v6 = isV6(address);
  try {
    return openSocket(ns, v6 ? AF_INET6 : AF_INET, type, protocol, (fd) => {
      if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      if (type === SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (type === SOCK_DGRAM) setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
      bind(fd, encodeSockaddr(address, port));
      after(fd);
    });
  } catch (error) {
    if (error instanceof SystemError && error.code === "EADDRINUSE" && options.inUse !== undefined) {
      throw new DocknetError("CONFLICT", options.inUse, {
        cause: error,
        remedy: `Choose another host port, or stop what listens on ${port}`,
      });
    }
    throw error;
  }
}

function openSocket(ns: Netns, family: number, type: number, protocol: number, setUp: (fd: number) => void): number {
  return ns.enter(() => {
    const fd = newSocket(family, type, protocol);
    try {
      setUp(fd);
      return fd;
    } catch (error) {
      closeFd(fd);
      throw featureError(family, error);
    }
  });
}

function newSocket(family: number, type: number, protocol: number): number {
  try {
    return socket(family, type | SOCK_NONBLOCK, protocol);
  } catch (error) {
    if (error instanceof SystemError && error.code === "EMFILE") throw descriptorsError(error);
    if (error instanceof SystemError && ["EPROTONOSUPPORT", "ESOCKTNOSUPPORT"].includes(error.code)) {
      if (protocol === IPPROTO_SCTP) {
        throw new DocknetError("KERNEL_FEATURE", "Cannot open an SCTP socket: this kernel has no SCTP", {
          cause: error,
          remedy: "Run `modprobe sctp`",
        });
      }
    }
    throw featureError(family, error);
  }
}

/** No IPv6 in this kernel, or switched off in this namespace. Runs inside the bracket: the sysctl is the namespace's. */
function featureError(family: number, error: unknown): unknown {
  if (family !== AF_INET6 || !(error instanceof SystemError)) return error;
  const off =
    error.code === "EADDRNOTAVAIL" && readFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "utf8").trim() === "1";
  if (error.code !== "EAFNOSUPPORT" && !off) return error;
  return new DocknetError("KERNEL_FEATURE", `Cannot open an IPv6 socket: ${error.message}`, {
    cause: error,
    remedy: "Enable IPv6 in the host's namespace (net.ipv6.conf.all.disable_ipv6=0), or publish on IPv4 addresses only",
  });
}

/** How many this process may have open: Node raises its soft limit to the hard one when it starts (proc(5)). */
export function descriptorLimit(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined ? 1024 : Number(limit);
}

function descriptorsError(cause: SystemError): DocknetError {
  return new DocknetError(
    "KERNEL_REFUSED",
    `Cannot open another socket: all ${descriptorLimit()} file descriptors of this process are in use`,
    {
      cause,
      remedy:
        "Raise the hard limit (`ulimit -Hn 65536` as root, LimitNOFILE= of a systemd unit), or probe fewer at once",
    },
  );
}

function bindSource(fd: number, source: SourceAddress = {}): void {
  if (source.address === undefined && source.port === undefined) return;
  if (source.port !== undefined) {
    // The port may be in TIME_WAIT from an earlier probe.
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  } else {
    // Else bind(2) takes a port for itself alone, and 28232 probes from one address use them up (ip(7)).
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  }
  bind(fd, encodeSockaddr(source.address ?? ANY_IPV4, source.port ?? 0));
}

export { IP_PKTINFO, IPV6_PKTINFO };
