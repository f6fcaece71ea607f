/**
 * Starts one process in a container's namespaces, as runc does: the program is looked up first, so that what is wrong is said in
 * runc's words; then util-linux's own small programs do, one after the other in the same process, what must be done by the new process
 * itself, and become the user's program:
 *
 *   unshare --mount-proc   only PID 1: /proc of its own PID namespace
 *   sh -c GUARD_PROC       only PID 1, unless privileged: its parts that are the machine's are hidden or read-only
 *   setpriv                Docker's capabilities, unless privileged
 *   setsid --ctty          only with a terminal: makes it the controlling one
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, existsSync, readFileSync, type Stats, statSync } from "node:fs";
import { Socket } from "node:net";
import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { DocknetError } from "../../errors.ts";
import { pidfdOpen, pipe } from "../libc.ts";
import { openPty, PtyStream, resizePty, type TerminalSize } from "./pty.ts";

export interface Command {
  /** at least the program; not interpreted by any shell */
  readonly argv: readonly string[];
  /** "NAME=value"; beside it only what Docker gives every process, see `environment` */
  readonly env: readonly string[];
  /** absolute */
  readonly cwd: string;
  readonly tty: boolean;
  /** without it stdin is /dev/null */
  readonly openStdin: boolean;
  /** of the terminal at the start */
  readonly size?: TerminalSize | undefined;
  /** keeps every capability */
  readonly privileged: boolean;
}

/** The words around a refusal, and the exit code that the command line ends with. */
export type Occasion = "start" | "exec";
const BEFORE: Readonly<Record<Occasion, string>> = {
  start:
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ",
  exec: "OCI runtime exec failed: exec failed: unable to start container process: ",
};

/** moby daemon/pkg/oci/defaults.go, oci/caps/defaults.go */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const CAPABILITIES =
  "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap";

/**
 * The whole environment, in Docker's order: PATH, HOSTNAME, TERM, then what is given (in place where it replaces), HOME last.
 * Source: moby daemon/container CreateDaemonEnvironment; runc sets HOME.
 */
export function environment(command: Command, hostname: string | undefined): Record<string, string> {
  const env: Record<string, string> = { PATH };
  if (hostname !== undefined) env.HOSTNAME = hostname;
  if (command.tty) env.TERM = "xterm";
  for (const pair of command.env) {
    const at = pair.indexOf("=");
    env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  env.HOME ??= "/root";
  return env;
}

/**
 * Refuses what would not start.
 * @param mounted files that are others inside: path there to path here
 * @throws DocknetError NOT_FOUND or CONFLICT with Docker's text, `details.exitCode` 125..127
 */
export function checkProgram(
  command: Command,
  path: string,
  occasion: Occasion,
  mounted: Readonly<Record<string, string>> = {},
): void {
  const refuse = (text: string, exitCode: number): DocknetError =>
    new DocknetError(exitCode === 126 ? "CONFLICT" : "NOT_FOUND", `${BEFORE[occasion]}${text}`, {
      details: { exitCode },
    });
  if (!isDirectory(command.cwd) && occasion === "start")
    throw new DocknetError(
      "NOT_FOUND",
      `working directory ${goQuote(command.cwd)} is not on this machine, whose files a container sees: docknet creates none`,
      { details: { exitCode: 125 }, remedy: `Create it: mkdir -p ${command.cwd}` },
    );
  if (!isDirectory(command.cwd))
    throw refuse(`chdir to cwd (${goQuote(command.cwd)}) set in config.json failed: no such file or directory`, 127);
  const [name = ""] = command.argv;
  const quoted = `exec: ${goQuote(name)}: `;
  if (!name.includes("/")) {
    if (name !== "" && path.split(":").some((folder) => folder !== "" && isExecutable(resolve(folder, name)))) return;
    throw refuse(`${quoted}executable file not found in $PATH`, 127);
  }
  const inside = resolve(command.cwd, name);
  const file = mounted[inside] ?? inside;
  let stats: Stats;
  try {
    stats = statSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const stat = `${quoted}stat ${name}: `;
    // The advice is moby's, for any text with "not a directory" (daemon/start_unix.go); so is 125 for a start.
    if (code === "ENOTDIR")
      throw refuse(
        `${stat}not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`,
        occasion === "start" ? 125 : 127,
      );
    if (code === "EACCES") throw refuse(`${stat}permission denied`, 126);
    throw refuse(`${stat}no such file or directory`, 127);
  }
  if (stats.isDirectory()) throw refuse(`${quoted}is a directory: permission denied`, 126);
  if (!isExecutable(file)) throw refuse(`${quoted}permission denied`, 126);
}

/** As Go's %q shows a program's name. */
const goQuote = (text: string): string => JSON.stringify(text);

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return !isDirectory(path);
  } catch {
    return false;
  }
}

/** PID 1 of a container without a process of its own: waits for ever. Where SIGCHLD is ignored the kernel itself reaps (wait(2), NOTES). */
export const PAUSE: readonly string[] = ["/usr/bin/env", "--ignore-signal=CHLD", "sleep", "infinity"];

/**
 * Descriptor 3 is an fstab(5) of what guards /proc (guarded-path.ts), mounted by one `mount`, $0. The text is fixed; the user's words are
 * only what it becomes.
 */
const GUARD_PROC = '"$0" --all --fstab /proc/self/fd/3 || exit 125; exec 3<&-; exec "$@"';

