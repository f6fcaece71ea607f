/** A TCP server on a descriptor that listens in any namespace: what waits at it, how many at once, and one way to end it all. */
import { createServer, type Socket } from "node:net";
import { adoptListener } from "./socket.ts";

export interface TcpServer {
  /** Stops listening and ends open connections. Idempotent; settles when all have ended. */
  close(): Promise<void>;
}

export interface TcpServerOptions {
  /** Open at once; one more is closed when it comes. No bound unless said. */
  readonly connections?: number;
}

/**
 * Takes the descriptor over; connections that come may be half closed by their clients.
 * @param serve gets each connection, and hears its errors
 */
export function serveTcp(
  fd: number,
  serve: (socket: Socket) => void,
  { connections }: TcpServerOptions = {},
): TcpServer {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket);
  });
  if (connections !== undefined) server.maxConnections = connections;
  // Out of descriptors while accepting, for one: the client sees it, and the server goes on.
  server.on("error", () => {});
  adoptListener(server, fd);
  let closing: Promise<void> | undefined;
  return {
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
      return closing;
    },
  };
}
