/** Asks the embedded server from sockets inside a namespace: one datagram or one connection per question, nothing is sent twice. */
import type { Socket } from "node:net";
import { closeFd, recv, send } from "../../src/kernel/libc.ts";
import type { Netns } from "../../src/kernel/netns.ts";
import { watchReadiness } from "../../src/kernel/readiness.ts";
import { adoptConnection, openTcpConnection, openUdpConnection } from "../../src/kernel/socket/socket.ts";
import type { Ipv4 } from "../../src/net/address.ts";

const RESOLVER = "127.0.0.11" as Ipv4;
const DNS_PORT = 53;
/** What needs longer gets no answer. */
const DEADLINE_MS = 30_000;
const MESSAGE_BYTES = 65_535;

/** @throws Error when no answer comes before the deadline */
export function askUdp(ns: Netns, query: Uint8Array): Promise<Buffer> {
  const fd = openUdpConnection(ns, RESOLVER, DNS_PORT);
  send(fd, query);
  return ready(fd, "readable", () => {
    const buffer = Buffer.alloc(MESSAGE_BYTES);
    return Buffer.from(buffer.subarray(0, recv(fd, buffer)));
  }).finally(() => closeFd(fd));
}

/** @throws Error when the connection ends without a whole answer */
export async function askTcp(ns: Netns, query: Uint8Array): Promise<Buffer> {
  const fd = openTcpConnection(ns, RESOLVER, DNS_PORT);
  await ready(fd, "writable", () => undefined);
  const socket: Socket = adoptConnection(fd);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  socket.end(Buffer.concat([length, query]));
  const stream = Buffer.concat(await socket.toArray());
  if (stream.length < 2 || stream.length !== 2 + stream.readUInt16BE(0))
    throw new Error(`${ns.label}: ${stream.length} bytes are no answer`);
  return stream.subarray(2);
}

function ready<T>(fd: number, interest: "readable" | "writable", work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      watch.close();
      settle();
    };
    const late = new Error(`not ${interest} after ${DEADLINE_MS} ms`);
    const timer = setTimeout(() => finish(() => reject(late)), DEADLINE_MS);
    const watch = watchReadiness(fd, interest, () => {
      try {
        const value = work();
        finish(() => resolve(value));
      } catch (error) {
        finish(() => reject(error));
      }
    });
  });
}