/** The argv that becomes `argv`, see the head of this file. @throws DocknetError KERNEL_FEATURE when a tool is missing */
export function wrap(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  needs: { readonly proc: boolean; readonly tty: boolean; readonly privileged: boolean },
): readonly string[] {
  return [
    ...(needs.proc ? [tool("unshare"), "--mount-proc", "--propagation", "unchanged", "--"] : []),
    ...(needs.proc && !needs.privileged ? [tool("sh"), "-c", GUARD_PROC, tool("mount"), ...sameEnvironment(env)] : []),
    ...(needs.privileged ? [] : [tool("setpriv"), `--bounding-set=-all,+${CAPABILITIES.replaceAll(",", ",+")}`, "--"]),
    ...(needs.tty ? [tool("setsid"), "--ctty", "--"] : []),
    ...argv,
  ];
}

/** A shell gives its children another environment than it got. */
function sameEnvironment(env: Readonly<Record<string, string>>): string[] {
  return [tool("env"), "-i", "--", ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
}

/** @throws DocknetError KERNEL_FEATURE */
export function tool(name: string): string {
  const path = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map((folder) => `${folder}/${name}`).find(existsSync);
  if (path !== undefined) return path;
  throw new DocknetError("KERNEL_FEATURE", `Cannot start a process in a container: ${name} is not installed`, {
    remedy: "Install the Debian package util-linux",
  });
}

/** A process that was started, with our ends of its streams. */
export interface Launched {
  readonly child: ChildProcess;
  /** as the machine numbers it: the shim has a PID namespace of its own */
  readonly pid: number;
  readonly stdin: Writable | undefined;
  /** with a terminal there is only stdout */
  readonly outputs: readonly { readonly stream: "stdout" | "stderr"; readonly readable: Readable }[];
  readonly terminal: PtyStream | undefined;
}

/**
 * Spawns inside `within` (a namespace bracket) and comes back with streams on real pipes, or on a pty of the container's own devpts.
 * Node's "pipe" would be a socket, which a program cannot open as /dev/stdout.
 * @param guard what GUARD_PROC reads, where `argv` has it. @throws DocknetError KERNEL_REFUSED when the process cannot be made
 */
export function launch(
  within: <T>(work: () => T) => T,
  argv: readonly string[],
  command: Command,
  env: Record<string, string>,
  guard?: number,
): Launched {
  const [file = "", ...args] = argv;
  const { child, io } = within(() => {
    const io = command.tty ? openTerminal(command.size) : openPipes(command.openStdin);
    try {
      // A session of its own: by setsid where it needs a controlling terminal, else by libuv.
      const child = spawn(file, args, {
        cwd: command.cwd,
        env,
        stdio: [...io.theirs, ...(guard === undefined ? [] : [guard])],
        detached: !command.tty,
      });
      child.on("error", () => {}); // the missing pid reports it
      return { child, io };
    } catch (error) {
      for (const fd of io.ours) closeSync(fd);
      throw notMade(file, error);
    } finally {
      for (const fd of new Set(io.theirs)) if (typeof fd === "number") closeSync(fd);
    }
  });
  if (child.pid === undefined) {
    for (const fd of io.ours) closeSync(fd);
    throw notMade(file, "the process could not be made");
  }
  return { child, pid: machinePid(child.pid), ...io.streams() };
}

function notMade(file: string, error: unknown): DocknetError {
  return new DocknetError("KERNEL_REFUSED", `Cannot start ${file}: ${String(error)}`, { cause: error });
}

interface Stdio {
  readonly theirs: readonly (number | "ignore")[];
  readonly ours: readonly number[];
  /** Takes ownership of `ours`. */
  streams(): Pick<Launched, "stdin" | "outputs" | "terminal">;
}

function openTerminal(size: TerminalSize | undefined): Stdio {
  const { master, slave } = openPty();
  if (size) resizePty(master, size);
  return {
    theirs: [slave, slave, slave],
    ours: [master],
    streams: () => {
      const terminal = new PtyStream(master);
      return { stdin: terminal, outputs: [{ stream: "stdout", readable: terminal }], terminal };
    },
  };
}

function openPipes(openStdin: boolean): Stdio {
  const input = openStdin ? pipe() : undefined;
  const [output, error] = [pipe(), pipe()];
  const reader = (fd: number): Readable => new Socket({ fd, readable: true, writable: false });
  return {
    theirs: [input?.reader ?? "ignore", output.writer, error.writer],
    ours: [output.reader, error.reader, ...(input ? [input.writer] : [])],
    streams: () => ({
      stdin: input && new Socket({ fd: input.writer, readable: false, writable: true }),
      outputs: [
        { stream: "stdout", readable: reader(output.reader) },
        { stream: "stderr", readable: reader(error.reader) },
      ],
      terminal: undefined,
    }),
  };
}

/** A child's pid in the PID namespace of /proc, the machine's: a pidfd tells it (pidfd_open(2), /proc/PID/fdinfo). */
function machinePid(pid: number): number {
  const fd = pidfdOpen(pid);
  try {
    return Number(/^Pid:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]);
  } finally {
    closeSync(fd);
  }
}

/** Resolves when the wrappers are gone and the user's program runs, or has ended. Never rejects. */
export async function becameProgram(
  launched: Launched,
  argv: readonly string[],
  program: readonly string[],
): Promise<void> {
  const wrappers = new Set<string>();
  for (let rest = argv; rest.length > program.length; rest = rest.slice(1)) wrappers.add(`${rest.join("\0")}\0`);
  const deadline = performance.now() + 5000;
  while (launched.child.exitCode === null && launched.child.signalCode === null && performance.now() < deadline) {
    const now = commandLine(launched.pid);
    if (now !== "" && !wrappers.has(now)) return; // "" is the moment of an execve
    await new Promise((resolve) => setTimeout(resolve, 1)); // poll interval inside the deadline
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** When process `pid` was started, in clock ticks since boot: with the pid it names one process for ever (proc_pid_stat(5), field 22). */
export function startTicks(pid: number | "self"): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}
