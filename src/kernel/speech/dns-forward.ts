/**
 * Asks other name servers on a container's behalf: one after another, one attempt each, over the transport that the container used, from
 * the namespace that each server belongs to. What is asked and what an answer is worth is the request's business (src/dns/embedded.ts).
 * Behaviour and numbers: moby daemon/libnetwork/resolver.go forwardExtDNS and exchange; docker-reference 6.4.
 */
import type { Socket } from "node:net";
import { startDeadline } from "../../deadline.ts";
import { DocknetError } from "../../errors.ts";
import type { Ipv4 } from "../../net/address.ts";
import type { Port } from "../../net/port.ts";
import { closeFd, recvmsg, SystemError, send } from "../libc.ts";
import type { Netns } from "../netns.ts";
import type { Pool, Share } from "../pool.ts";
import { watchReadiness } from "../readiness.ts";
import { adoptConnection, openTcpConnection, openUdpConnection, takeSocketError } from "../socket/socket.ts";

/** A server that may know, and the namespace it is asked from: the container's for `--dns`, the emulated host's for `host(...)`. */
export interface ForwardServer {
  readonly address: Ipv4;
  readonly port: Port;
  readonly ns: Netns;
}

export interface ForwardRequest {
  readonly query: Uint8Array;
  readReply(
    reply: Uint8Array,
  ): { readonly kind: "answer"; readonly bytes: Uint8Array } | { readonly kind: "failure" | "stray" };
  fail(rcode: "SERVFAIL" | "REFUSED"): Uint8Array;
}

export interface ForwardLimits {
  /** For one server, in ms: to connect, and again to answer. */
  readonly exchangeMs: number;
  /** That a query waits for its turn, in ms; then it is REFUSED. */
  readonly turnMs: number;
  /** Exchanges at a time. */
  readonly exchanges: number;
  /** Queries that wait for their turn; one more is REFUSED at once. */
  readonly waiting: number;
}

/** What all containers of a process have together: an exchange is a descriptor, or two to a server of this process over TCP. */
export interface ForwardPools {
  readonly exchanges: Pool;
  readonly waiting: Pool;
}

/** moby: extIOTimeout, maxConcurrent. It has no bound on what waits; 4 s of it are plenty here. */
export const FORWARD_LIMITS: ForwardLimits = { exchangeMs: 4000, turnMs: 4000, exchanges: 1024, waiting: 4096 };

/** Datagrams read from one server in one turn of the loop. */
const BATCH = 16;
/** A message over TCP with its length. */
const FRAME_BYTES = 2 + 65_535;

/** Ends with what the server says, or undefined when there is nothing to make use of. */
type Finish = (answer: Uint8Array | undefined) => void;

export class Forwarder {
  private readonly limits: ForwardLimits;
  private readonly turns: Turns;
  /** What ends each exchange under way. */
  private readonly exchanges = new Set<() => void>();
  private closed = false;

  constructor(limits: ForwardLimits, pools: ForwardPools) {
    this.limits = limits;
    this.turns = new Turns(limits, pools);
  }

  /** @returns what to tell the client; undefined once closed */
  async forward(
    servers: readonly ForwardServer[],
    request: ForwardRequest,
    transport: "udp" | "tcp",
  ): Promise<Uint8Array | undefined> {
    for (const server of servers) {
      const turn = await this.turns.take();
      if (this.closed) return undefined;
      if (!turn) return request.fail("REFUSED");
      const answer = await this.exchange(server, request, transport);
      if (this.closed) return undefined;
      this.turns.giveBack();
      if (answer) return answer;
    }
    return request.fail("SERVFAIL");
  }

