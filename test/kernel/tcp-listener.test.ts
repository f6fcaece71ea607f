/** Who waits at a listening socket is taken in one turn of the event loop, however many they are. */
import { expect, test } from "vitest";
import { closeFd } from "../../src/kernel/libc.ts";
import { openTcpConnection, openTcpListener } from "../../src/kernel/socket/socket.ts";
import { serveTcp } from "../../src/kernel/socket/tcp-server.ts";
import { descriptors, ip, openedSince, TinyNet, waitFor } from "../support/tiny-net.ts";

const SERVER = ip("172.17.0.2");
const CLIENTS = 300;

test("300 who come at once are served within a few turns, and their end leaves no descriptor", async () => {
  await using net = new TinyNet();
  const before = descriptors();
  let turn = 0;
  let counting = true;
  const count = (): void => {
    turn += 1;
    if (counting) setImmediate(count);
  };
  count();
  const servedIn: number[] = [];
  const server = serveTcp(openTcpListener(net.server, SERVER, 80), (socket) => {
    socket.on("error", () => {});
    servedIn.push(turn);
  });
  const clients = Array.from({ length: CLIENTS }, () => openTcpConnection(net.client, SERVER, 80));
  await waitFor("all are served", () => servedIn.length === CLIENTS);
  counting = false;
  expect(new Set(servedIn).size).toBeLessThan(CLIENTS / 10);
  await server.close();
  for (const fd of clients) closeFd(fd);
  await waitFor("descriptors as before", () => openedSince(before).length === 0);
});

test("one more than there may be at once is closed, and the next one served when another goes", async () => {
  await using net = new TinyNet();
  const served: unknown[] = [];
  const server = serveTcp(
    openTcpListener(net.server, SERVER, 80),
    (socket) => {
      socket.on("error", () => {});
      socket.on("end", () => socket.destroy());
      served.push(socket);
      socket.resume();
    },
    { connections: 2 },
  );
  const open = (): number => openTcpConnection(net.client, SERVER, 80);
  const clients = [open(), open(), open()];
  await waitFor("two are served", () => served.length === 2);
  closeFd(clients.shift() as number);
  let last: number | undefined;
  await waitFor("another is served", () => {
    if (last !== undefined) closeFd(last);
    last = open();
    return served.length === 3;
  });
  for (const fd of clients) closeFd(fd);
  if (last !== undefined) closeFd(last);
  await server.close();
});
