/** Connections that leave HTTP, and streams, over a unix socket as clients speak to it. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeEvent } from "../../../src/daemon/api/event-routes.ts";
import { createServer, listen } from "../../../src/daemon/api/server.ts";
import type { Engine } from "../../../src/daemon/engine.ts";
import { DocknetError } from "../../../src/errors.ts";
import { type FakeEngine, fakeEngine } from "../../support/fake-engine.ts";

let directory: string;
let app: FastifyInstance;
let fake: FakeEngine;
let shim: { stdin: PassThrough; output: PassThrough };
/** Resolves when the streams of the process are let go. */
let closed: Promise<void>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "docknet-api-"));
  fake = fakeEngine();
  shim = { stdin: new PassThrough(), output: new PassThrough({ objectMode: true }) };
  let close = (): void => {};
  closed = new Promise((resolve) => {
    close = resolve;
  });
  Object.assign(fake.engine.processes as object, {
    attach: async () => ({ stdin: shim.stdin, output: shim.output, close }),
    keyOf: (id: string) => id,
    exec: async () => ({ pid: 7 }),
  });
  app = createServer(fake.engine, { version: "1.2.3" });
  await listen(app, join(directory, "docknet.sock"));
  for (const [name, tty] of [
    ["plain", false],
    ["term", true],
  ] as const) {
    const payload = JSON.stringify({ Image: "busybox", Cmd: ["cat"], OpenStdin: true, Tty: tty });
    const headers = { "content-type": "application/json" };
    await app.inject({ method: "POST", url: `/containers/create?name=${name}`, headers, payload });
    await app.inject({ method: "POST", url: `/containers/${name}/start` });
  }
});

afterEach(async () => {
  await app.close();
  rmSync(directory, { recursive: true });
});

/** A connection, and what it has said so far. */
function open(request: string): { socket: Socket; said(until: RegExp): Promise<string>; ended: Promise<void> } {
  const socket = connect({ path: join(directory, "docknet.sock"), allowHalfOpen: true });
  let text = "";
  const waiting = new Set<() => void>();
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    for (const look of waiting) look();
  });
  const ended = new Promise<void>((resolve) => socket.once("end", resolve));
  socket.write(request.replaceAll("\n", "\r\n"));
  const said = (until: RegExp): Promise<string> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!until.test(text)) return;
        waiting.delete(look);
        resolve(text);
      };
      waiting.add(look);
      look();
    });
  return { socket, said, ended };
}

const UPGRADE = "Host: d\nConnection: Upgrade\nUpgrade: tcp\n";
const engineOf = (): Engine => fake.engine;