  /** Ends everything under way, without an answer. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const abort of [...this.exchanges]) abort();
    this.turns.close();
  }

  private exchange(
    server: ForwardServer,
    request: ForwardRequest,
    transport: "udp" | "tcp",
  ): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      const start = transport === "udp" ? startUdp : startTcp;
      const finish: Finish = (answer) => {
        if (!this.exchanges.delete(abort)) return;
        deadline.cancel();
        stop?.();
        resolve(answer);
      };
      const abort = (): void => finish(undefined);
      const deadline = startDeadline(this.limits.exchangeMs, abort);
      this.exchanges.add(abort);
      let stop: (() => void) | undefined;
      try {
        stop = start(server, request, finish, () => deadline.refresh());
      } catch (error) {
        // no route, no descriptors left, a namespace that went: this server has no answer
        if (!(error instanceof SystemError) && !(error instanceof DocknetError)) throw error;
        abort();
      }
    });
  }
}

/** A connected socket with a port of the kernel's choice: it hears from that server only. @returns what closes it */
function startUdp(server: ForwardServer, request: ForwardRequest, finish: Finish): () => void {
  const fd = openUdpConnection(server.ns, server.address, server.port);
  try {
    send(fd, request.query);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  let open = true;
  const watch = watchReadiness(fd, "readable", () => {
    for (let i = 0; i < BATCH && open; i++) {
      const data = receive(fd);
      if (data === undefined) return;
      const verdict = data === "error" ? ({ kind: "failure" } as const) : request.readReply(data);
      if (verdict.kind !== "stray") finish(verdict.kind === "answer" ? verdict.bytes : undefined);
    }
  });
  return () => {
    open = false;
    watch.close();
    closeFd(fd);
  };
}

/** "error": an ICMP error waits on the socket, nobody listens there. */
function receive(fd: number): Uint8Array | "error" | undefined {
  try {
    return recvmsg(fd)?.data;
  } catch (error) {
    if (error instanceof SystemError) return "error";
    throw error;
  }
}

/** A connection for one query. @returns what closes it, whether it stands or is under way */
function startTcp(server: ForwardServer, request: ForwardRequest, finish: Finish, onConnect: () => void): () => void {
  const fd = openTcpConnection(server.ns, server.address, server.port);
  let socket: Socket | undefined;
  const watch = watchReadiness(fd, "writable", () => {
    if (takeSocketError(fd) !== undefined) {
      finish(undefined);
      return;
    }
    watch.close();
    onConnect();
    socket = adoptConnection(fd);
    exchangeFrames(socket, request, finish);
  });
  return () => {
    if (socket) {
      socket.destroy();
      return;
    }
    watch.close();
    closeFd(fd);
  };
}

function exchangeFrames(socket: Socket, request: ForwardRequest, finish: Finish): void {
  let input: Buffer = Buffer.alloc(0);
  socket.on("error", () => finish(undefined));
  socket.on("end", () => finish(undefined));
  socket.on("data", (chunk) => {
    input = Buffer.concat([input, chunk.subarray(0, FRAME_BYTES - input.length)]);
    if (input.length < 2 || input.length < 2 + input.readUInt16BE(0)) return;
    const verdict = request.readReply(input.subarray(2, 2 + input.readUInt16BE(0)));
    finish(verdict.kind === "answer" ? verdict.bytes : undefined);
  });
  socket.write(frameOf(request.query));
}

/** With its length before it (RFC 1035 4.2.2). */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(2 + message.length);
  frame.writeUInt16BE(message.length);
  frame.set(message, 2);
  return frame;
}

/** Who may ask now: of one container first come, first served; of several, who has least under way. */
class Turns {
  private readonly turnMs: number;
  private readonly exchanges: Share;
  private readonly places: Share;
  /** In the order they came; called with whether it is their turn. */
  private readonly waiting = new Set<(turn: boolean) => void>();

  constructor({ exchanges, waiting, turnMs }: ForwardLimits, pools: ForwardPools) {
    this.turnMs = turnMs;
    this.exchanges = pools.exchanges.open(exchanges, () => this.callNext());
    this.places = pools.waiting.open(waiting);
  }

  /** @returns false when the turn did not come in time */
  async take(): Promise<boolean> {
    if (this.exchanges.tryTake()) return true;
    if (!this.places.tryTake()) return false;
    return new Promise((resolve) => {
      const settle = (turn: boolean): void => {
        if (!this.waiting.delete(settle)) return;
        clearTimeout(deadline);
        this.places.giveBack();
        resolve(turn);
      };
      const deadline = setTimeout(() => settle(false), this.turnMs);
      this.waiting.add(settle);
    });
  }

  giveBack(): void {
    this.exchanges.giveBack();
  }

  /** The one that waits longest, and the one after it, as long as they may. */
  private callNext(): void {
    for (const settle of this.waiting) {
      if (!this.exchanges.tryTake()) return;
      settle(true);
    }
  }

  /** Once nothing is under way. */
  close(): void {
    for (const settle of [...this.waiting]) settle(false);
    this.places.close();
    this.exchanges.close();
  }
}
