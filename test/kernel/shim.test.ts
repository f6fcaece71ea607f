/** The shim outlives the daemon and forgets nothing; nothing outlives the shim; nobody upsets it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseSignal } from "../../src/daemon/signal.ts";
import { connectShim, startShim } from "../../src/kernel/shim/client.ts";
import { startTicks } from "../../src/kernel/shim/container-process.ts";
import { type ExitEvent, LINE_MAX, parseHead, parseOperation } from "../../src/kernel/shim/protocol.ts";
import { FrameReader, frame, LineReader } from "../../src/kernel/shim/wire.ts";
import { bundleShim, CLIENT_BUNDLE, command, removeBundle, SHIM_BUNDLE, ShimLab, sh } from "../support/shim.ts";
import { waitFor } from "../support/wait-for.ts";

beforeAll(bundleShim);
afterAll(removeBundle);

/** Is this process, by pid and start, still there? A zombie is not. */
function lives({ pid, startTicks: ticks }: { pid: number; startTicks: number }): boolean {
  try {
    return startTicks(pid) === ticks && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const ownMounts = (): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => /dn-shim-| (\/sys|\/proc|\/dev\/pts|\/dev\/ptmx|\/etc\/[a-z.]+) /.test(line));

/** "pid:[4026532345]" of a process. */
const namespacesOf = (pid: number): string[] =>
  ["mnt", "uts", "ipc", "pid"].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));

function allNamespaces(): Set<string> {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return new Set(
    pids.flatMap((pid) => {
      try {
        return namespacesOf(pid);
      } catch {
        return []; // it has ended meanwhile
      }
    }),
  );
}

describe("a daemon that dies", () => {
  test("leaves its processes running; the next daemon gets their exit codes until it acknowledges them", async () => {
    await using lab = await ShimLab.open();
    await lab.start("runs", command(["sleep", "60"]));
    await lab.run("ended", sh("exit 42"));
    await lab.reconnect();
    const key = (id: string) => ({ id });
    const list = await lab.shim.list();
    expect(list.map(({ id, kind, exit }) => [id, kind, exit?.exitCode])).toEqual([
      ["runs", "init", undefined],
      ["ended", "init", 42],
    ]);
    expect(
      list.every(({ pid, exit, startTicks: ticks }) => exit !== undefined || lives({ pid, startTicks: ticks })),
    ).toBe(true);
    await expect(lab.shim.acknowledge(key("runs"))).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(
      lab.shim.start({ ...key("ended"), space: lab.space, command: command(["true"]) }),
    ).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await lab.shim.acknowledge(key("ended"));
    await lab.shim.acknowledge(key("ended"));
    expect((await lab.shim.list()).map(({ id }) => id)).toEqual(["runs"]);
  });

  test("by SIGKILL, right after it started the shim, does not end the shim", async () => {
    const directory = mkdtempSync(join(tmpdir(), "dn-shim-"));
    const program = `import { startShim } from ${JSON.stringify(CLIENT_BUNDLE)};
      await startShim(${JSON.stringify(directory)}, ${JSON.stringify({ bundle: SHIM_BUNDLE })});
      process.stdout.write("up"); setInterval(() => {}, 1000);`;
    const daemon = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(daemon.stdout, "data");
    daemon.kill("SIGKILL");
    await once(daemon, "exit");
    const shim = await connectShim(directory);
    expect(lives(shim.info)).toBe(true);
    await shim.shutdown();
    await waitFor("the shim has ended", 20_000, () => !lives(shim.info));
    rmSync(directory, { recursive: true, force: true });
  });

  test("tells no other about an exit: each connection hears it by itself", async () => {
    await using lab = await ShimLab.open();
    const other = await connectShim(lab.directory);
    const heard: ExitEvent[] = [];
    lab.shim.onExit((event) => heard.push(event));
    other.onExit((event) => heard.push(event));
    await lab.run("one", sh("exit 6"));
    await waitFor("both heard it", 20_000, () => heard.length === 2);
    expect(heard.map(({ id, exitCode }) => [id, exitCode])).toEqual([
      ["one", 6],
      ["one", 6],
    ]);
    other.close();
  });
});

function membersOf(namespaces: ReadonlySet<string>): { pid: number; startTicks: number }[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).flatMap((pid) => {
    try {
      if (!namespaces.has(readlinkSync(`/proc/${pid}/ns/pid`))) return [];
      return [{ pid, startTicks: startTicks(pid) }];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}

/** Is it a `sleep 60` by now? */
function sleeps({ pid }: { readonly pid: number }): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1") === "sleep\0" + "60\0";
  } catch {
    return false; // it has ended meanwhile
  }
}

