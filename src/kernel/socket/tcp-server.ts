/** A TCP server on a descriptor that listens in any namespace: what waits at it, how many at once, and one way to end it all. */
import type { Socket } from "node:net";
import { listenOn, type TcpListenerOptions } from "./tcp-listener.ts";

export interface TcpServer {
  /** Stops listening and ends open connections. Idempotent; settles when all have ended. */
  close(): Promise<void>;
}

export interface TcpServerOptions extends TcpListenerOptions {
  /** Open at once; one more is closed when it comes. No bound unless said. */
  readonly connections?: number;
}

/**
 * Takes the descriptor over; connections that come may be half closed by their clients.
 * @param serve gets each connection, and hears its errors
 */
export function serveTcp(fd: number, serve: (socket: Socket) => void, options: TcpServerOptions = {}): TcpServer {
  const { connections = Number.POSITIVE_INFINITY } = options;
  const sockets = new Set<Socket>();
  let closing: Promise<void> | undefined;
  let allEnded: () => void = () => {};
  const listener = listenOn(
    fd,
    (socket) => {
      if (sockets.size >= connections) {
        socket.on("error", () => {});
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.on("close", () => {
        sockets.delete(socket);
        if (sockets.size === 0) allEnded();
      });
      serve(socket);
    },
    options,
  );
  return {
    close() {
      closing ??= new Promise((resolve) => {
        listener.close();
        allEnded = resolve;
        if (sockets.size === 0) resolve();
        for (const socket of sockets) socket.destroy();
      });
      return closing;
    },
  };
}
