/** A process in a container sees what Docker shows it, and ends as Docker says; texts and codes as dockerd 28.5.2 gave them. */
import { existsSync, mkdtempSync, readFileSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MNT_DETACH, MS_BIND, mount, umount } from "../../src/kernel/libc.ts";
import { NETNS_DIR } from "../../src/kernel/manifest.ts";
import { Netns } from "../../src/kernel/netns.ts";
import type { OutputChunk } from "../../src/kernel/shim/client.ts";
import { startTicks } from "../../src/kernel/shim/container-process.ts";
import { MASKED_PATHS, READONLY_PATHS } from "../../src/kernel/shim/guarded-path.ts";
import type { NodeName } from "../../src/net/name.ts";
import { bundleShim, collect, command, ended, removeBundle, ShimLab, sh } from "../support/shim.ts";
import { run } from "../support/tiny-net.ts";
import { waitFor } from "../support/wait-for.ts";

/** A namespace with a name below /run/netns, as a lab has them. */
function named(name: string): Disposable & { readonly name: string; readonly inode: string | undefined } {
  const ns = Netns.create(name, {
    path: `${NETNS_DIR}/${name}`,
    record: () => {},
    owner: { directory: "/run/docknet/none", node: name as NodeName },
  });
  return { name, inode: ns.identity.inode.split(":")[1], [Symbol.dispose]: () => ns.close() };
}

let lab: ShimLab;
beforeAll(async () => {
  await bundleShim();
  lab = await ShimLab.open();
});
afterAll(async () => {
  await lab.close();
  removeBundle();
});

