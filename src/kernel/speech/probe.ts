/**
 * A probe is a value that becomes real traffic: one connection, one datagram or one echo request, and what came back. It
 * decides nothing; it tells which of four things happened, with the errno that said so.
 *
 * | outcome     | tcp                                                  | udp                         | icmp                    |
 * | reach       | connected, and at least one byte came                | a datagram came             | echo reply              |
 * | refuse      | reset; or connected and closed without a byte, as the userland proxy does when the container refuses | port unreachable | - |
 * | unreachable | EHOSTUNREACH, ENETUNREACH, at connect or by ICMP, also "administratively prohibited" | the same | the same |
 * | silent      | nothing until the deadline, or connected and nothing more | the same              | the same                |
 *
 * All of it is FFI and readiness, without Node's socket classes: those hide the moment of connection, and cannot be given a
 * connection that is under way and report its errors faithfully.
 */

import { startDeadline } from "../../deadline.ts";
import { DocknetError } from "../../errors.ts";
import type { Ipv4 } from "../../net/address.ts";
import type { DataEnd } from "../../net/ftp.ts";
import type { Port } from "../../net/port.ts";
import { closeFd, recv, SystemError, send } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { watchReadiness } from "../readiness.ts";
import {
  localAddressOf,
  openPingSocket,
  openSctpConnection,
  openTcpConnection,
  openUdpConnection,
  resetOnClose,
  takeSocketError,
} from "../socket/socket.ts";
import { MSG_NOSIGNAL } from "../uapi/socket.ts";
import { decideErrno, type ProbeOutcome } from "./probe-outcome.ts";
import { type DnsSpeech, overTcp, overUdp, type ResponderAnswer, type Speech } from "./probe-speech.ts";

export interface ProbeRequest {
  readonly ns: Netns;
  readonly proto: "tcp" | "udp" | "icmp" | "sctp";
  readonly address: Ipv4;
  /** Required unless icmp. */
  readonly port?: Port;
  readonly sourceAddress?: Ipv4;
  /** For icmp: the echo id. */
  readonly sourcePort?: Port;
  /** Milliseconds from the start. */
  readonly deadlineMs: number;
  /** Payload of a datagram or echo request, and the path of the HTTP request; shows which packet is whose. */
  readonly token?: string;
  /** Set where a name server is asked, over udp or tcp: said in place of the token. */
  readonly dns?: DnsSpeech;
}

export interface Probe {
  /** By getsockname, right after connecting; for icmp the port is the echo id. Absent when there was no route to connect by. */
  readonly source?: { readonly address: Ipv4; readonly port: number };
  /** Rejects only with DocknetError KERNEL_FEATURE (no SCTP) or KERNEL_REFUSED (no descriptors left) and the like: never for what the network did. */
  readonly result: Promise<ProbeReply>;
  /**
   * For a transfer: the data connection is under way, or never will be. Whoever waits for silence waits from then on; a plain probe's
   * packet is out when it starts.
   */
  readonly underway?: Promise<void>;
  /** Ends it at once, with outcome silent when nothing was decided yet. Idempotent. */
  abort(): void;
}

export interface ProbeReply {
  readonly outcome: ProbeOutcome;
  /** Name of the errno that decided it: "ECONNREFUSED". */
  readonly errno?: string;
  /** What a responder of ours said; absent when something else answered. */
  readonly answer?: ResponderAnswer;
  /** Milliseconds from the start to the decision. */
  readonly afterMs: number;
  readonly error?: string;
  /** Of a transfer whose control connection got so far: then the outcome is that of this one. */
  readonly data?: DataReply;
}

/** The data connection of an FTP transfer. */
export interface DataReply {
  readonly openedBy: "client" | "server";
  /** The opener's end, as its own socket has it. Absent when there was no route to connect by, or the server did not tell. */
  readonly from?: DataEnd;
  /** As the other side announced it. */
  readonly to: DataEnd;
  /** The opener, as the other side saw it. */
  readonly seenAs?: DataEnd;
}

/** An answer longer than this is not one of ours. */
const ANSWER_BYTES = 4096;

