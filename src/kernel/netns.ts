/**
 * Network namespaces in process. One node of a lab is one namespace, held by a file descriptor; entering is setns(2) on the
 * main thread with no `await` before leaving, so nothing else ever runs inside. A socket, a capture or a child process that
 * was started inside stays there. An unnamed namespace dies with the descriptor: `kill -9` leaves nothing.
 */
import { closeSync, constants, mkdirSync, openSync, unlinkSync, writeSync } from "node:fs";
import { DocknetError } from "../errors.ts";
import { CLONE_NEWNET, MNT_DETACH, MS_BIND, mount, SystemError, setns, umount, unshare } from "./libc.ts";

const SELF = "/proc/thread-self/ns/net";
/** Where `ip netns` looks (iproute2 ip-netns(8)). */
const NETNS_DIR = "/run/netns";

let home: number | undefined;

/** The namespace that this process was started in; opened once, never closed. */
function homeFd(): number {
  home ??= openSync(SELF, "r");
  return home;
}

export class Netns {
  /** For messages: the node's name. */
  readonly label: string;
  /** Where it is bind-mounted, when it has a name. */
  readonly path: string | undefined;
  private fdOrClosed: number | undefined;

  private constructor(label: string, fd: number, path?: string) {
    this.label = label;
    this.fdOrClosed = fd;
    this.path = path;
  }

  /**
   * Makes a namespace: unnamed, or with `name` bind-mounted so that `ip netns exec <name>` works. The caller owns it.
   * @throws DocknetError PRIVILEGE without CAP_SYS_ADMIN; CONFLICT when the name is taken
   */
  static create(label: string, name?: string): Netns {
    const back = homeFd();
    const path = name === undefined ? undefined : claimName(name);
    try {
      unshare(CLONE_NEWNET);
    } catch (error) {
      if (path !== undefined) unlinkSync(path);
      throw privilegeError(label, error);
    }
    try {
      const fd = openSync(SELF, "r");
      if (path !== undefined) mount(SELF, path, "none", MS_BIND);
      return new Netns(label, fd, path);
    } finally {
      leave(back);
    }
  }

  get fd(): number {
    if (this.fdOrClosed === undefined)
      throw new DocknetError("INTERNAL", `Namespace ${this.label} is used after it was closed`);
    return this.fdOrClosed;
  }

  /** Runs `work` inside and comes back; `work` must not be async. If the way back fails the process ends: it would act on the wrong network. */
  enter<T>(work: () => T extends PromiseLike<unknown> ? never : T): T {
    const back = homeFd();
    setns(this.fd, CLONE_NEWNET);
    try {
      return work() as T;
    } finally {
      leave(back);
    }
  }

  /** Writes `/proc/sys/<key with slashes>`; the kernel resolves it in the namespace of the thread that opens it. */
  writeSysctl(key: string, value: string): void {
    const path = sysctlPath(key);
    this.enter(() => {
      // no O_TRUNC and no second look at the file: this is done for every namespace of a lab
      const fd = openSync(path, constants.O_WRONLY);
      try {
        writeSync(fd, value);
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Idempotent. Unmounts and unlinks the name, if it has one. */
  close(): void {
    if (this.fdOrClosed === undefined) return;
    const fd = this.fdOrClosed;
    this.fdOrClosed = undefined;
    closeSync(fd);
    if (this.path === undefined) return;
    umount(this.path, MNT_DETACH);
    unlinkSync(this.path);
  }
}

/** "net.ipv4.conf.eth0.forwarding" is "/proc/sys/net/ipv4/conf/eth0/forwarding"; a "/" in the key stands for a dot in a name (sysctl(8)). */
export function sysctlPath(key: string): string {
  const segments = key.split(".");
  if (segments.some((s) => s === "" || s === "/" || s === "//"))
    throw new DocknetError("INTERNAL", `Sysctl ${JSON.stringify(key)} would leave /proc/sys`);
  return `/proc/sys/${key.replaceAll(/[./]/g, (c) => (c === "." ? "/" : "."))}`;
}

function leave(back: number): void {
  try {
    setns(back, CLONE_NEWNET);
  } catch (error) {
    process.stderr.write(`docknet: cannot leave a network namespace, stopping: ${String(error)}\n`);
    process.abort();
  }
}

/** Creates the mount point exclusively: a name that exists belongs to somebody. */
function claimName(name: string): string {
  mkdirSync(NETNS_DIR, { recursive: true, mode: 0o755 });
  const path = `${NETNS_DIR}/${name}`;
  try {
    closeSync(openSync(path, "wx", 0o400));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new DocknetError("CONFLICT", `Cannot create network namespace ${name}: ${path} already exists`, {
      cause: error,
      remedy: `Choose another project name, or run \`docknet clean\` if an earlier run left it`,
    });
  }
  return path;
}

function privilegeError(label: string, error: unknown): unknown {
  if (!(error instanceof SystemError) || error.code !== "EPERM") return error;
  return new DocknetError(
    "PRIVILEGE",
    `Cannot create a network namespace for ${label}: the kernel says EPERM, CAP_SYS_ADMIN is needed`,
    {
      cause: error,
      remedy: "Run as root, or let docknet enter a user namespace (see `docknet doctor`)",
    },
  );
}