describe("a container's process", () => {
  test("is PID 1 with its own host name, files, and nothing but its own network", async () => {
    run(lab.netns, "ip link add eth0 type veth peer name peer0");
    const { output, exitCode } = await lab.run(
      "own",
      sh("echo $$; hostname; domainname; cat /etc/hosts /etc/resolv.conf; ls /sys/class/net; ls -d /proc/[0-9]*"),
    );
    expect(output.split("\n")).toEqual([
      "1",
      "web",
      "lab",
      "172.18.0.2\tweb",
      "nameserver 127.0.0.11",
      "eth0",
      "lo",
      "peer0",
      "/proc/1",
      "",
    ]);
    expect(exitCode).toBe(0);
  });

  test("finds what Docker hides of /proc and /sys hidden, what it guards read-only, unless privileged", async () => {
    const mounted = sh("cat /proc/keys /proc/timer_list | wc -c; cut -d' ' -f5,6 /proc/self/mountinfo");
    const [bytes, ...lines] = (await lab.run("masked", mounted)).output.trimEnd().split("\n");
    expect(bytes).toBe("0");
    const mounts = new Map(lines.map((line) => line.split(" ") as [string, string]));
    for (const path of [...MASKED_PATHS, ...READONLY_PATHS])
      expect([path, mounts.get(path)?.split(",")[0]]).toEqual([path, existsSync(path) ? "ro" : undefined]);
    const free = (await lab.run("unmasked", { ...mounted, privileged: true })).output;
    expect(free).not.toMatch(/^\/proc\/keys /m);
  });

  test("finds docknet's folders empty, and cannot reach the shim that runs it", async () => {
    const look = sh(
      `ls -A ${lab.directory} | wc -l; touch ${lab.directory}/x 2>/dev/null || echo no; umount ${lab.directory} 2>/dev/null; ls -A ${lab.directory}`,
    );
    expect((await lab.run("outside", look)).output).toBe("0\nno\n");
    expect(existsSync(join(lab.directory, "shim.sock"))).toBe(true);
    expect((await lab.exec("outside-paused", "a", look)).output).toBe("0\nno\n");
  });

  test("cannot change the machine's own sysctls, unless privileged", async () => {
    const write = command(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], {});
    const { output } = await lab.run("guarded", write);
    expect(output).toContain("Read-only file system");
    const free = { ...command(["sysctl", "-w", "net.ipv4.ip_forward=1"], {}), privileged: true };
    expect((await lab.run("free", free)).output).toContain("net.ipv4.ip_forward = 1");
  });

  test("has Docker's environment in Docker's order, and Docker's capabilities", async () => {
    const env = ["A=1", "PATH=/bin:/usr/bin", "B=x=y"];
    expect((await lab.run("env", command(["env"], { env }))).output).toBe(
      "PATH=/bin:/usr/bin\nHOSTNAME=web\nA=1\nB=x=y\nHOME=/root\n",
    );
    expect((await lab.run("env-tty", command(["env"], { tty: true, env: ["HOME=/x"] }))).output).toBe(
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\r\nHOSTNAME=web\r\nTERM=xterm\r\nHOME=/x\r\n",
    );
    const caps = command(["grep", "CapEff", "/proc/self/status"]);
    expect((await lab.run("caps", caps)).output).toBe("CapEff:\t00000000a80425fb\n");
    expect((await lab.run("caps-all", { ...caps, privileged: true })).output).not.toContain("00000000a80425fb");
  });

  test.for([
    ["exit 0", 0],
    ["exit 3", 3],
    ["exit 125", 125],
    ["exit 126", 126],
    ["exit 127", 127],
  ] as const)("that says %s ends with %i", async ([script, code]) => {
    expect((await lab.run(`code-${code}`, sh(script))).exitCode).toBe(code);
  });

  test.for([
    [9, "exec sleep 60", 137],
    [15, "trap 'exit 143' TERM; echo ready; while :; do sleep 60 & wait; done", 143],
  ] as const)("ended by signal %i: exit code 128 + n", async ([signal, script, code]) => {
    const id = `signal-${signal}`;
    const { text } = await lab.start(id, sh(script));
    if (code === 143) await waitFor("the trap is set", 20_000, () => text() === "ready\n");
    expect(await lab.shim.signal({ id }, signal)).toBe(true);
    expect(await lab.exitCode({ id })).toBe(code);
    expect(await lab.shim.signal({ id }, signal)).toBe(false);
  });

  test("that has set no handler ignores SIGTERM, being PID 1", async () => {
    await lab.start("no-handler", command(["sleep", "60"]));
    await lab.shim.signal({ id: "no-handler" }, 15);
    expect((await lab.exec("no-handler", "after", sh("kill -0 1"))).exitCode).toBe(0);
    await lab.shim.signal({ id: "no-handler" }, 9);
    expect(await lab.exitCode({ id: "no-handler" })).toBe(137);
  });

  test("killed, takes its daemonised grandchildren with it", async () => {
    const { text } = await lab.start("family", sh("(setsid sleep 987654 &); echo up; exec sleep 60"));
    await waitFor("the grandchild is up", 20_000, () => text() === "up\n");
    const inside = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done";
    expect((await lab.exec("family", "look", sh(inside))).output).toContain("sleep 987654");
    const init = (await lab.shim.list()).find((each) => each.id === "family" && each.kind === "init");
    await lab.shim.signal({ id: "family" }, 9);
    expect(await lab.exitCode({ id: "family" })).toBe(137);
    // The kernel kills a PID namespace before its init can be waited for.
    expect(existsSync(`/proc/${init?.pid}/ns/pid`)).toBe(false);
  });

  test("does not keep a network namespace alive that the daemon unmounts and unlinks", async () => {
    const other = Netns.create("other");
    run(lab.netns, `ip link add gone0 type veth peer name eth0 netns /proc/${process.pid}/fd/${other.fd}`);
    const path = join(lab.directory, "other");
    writeFileSync(path, "");
    mount(`/proc/self/fd/${other.fd}`, path, "none", MS_BIND);
    other.close();
    await lab.start("holder", command(["sleep", "60"]));
    expect(run(lab.netns, "ip -o link")).toContain("gone0");
    umount(path, MNT_DETACH);
    unlinkSync(path);
    await waitFor("its veth pair is gone", 20_000, () => !run(lab.netns, "ip -o link").includes("gone0"));
    await lab.shim.signal({ id: "holder" }, 9);
  });
});