/** Sends the probe's first packet before it returns. Never throws: what is wrong with the request rejects `result`. */
export function startProbe(request: ProbeRequest): Probe {
  const startedAt = performance.now();
  const timed = (decision: Decision): ProbeReply => ({ ...decision, afterMs: performance.now() - startedAt });
  let fd: number | undefined;
  try {
    const opened = openExchange(request);
    fd = opened.fd;
    const source = localAddressOf(fd) as { address: Ipv4; port: number };
    const failed = opened.exchange.atStart(fd);
    if (failed === undefined) return runExchange(fd, opened.exchange, source, request.deadlineMs, timed);
    opened.exchange.beforeClose(fd);
    closeFd(fd);
    return { source, result: Promise.resolve(timed(failed)), abort: () => {} };
  } catch (error) {
    if (fd !== undefined) closeFd(fd);
    return { result: decideError(error, decideErrno).then(timed), abort: () => {} };
  }
}

/** Owns `fd` from here on. */
function runExchange(
  fd: number,
  exchange: Exchange,
  source: { address: Ipv4; port: number },
  deadlineMs: number,
  timed: (decision: Decision) => ProbeReply,
): Probe {
  let end: (decision: Decision | Promise<Decision>) => void = () => {};
  const result = new Promise<Decision>((resolve) => {
    end = resolve;
  }).then(timed);
  let done = false;
  const finish = (decision: Decision | Promise<Decision>): void => {
    if (done) return;
    done = true;
    deadline.cancel();
    watch.close();
    exchange.beforeClose(fd);
    closeFd(fd);
    end(decision);
  };
  const deadline = startDeadline(deadlineMs, () => finish(exchange.atDeadline()));
  const watch = watchReadiness(fd, exchange.first, () => {
    try {
      const next = exchange.onReady(fd);
      if (next === "readable") watch.change("readable");
      else if (next !== undefined) finish(next);
    } catch (error) {
      finish(decideError(error, exchange.onErrno));
    }
  });
  return { source, result, abort: () => finish({ ...exchange.atDeadline(), error: "aborted" }) };
}

/** An errno of the network is a decision; anything else rejects. */
async function decideError(error: unknown, decide: (code: string) => Decision): Promise<Decision> {
  if (error instanceof SystemError) return decide(error.code);
  throw error;
}

type Decision = Omit<ProbeReply, "afterMs">;

/** One protocol's way through a probe. All of it is synchronous; errors of the kernel are thrown as SystemError. */
interface Exchange {
  readonly first: "readable" | "writable";
  /** Right after connect(2): sends what is to be sent at once; an answer is a decision already made. */
  atStart(fd: number): Decision | undefined;
  /** @returns a decision, "readable" to wait for that from now on, or undefined to wait on */
  onReady(fd: number): Decision | "readable" | undefined;
  onErrno(code: string): Decision;
  atDeadline(): Decision;
  beforeClose(fd: number): void;
}

function openExchange(request: ProbeRequest): { fd: number; exchange: Exchange } {
  const { ns, address, proto } = request;
  const source = { address: request.sourceAddress, port: request.sourcePort };
  const token = request.token ?? "docknet";
  if (proto === "icmp") {
    const options = {
      ...(source.address === undefined ? {} : { source: source.address }),
      ...(source.port === undefined ? {} : { id: source.port }),
    };
    return { fd: openPingSocket(ns, address, options), exchange: echoExchange(token) };
  }
  const port = request.port;
  if (port === undefined) throw new DocknetError("INTERNAL", `Cannot probe ${address} by ${proto}: no port was given`);
  if (proto === "udp")
    return {
      fd: openUdpConnection(ns, address, port, { source, allErrors: true }),
      exchange: datagramExchange(overUdp(token, request.dns)),
    };
  if (proto === "tcp")
    return {
      fd: openTcpConnection(ns, address, port, { source }),
      exchange: streamExchange(overTcp(address, token, request.dns)),
    };
  return { fd: openSctpConnection(ns, address, port, { source }), exchange: connectOnlyExchange() };
}

