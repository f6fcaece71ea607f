/**
 * Takes the connections that wait at a listening descriptor, many in one turn of the event loop. Node's own server takes one
 * a turn (libuv 1.45, src/unix/stream.c uv__server_io). All servers of a lab and all who ask them share this thread: with some fifty of
 * them a turn on a busy machine takes 30 ms, and of a hundred who asked one server at once the last would wait for three seconds,
 * which is silence to them.
 */
import type { Socket } from "node:net";
import { accept, closeFd, SystemError } from "../libc.ts";
import { type Readiness, watchReadiness } from "../readiness.ts";
import { adoptConnection } from "./socket.ts";

export interface TcpListener {
  /** Stops listening; connections that were taken live on. Idempotent. */
  close(): void;
}

export interface TcpListenerOptions {
  /** Nothing is read of a connection until somebody wants it. */
  readonly paused?: boolean;
}

/** Taken in one turn: others have their turn, too, and captures must keep up with what all of them say. */
const AT_ONCE = 32;
/** Out of descriptors: until some may have been closed. */
const LATER_MS = 50;
/** That connection has gone, or this is no time: the next one may be had (accept(2)). */
const GONE: readonly string[] = ["ECONNABORTED", "EINTR"];

/** Takes the descriptor over. @param serve gets each connection, half open: its owner ends its own side */
export function listenOn(fd: number, serve: (socket: Socket) => void, options: TcpListenerOptions = {}): TcpListener {
  let watch: Readiness | undefined;
  let later: NodeJS.Timeout | undefined;
  let closed = false;
  const take = (): void => {
    for (let i = 0; i < AT_ONCE && !closed; i++) {
      const taken = acceptNext(fd);
      if (taken === "none") return;
      if (taken === "gone") continue;
      if (taken === "not now") {
        watch?.close();
        later = setTimeout(open, LATER_MS);
        return;
      }
      serve(adoptConnection(taken, options));
    }
  };
  const open = (): void => {
    watch = watchReadiness(fd, "readable", take);
  };
  open();
  return {
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(later);
      watch?.close();
      closeFd(fd);
    },
  };
}

function acceptNext(fd: number): number | "none" | "gone" | "not now" {
  try {
    return accept(fd);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === "EAGAIN") return "none";
    return GONE.includes(error.code) ? "gone" : "not now";
  }
}