describe("attach", () => {
  test("with an upgrade: 101, frames out, raw bytes in, and the end of either side is the end", async () => {
    const { socket, said, ended } = open(
      `POST /v1.51/containers/plain/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\n${UPGRADE}\n`,
    );
    expect(await said(/\r\n\r\n/)).toBe(
      "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    socket.end("hello");
    const typed: Buffer[] = [];
    for await (const chunk of shim.stdin) typed.push(chunk as Buffer);
    expect(Buffer.concat(typed).toString()).toBe("hello");
    shim.output.end({ stream: "stderr", data: Buffer.from("oh") });
    await ended;
    expect((await said(/oh/)).slice(-10)).toBe("\u0002\0\0\0\0\0\0\u0002oh");
    socket.destroy();
  });

  test("takes a body of known length for no input: dockerode sends its options so", async () => {
    const { socket } = open(
      `POST /containers/plain/attach?stream=1&stdin=1 HTTP/1.1\n${UPGRADE}Content-Length: 15\n\n{"stream":true}typed`,
    );
    socket.end();
    const typed: Buffer[] = [];
    for await (const chunk of shim.stdin) typed.push(chunk as Buffer);
    expect(Buffer.concat(typed).toString()).toBe("typed");
    socket.destroy();
  });

  test("of a terminal is a raw stream, and ctrl-p ctrl-q leaves it", async () => {
    const { socket, said, ended } = open(
      `POST /containers/term/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\n${UPGRADE}\n`,
    );
    expect(await said(/\r\n\r\n/)).toContain("application/vnd.docker.raw-stream");
    shim.output.write({ stream: "stdout", data: Buffer.from("prompt") });
    expect(await said(/prompt/)).toMatch(/\r\n\r\nprompt$/);
    socket.write("a\x10\x11b");
    await Promise.all([ended, closed]);
    expect(shim.stdin.read()).toBeNull();
  });

  test("without an upgrade: 200, and the output until its end", async () => {
    const { said, ended } = open(
      "POST /containers/plain/attach?stream=1&stdout=1 HTTP/1.1\nHost: d\nContent-Length: 0\n\n",
    );
    const head = await said(/\r\n\r\n/);
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(head).not.toMatch(/transfer-encoding/i);
    shim.output.end({ stream: "stdout", data: Buffer.from("bye") });
    await ended;
    expect((await said(/bye/)).slice(-11)).toBe("\u0001\0\0\0\0\0\0\u0003bye");
  });

  test("who goes away ends the input, and is let go at the next output", async () => {
    const { socket, said } = open(`POST /containers/plain/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\n${UPGRADE}\n`);
    await said(/\r\n\r\n/);
    const ended = new Promise((resolve) => shim.stdin.once("finish", resolve));
    socket.destroy();
    await ended;
    shim.output.write({ stream: "stdout", data: Buffer.from("nobody") });
    await closed;
  });

  test("of nobody is refused with a status", async () => {
    const { said } = open(`POST /containers/nosuch/attach?stream=1 HTTP/1.1\n${UPGRADE}\n`);
    expect(await said(/\n$/)).toMatch(
      /^HTTP\/1.1 404 Not Found\r\nContent-Type: application\/vnd.docker.raw-stream\r\n\r\nNo such container: nosuch\r\n$/,
    );
  });
});

describe("exec start", () => {
  test("takes a node of the world, which clients find running before they ask", async () => {
    const details = await app.inject({ method: "GET", url: "/containers/@host/json" });
    expect(JSON.parse(details.body)).toMatchObject({ Id: "@host", State: { Running: true } });
    const payload = JSON.stringify({ Cmd: ["true"] });
    const headers = { "content-type": "application/json" };
    const exec = await app.inject({ method: "POST", url: "/containers/@host/exec", headers, payload });
    expect(exec.statusCode).toBe(201);
    expect((await app.inject({ method: "GET", url: "/containers/@nosuch/json" })).statusCode).toBe(404);
  });

  test("of a program that cannot be started is told in the stream, as the exit code is by inspect", async () => {
    Object.assign(fake.engine.processes as object, {
      exec: async () => {
        throw new DocknetError("NOT_FOUND", "OCI runtime exec failed: no such file", { details: { exitCode: 127 } });
      },
    });
    const id = await create();
    const body = '{"Detach":false}';
    const { said } = open(
      `POST /exec/${id}/start HTTP/1.1\n${UPGRADE}Content-Type: application/json\nContent-Length: ${body.length}\n\n${body}`,
    );
    const answer = await said(/file\r\n$/);
    expect(answer).toMatch(/^HTTP\/1.1 101 UPGRADED\r\n/);
    const text = "OCI runtime exec failed: no such file\r\n";
    const header = String.fromCharCode(1, 0, 0, 0, 0, 0, 0, text.length);
    expect(answer.endsWith(`\r\n\r\n${header}${text}`)).toBe(true);
    const details = await app.inject({ method: "GET", url: `/exec/${id}/json` });
    expect(JSON.parse(details.body)).toMatchObject({ Running: false, ExitCode: 127 });
  });

  const create = async (): Promise<string> => {
    const payload = JSON.stringify({ Cmd: ["cat"], AttachStdin: true, AttachStdout: true });
    const headers = { "content-type": "application/json" };
    const answer = await app.inject({ method: "POST", url: "/containers/plain/exec", headers, payload });
    return (JSON.parse(answer.body) as { Id: string }).Id;
  };

  test("with an upgrade takes its JSON from the body, and input from behind it", async () => {
    const id = await create();
    const { socket, said } = open(
      `POST /v1.51/exec/${id}/start HTTP/1.1\n${UPGRADE}Content-Type: application/json\nContent-Length: 16\n\n{"Detach":false}typed`,
    );
    expect(await said(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 101 UPGRADED\r\n[\s\S]*Api-Version: 1.51\r\n/);
    socket.end();
    const typed: Buffer[] = [];
    for await (const chunk of shim.stdin) typed.push(chunk as Buffer);
    expect(Buffer.concat(typed).toString()).toBe("typed");
    socket.destroy();
  });

  test("without an upgrade takes chunks: the JSON first, then input", async () => {
    const id = await create();
    const { socket, said } = open(
      `POST /exec/${id}/start HTTP/1.1\nHost: d\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n2\n{}\n5\ntyped\n0\n\n`,
    );
    expect(await said(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    const typed: Buffer[] = [];
    for await (const chunk of shim.stdin) typed.push(chunk as Buffer);
    expect(Buffer.concat(typed).toString()).toBe("typed");
    socket.destroy();
  });
});

test("the socket is for its owner alone", () => {
  expect(statSync(join(directory, "docknet.sock")).mode & 0o777).toBe(0o600);
});

test("a ping says who answers", async () => {
  const answer = await app.inject({ method: "GET", url: "/_ping" });
  expect(answer.body).toBe("OK");
  expect(answer.headers).toMatchObject({
    "api-version": "1.51",
    "docker-experimental": "false",
    ostype: "linux",
    server: "docknet/1.2.3 (linux)",
  });
});

test("logs are frames, with times of nine digits when they are asked for", async () => {
  fake.written.push({ stream: "stderr", time: "2026-11-22T03:18:44.64Z", text: "oh\n" });
  const answer = await app.inject({ method: "GET", url: "/containers/plain/logs?stderr=1&timestamps=1" });
  expect(answer.rawPayload.subarray(8).toString()).toBe("2026-11-22T03:18:44.640000000Z oh\n");
  expect([...answer.rawPayload.subarray(0, 8)]).toEqual([2, 0, 0, 0, 0, 0, 0, 34]);
});

test("wait sends its head before the end is known", async () => {
  const { socket, said } = open("POST /containers/plain/wait HTTP/1.1\nHost: d\nContent-Length: 0\n\n");
  expect(await said(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  socket.destroy();
});

test("an event of a container is told as dockerd tells it", () => {
  const event = {
    Type: "container",
    Action: "exec_start: sh -c echo >&2",
    Actor: { ID: "c0ffee", Attributes: { name: "web", image: "busybox", execID: "e" } },
    scope: "local",
    time: 1795333333,
    timeNano: 1795333333471583433n,
  } as const;
  expect(encodeEvent(event)).toBe(
    '{"status":"exec_start: sh -c echo \\u003e\\u00262","id":"c0ffee","from":"busybox","Type":"container","Action":"exec_start: sh -c echo \\u003e\\u00262","Actor":{"ID":"c0ffee","Attributes":{"execID":"e","image":"busybox","name":"web"}},"scope":"local","time":1795333333,"timeNano":1795333333471583433}\n',
  );
});

test("a stream that somebody follows does not keep a server that is closed", async () => {
  const { said, ended } = open("GET /events HTTP/1.1\nHost: d\n\n");
  await said(/\r\n\r\n/);
  await app.close();
  await ended;
});

test("events are followed from now on, by those who ask for their kind", async () => {
  const { socket, said } = open(
    `GET /events?filters=${encodeURIComponent('{"type":["network"]}')} HTTP/1.1\nHost: d\n\n`,
  );
  await said(/\r\n\r\n/);
  engineOf().events.publish("container", "start", "c1");
  engineOf().events.publish("network", "create", "n1", { name: "net" });
  const text = await said(/"timeNano"/);
  expect(text).toContain('{"Type":"network","Action":"create","Actor":{"ID":"n1","Attributes":{"name":"net"}}');
  expect(text).not.toContain('"c1"');
  socket.destroy();
});