describe("a program that cannot be started", () => {
  const created =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ";
  const execed = "OCI runtime exec failed: exec failed: unable to start container process: ";
  const advice =
    "Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";
  const cases = [
    [["nosuch"], 'exec: "nosuch": executable file not found in $PATH', 127, 127],
    [[""], 'exec: "": executable file not found in $PATH', 127, 127],
    [["/nosuch"], 'exec: "/nosuch": stat /nosuch: no such file or directory', 127, 127],
    [["./nosuch"], 'exec: "./nosuch": stat ./nosuch: no such file or directory', 127, 127],
    [["/etc"], 'exec: "/etc": is a directory: permission denied', 126, 126],
    [["/proc/version"], 'exec: "/proc/version": permission denied', 126, 126],
    [["/proc/version/x"], `exec: "/proc/version/x": stat /proc/version/x: not a directory: ${advice}`, 125, 127],
  ] as const;

  test.for(cases)("%j is refused in Docker's words", async ([argv, text, startCode, execCode]) => {
    const { space } = lab;
    await expect(lab.shim.start({ id: "bad", space, command: command(argv) })).rejects.toMatchObject({
      message: created + text,
      details: { exitCode: startCode },
    });
    await expect(lab.shim.exec({ id: "bad", execId: "e", space, command: command(argv) })).rejects.toMatchObject({
      message: execed + text,
      details: { exitCode: execCode },
    });
    expect((await lab.shim.list()).filter(({ id }) => id === "bad")).toEqual([]);
  });

  test("the container's own /etc/hosts is looked at, not the machine's", async () => {
    const { space } = lab;
    await expect(lab.shim.start({ id: "bad", space, command: command(["/etc/../etc/hosts"]) })).rejects.toMatchObject({
      message: `${created}exec: "/etc/../etc/hosts": permission denied`,
      details: { exitCode: 126 },
    });
  });

  test("a start in a directory that does not exist is refused in docknet's words: Docker would create it", async () => {
    const what = command(["pwd"], { cwd: "/nosuch" });
    await expect(lab.shim.start({ id: "bad", space: lab.space, command: what })).rejects.toMatchObject({
      message: expect.stringContaining('working directory "/nosuch" is not on this machine'),
      details: { exitCode: 125 },
    });
  });

  test("in a directory that does not exist is refused too, and who was attached sees the end", async () => {
    const attached = await lab.shim.attach({ id: "bad", execId: "cwd" });
    const what = command(["pwd"], { cwd: "/nosuch" });
    await expect(lab.shim.exec({ id: "bad", execId: "cwd", space: lab.space, command: what })).rejects.toThrow(
      `${execed}chdir to cwd ("/nosuch") set in config.json failed: no such file or directory`,
    );
    attached.output.resume();
    await ended(attached);
  });
});

