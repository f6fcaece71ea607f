#!/usr/bin/env node
/**
 * The same command lines by the real docker client and by docknet, against the same dockerd: stdout, stderr and exit code must be equal
 * up to ids, times and the program's name. Removes every container it made, by its id.
 * usage: DOCKER_HOST=unix:///... node scripts/compare-run.mjs [the docknet program, default dist/bin/docknet.js] [a word of the lines wanted]
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const DOCKER = "/usr/local/bin/docker";
const DOCKNET = process.argv[2] ?? fileURLToPath(new URL("../dist/bin/docknet.js", import.meta.url));
const WANTED = process.argv[3] ?? "";
const { DOCKER_HOST } = process.env;
if (!DOCKER_HOST) throw new Error("DOCKER_HOST names no daemon");

const CWD = "/tmp/docknet-compare";
const MARK = "docknet-compare";
const SH = (script) => ["sh", "-c", script];

/**
 * A row: words of the command line; `in` standard input ("" for an empty one, none: /dev/null); `tty` runs it on a terminal of its own;
 * `signal` is sent to the client after its first output; `before` are command lines of docker that make the stage, in each run.
 */
const on = (before, argv, extra = {}) => ({ before, argv, ...extra });
const row = (argv, extra = {}) => ({ before: [], argv, ...extra });
const words = (line) => line.split(" ");

const RUNNING = [words("run -d --name hbx-1 busybox sleep 600")];
const CAT = [words("run -dit --name hbx-1 busybox cat")];
const WRITER = [["run", "--name", "hbx-1", "busybox", ...SH("echo one; echo two >&2; echo three; exit 4")]];
const CREATED = [words("create --name hbx-1 busybox echo created")];
const NETWORK = [words("network create hbx-net")];

