/**
 * Network namespaces in process. One node of a lab is one namespace, held by a file descriptor; entering is setns(2) on the
 * main thread with no `await` before leaving, so nothing else ever runs inside. A socket, a capture or a child process that
 * was started inside stays there. An unnamed namespace dies with the descriptor: `kill -9` leaves nothing.
 */
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, unlinkSync, writeSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DocknetError } from "../errors.ts";
import {
  AF_NETLINK,
  CLONE_NEWNET,
  closeFd,
  getsockopt,
  MNT_DETACH,
  MS_BIND,
  MS_REC,
  MS_SHARED,
  mount,
  SOCK_RAW,
  SystemError,
  setns,
  socket,
  umount,
  unshare,
} from "./libc.ts";
import type { NetnsIdentity, NetnsOwner } from "./manifest.ts";
import { MODE_OF_NAME, writeMark } from "./netns-mark.ts";
import { SO_NETNS_COOKIE, SOL_SOCKET } from "./uapi/socket.ts";

const SELF = "/proc/thread-self/ns/net";

let home: number | undefined;

/** The namespace that this process was started in; opened once, never closed. */
function homeFd(): number {
  home ??= openSync(SELF, "r");
  return home;
}

/** A name below /run/netns, and whose it is. */
export interface NetnsPlace {
  readonly path: string;
  readonly owner: NetnsOwner;
}

/** One that is claimed after `record` has returned. */
export interface NetnsName extends NetnsPlace {
  /** Called with what the namespace is known by, before anything bears the name. */
  readonly record: (identity: NetnsIdentity) => void;
}

export class Netns {
  /** For messages: the node's name. */
  readonly label: string;
  /** Where it is bind-mounted, when it has a name. */
  readonly path: string | undefined;
  readonly identity: NetnsIdentity;
  private readonly owner: NetnsOwner | undefined;
  private fdOrClosed: number | undefined;

  private constructor(label: string, fd: number, identity: NetnsIdentity, name?: NetnsPlace) {
    this.label = label;
    this.fdOrClosed = fd;
    this.identity = identity;
    this.path = name?.path;
    this.owner = name?.owner;
  }

  /**
   * Makes a namespace: unnamed, or with a name so that `ip netns exec <name>` works. The caller owns it.
   * @throws DocknetError PRIVILEGE without CAP_SYS_ADMIN; CONFLICT when the name is taken
   */
  static create(label: string, name?: NetnsName): Netns {
    const back = homeFd();
    try {
      unshare(CLONE_NEWNET);
    } catch (error) {
      throw privilegeError(label, error);
    }
    let fd: number;
    let identity: NetnsIdentity;
    try {
      fd = openSync(SELF, "r");
      identity = { inode: inodeOf(fd), cookie: name ? cookieHere() : "" };
    } finally {
      leave(back);
    }
    const ns = new Netns(label, fd, identity, name);
    try {
      if (name) {
        name.record(identity);
        ns.giveName();
      }
      return ns;
    } catch (error) {
      ns.detach();
      throw error;
    }
  }

  /**
   * Opens a namespace that bears a name, or is used by a process, if it is the one that is meant.
   * @param from a nsfs file: its name's path or /proc/<pid>/ns/net; @param name where its name belongs, and whose it is. @returns undefined when it is another, or nothing
   */
  static open(label: string, from: string, identity: NetnsIdentity, name: NetnsPlace): Netns | undefined {
    const fd = openIf(from, identity);
    return fd === undefined ? undefined : new Netns(label, fd, identity, name);
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

  /** Does its name lead to it? True without a name. Somebody may have removed it, or given it to another. */
  hasName(): boolean {
    if (this.path === undefined) return true;
    const fd = openIf(this.path, this.identity);
    if (fd !== undefined) closeSync(fd);
    return fd !== undefined;
  }

  /** Mounts it at its name. @throws DocknetError CONFLICT when the name is taken */
  giveName(): void {
    if (this.path === undefined || this.owner === undefined) return;
    claimName(this.path, this.owner, this.identity);
    try {
      mount(`/proc/self/fd/${this.fd}`, this.path, "none", MS_BIND);
    } catch (error) {
      unlinkSync(this.path);
      throw error;
    }
  }

  /** Closes the handle and leaves the name, which keeps the namespace. Idempotent. */
  detach(): void {
    if (this.fdOrClosed === undefined) return;
    closeSync(this.fdOrClosed);
    this.fdOrClosed = undefined;
  }

  /** Closes the handle and removes the name, if it still leads here. Idempotent. */
  close(): void {
    if (this.fdOrClosed === undefined) return;
    this.detach();
    if (this.path !== undefined) removeName(this.path, this.identity);
  }
}

/**
 * Takes a name away if it leads to the namespace that is meant, or is the mount point that its maker was killed over.
 * @returns what stood there: "foreign" stays
 */
export function removeName(path: string, identity: NetnsIdentity): "removed" | "absent" | "foreign" {
  if (isUnfinishedName(path)) {
    unlinkSync(path);
    return "removed";
  }
  const fd = openIf(path, identity);
  if (fd === undefined) return lstatSync(path, { throwIfNoEntry: false }) ? "foreign" : "absent";
  closeSync(fd);
  umount(path, MNT_DETACH);
  unlinkSync(path);
  return "removed";
}

/** A file as `claimName` makes it, with nothing mounted on it: nsfs shows itself as 0444. */
export function isUnfinishedName(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true && (found.mode & 0o7777) === MODE_OF_NAME;
}

function openIf(path: string, identity: NetnsIdentity): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined; // gone, or a process that ended
  }
  if (inodeOf(fd) === identity.inode && cookieOf(fd) === identity.cookie) return fd;
  closeSync(fd);
  return undefined;
}

/** "<device>:<inode>" */
function inodeOf(fd: number): string {
  const { dev, ino } = fstatSync(fd);
  return `${dev}:${ino}`;
}

/** undefined: it is no network namespace */
function cookieOf(fd: number): string | undefined {
  const back = homeFd();
  try {
    setns(fd, CLONE_NEWNET);
  } catch {
    return undefined;
  }
  try {
    return cookieHere();
  } finally {
    leave(back);
  }
}

/** The cookie of the namespace that this thread is in (socket(7)); "" before Linux 5.14. */
function cookieHere(): string {
  const fd = socket(AF_NETLINK, SOCK_RAW, 0);
  try {
    return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, 8).readBigUInt64LE().toString();
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOPROTOOPT") return "";
    throw error;
  } finally {
    closeFd(fd);
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
function claimName(path: string, owner: NetnsOwner, identity: NetnsIdentity): void {
  prepareFolder(dirname(path));
  let fd: number;
  try {
    fd = openSync(path, "wx", MODE_OF_NAME);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new DocknetError("CONFLICT", `Cannot create network namespace ${basename(path)}: ${path} already exists`, {
      cause: error,
      remedy: `Choose another project name, or run \`docknet clean\` if an earlier run left it`,
    });
  }
  try {
    writeMark(fd, owner, identity);
  } catch {
    // on a full file system the name has no mark, and the manifest alone knows whose it is
  } finally {
    closeSync(fd);
  }
}

let folderIsReady = false;

/** As `ip netns add` does, once per process: a shared mount, so that a name taken away here goes in every mount namespace, and nothing is mounted beneath it later. */
function prepareFolder(folder: string): void {
  if (folderIsReady) return;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  try {
    mount("", folder, "none", MS_SHARED | MS_REC);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EINVAL") throw error;
    mount(folder, folder, "none", MS_BIND | MS_REC);
    mount("", folder, "none", MS_SHARED | MS_REC);
  }
  folderIsReady = true;
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