describe("the end of the shim", () => {
  async function crowd(lab: ShimLab) {
    const init = await lab.start("a", sh("(setsid sleep 60 &) ; sleep 60 & wait"));
    const exec = await lab.shim.exec({
      id: "a",
      execId: "e",
      space: lab.space,
      command: sh("setsid sleep 60 & sleep 60"),
    });
    const node = await lab.shim.exec({
      id: "@host",
      execId: "n",
      space: lab.node,
      command: sh("setsid sleep 60 & sleep 60"),
    });
    const pauses = (await lab.shim.list()).filter(({ kind }) => kind === "pause");
    expect(pauses.length).toBe(1);
    const namespaces = new Set([init.info, node, ...pauses].flatMap(({ pid }) => namespacesOf(pid)));
    // whoever is in one of those PID namespaces, daemonised or not. The last of six to sleep starts when the shell that daemonised one
    // has ended: from then on nobody comes or goes.
    const members = await waitFor("all have started", 20_000, () => {
      const found = membersOf(namespaces);
      return found.filter(sleeps).length === 6 && found;
    });
    expect(members).toEqual(expect.arrayContaining([{ pid: exec.pid, startTicks: exec.startTicks }]));
    return { members, namespaces };
  }

  test("by SIGKILL kills every process, daemonised ones too, and every namespace and mount", async () => {
    const before = ownMounts();
    await using lab = await ShimLab.open();
    const { members, namespaces } = await crowd(lab);
    expect(members.every(lives)).toBe(true);
    const { pid } = lab.shim.info;
    const own = new Set(namespacesOf(process.pid));
    const made = [...namespaces].filter((name) => !own.has(name) && !namespacesOf(pid).includes(name));
    expect(made.length).toBeGreaterThanOrEqual(6);
    process.kill(pid, "SIGKILL");
    await lab.shim.closed;
    await waitFor("all have died", 20_000, () => !members.some(lives));
    await waitFor("the namespaces are gone", 20_000, () => {
      const all = allNamespaces();
      return made.every((name) => !all.has(name));
    });
    expect(ownMounts()).toEqual(before);
    await expect(lab.shim.list()).rejects.toMatchObject({ code: "ABORTED" });
    // The socket that it left does not hinder the next one.
    lab.shim = await startShim(lab.directory, { bundle: SHIM_BUNDLE });
    expect(await lab.shim.list()).toEqual([]);
  });

  test("by shutdown returns when all are dead, and removes the socket", async () => {
    await using lab = await ShimLab.open();
    const { members } = await crowd(lab);
    await lab.shim.shutdown();
    expect(members.some(lives)).toBe(false);
    await expect(connectShim(lab.directory)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a directory", () => {
  test("has one shim, whose socket is its owner's alone", async () => {
    await using lab = await ShimLab.open();
    await expect(startShim(lab.directory, { bundle: SHIM_BUNDLE })).rejects.toMatchObject({ code: "CONFLICT" });
    expect(statSync(join(lab.directory, "shim.sock")).mode & 0o777).toBe(0o600);
    expect(await lab.shim.list()).toEqual([]);
  });

  test("that does not exist, or has no shim, is told so", async () => {
    await expect(connectShim("/nosuch")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("hostile input", () => {
  test.for([
    ["no JSON", "garbage\n"],
    ["a list", "[]\n"],
    ["a request without a number", '{"op":"list"}\n'],
    ["a line without end", "x".repeat(LINE_MAX + 1)],
    ["bytes", `${Buffer.alloc(4096, 0xff).toString("latin1")}\n`],
  ] as const)("%s ends that connection, with a reason, and nothing else", async ([, bytes]) => {
    await using lab = await ShimLab.open();
    await lab.start("calm", command(["sleep", "60"]));
    const socket = createConnection(join(lab.directory, "shim.sock"));
    socket.on("error", () => {}); // the shim need not read what it has refused
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.write(bytes);
    await once(socket, "close");
    expect(JSON.parse(answer)).toMatchObject({ error: { code: "USAGE" } });
    expect((await lab.shim.list()).map(({ id, exit }) => [id, exit])).toEqual([["calm", undefined]]);
  });

  test.for([
    ["an unknown operation", '{"n":7,"op":"rm"}\n'],
    ["a field too many", '{"n":7,"op":"list","x":1}\n'],
  ] as const)("%s is answered, and the connection goes on", async ([, bytes]) => {
    await using lab = await ShimLab.open();
    const socket = createConnection(join(lab.directory, "shim.sock"));
    socket.write(bytes);
    const [refused] = await once(socket, "data");
    expect(JSON.parse(String(refused))).toMatchObject({ n: 7, error: { code: "USAGE" } });
    socket.write('{"n":8,"op":"list"}\n');
    const [listed] = await once(socket, "data");
    expect(JSON.parse(String(listed))).toEqual({ n: 8, ok: [] });
    socket.destroy();
  });

  const node = (netnsPath: string, more = {}) => ({
    kind: "node",
    netnsPath,
    names: ["x"],
    namesFolder: "/y",
    ...more,
  });
  const good = {
    n: 1,
    op: "start",
    spec: {
      id: "a1",
      space: node("/run/netns/x"),
      command: command(["true"]),
    },
  };
  const parse = (value: unknown) => {
    const { n, op, rest } = parseHead(JSON.stringify(value));
    return { n, request: parseOperation(op, rest) };
  };

  test("a good request is understood", () => {
    expect(parse(good)).toMatchObject({ n: 1, request: { op: "start", spec: { id: "a1" } } });
  });

  test.for([
    ["id", { ...good.spec, id: "../x" }],
    ["id", { ...good.spec, id: "" }],
    ["netnsPath", { ...good.spec, space: node("run/x") }],
    ["netnsPath", { ...good.spec, space: node("/x\0y") }],
    ["space.kind", { ...good.spec, space: { kind: "vm", netnsPath: "/x" } }],
    ["space", { ...good.spec, space: node("/x", { root: "/" }) }],
    ["space.names", { ...good.spec, space: node("/x", { names: ["../x"] }) }],
    ["space.names", { ...good.spec, space: node("/x", { names: ["."] }) }],
    ["space.namesFolder", { ...good.spec, space: node("/x", { namesFolder: "x" }) }],
    ["argv", { ...good.spec, command: command([]) }],
    ["argv", { ...good.spec, command: { ...command([]), argv: "true" } }],
    ["env", { ...good.spec, command: command(["true"], { env: ["=x"] }) }],
    ["env", { ...good.spec, command: command(["true"], { env: ["x"] }) }],
    ["cwd", { ...good.spec, command: command(["true"], { cwd: "." }) }],
    ["rows", { ...good.spec, command: command(["true"], { size: { rows: 65536, columns: 1 } }) }],
    ["tty", { ...good.spec, command: { ...command(["true"]), tty: 1 } }],
    ["logPath", { ...good.spec, logPath: "x.log" }],
    ["logMaxBytes", { ...good.spec, logMaxBytes: 0 }],
  ] as const)("a wrong %s is refused by name", ([field, spec]) => {
    expect(() => parse({ ...good, spec })).toThrow(`Request has a wrong ${field}: `);
  });

  test.for([0, 65, 1.5, "TERM", null])("signal %j is refused", (signal) => {
    expect(() => parse({ n: 1, op: "signal", key: { id: "a" }, signal })).toThrow("Request has a wrong signal: ");
  });
});

describe("the wire", () => {
  test("frames come out of any cut as they went in", () => {
    const bytes = Buffer.concat([
      frame(1, Buffer.from("hello")),
      frame(0, Buffer.alloc(0)),
      frame(2, Buffer.from("x")),
    ]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const reader = new FrameReader();
      const texts = ["", "", ""];
      let empty = 0;
      for (let at = 0; at < bytes.length; at += cut)
        for (const { stream, data } of reader.take(bytes.subarray(at, at + cut))) {
          texts[stream] += data.toString();
          if (data.length === 0) empty += 1;
        }
      expect([texts, empty]).toEqual([["", "hello", "x"], 1]);
    }
  });

  test("lines come out of any cut as they went in", () => {
    const bytes = Buffer.from("one\n\ntwo\n");
    for (let cut = 1; cut <= bytes.length; cut++) {
      const reader = new LineReader();
      const got: string[] = [];
      for (let at = 0; at < bytes.length; at += cut)
        for (let next = reader.take(bytes.subarray(at, at + cut)); next; next = reader.take(next.rest))
          got.push(next.line);
      expect(got).toEqual(["one", "", "two"]);
    }
  });
});

test("a machine without the shim's bundle is told what happened", async () => {
  const directory = mkdtempSync(join(tmpdir(), "dn-shim-"));
  writeFileSync(join(directory, "shim.log"), "");
  await expect(startShim(directory, { bundle: "/nosuch/shim.mjs" })).rejects.toMatchObject({ code: "KERNEL_REFUSED" });
  rmSync(directory, { recursive: true, force: true });
});

describe("a signal", () => {
  test.for([
    ["KILL", 9],
    ["SIGhup", 1],
    ["15", 15],
    ["+1", 1],
    ["01", 1],
    ["CLD", 17],
    ["IO", 29],
    ["RTMIN+3", 37],
    ["SIGRTMIN+15", 49],
    ["RTMAX-14", 50],
    ["64", 64],
  ] as const)("named %s is %i", ([text, number]) => {
    expect(parseSignal(text)).toBe(number);
  });

  test.for([
    ["FOO", "invalid signal: FOO"],
    ["0", "invalid signal: 0"],
    ["1x", "invalid signal: 1x"],
    [" 1", "invalid signal:  1"],
    ["RTMIN+16", "invalid signal: RTMIN+16"],
    ["UNUSED", "invalid signal: UNUSED"],
    ["99", "the linux daemon does not support signal 99"],
    ["-1", "the linux daemon does not support signal -1"],
    ["32", "the linux daemon does not support signal 32"],
  ] as const)("named %s is refused in Docker's words", ([text, message]) => {
    expect(() => parseSignal(text)).toThrow(message);
  });
});