const ROWS = [
  row(words("run --rm busybox echo hi")),
  row(["run", "--rm", "busybox", ...SH("echo out; echo err >&2; exit 3")]),
  row(["run", "--rm", "busybox", ...SH("kill -9 $$")]),
  row(["run", "--rm", "busybox", ...SH("head -c 3000000 /dev/zero | tr '\\0' x")]),
  row([
    "run",
    "--rm",
    "busybox",
    ...SH("head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2"),
  ]),
  row(words("run --rm -i busybox cat"), { in: "one\ntwo\n" }),
  row(words("run --rm -i busybox wc -c"), { in: "x".repeat(2_000_000) }),
  row(words("run --rm -i busybox cat"), { in: "" }),
  row(words("run --rm busybox cat"), { in: "not read\n" }),
  row(words("run --rm -i busybox true"), { in: "not read\n" }),
  row(words("run -d --rm busybox true")),
  row(words("run -d --name hbx-1 busybox sleep 5")),
  row(words("run -dit --name hbx-1 busybox")),
  row(words("run --rm busybox nosuch")),
  row(words("run --rm busybox /etc")),
  row(words("run --rm busybox /etc/passwd")),
  row(words("run -d --name hbx-1 busybox nosuch")),
  row(words("run busybox")),
  row(words("run --rm -w /nosuch/dir busybox pwd")),
  row(words("run --rm -u nobody busybox id")),
  row(words("run --rm -u nosuch busybox id")),
  row(words("run --rm -e A=1 -e B=2 --env-file env.list -h web busybox env")),
  row(words("run --rm --entrypoint /bin/echo busybox a b")),
  row(words("run --rm --dns 127.0.0.1 busybox true")),
  row(words("run --rm --network host -p 80:80 busybox true")),
  row(words("run --rm --network none busybox ip -o a")),
  row(words("run --name hbx-1 --network nosuch busybox true")),
  row(words("run --name hbx-1 --ip 10.0.0.1 busybox true")),
  row(words("run --rm --name hbx-1 -p 8.8.8.8:80:80 busybox true")),
  row(words("run -d --name hbx-1 -p 8.8.8.8:80:80 busybox true")),
  row(words("run --rm --pull never --name hbx-1 nosuchimage true")),
  row(words("run --rm -a stdout busybox echo a")),
  row(["run", "--rm", "-a", "stderr", "busybox", ...SH("echo out; echo err >&2; exit 5")]),
  row(["run", "--rm", "-a", "stdin", "-i", "busybox", ...SH("cat >/dev/null; exit 5")], { in: "x\n" }),
  row(words("run -it --rm busybox true")),
  row(words("run -t --rm busybox echo hi")),
  row(words("run -d -a stdout busybox true")),
  row(words("run --detach-keys foo --name hbx-1 busybox true")),
  row(words("run --cidfile cid.txt --name hbx-1 busybox true")),
  row(words("run --cidfile nosuch/cid.txt --name hbx-1 busybox true")),
  row(words("run --cidfile env.list --name hbx-1 busybox true")),
  row(words("run Bad:Image:x")),
  row(words("run --rm --platform foo/bar/baz/q busybox true")),
  row(words("run --rm --memory 1k busybox true")),
  row(words("run --rm --restart bogus busybox true")),
  row(words("run --rm --sysctl net.ipv4.nosuch=1 busybox true")),
  row(words("run --rm --cap-drop bogus busybox true")),
  row(words("run --name hbx/1 busybox true")),
  row(words("run -p 9090:80-82 busybox")),
  row(words("run --foo")),
  row(words("run")),
  row(words("container run")),
  row(words("container run --foo busybox")),
  row(words("run --io-maxiops 5 busybox")),
  on(RUNNING, words("run --name hbx-1 busybox true")),
  on(RUNNING, words("run --rm --network container:hbx-1 busybox true")),
  on(RUNNING, words("run --rm --network container:hbx-1 -p 80:80 --name hbx-2 busybox true")),
  on(NETWORK, words("run --rm --network hbx-net --network-alias a busybox true")),
  on(NETWORK, words("run --rm --network name=hbx-net,ip=10.0.0.1 --name hbx-2 busybox true")),
  row(words("create --name hbx-1 busybox true")),
  row(words("create --name hbx-1 --dns ::1 busybox true")),
  row(words("create busybox")),
  row(words("create --name hbx-1 --network nosuch busybox true")),
  row(words("create --pull never nosuchimage true")),
  row(words("create --cidfile env.list busybox true")),
  row(words("create UPPER")),
  row(words("container create")),
  on(CREATED, words("create --name hbx-1 busybox true")),
  on(CREATED, words("start hbx-1")),
  on(CREATED, words("start nosuch hbx-1 nosuch2")),
  on(CREATED, words("start -a hbx-1")),
  on(CREATED, words("start -ai hbx-1")),
  on(CREATED, words("start -a hbx-1 hbx-1")),
  on(CREATED, words("start -a nosuch")),
  on(CREATED, words("start --checkpoint x hbx-1")),
  on([["create", "-i", "--name", "hbx-1", "busybox", "cat"]], words("start -ai hbx-1"), { in: "typed\n" }),
  on([["create", "--name", "hbx-1", "busybox", ...SH("echo a; exit 9")]], words("start -a hbx-1")),
  on([["create", "--rm", "--name", "hbx-1", "busybox", ...SH("echo a; exit 9")]], words("start -a hbx-1")),
  on([words("create --name hbx-1 busybox nosuch")], words("start hbx-1")),
  on([words("create --name hbx-1 busybox nosuch")], words("start -a hbx-1")),
  on([words("create --rm --name hbx-1 busybox nosuch")], words("start -a hbx-1")),
  on(RUNNING, words("start hbx-1")),
  row(["start", ""]),
  row(words("start")),
  on(RUNNING, words("exec hbx-1 echo hi")),
  on(RUNNING, ["exec", "hbx-1", ...SH("echo out; echo err >&2; exit 3")]),
  on(RUNNING, words("exec -i hbx-1 cat"), { in: "one\ntwo\n" }),
  on(RUNNING, words("exec -i hbx-1 wc -c"), { in: "x".repeat(1_000_000) }),
  on(RUNNING, words("exec hbx-1 cat"), { in: "not read\n" }),
  on(RUNNING, ["exec", "hbx-1", ...SH("head -c 1000000 /dev/zero | tr '\\0' x")]),
  on(RUNNING, words("exec -d hbx-1 true")),
  on(RUNNING, words("exec -d hbx-1 nosuch")),
  on(RUNNING, words("exec hbx-1 nosuch")),
  on(RUNNING, words("exec hbx-1 /etc")),
  on(RUNNING, words("exec -w /etc -e A=1 --env-file env.list -u nobody hbx-1 env")),
  on(RUNNING, words("exec -w /nosuch hbx-1 pwd")),
  on(RUNNING, words("exec -u nosuch hbx-1 id")),
  on(RUNNING, words("exec --privileged hbx-1 true")),
  on(RUNNING, words("exec --env-file nosuch hbx-1 env")),
  on(RUNNING, words("exec -e =x hbx-1 env")),
  on(RUNNING, words("exec --detach-keys foo hbx-1 true")),
  on(RUNNING, words("exec -t hbx-1 echo hi")),
  on(RUNNING, words("exec -it hbx-1 true")),
  on(RUNNING, words("exec hbx-1")),
  on(CREATED, words("exec hbx-1 true")),
  on([...RUNNING, words("pause hbx-1")], words("exec hbx-1 true")),
  row(words("exec nosuch true")),
  row(["exec", "", "true"]),
  row(words("exec a/b true")),
  row(words("container exec")),
  row(words("attach nosuch")),
  on(CREATED, words("attach hbx-1")),
  on([...RUNNING, words("pause hbx-1")], words("attach hbx-1")),
  on([["run", "-d", "--name", "hbx-1", "busybox", ...SH("sleep 4; echo late; exit 7")]], words("attach hbx-1")),
  on([["run", "-d", "--name", "hbx-1", "busybox", ...SH("sleep 4; echo late")]], words("attach --no-stdin hbx-1"), {
    in: "x",
  }),
  on(CAT, words("attach hbx-1")),
  on(RUNNING, words("attach hbx-1 hbx-1")),
  row(words("logs nosuch")),
  row(["logs", ""]),
  row(words("logs")),
  on(WRITER, words("logs hbx-1")),
  on(WRITER, words("logs -f hbx-1")),
  on(WRITER, words("logs -n 1 hbx-1")),
  on(WRITER, words("logs --tail 2 hbx-1")),
  on(WRITER, words("logs --tail 0 hbx-1")),
  on(WRITER, words("logs --tail x hbx-1")),
  on(WRITER, words("logs --tail -1 hbx-1")),
  on(WRITER, words("logs -t hbx-1")),
  on(WRITER, words("logs --details hbx-1")),
  on(WRITER, words("logs --since 1h hbx-1")),
  on(WRITER, words("logs --until 1h hbx-1")),
  on(WRITER, words("logs --since 2020-01-01 hbx-1")),
  on(WRITER, words("logs --since 2020-01-01T00 hbx-1")),
  on(WRITER, words("logs --until 2020-01-01T00:00:00.5Z hbx-1")),
  on(WRITER, words("logs --until 2099-01-01T00:00:00+02:00 hbx-1")),
  on(WRITER, words("logs --since 0 hbx-1")),
  on(WRITER, words("logs --since 1.5 hbx-1")),
  on(WRITER, words("logs --since foo hbx-1")),
  on(WRITER, words("logs --since 2020-13-01 hbx-1")),
  on(WRITER, words("logs --since 2020-02-30 hbx-1")),
  on(WRITER, words("logs --until 2020-01-01T25:00:00 hbx-1")),
  on(WRITER, words("logs --since -1h hbx-1")),
  on(
    [
      [
        "run",
        "-d",
        "--label",
        "a=b",
        "--log-opt",
        "labels=a",
        "--name",
        "hbx-1",
        "busybox",
        ...SH("echo x; sleep 1; echo y"),
      ],
    ],
    words("logs -f --details hbx-1"),
  ),
  on([["run", "-t", "--name", "hbx-1", "busybox", "echo", "hi"]], words("logs hbx-1")),
  // with a terminal
  row(words("run -it --rm busybox echo hi"), { tty: true }),
  row(["run", "-it", "--rm", "busybox", ...SH("stty size; tty; exit 6")], { tty: true }),
  row(words("run -it --rm busybox sh"), { tty: true, type: ["echo $((6*7))\r", "exit 3\r"] }),
  row(words("run -it --rm busybox cat"), { tty: true, type: ["abc\r", "\u0004"] }),
  row(words("run -it --rm busybox cat"), { tty: true, type: ["abc\r", "\u0003"] }),
  row(words("run -it --name hbx-1 busybox cat"), { tty: true, type: ["abc\r", "\u0010x\r", "\u0010\u0011"] }),
  row(words("run -it --name hbx-1 --detach-keys ctrl-a,b busybox cat"), { tty: true, type: ["a\r", "\u0001b"] }),
  row(words("run -it --rm --detach-keys foo busybox true"), { tty: true }),
  row(words("run -it --rm --name hbx-1 busybox nosuch"), { tty: true }),
  row(words("run -t --rm busybox echo hi"), { tty: true }),
  row(words("run -i --rm busybox cat"), { tty: true, type: ["abc\r", "\u0004"] }),
  on(RUNNING, words("exec -it hbx-1 sh"), { tty: true, type: ["echo $((6*7))\r", "exit 3\r"] }),
  on(RUNNING, words("exec -it hbx-1 stty size"), { tty: true }),
  on(RUNNING, words("exec -it hbx-1 cat"), { tty: true, type: ["abc\r", "\u0010\u0011"] }),
  on(RUNNING, words("exec -it hbx-1 nosuch"), { tty: true }),
  on(CAT, words("attach hbx-1"), { tty: true, type: ["abc\r", "\u0010\u0011"] }),
  on(CAT, words("attach --detach-keys x hbx-1"), { tty: true, type: ["abc\r", "x"] }),
  on(CAT, words("attach hbx-1"), { tty: true, type: ["abc\r", "\u0004"] }),
  on([words("create -it --name hbx-1 busybox cat")], words("start -ai hbx-1"), {
    tty: true,
    type: ["abc\r", "\u0010\u0011"],
  }),
  on([words("create -it --name hbx-1 busybox cat")], words("start -ai hbx-1"), {
    tty: true,
    type: ["abc\r", "\u0004"],
  }),
  // signals to the client
  row(["run", "--rm", "busybox", ...SH("trap 'echo INT; exit 8' INT; echo go; while :; do sleep 0.1; done")], {
    signal: "SIGINT",
  }),
  row(["run", "--rm", "busybox", ...SH("trap 'echo TERM; exit 9' TERM; echo go; while :; do sleep 0.1; done")], {
    signal: "SIGTERM",
  }),
  row(["run", "--rm", "busybox", ...SH("trap 'echo USR1; exit 9' USR1; echo go; while :; do sleep 0.1; done")], {
    signal: "SIGUSR1",
  }),
  on(
    [
      [
        "create",
        "--name",
        "hbx-1",
        "busybox",
        ...SH("trap 'echo HUP; exit 9' HUP; echo go; while :; do sleep 0.1; done"),
      ],
    ],
    words("start -a hbx-1"),
    { signal: "SIGHUP" },
  ),
  on(
    [
      [
        "run",
        "-d",
        "--name",
        "hbx-1",
        "busybox",
        ...SH("trap 'echo INT; exit 8' INT; while :; do echo go; sleep 0.2; done"),
      ],
    ],
    words("attach hbx-1"),
    { signal: "SIGINT", first: true },
  ),
  on(
    [["run", "-d", "--name", "hbx-1", "busybox", ...SH("while :; do echo go; sleep 0.2; done")]],
    words("logs -f -n 1 hbx-1"),
    { signal: "SIGINT", first: true },
  ),
  on(RUNNING, ["exec", "hbx-1", ...SH("echo go; sleep 3; echo done")], { signal: "SIGINT" }),
  on(RUNNING, ["exec", "hbx-1", ...SH("echo go; sleep 3; echo done")], { signal: "SIGTERM" }),
  // help, but for the names of the program
  ...["run", "create", "start", "exec", "attach", "logs", "container run"].map((verb) =>
    row([...words(verb), "--help"]),
  ),
];

