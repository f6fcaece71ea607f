/**
 * The two ends of an FTP data connection: the one that opens it, and the one that waits for it on a port of the kernel's choice. Server
 * and client are either, as the transfer is passive or active. And the words for both ends: "data from=172.18.0.2:20 to=192.168.0.20:43121".
 */
import type { Socket } from "node:net";
import { ANY_IPV4, type Ipv4 } from "../../net/address.ts";
import { type DataEnd, FTP_DATA_PORT } from "../../net/ftp.ts";
import type { Port } from "../../net/port.ts";
import { closeFd, SystemError } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { type Readiness, watchReadiness } from "../readiness.ts";
import {
  adoptConnection,
  localAddressOf,
  openTcpConnection,
  openTcpListener,
  type SourceAddress,
  takeSocketError,
} from "../socket/socket.ts";
import { listenOn } from "../socket/tcp-listener.ts";
import { parseEnd } from "./probe-speech.ts";

/** What the other side may take to fetch what is there. */
const IDLE_MS = 10_000;

/** The connection stands, and its socket is the caller's; or the network's answer to it. */
export type Dialled = { readonly socket: Socket } | { readonly errno: string };

export interface Dial {
  /** Absent when it failed at once. */
  readonly from?: DataEnd;
  /** The errno of what failed at once: no route to connect by, no such source to be had. */
  readonly failed?: string;
  /** Never when nothing answers: whoever waits has a deadline. */
  readonly result: Promise<Dialled>;
  /** Gives up a connection that does not stand yet. Idempotent. */
  close(): void;
}

/** The first packet is sent when this returns. @throws DocknetError KERNEL_REFUSED when no descriptors are left */
export function dial(ns: Netns, to: DataEnd, source: SourceAddress = {}): Dial {
  let fd: number;
  try {
    fd = openTcpConnection(ns, to.address, to.port, { source });
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { failed: error.code, result: Promise.resolve({ errno: error.code }), close: () => {} };
  }
  let watch: Readiness | undefined;
  const giveUp = (): void => {
    if (!watch) return;
    watch.close();
    watch = undefined;
    closeFd(fd);
  };
  const result = new Promise<Dialled>((resolve) => {
    watch = watchReadiness(fd, "writable", () => {
      const errno = takeSocketError(fd);
      if (errno !== undefined) {
        giveUp();
        resolve({ errno });
        return;
      }
      watch?.close();
      watch = undefined;
      resolve({ socket: adoptConnection(fd) });
    });
  });
  return { from: localAddressOf(fd) as DataEnd, result, close: giveUp };
}

/** Port 20 is another program's, or the same two ends were connected just now. */
const TAKEN: readonly (string | undefined)[] = ["EADDRINUSE", "EADDRNOTAVAIL", "EACCES"];

/** As a server does: from port 20 of its address where it may, else from any. @throws as dial */
export function dialFromDataPort(ns: Netns, address: Ipv4, to: DataEnd): Dial {
  const call = dial(ns, to, { address, port: FTP_DATA_PORT });
  return TAKEN.includes(call.failed) ? dial(ns, to, { address }) : call;
}

export interface Waiting {
  /** Where it listens. */
  readonly at: DataEnd;
  /** The first connection; its socket is the caller's. Never when none comes. */
  readonly result: Promise<Socket>;
  /** Stops listening. Idempotent. */
  close(): void;
}

/** Listens on a free port of one address, for one connection. @throws SystemError, DocknetError KERNEL_REFUSED */
export function waitForOne(ns: Netns, address: Ipv4): Waiting {
  const fd = openTcpListener(ns, address, 0);
  const at = localAddressOf(fd) as DataEnd;
  let first: (socket: Socket) => void = () => {};
  const result = new Promise<Socket>((resolve) => {
    first = resolve;
  });
  const serve = (socket: Socket): void => {
    listener.close();
    first(socket);
  };
  const listener = listenOn(fd, serve, { paused: true });
  return { at, result, close: () => listener.close() };
}

/** The data connection did not come to stand, or not to its end. */
export class NoData extends Error {
  readonly errno: string;

  constructor(errno: string) {
    super(errno);
    this.errno = errno;
  }
}

/** Resolves when the other side has it all: its end of the connection says so. @param session ends it as well. @throws NoData */
export function deliver(data: Socket, content: string, session: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const endWithSession = (): void => void data.destroy();
    session.once("close", endWithSession);
    data.on("error", () => data.destroy());
    data.on("close", () => {
      session.off("close", endWithSession);
      if (data.writableFinished) resolve();
      else reject(new NoData("ECONNRESET"));
    });
    data.setTimeout(IDLE_MS, () => data.destroy());
    data.resume();
    data.end(content);
  });
}

/** Of a Node socket, which has neither once it is closed. */
export const localEnd = ({ localAddress, localPort }: Socket): DataEnd => endOf(localAddress, localPort);
export const remoteEnd = ({ remoteAddress, remotePort }: Socket): DataEnd => endOf(remoteAddress, remotePort);

function endOf(address: string | undefined, port: number | undefined): DataEnd {
  return { address: (address ?? ANY_IPV4) as Ipv4, port: (port ?? 0) as Port };
}

/** The opener's end, and the one that it opened to. */
export interface DataEnds {
  readonly from: DataEnd;
  readonly to: DataEnd;
}

export const renderDataEnds = ({ from, to }: DataEnds): string =>
  `data from=${from.address}:${from.port} to=${to.address}:${to.port}`;

/** At the end of a line, white space aside. */
export function parseDataEnds(line: string): DataEnds | undefined {
  const [, ...fields] = /(?:^| )data from=([\d.]{7,15}):(\d{1,5}) to=([\d.]{7,15}):(\d{1,5})\s*$/.exec(line) ?? [];
  const [from, to] = [parseEnd(fields[0], fields[1]), parseEnd(fields[2], fields[3])];
  return from && to && { from, to };
}
