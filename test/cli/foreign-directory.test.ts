/** A neighbour on this machine who was there first: what another user could read, write or move is not used. */
import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { LabDaemon } from "../support/daemon.ts";
import { waitFor } from "../support/wait-for.ts";

const bin = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const base = mkdtempSync(join(tmpdir(), "dn-foreign-"));
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0 && process.env.DOCKNET_USER_NAMESPACE !== "1";
let runDirectory = "";
let count = 0;

beforeEach(() => {
  count += 1;
  runDirectory = join(base, `run${count}`);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

const SECRET = ["run", "-d", "-e", "SECRET=4711", "nginx"];

function docknet(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, DOCKNET_RUN_DIR: runDirectory };
    execFile(process.execPath, [join(bin, "docknet.js"), ...args], { env, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, stdout, stderr }),
    );
  });
}

/** A neighbour's server in place of the daemon's; tells what it was sent. */
function listenAs(uid: number, path: string): { readonly heard: () => string; close(): void } {
  let heard = "";
  const server = createServer((socket) => {
    socket.on("data", (bytes) => {
      heard += bytes;
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    });
    socket.on("error", () => {});
  });
  server.listen(path, () => chownSync(path, uid, uid));
  return { heard: () => heard, close: () => server.close() };
}

describe.skipIf(!isRoot)("with a second user", () => {
  test.each(["of all labs", "of the lab"])(
    "the directory %s is another user's: nothing is sent to what listens there",
    async (which) => {
      mkdirSync(join(runDirectory, "docknet"), { recursive: true, mode: 0o700 });
      const foreign = which === "of all labs" ? runDirectory : join(runDirectory, "docknet");
      const neighbour = listenAs(NOBODY, join(runDirectory, "docknet/docknet.sock"));
      await waitFor("the neighbour listens", 5000, () => existsSync(join(runDirectory, "docknet/docknet.sock")));
      chownSync(foreign, NOBODY, NOBODY);
      try {
        for (const args of [
          SECRET,
          ["ls"],
          ["down"],
          ["-p", "docknet", "up", "--lab", "seed"],
          ["exec", "web", "true"],
          ["clean"],
        ]) {
          const { code, stderr, stdout } = await docknet(...args);
          expect(`${stderr}${stdout}`).toContain(
            `Cannot trust ${foreign}: found a directory of user ${NOBODY} with mode 0700, wanted a directory of user 0`,
          );
          expect(stderr).not.toMatch(/^\s+at /m);
          // one lab that is another's does not hide the others
          const lists = args[0] === "ls" && which === "of the lab";
          expect(code === 0, args.join(" ")).toBe(lists);
        }
        expect(neighbour.heard()).toBe("");
      } finally {
        neighbour.close();
      }
    },
  );

  test("another user who gets at the socket is refused by daemon and shim", async () => {
    const daemon = new LabDaemon({ runDirectory, lab: `f${process.pid}`, bin });
    try {
      await daemon.start();
      await daemon.ask("POST", "/containers/create?name=sleeper", { Image: "busybox", Cmd: ["sleep", "1000"] });
      await daemon.ask("POST", "/containers/sleeper/start");
      for (const path of [base, runDirectory, daemon.directory]) chmodSync(path, 0o755);
      for (const name of ["docknet.sock", "shim.sock"]) chmodSync(join(daemon.directory, name), 0o666);
      const said = await askAs(NOBODY, join(daemon.directory, "docknet.sock"), "GET /containers/json HTTP/1.0\r\n\r\n");
      expect(said).toContain("403 Forbidden");
      expect(said).not.toContain("sleeper");
      expect(await askAs(NOBODY, join(daemon.directory, "shim.sock"), '{"n":1,"op":"list"}\n')).toBe("");
    } finally {
      chmodSync(daemon.directory, 0o700);
      await daemon.remove();
    }
  });
});

test.each([
  ["a symbolic link", () => symlinkSync(base, join(runDirectory, "docknet"))],
  ["a file", () => writeFileSync(join(runDirectory, "docknet"), "")],
])("%s in place of the lab's directory is not followed", async (kind, make) => {
  mkdirSync(runDirectory, { mode: 0o700 });
  make();
  const { code, stderr } = await docknet(...SECRET);
  expect(stderr).toContain(`Cannot trust ${runDirectory}/docknet: found ${kind} of user`);
  expect(code).toBe(1);
});

test.each([0o777, 0o1777, 0o775])("a directory of labs with mode %o is refused", async (mode) => {
  mkdirSync(runDirectory);
  chmodSync(runDirectory, mode);
  const { stderr } = await docknet(...SECRET);
  expect(stderr).toContain(`mode ${mode.toString(8).padStart(4, "0")}, wanted a directory of user`);
  // of a sticky one, as /tmp is, nobody is told to change the mode
  expect(stderr).toContain(mode & 0o1000 ? "Set DOCKNET_RUN_DIR" : "chmod 700");
});

test.each(["daemon.log", "lock", "manifest.jsonl", "shim.lock", "shim.log", "journal.json", "intent.json"])(
  "%s that is a symbolic link is not written through",
  async (name) => {
    mkdirSync(join(runDirectory, "docknet"), { recursive: true, mode: 0o700 });
    const target = join(base, `target${count}`);
    writeFileSync(target, "as it was");
    symlinkSync(target, join(runDirectory, "docknet", name));
    const { stderr } = await docknet("run", "-d", "busybox", "sleep", "1000");
    expect(readFileSync(target, "utf8")).toBe("as it was");
    expect(stderr).toContain(name);
    expect(stderr).toMatch(/found a symbolic link of user \d+/);
    await docknet("clean", "--all");
  },
);

/** What a connection of this user to a unix socket gets for what it sends. */
function askAs(uid: number, path: string, words: string): Promise<string> {
  const script = `const s = require("net").connect(${JSON.stringify(path)}, () => s.write(${JSON.stringify(words)}));
    s.on("data", (d) => process.stdout.write(d)); s.on("error", () => {}); setTimeout(() => process.exit(), 3000).unref();`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["-e", script], {
      uid,
      gid: uid,
      cwd: "/",
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (text) => {
      said += text;
    });
    child.on("exit", () => resolve(said));
  });
}
