/**
 * Directories that only this user can change, held by a descriptor: what was checked is what is used, whatever becomes of the path.
 * Where another user may make a directory first (/tmp), he would read what is sent to a socket in it, write through a symbolic link,
 * or move it away. Light: the command line imports it for every command.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { DocknetError } from "../errors.ts";

export interface TrustOptions {
  /** Made with mode 0700 when it is not there. */
  readonly make?: boolean;
  /** Others may look into it, but change nothing: for the directory that holds those of labs. */
  readonly listed?: boolean;
}

const OTHERS_WRITE = 0o022;
const OTHERS = 0o077;
const STICKY = 0o1000;
const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export class TrustedDirectory {
  /** As it is named; for messages and for other programs. */
  readonly path: string;
  private readonly fd: number;

  /** Of a directory that was checked: see `open`. */
  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  /** @returns undefined when nothing is there. @throws DocknetError PRIVILEGE when it is not this user's alone */
  static open(path: string, options: TrustOptions = {}): TrustedDirectory | undefined {
    return openAt(path, path, options);
  }

  /** The same, made with mode 0700 when it is not there. */
  static make(path: string, options: TrustOptions = {}): TrustedDirectory {
    const made = openAt(path, path, { ...options, make: true });
    if (!made) throw new DocknetError("ABORTED", `Cannot make ${path}: somebody removes it`);
    return made;
  }

  /** A directory in this one. @returns and @throws as `open` */
  child(name: string, options: TrustOptions = {}): TrustedDirectory | undefined {
    return openAt(`${this.path}/${name}`, this.at(name), options);
  }

  /** A path to what is in it, for this process: through the descriptor. */
  at(name: string): string {
    return `${this.base}/${name}`;
  }

  /** The same for a path below this one's; another is given back as it is. */
  inside(path: string): string {
    return path.startsWith(`${this.path}/`) ? this.at(path.slice(this.path.length + 1)) : path;
  }

  /** A path to itself, for this process. */
  get base(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** Does its path still lead to it? Somebody may have removed it or moved it away. */
  isInPlace(): boolean {
    const [held, found] = [fstatSync(this.fd), statSync(this.path, { throwIfNoEntry: false })];
    return held.nlink > 0 && found !== undefined && found.ino === held.ino && found.dev === held.dev;
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** @param path for messages. @param at what is opened */
function openAt(path: string, at: string, options: TrustOptions): TrustedDirectory | undefined {
  if (options.make) makeDirectory(path, at);
  let fd: number;
  try {
    fd = openSync(at, DIRECTORY_FLAGS);
  } catch (error) {
    const found = lookAt(at);
    if (!found) return undefined;
    const { code } = error as NodeJS.ErrnoException;
    // a link, a file, or a directory of somebody who lets nobody in
    if (found.isDirectory() && code !== "EACCES") throw error;
    throw distrust(path, found, options);
  }
  const found = fstatSync(fd);
  if (isTrusted(found, options)) return new TrustedDirectory(path, fd);
  closeSync(fd);
  throw distrust(path, found, options);
}

function makeDirectory(path: string, at: string): void {
  try {
    mkdirSync(at, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || at !== path) throw error;
    // what leads there is the user's affair: it is made as others make it, and the last part alone is checked
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
}

const lookAt = (at: string): Stats | undefined => lstatSync(at, { throwIfNoEntry: false });

const isTrusted = (found: Stats, { listed }: TrustOptions): boolean =>
  found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & (listed ? OTHERS_WRITE : OTHERS)) === 0;

function distrust(path: string, found: Stats, { listed }: TrustOptions): DocknetError {
  const user = process.geteuid?.();
  const mode = found.isDirectory() ? ` with mode ${(found.mode & 0o7777).toString(8).padStart(4, "0")}` : "";
  const wanted = listed ? "that nobody else can write" : "with mode 0700";
  return new DocknetError(
    "PRIVILEGE",
    `Cannot trust ${path}: found ${kindOf(found)} of user ${found.uid}${mode}, wanted a directory of user ${user} ${wanted}`,
    { remedy: remedyFor(path, found, user) },
  );
}

function remedyFor(path: string, found: Stats, user: number | undefined): string {
  if (found.isDirectory() && found.uid === user && (found.mode & STICKY) === 0)
    return `Look at what is in it, then run \`chmod 700 ${path}\``;
  return "Set DOCKNET_RUN_DIR to a directory of your own with mode 0700, or remove what is there";
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a directory";
  if (found.isSymbolicLink()) return "a symbolic link";
  return found.isFile() ? "a file" : "a special file";
}

// --- files in such a directory ---------------------------------------------------------------------------------------

/** A link is not followed, and a FIFO does not block. */
const OWN_FILE = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a regular file of this user, which may have been put there before the directory was his alone.
 * @param flags with O_CREAT it is made with mode 0600; without, an absent one is ENOENT. @param named its name in messages
 * @throws DocknetError PRIVILEGE when it is something else, as a symbolic link is; NodeJS.ErrnoException
 */
export function openOwn(path: string, flags: number, named = path): number {
  let fd: number;
  try {
    fd = openSync(path, flags | OWN_FILE, 0o600);
  } catch (error) {
    const found = lookAt(path);
    // ELOOP: a link; ENXIO: a FIFO that nobody reads, or a socket
    if (!found || found.isFile()) throw error;
    throw foreignFile(named, found);
  }
  const found = fstatSync(fd);
  if (found.isFile() && found.uid === process.geteuid?.()) return fd;
  closeSync(fd);
  throw foreignFile(named, found);
}

/** Appends to it; made when it is not there. @throws as `openOwn` */
export const openOwnLog = (path: string, named?: string): number =>
  openOwn(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, named);

/** A new file in place of whatever bears its name, which is not followed. @throws NodeJS.ErrnoException */
export function writeOwnNew(path: string, content: string | Uint8Array): void {
  rmSync(path, { force: true });
  writeFileSync(path, content, { flag: "wx", mode: 0o600 });
}

const foreignFile = (path: string, found: Stats): DocknetError =>
  new DocknetError(
    "PRIVILEGE",
    `Cannot use ${path}: found ${kindOf(found)} of user ${found.uid}, wanted a file of user ${process.geteuid?.()}`,
    { remedy: "Remove it, and look at who else can write its directory" },
  );