const quote = (word) => `'${word.replaceAll("'", "'\\''")}'`;

/** Runs one program to its end. A terminal is made by script(1), whose copy of the screen is the output. */
function run(program, argv, { in: input, tty, type = [], signal, first }) {
  const [file, args] = tty
    ? ["script", ["-qefc", `stty rows 30 cols 90; exec ${[program, ...argv].map(quote).join(" ")}`, "/dev/null"]]
    : [program, argv];
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: CWD,
      env: { ...process.env, DOCKER_HOST, DOCKNET_HOST: DOCKER_HOST, TERM: "xterm", SHELL: "/bin/sh", TZ: "UTC" },
      stdio: [tty || input !== undefined ? "pipe" : "ignore", "pipe", "pipe"],
    });
    const out = { stdout: "", stderr: "" };
    const rest = [...type];
    let signalled = false;
    const deadline = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const typeNext = () => rest.length > 0 && child.stdin.write(rest.shift());
    child.stdout.on("data", (chunk) => {
      out.stdout += chunk.toString("latin1");
      if (signal && !signalled && out.stdout.includes("go")) {
        signalled = true;
        child.kill(signal);
      }
    });
    child.stderr.on("data", (chunk) => {
      out.stderr += chunk.toString("latin1");
    });
    child.stdin?.on("error", () => undefined);
    if (input !== undefined) child.stdin.end(input);
    // nothing tells that a program on a terminal waits for typing, so it is given ample time
    let typist;
    const start = tty
      ? setTimeout(() => {
          typeNext();
          typist = setInterval(typeNext, 1000);
        }, 3000)
      : undefined;
    child.on("close", (status, by) => {
      clearTimeout(deadline);
      clearTimeout(start);
      clearInterval(typist);
      resolve({ ...out, status: status ?? by, ...(first ? { stdout: out.stdout.slice(0, 2) } : {}) });
    });
  });
}

