/**
 * The streams, signals and ends of `run`, `exec` and `logs` against an engine that the test plays itself. That the real engine is played
 * rightly, and that docker ends alike, is shown by scripts/compare-run.mjs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const ID = "c".repeat(64);

const frame = (stream: number, text: string): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt8(stream, 0);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

/** What the engine does with one container: `talk` is its program, which returns the exit code. */
interface Play {
  readonly talk?: (stream: Duplex, engine: Engine) => Promise<number>;
  readonly startError?: readonly [number, string];
  readonly tty?: boolean;
}

class Engine {
  readonly calls: string[] = [];
  readonly signals: string[] = [];
  private readonly play: Play;
  private readonly server: Server;
  private stream: Duplex | undefined;
  private finish: (code: number) => void = () => undefined;
  private readonly ended = new Promise<number>((resolve) => {
    this.finish = resolve;
  });
  onSignal: (signal: string) => void = () => undefined;

  constructor(play: Play) {
    this.play = play;
    this.server = createServer((request, response) => {
      request.resume();
      request.on(
        "end",
        () =>
          void this.answer(request).then(([status, body]) => {
            response.writeHead(status, { "Content-Type": "application/json" });
            response.flushHeaders();
            if (body instanceof Promise) void body.then((text: string) => response.end(text));
            else response.end(body);
          }),
      );
    });
    this.server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
      this.calls.push(pathOf(request));
      socket.on("error", () => undefined);
      socket.write(
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
      );
      this.stream = socket;
      if (pathOf(request).startsWith("/exec/")) void this.begin();
    });
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve) => this.server.listen(path, resolve));
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async begin(): Promise<void> {
    const { stream } = this;
    const code = stream && this.play.talk ? await this.play.talk(stream, this) : 0;
    stream?.end();
    this.finish(code);
  }

  private async answer(request: IncomingMessage): Promise<[number, string | Promise<string>]> {
    const path = pathOf(request);
    this.calls.push(path);
    const { startError, tty = false } = this.play;
    if (path === "/containers/create") return [201, JSON.stringify({ Id: ID, Warnings: ["be careful"] })];
    if (path.endsWith("/wait")) return [200, this.ended.then((code) => JSON.stringify({ StatusCode: code }))];
    if (path.endsWith("/kill")) {
      const signal = new URL(request.url ?? "", "http://x").searchParams.get("signal") ?? "";
      this.signals.push(signal);
      this.onSignal(signal);
      return [204, ""];
    }
    if (path.endsWith("/start") && startError) {
      this.stream?.end();
      this.finish(startError[0]);
      return [400, JSON.stringify({ message: startError[1] })];
    }
    if (path.endsWith("/start")) {
      void this.begin();
      return [204, ""];
    }
    if (path === `/exec/${ID}/json`) return [200, JSON.stringify({ ExitCode: await this.ended })];
    if (path.endsWith("/exec")) return [201, JSON.stringify({ Id: ID })];
    if (path.endsWith("/logs")) return [200, Buffer.concat([frame(1, "one\n"), frame(2, "two\n")]).toString("latin1")];
    return [
      200,
      JSON.stringify({ Id: ID, State: { Running: true }, Config: { Tty: tty, OpenStdin: true }, HostConfig: {} }),
    ];
  }
}

const pathOf = (request: IncomingMessage): string =>
  new URL(request.url ?? "", "http://x").pathname.replace(/^\/v1\.51/, "");

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

interface Ran {
  readonly child: ChildProcess;
  readonly end: Promise<{ stdout: string; stderr: string; status: number | null }>;
}

async function docknet(
  play: Play,
  argv: readonly string[],
  input?: string,
): Promise<Ran & { engine: Engine; dir: string }> {
  const dir = mkdtempSync(join(tmpdir(), "docknet-cli-"));
  undo.push(() => rmSync(dir, { recursive: true }));
  const engine = new Engine(play);
  undo.push(() => engine.close());
  await engine.listen(join(dir, "engine.sock"));
  const child = spawn(process.execPath, ["--", CLI, ...argv], {
    cwd: dir,
    env: { ...process.env, DOCKNET_HOST: `unix://${join(dir, "engine.sock")}` },
  });
  undo.push(() => child.kill("SIGKILL"));
  child.stdin.on("error", () => {}); // it may end without reading
  if (input !== undefined) child.stdin.end(input);
  const out = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    out.stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    out.stderr += chunk;
  });
  const end = new Promise<{ stdout: string; stderr: string; status: number | null }>((resolve) =>
    child.on("close", (status) => resolve({ ...out, status })),
  );
  return { child, end, engine, dir };
}