function streamExchange(speech: Speech): Exchange {
  let connected = false;
  let said: Buffer = Buffer.alloc(0);
  const decided = (): Decision => {
    const answer = speech.readAnswer(said);
    return { outcome: "reach", ...(answer ? { answer } : {}) };
  };
  const closedEarly = (errno?: string): Decision => ({
    outcome: "refuse",
    ...(errno === undefined ? {} : { errno }),
    error: "closed without an answer",
  });
  return {
    first: "writable",
    atStart(fd) {
      const errno = takeSocketError(fd);
      return errno === undefined ? undefined : decideErrno(errno);
    },
    onReady(fd) {
      if (!connected) {
        const errno = takeSocketError(fd);
        if (errno !== undefined) return decideErrno(errno);
        connected = true;
        send(fd, speech.request, MSG_NOSIGNAL);
        return "readable";
      }
      const buffer = Buffer.allocUnsafe(ANSWER_BYTES);
      for (;;) {
        const got = receive(fd, buffer);
        if (got === undefined) return speech.isComplete(said) ? decided() : undefined;
        if (got === 0) return said.length === 0 ? closedEarly() : decided();
        said = Buffer.concat([said, buffer.subarray(0, got)]);
        if (said.length > ANSWER_BYTES) return decided();
      }
    },
    onErrno(code) {
      if (said.length > 0) return decided();
      if (connected && ["ECONNRESET", "EPIPE", "ENOTCONN"].includes(code)) return closedEarly(code);
      return decideErrno(code);
    },
    atDeadline() {
      if (said.length > 0) return decided();
      return connected
        ? { outcome: "silent", error: "connected, but no answer came before the deadline" }
        : { outcome: "silent" };
    },
    // The server has ended, or is of no more interest: a reset leaves TIME_WAIT on neither side, and the source port is free.
    beforeClose: resetOnClose,
  };
}

function datagramExchange(speech: Omit<Speech, "isComplete">): Exchange {
  return {
    first: "readable",
    atStart: (fd) => sendOnce(fd, speech.request),
    onReady(fd) {
      const buffer = Buffer.allocUnsafe(ANSWER_BYTES);
      const got = receive(fd, buffer);
      if (got === undefined) return undefined;
      const answer = speech.readAnswer(buffer.subarray(0, got));
      return { outcome: "reach", ...(answer ? { answer } : {}) };
    },
    onErrno: decideErrno,
    atDeadline: () => ({ outcome: "silent" }),
    beforeClose: () => {},
  };
}

/** type, code, checksum, id, sequence number (RFC 792); the kernel writes id and checksum of a ping socket. */
const ECHO_REQUEST = [8, 0, 0, 0, 0, 0, 0, 1];

function echoExchange(token: string): Exchange {
  const payload = Buffer.from(token);
  return {
    first: "readable",
    atStart: (fd) => sendOnce(fd, Buffer.concat([Buffer.from(ECHO_REQUEST), payload])),
    onReady(fd) {
      const buffer = Buffer.allocUnsafe(65536);
      const got = receive(fd, buffer);
      if (got === undefined) return undefined;
      const isOurs = buffer[0] === 0 && buffer.subarray(8, got).equals(payload);
      return isOurs ? { outcome: "reach" } : undefined;
    },
    onErrno: decideErrno,
    atDeadline: () => ({ outcome: "silent" }),
    beforeClose: () => {},
  };
}

/** SCTP has no responder: a completed handshake is all there is to see. */
function connectOnlyExchange(): Exchange {
  return {
    first: "writable",
    atStart: () => undefined,
    onReady(fd) {
      const errno = takeSocketError(fd);
      return errno === undefined ? { outcome: "reach" } : decideErrno(errno);
    },
    onErrno: decideErrno,
    atDeadline: () => ({ outcome: "silent" }),
    beforeClose: resetOnClose,
  };
}

function sendOnce(fd: number, data: Uint8Array): Decision | undefined {
  try {
    send(fd, data, MSG_NOSIGNAL);
    return undefined;
  } catch (error) {
    if (error instanceof SystemError) return decideErrno(error.code);
    throw error;
  }
}

function receive(fd: number, buffer: Buffer): number | undefined {
  try {
    return recv(fd, buffer);
  } catch (error) {
    if (error instanceof SystemError && error.code === "EAGAIN") return undefined;
    throw error;
  }
}
