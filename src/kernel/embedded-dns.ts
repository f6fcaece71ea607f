/**
 * The sockets of the embedded DNS server, inside the container's namespace: UDP and TCP at 127.0.0.11 on two high ports, where nat rules
 * of that namespace lead port 53 (plan/embedded-dns.ts). One process serves all containers of a lab: what waits costs two descriptors
 * and no timer. What is said is decided by the function that is given (src/dns/embedded.ts); the rest is asked of other servers
 * (dns-forward.ts). Over TCP a connection's queries are answered one after another, as miekg/dns server.go does.
 */
import type { Socket } from "node:net";
import type { Ipv4 } from "../net/address.ts";
import type { Port } from "../net/port.ts";
import {
  FORWARD_LIMITS,
  Forwarder,
  type ForwardLimits,
  type ForwardPools,
  type ForwardRequest,
  type ForwardServer,
  frameOf,
} from "./dns-forward.ts";
import { closeFd } from "./libc.ts";
import type { Netns } from "./netns.ts";
import { Pool } from "./pool.ts";
import { descriptorLimit, openTcpListener, openUdpSocket } from "./socket.ts";
import { serveTcp } from "./tcp-server.ts";
import { readDatagrams } from "./udp.ts";

export type { ForwardServer };

/** What to do about a query, as `answerEmbedded` says it. */
export type AnswerEmbedded = (
  query: Uint8Array,
  transport: "udp" | "tcp",
) =>
  | { readonly kind: "answer"; readonly bytes: Uint8Array }
  | { readonly kind: "drop" }
  | ({ readonly kind: "forward" } & ForwardRequest);

export interface EmbeddedDnsOptions {
  readonly udpPort: Port;
  readonly tcpPort: Port;
  readonly answer: AnswerEmbedded;
  /** Asked for each query that is forwarded; in order, the first three count. */
  readonly servers: () => readonly ForwardServer[];
  /** In place of Docker's numbers, for tests. */
  readonly limits?: Partial<EmbeddedDnsLimits>;
  /** In place of the process's own, for tests. */
  readonly pools?: EmbeddedDnsPools;
}

/** Shared by all servers of a process, so that one container's flood leaves room for the others. */
export interface EmbeddedDnsPools extends ForwardPools {
  /** TCP connections of clients. */
  readonly connections: Pool;
}

export interface EmbeddedDnsLimits extends ForwardLimits {
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
const LIMITS: EmbeddedDnsLimits = {
  ...FORWARD_LIMITS,
  firstQueryMs: 2000,
  idleMs: 8000,
  queries: 128,
  connections: 256,
};

export interface EmbeddedDns {
  /** Counted since it was opened, over both transports; `forwards` are queries passed on, whatever became of them. */
  readonly counters: { readonly queries: number; readonly answers: number; readonly forwards: number };
  /** Stops listening, closes open connections and forgets what is under way. Idempotent. */
  close(): Promise<void>;
}

/** The address of libnetwork's resolver (moby daemon/libnetwork/sandbox_dns_unix.go resolverIPSandbox). */
const ADDRESS = "127.0.0.11" as Ipv4;
/** A lone container can have as many exchanges as moby lets it (1024) where a process may have 8192 descriptors or more. */
let processPools: EmbeddedDnsPools | undefined;

function poolsOfProcess(): EmbeddedDnsPools {
  const quarter = Math.min(2048, Math.floor(descriptorLimit() / 4));
  processPools ??= { exchanges: new Pool(quarter), waiting: new Pool(16_384), connections: new Pool(quarter) };
  return processPools;
}

/** Datagrams that come while this one thread is elsewhere wait in the socket; some 1,300 small ones fit. */
const RECEIVE_BYTES = 512 * 1024;

/** moby daemon/libnetwork/resolver.go maxExtDNS */
const SERVERS = 3;

/**
 * Opens the server in a container's namespace; it listens when this returns. The caller closes it.
 * @throws DocknetError CONFLICT when a port is taken there
 */
export function openEmbeddedDns(ns: Netns, options: EmbeddedDnsOptions): EmbeddedDns {
  const { udpPort, tcpPort, answer, servers, pools = poolsOfProcess() } = options;
  const limits = { ...LIMITS, ...options.limits };
  const counters = { queries: 0, answers: 0, forwards: 0 };
  const forwarder = new Forwarder(limits, pools);
  const connections = pools.connections.open(limits.connections);
  let closed = false;

  const say = async (query: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> => {
    counters.queries += 1;
    const decision = answer(query, transport);
    if (decision.kind === "drop") return undefined;
    let said: Uint8Array | undefined;
    if (decision.kind === "answer") said = decision.bytes;
    else {
      counters.forwards += 1;
      const others = servers().filter((server) => server.address !== ADDRESS || server.ns !== ns);
      said = await forwarder.forward(others.slice(0, SERVERS), decision, transport);
    }
    if (said && !closed) counters.answers += 1;
    return closed ? undefined : said;
  };

  const [udp, tcp] = openSockets(ns, udpPort, tcpPort);
  const reader = readDatagrams(udp, async ({ data, reply }) => {
    const said = await say(data, "udp");
    // closed in between, the descriptor may be another's by now
    if (said && !closed) reply(said);
  });
  const server = serveTcp(tcp, (socket) => {
    if (closed || !connections.tryTake()) {
      socket.destroy();
      return;
    }
    socket.on("close", () => {
      // all were given back at once when it was closed
      if (!closed) connections.giveBack();
    });
    void serveConnection(socket, limits, (query) => say(query, "tcp"));
  });
  return {
    counters,
    close() {
      if (!closed) {
        closed = true;
        reader.close();
        closeFd(udp);
        forwarder.close();
        connections.close();
      }
      return server.close();
    },
  };
}

function openSockets(ns: Netns, udpPort: Port, tcpPort: Port): [udp: number, tcp: number] {
  const inUse = (port: Port, proto: string) => ({
    inUse: `Cannot open the DNS server of ${ns.label} on ${ADDRESS}:${port}/${proto}: address already in use`,
  });
  const udp = openUdpSocket(ns, ADDRESS, udpPort, { ...inUse(udpPort, "udp"), receiveBytes: RECEIVE_BYTES });
  try {
    return [udp, openTcpListener(ns, ADDRESS, tcpPort, inUse(tcpPort, "tcp"))];
  } catch (error) {
    closeFd(udp);
    throw error;
  }
}

/** Never rejects. The timer runs while the client is waited for, not while others are. */
async function serveConnection(
  socket: Socket,
  limits: EmbeddedDnsLimits,
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