const docker = (...argv) =>
  spawnSync(DOCKER, argv, { encoding: "utf8", cwd: CWD, env: { ...process.env, DOCKER_HOST } });

/** Everything that this program names or that carries its mark. */
function clear() {
  const named = docker("ps", "-aq", "--no-trunc", "--filter", "name=^/hbx-").stdout.split("\n");
  const marked = docker("ps", "-aq", "--no-trunc", "--filter", `label=${MARK}`).stdout.split("\n");
  const ids = [...new Set([...named, ...marked])].filter(Boolean);
  if (ids.length > 0) docker("rm", "-f", ...ids);
  docker("network", "rm", "hbx-net");
}

const MAKES = ["run", "create"];
const marked = (argv) => {
  const at = argv[0] === "container" ? 1 : 0;
  return MAKES.includes(argv[at]) && argv.length > at + 2
    ? [...argv.slice(0, at + 1), "-l", MARK, ...argv.slice(at + 1)]
    : argv;
};

const plain = (text) =>
  text
    .replaceAll(/docknet(?!-compare)/g, "docker")
    .replaceAll(/\b[0-9a-f]{64}\b/g, "ID")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, "TIME")
    .replaceAll(/172\.17\.0\.\d+/g, "CIP")
    .replaceAll(/endpoint \S+ \(/g, "endpoint NAME (")
    .replaceAll(/HOSTNAME=[0-9a-f]{12}/g, "HOSTNAME=ID");

mkdirSync(CWD, { recursive: true });
writeFileSync(`${CWD}/env.list`, "F=1\n");
let differing = 0;
let compared = 0;
try {
  for (const { before, argv, ...extra } of ROWS) {
    if (!argv.join(" ").includes(WANTED)) continue;
    const ends = [];
    for (const program of [DOCKER, DOCKNET]) {
      clear();
      rmSync(`${CWD}/cid.txt`, { force: true });
      for (const line of before) docker(...marked(line));
      const end = await run(program, marked(argv), extra);
      ends.push({ stdout: plain(end.stdout), stderr: plain(end.stderr), status: end.status });
    }
    compared++;
    if (JSON.stringify(ends[0]) === JSON.stringify(ends[1])) continue;
    differing++;
    const show = (end) =>
      JSON.stringify(end, (_, v) =>
        typeof v === "string" && v.length > 600 ? `${v.slice(0, 600)}... ${v.length}` : v,
      );
    console.log(
      `DIFFERS: ${extra.tty ? "(tty) " : ""}${extra.signal ?? ""} ${argv.join(" ")}\n  docker  ${show(ends[0])}\n  docknet ${show(ends[1])}`,
    );
  }
} finally {
  clear();
  rmSync(CWD, { recursive: true, force: true });
}
console.log(`${compared} compared, ${differing} differ`);
process.exitCode = differing === 0 ? 0 : 1;