test("run parts stdout from stderr, tells warnings, and ends with the container's exit code", async () => {
  const talk = async (stream: Duplex) => {
    stream.write(Buffer.concat([frame(1, "out\n"), frame(2, "err\n")]));
    return 3;
  };
  const { end, engine } = await docknet({ talk }, ["run", "busybox", "x"]);
  expect(await end).toEqual({ stdout: "out\n", stderr: "WARNING: be careful\nerr\n", status: 3 });
  const order = engine.calls.map((path) => path.split("/").at(-1));
  expect(order).toEqual(["create", "attach", "wait", "start"]);
});

test("run -i sends standard input to its end and reads what comes after it", async () => {
  const talk = async (stream: Duplex) => {
    let text = "";
    await new Promise<void>((resolve) => {
      stream.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      stream.on("end", resolve);
    });
    stream.write(frame(1, text.toUpperCase()));
    return 0;
  };
  const { end } = await docknet({ talk }, ["run", "-i", "busybox", "x"], "typed\n");
  expect(await end).toMatchObject({ stdout: "TYPED\n", status: 0 });
});

test("run -d prints the id and waits for nothing", async () => {
  const { end, dir } = await docknet({}, ["run", "-d", "--cidfile", "cid", "busybox"]);
  expect(await end).toMatchObject({ stdout: `${ID}\n`, status: 0 });
  expect(readFileSync(join(dir, "cid"), "utf8")).toBe(ID);
});

test.each([
  ['exec: "nosuch": executable file not found in $PATH', 127],
  ['exec: "/etc": is a directory: permission denied', 126],
  ["port is already allocated", 125],
])("a start that fails with %j ends with %i and says where help is", async (message, status) => {
  const { end } = await docknet({ startError: [0, message] }, ["run", "busybox"]);
  const stderr = `WARNING: be careful\ndocknet: Error response from daemon: ${message}\n\nRun 'docknet run --help' for more information\n`;
  expect(await end).toEqual({ stdout: "", stderr, status });
});

test.each(["SIGINT", "SIGTERM", "SIGUSR2"] as const)(
  "%s goes to the container, which ends as it likes",
  async (signal) => {
    const talk = (stream: Duplex, engine: Engine) =>
      new Promise<number>((resolve) => {
        engine.onSignal = () => {
          stream.write(frame(1, "bye\n"));
          resolve(7);
        };
        stream.write(frame(1, "go\n"));
      });
    const { child, end, engine } = await docknet({ talk }, ["run", "busybox"]);
    child.stdout?.once("data", () => child.kill(signal));
    expect(await end).toMatchObject({ stdout: "go\nbye\n", status: 7 });
    expect(engine.signals).toEqual([signal.slice(3)]);
  },
);

test("a terminal is refused where standard input is none, before anything is made", async () => {
  const { end, engine } = await docknet({}, ["run", "-it", "busybox"], "");
  expect(await end).toEqual({ stdout: "", stderr: "the input device is not a TTY\n", status: 1 });
  expect(engine.calls).toEqual([]);
});

test("a --cidfile that exists is left alone", async () => {
  const { end, engine } = await docknet({}, ["create", "--cidfile", "engine.sock", "busybox"]);
  const stderr = "container ID file found, make sure the other container isn't running or delete engine.sock\n";
  expect(await end).toEqual({ stdout: "", stderr, status: 1 });
  expect(engine.calls).toEqual([]);
});

test("exec ends with the command's exit code; a world's node is named like a container", async () => {
  const talk = async (stream: Duplex) => {
    stream.write(frame(1, "rules\n"));
    return 5;
  };
  const { end, engine } = await docknet({ talk }, ["exec", "@host", "iptables-save"]);
  expect(await end).toEqual({ stdout: "rules\n", stderr: "", status: 5 });
  expect(engine.calls[0]).toBe("/containers/%40host/json");
});

test("logs parts the streams", async () => {
  const { end } = await docknet({}, ["logs", "web"]);
  expect(await end).toEqual({ stdout: "one\n", stderr: "two\n", status: 0 });
});