describe("streams", () => {
  test("stdin is echoed, its end is seen; stdout and stderr are told apart and can be opened by name", async () => {
    const { attached, text } = await lab.start("cat", sh("cat; echo oops >/dev/stderr", { openStdin: true }));
    attached.stdin.write("one\n");
    await waitFor("the echo", 20_000, () => text() === "one\n");
    attached.stdin.end("two\n");
    expect(await lab.exitCode({ id: "cat" })).toBe(0);
    await ended(attached);
    expect(text()).toBe("one\ntwo\noops\n");
    expect(lab.log("cat").map(({ log, stream }) => [stream, log])).toEqual([
      ["stdout", "one\n"],
      ["stdout", "two\n"],
      ["stderr", "oops\n"],
    ]);
  });

  test("stdin is empty when it was not asked for", async () => {
    expect(await lab.run("null", sh("cat; echo $?"))).toEqual({ output: "0\n", exitCode: 0 });
  });

  test("two clients see the same; one that detaches leaves stdin open for the other", async () => {
    const { attached, text } = await lab.start("pair", command(["cat"], { openStdin: true }));
    const second = await lab.shim.attach({ id: "pair" });
    const seen = collect(second);
    attached.stdin.write("a\n");
    await waitFor("both have it", 20_000, () => text() === "a\n" && seen() === "a\n");
    attached.close();
    second.stdin.end("b\n");
    expect(await lab.exitCode({ id: "pair" })).toBe(0);
    await ended(second);
    expect(seen()).toBe("a\nb\n");
  });

  test("a client that reads late gets every byte; the process waits for it", async () => {
    const bytes = 8 << 20;
    const attached = await lab.shim.attach({ id: "slow" });
    const what = sh(`head -c ${bytes} /dev/zero; echo done >&2`);
    await lab.shim.start({ id: "slow", space: lab.space, command: what });
    await lab.exec("slow", "meanwhile", command(["true"]));
    expect((await lab.shim.list()).find(({ id }) => id === "slow")?.exit).toBeUndefined();
    let got = 0;
    attached.output.on("data", ({ stream, data }: OutputChunk) => {
      if (stream === "stdout") got += data.length;
    });
    await ended(attached);
    expect(got).toBe(bytes);
    expect(await lab.exitCode({ id: "slow" })).toBe(0);
  });

  test("more than a pipe holds goes in, while the process is not reading yet", async () => {
    const { attached } = await lab.start("late", sh("read first; wc -c", { openStdin: true }));
    const text = collect(attached);
    attached.stdin.end(Buffer.concat([Buffer.from("go\n"), Buffer.alloc(1 << 20, "x")]));
    await ended(attached);
    expect(text().trim()).toBe(String(1 << 20));
  });

  test("what a background process still holds open delays the end of an exec by 2 s, not for ever", async () => {
    const start = performance.now();
    const { output, exitCode } = await lab.exec("bg", "e", sh("sleep 30 & echo x"));
    expect([output, exitCode]).toEqual(["x\n", 0]);
    expect(performance.now() - start).toBeGreaterThan(1900);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe("a terminal", () => {
  test("is the controlling one, on a devpts of its own, of the size that was asked for", async () => {
    const { attached, text } = await lab.start(
      "tty",
      sh("tty; stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done", {
        tty: true,
        openStdin: true,
        size: { rows: 30, columns: 100 },
      }),
    );
    await waitFor("the trap is set", 20_000, () => text().includes("ready"));
    await lab.shim.resize({ id: "tty" }, { rows: 50, columns: 132 });
    expect(await lab.exitCode({ id: "tty" })).toBe(5);
    await ended(attached);
    expect(text()).toBe("/dev/pts/0\r\n30 100\r\nready\r\n50 132\r\n");
    await expect(lab.shim.resize({ id: "cat" }, { rows: 1, columns: 1 })).rejects.toThrow("it has no terminal");
  });

  test("turns Ctrl-C into SIGINT, in a container and in an exec", async () => {
    const what = sh("trap 'exit 7' INT; echo ready; while :; do sleep 0.05; done", { tty: true, openStdin: true });
    const { attached, text } = await lab.start("int", what);
    await waitFor("the trap is set", 20_000, () => text().includes("ready"));
    const second = await lab.shim.attach({ id: "int", execId: "e" });
    const seen = collect(second);
    await lab.shim.exec({ id: "int", execId: "e", space: lab.space, command: what });
    await waitFor("the second trap is set", 20_000, () => seen().includes("ready"));
    second.stdin.write("\x03");
    expect(await lab.exitCode({ id: "int", execId: "e" })).toBe(7);
    attached.stdin.write("\x03");
    expect(await lab.exitCode({ id: "int" })).toBe(7);
  });

  test("whose process does not read holds nobody up", async () => {
    const { attached } = await lab.start("deaf", sh("stty raw -echo; sleep 60", { tty: true, openStdin: true }));
    attached.stdin.write(Buffer.alloc(1 << 20, "x"));
    expect((await lab.exec("deaf", "other", command(["true"]))).exitCode).toBe(0);
    await lab.shim.signal({ id: "deaf" }, 9);
    expect(await lab.exitCode({ id: "deaf" })).toBe(137);
  });
});

describe("an exec", () => {
  test("sees the processes, the host name and the terminal devices of the container", async () => {
    await lab.start("host", command(["sleep", "60"]));
    expect(await lab.exec("host", "a", sh("cat /proc/1/cmdline | tr '\\0' ' '; hostname; exit 4"))).toEqual({
      output: "sleep 60 web\n",
      exitCode: 4,
    });
    const tty = await lab.exec("host", "b", command(["tty"], { tty: true }));
    expect(tty.output).toBe("/dev/pts/0\r\n");
    await lab.shim.signal({ id: "host" }, 9);
  });

  test("makes a PID 1 that leaves no zombies, where the container has no process of its own", async () => {
    // an orphan that has ended is in /proc until its parent, PID 1, has taken note
    const orphan = "$(sleep 0 >/dev/null & echo $!)";
    const reaped = `for p in ${orphan} ${orphan}; do i=0; while [ -e /proc/$p ] && [ $i -lt 200 ]; do i=$((i+1)); sleep 0.05; done; [ -e /proc/$p ] && cat /proc/$p/stat || echo gone; done`;
    expect((await lab.exec("paused", "a", sh(reaped))).output).toBe("gone\ngone\n");
    expect((await lab.exec("paused", "b", command(["cat", "/proc/1/comm"]))).output).toBe("sleep\n");
    expect((await lab.shim.list()).filter(({ id, kind }) => id === "paused" && kind === "pause").length).toBe(1);
    await lab.shim.signal({ id: "paused" }, 9);
    await waitFor("the pause process is forgotten", 20_000, async () =>
      (await lab.shim.list()).every(({ id, kind }) => id !== "paused" || kind !== "pause"),
    );
  });

  test("in a node has the node's network and /sys, and the machine's name and processes", async () => {
    const { output } = await lab.exec("@host", "a", sh(`ls /sys/class/net; uname -n; ls -d /proc/${process.pid}`));
    const machine = run(lab.netns, "uname -n").trim();
    expect(output).toBe(`eth0\nlo\npeer0\n${machine}\n/proc/${process.pid}\n`);
  });

  test("in a node has a /run/netns of its own, with the names of the lab, until the node's last process ends", async () => {
    using web = named(`lab.${process.pid}.web`);
    using other = named(`other.${process.pid}.web`);
    const names = [web.name, `lab.${process.pid}.gone`];
    lab.node = { ...lab.node, names };
    const run = (execId: string, script: string) => lab.exec("@names", execId, sh(script, { privileged: true }));
    const added = await run(
      "a",
      `ip netns add red; ip netns ls | cut -d' ' -f1 | sort; ip netns exec ${web.name} ip -br link show lo | cut -d' ' -f1`,
    );
    expect(added.output.split("\n")).toEqual([...names, "red"].sort().concat("lo", ""));
    expect(existsSync("/run/netns/red")).toBe(false);
    // a name that comes later is shown, one that has gone is not; what was made by hand stays
    lab.node = { ...lab.node, names: [web.name, other.name] };
    await lab.shim.names("@names", lab.node);
    expect((await run("b", "ls /run/netns; ip netns exec red ip -br link | wc -l")).output).toBe(
      `${[web.name, other.name, "red"].sort().join("\n")}\n1\n`,
    );
  });

  test("in a node keeps no namespace of the lab alive", async () => {
    let inode: string | undefined;
    {
      using web = named(`lab.${process.pid}.kept`);
      inode = web.inode;
      lab.node = { ...lab.node, names: [web.name] };
      await lab.exec("@kept", "a", command(["true"]));
    }
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(`net:[${inode}]`);
    const inNode = (await lab.exec("@kept", "b", command(["cat", "/proc/self/mountinfo"]))).output;
    expect(inNode).toContain(" /run/netns ");
    expect(inNode).not.toContain(`net:[${inode}]`);
  });

  test("in a container that has ended is refused", async () => {
    await lab.run("over", command(["true"]));
    await expect(
      lab.shim.exec({ id: "over", execId: "e", space: lab.space, command: command(["true"]) }),
    ).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("tells pids as the machine numbers them", async () => {
    const info = await lab.shim.exec({ id: "pids", execId: "e", space: lab.space, command: command(["sleep", "60"]) });
    expect(startTicks(info.pid)).toBe(info.startTicks);
    await lab.shim.signal({ id: "pids", execId: "e" }, 9);
    expect(await lab.exitCode({ id: "pids", execId: "e" })).toBe(137);
  });
});

describe("the log", () => {
  test("has Docker's form: partial lines, long lines in pieces of 16 KiB, HTML escaped, times that rise", async () => {
    await lab.run("log", sh("printf '<a>\\n'; head -c 20000 /dev/zero | tr '\\0' x; printf '\\nend'"));
    const records = lab.log("log");
    expect(records.map(({ log }) => log.length)).toEqual([4, 16384, 3617, 3]);
    expect(records.every(({ time }) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(time))).toBe(true);
    expect(records[0]?.log).toBe("<a>\n");
  });

  test("is rotated once when it is full", async () => {
    const path = join(lab.directory, "small.log");
    const what = sh("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.01; done");
    await lab.shim.start({ id: "small", space: lab.space, command: what, logPath: path, logMaxBytes: 200 });
    expect(await lab.exitCode({ id: "small" })).toBe(0);
    expect(existsSync(`${path}.1`) && existsSync(path) && !existsSync(`${path}.2`)).toBe(true);
  });
});

test("a file that is changed in place changes in the container", async () => {
  await lab.start("live", command(["sleep", "60"]));
  writeFileSync(lab.space.files.hosts, "10.0.0.9\tnew\n");
  expect((await lab.exec("live", "a", command(["cat", "/etc/hosts"]))).output).toBe("10.0.0.9\tnew\n");
  await lab.shim.signal({ id: "live" }, 9);
});

test("the working directory is the one that was asked for", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "dn-cwd-"));
  try {
    expect((await lab.run("cwd", command(["pwd"], { cwd }))).output).toBe(`${cwd}\n`);
  } finally {
    rmdirSync(cwd);
  }
});

test("garbage on an attachment ends that attachment alone", async () => {
  await lab.start("calm", command(["cat"], { openStdin: true }));
  const socket = createConnection(join(lab.directory, "shim.sock"));
  socket.on("error", () => {}); // the shim need not read what it has refused
  socket.write('{"n":1,"op":"attach","key":{"id":"calm"}}\n');
  await new Promise((resolve) => socket.once("data", resolve));
  socket.write(Buffer.alloc(64, 0xff));
  await new Promise((resolve) => socket.once("close", resolve));
  expect((await lab.shim.list()).find(({ id }) => id === "calm")?.exit).toBeUndefined();
  await lab.shim.signal({ id: "calm" }, 9);
});
