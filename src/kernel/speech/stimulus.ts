/**
 * One packet that a node really sends: the SYN of a connection, a datagram, or an echo request. The source port is known before
 * anything is sent, so that the packet can be awaited; the socket stays open until closed, so that conntrack can be read as it is.
 */
import { randomBytes } from "node:crypto";
import { DocknetError } from "../../errors.ts";
import { ANY_IPV4, type Ipv4 } from "../../net/address.ts";
import type { Port } from "../../net/port.ts";
import {
  AF_INET,
  bind,
  closeFd,
  connect,
  IPPROTO_ICMP,
  IPPROTO_IP,
  IPPROTO_TCP,
  recv,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SystemError,
  send,
  setsockopt,
  socket,
} from "../libc.ts";
import type { Netns } from "../netns.ts";
import { type Readiness, watchReadiness } from "../readiness.ts";
import { encodeSockaddr, localAddressOf, resetOnClose, takeSocketError } from "../socket/socket.ts";
import {
  IP_RECVERR,
  TCP_QUEUE_SEQ,
  TCP_REPAIR,
  TCP_REPAIR_OFF_NO_WP,
  TCP_REPAIR_QUEUE,
  TCP_SEND_QUEUE,
} from "../uapi/socket.ts";

export interface StimulusRequest {
  readonly proto: "tcp" | "udp" | "icmp";
  readonly address: Ipv4;
  /** Wanted unless icmp. */
  readonly port?: Port;
  /** Of a datagram or an echo request. */
  readonly payload: Uint8Array;
  /** Source port; for icmp the echo id. A free one unless said. */
  readonly sourcePort?: Port;
}

/** What came back first. */
export type Reaction =
  /** The connection stands, or a datagram or an echo reply came. */
  | { readonly kind: "answer" }
  /** "ECONNREFUSED", "EHOSTUNREACH", "EPERM" and the like, as the sender gets it. */
  | { readonly kind: "errno"; readonly errno: string };

export interface Stimulus {
  /** Source port; for icmp the echo id. */
  readonly port: number;
  /** Of tcp: the SYN's sequence number, which no NAT changes. */
  readonly sequence?: number;
  /** Sends. Call once. @returns what came back, whenever it comes; never when nothing does */
  fire(): Promise<Reaction>;
  /** Another datagram or echo request of the same flow; nothing for tcp, whose handshake has a second packet of its own. */
  again(): void;
  /** Idempotent. A connection is reset. */
  close(): void;
}

/** type 8, code 0; the kernel writes checksum and id; sequence number (RFC 792) */
const echoHeader = (sequence: number): number[] => [8, 0, 0, 0, 0, 0, sequence >> 8, sequence & 0xff];
const ANSWER_BYTES = 65536;

/** A socket in the namespace, bound to its port, that has sent nothing. The caller closes it. @throws SystemError; CONFLICT for the port */
export function openStimulus(ns: Netns, request: StimulusRequest): Stimulus {
  const { proto } = request;
  const isn = randomBytes(4).readUInt32LE() || 1;
  const fd = ns.enter(() => openBound(request, isn));
  let watch: Readiness | undefined;
  let closed = false;
  let sequence = 0;
  const transmit = (): void => {
    sequence += 1;
    if (proto === "udp") send(fd, request.payload);
    if (proto === "icmp") send(fd, Buffer.concat([Buffer.from(echoHeader(sequence)), request.payload]));
  };
  return {
    port: localAddressOf(fd).port,
    ...(proto === "tcp" ? { sequence: isn } : {}),
    fire() {
      return new Promise((resolve, reject) => {
        const decide = (step: () => Reaction | undefined): void => {
          try {
            const reaction = step();
            if (reaction) end(reaction);
          } catch (error) {
            if (error instanceof SystemError) end({ kind: "errno", errno: error.code });
            else reject(error);
          }
        };
        const end = (reaction: Reaction): void => {
          watch?.close();
          watch = undefined;
          resolve(reaction);
        };
        decide(() => {
          ns.enter(() => {
            connect(fd, encodeSockaddr(request.address, request.port ?? 0));
            transmit();
          });
          watch = watchReadiness(fd, proto === "tcp" ? "writable" : "readable", () => decide(() => look(fd, proto)));
          return undefined;
        });
      });
    },
    again() {
      try {
        transmit();
      } catch (error) {
        // what the network says to it shows on the links
        if (!(error instanceof SystemError)) throw error;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      watch?.close();
      if (proto === "tcp") resetOnClose(fd);
      closeFd(fd);
    },
  };
}

/** Runs inside the bracket. */
function openBound({ proto, sourcePort = 0 as Port }: StimulusRequest, isn: number): number {
  const [type, protocol] = {
    tcp: [SOCK_STREAM, IPPROTO_TCP],
    udp: [SOCK_DGRAM, 0],
    icmp: [SOCK_DGRAM, IPPROTO_ICMP],
  }[proto] as [number, number];
  const fd = socket(AF_INET, type | SOCK_NONBLOCK, protocol);
  try {
    if (proto === "tcp") beginAt(fd, isn);
    else setsockopt(fd, IPPROTO_IP, IP_RECVERR, 1);
    bind(fd, encodeSockaddr(ANY_IPV4, sourcePort));
    return fd;
  } catch (error) {
    closeFd(fd);
    if (!(error instanceof SystemError) || error.code !== "EADDRINUSE") throw error;
    throw new DocknetError("CONFLICT", `Cannot send from ${proto} port ${sourcePort}: another socket has it`, {
      cause: error,
      remedy: "Choose another source port",
    });
  }
}

/** Chooses the first sequence number, which the kernel else draws (net/ipv4/tcp.c TCP_REPAIR, tcp_ipv4.c tcp_v4_connect). */
function beginAt(fd: number, sequence: number): void {
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, 1);
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
  setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, sequence);
  setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
}

function look(fd: number, proto: StimulusRequest["proto"]): Reaction | undefined {
  const errno = takeSocketError(fd);
  if (errno !== undefined) return { kind: "errno", errno };
  if (proto === "tcp") return { kind: "answer" };
  try {
    recv(fd, Buffer.allocUnsafe(ANSWER_BYTES));
    return { kind: "answer" };
  } catch (error) {
    if (error instanceof SystemError && error.code === "EAGAIN") return undefined;
    throw error;
  }
}
