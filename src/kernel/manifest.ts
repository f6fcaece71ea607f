/**
 * What docknet made on this machine and would leave if it were killed: named namespaces and processes, one JSON record a line, in
 * the lab's own directory. A record is appended before its object has a name that others see, with an identity that is never used
 * twice while the machine runs, so at any moment everything that is ours is recorded, and what merely bears our name is told apart:
 *
 * - A namespace is made without a name; its identity is recorded; then its name is claimed; then it is mounted there.
 *   The number of its inode alone will not do: the kernel gives the lowest free one to the next namespace. Its cookie is unique.
 * - A process is recorded right after it was started. One that must not be lost between the two waits for a word of its parent and
 *   ends when the parent dies before saying it.
 *
 * One append is one write(2): it survives the death of the writer at any moment (not that of the machine, and neither does what it
 * records). A line that is no record is half of one whose writer was killed: it named nothing yet.
 */
import { closeSync, constants, fstatSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { DocknetError } from "../errors.ts";
import { type LabName, type NodeName, netnsName, parseLabName } from "../net/name.ts";
import { openOwn, openOwnLog, TrustedDirectory, writeOwnNew } from "./trusted-directory.ts";

/** What tells one network namespace from all others of this boot. */
export interface NetnsIdentity {
  /** "<device>:<inode>" of its nsfs file; the inode is used again when it is gone. */
  readonly inode: string;
  /** SO_NETNS_COOKIE: never used again. "" where the kernel has none (before Linux 5.14): there the inode alone must do. */
  readonly cookie: string;
}

/** Whose a namespace is: the lab's directory tells labs of one name apart. */
export interface NetnsOwner {
  readonly directory: string;
  readonly node: NodeName;
}

export interface OwnedNetns extends NetnsIdentity {
  readonly kind: "netns";
  readonly node: NodeName;
}

/** A pid with the moment of its start: together they name one process of this boot. */
export interface OwnedProcess {
  readonly kind: "process";
  readonly role: "daemon" | "shim";
  readonly pid: number;
  /** Clock ticks after boot (proc_pid_stat(5), field 22). */
  readonly startTicks: number;
}

export type Owned = OwnedNetns | OwnedProcess;

/** Where `ip netns` looks (iproute2 ip-netns(8)). */
export const NETNS_DIR = "/run/netns";
export const netnsPath = (lab: LabName, node: NodeName): string => `${NETNS_DIR}/${netnsName(lab, node)}`;

const FILE = "manifest.jsonl";
const MAX_BYTES = 16 * 1024 * 1024;
/** Records of what has gone that may stay in the file: so many that it is seldom written anew, few against MAX_BYTES. */
const SPARE_LINES = 10_000;

export class Manifest {
  readonly lab: LabName;
  /** The lab's, as it is named. */
  private readonly directory: string;
  private readonly file: string;
  private readonly owned: Map<string, Owned>;
  /** Records in the file. */
  private lines = 0;
  /** The file as this process wrote it last. */
  private written = "";

  /**
   * Makes the directory when it does not exist, reads what was recorded, and writes it anew without what has gone. One process at a
   * time: the caller holds the lab (lockDirectory).
   * @param place the lab's directory, which ends with its name. @throws DocknetError PRIVILEGE when it is not ours alone, LAB_FILE for its name
   */
  constructor(place: TrustedDirectory | string) {
    const trusted = typeof place === "string" ? TrustedDirectory.make(place) : place;
    this.lab = labOf(trusted.path);
    this.directory = trusted.path;
    this.file = trusted.at(FILE);
    this.owned = readOwned(trusted);
    this.rewrite();
  }

  /** In order of creation. */
  namespaces(): OwnedNetns[] {
    return [...this.owned.values()].filter((o) => o.kind === "netns");
  }

  processes(): OwnedProcess[] {
    return [...this.owned.values()].filter((o) => o.kind === "process");
  }

  /** Nodes whose namespaces were made and not removed: what `Executor.adopt` takes. */
  nodes(): NodeName[] {
    return this.namespaces().map((n) => n.node);
  }

  netnsOf(node: NodeName): OwnedNetns | undefined {
    return this.namespaces().find((n) => n.node === node);
  }

  /** What a namespace's name says of whose it is (netns-mark.ts). */
  ownerOf(node: NodeName): NetnsOwner {
    return { directory: this.directory, node };
  }

  /** Before the namespace gets its name. One record per node: the last one counts. */
  addNetns(node: NodeName, identity: NetnsIdentity): void {
    this.add({ kind: "netns", node, inode: identity.inode, cookie: identity.cookie });
  }

  /** @throws DocknetError NOT_FOUND when there is no such process */
  addProcess(role: OwnedProcess["role"], pid: number): OwnedProcess {
    const startTicks = startTicksOf(pid);
    if (startTicks === undefined) throw new DocknetError("NOT_FOUND", `Cannot record the ${role}: no process ${pid}`);
    const owned: OwnedProcess = { kind: "process", role, pid, startTicks };
    this.add(owned);
    return owned;
  }

  /** After the object is gone. Idempotent. */
  forget(owned: Owned): void {
    if (!this.owned.delete(keyOf(owned))) return;
    try {
      this.append("gone", owned);
      // one that lives for months must not grow until nobody may read it
      if (this.lines > 2 * this.owned.size + SPARE_LINES) this.rewrite();
    } catch {
      // on a full disk a record stays of what has gone: it names nothing any more, and what is removed must go on
    }
  }

  /** Writes the file again when somebody else changed or removed it. @returns whether that was so. @throws NodeJS.ErrnoException */
  keep(): boolean {
    if (signatureOf(this.file) === this.written) return false;
    this.rewrite();
    return true;
  }

  private add(owned: Owned): void {
    this.append("made", owned);
    this.owned.set(keyOf(owned), owned);
  }

  private append(event: Event, owned: Owned): void {
    const fd = openOwnLog(this.file);
    try {
      writeSync(fd, line(event, owned));
    } finally {
      closeSync(fd);
    }
    this.lines += 1;
    this.written = signatureOf(this.file);
  }

  /** Without what has gone; whole, or not at all. */
  private rewrite(): void {
    writeOwnNew(`${this.file}.new`, [...this.owned.values()].map((o) => line("made", o)).join(""));
    renameSync(`${this.file}.new`, this.file);
    this.lines = this.owned.size;
    this.written = signatureOf(this.file);
  }
}

/**
 * What the manifest of a lab's directory names and has not taken back; empty without a manifest.
 * @throws DocknetError INTERNAL when it is too big, PRIVILEGE when it is not a file of this user
 */
export function readOwned(place: Pick<TrustedDirectory, "path" | "at"> | string): Map<string, Owned> {
  const owned = new Map<string, Owned>();
  const [path, named] =
    typeof place === "string" ? [`${place}/${FILE}`, `${place}/${FILE}`] : [place.at(FILE), `${place.path}/${FILE}`];
  for (const text of readBounded(path, named).split("\n")) {
    const record = parseLine(text);
    if (record?.event === "made") owned.set(keyOf(record.owned), record.owned);
    if (record?.event === "gone") owned.delete(keyOf(record.owned));
  }
  return owned;
}

/** @throws DocknetError LAB_FILE */
export const labOf = (directory: string): LabName => parseLabName(basename(directory));

/** When a process began, in clock ticks after boot; undefined: it does not exist, or has ended and waits for its parent. */
export function startTicksOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // the name stands in parentheses and may hold anything
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

/** By SIGSTOP, a terminal's Ctrl-Z or a debugger: it exists, and does nothing until SIGCONT (proc_pid_stat(5)). */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return /^[Tt]$/.test(stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3));
  } catch {
    return false;
  }
}

/** Is it the process that was recorded, and does it run? */
export const isRunning = (p: OwnedProcess): boolean => startTicksOf(p.pid) === p.startTicks;

// --- lines -----------------------------------------------------------------------------------------------------------

type Event = "made" | "gone";

const keyOf = (o: Owned): string => (o.kind === "netns" ? `netns ${o.node}` : `process ${o.pid} ${o.startTicks}`);

/** The line break before it ends what a killed writer left half written. */
const line = (event: Event, owned: Owned): string => `\n${JSON.stringify({ event, ...owned })}\n`;

function readBounded(file: string, named: string): string {
  let fd: number;
  try {
    fd = openOwn(file, constants.O_RDONLY, named);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_BYTES)
      throw new DocknetError("INTERNAL", `Cannot read ${named}: it has ${size} bytes, wanted at most ${MAX_BYTES}`, {
        remedy: "Run `docknet clean`, then build the lab again",
      });
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

/** Strict: what it names is going to be removed. */
function parseLine(text: string): { event: Event; owned: Owned } | undefined {
  const row = parseObject(text);
  const event = row?.event;
  if (!row || (event !== "made" && event !== "gone")) return undefined;
  const { kind, node, inode, cookie, role, pid, startTicks } = row;
  if (kind === "netns" && isText(node, NODE) && isText(inode, INODE) && isText(cookie, COOKIE))
    return { event, owned: { kind, node: node as NodeName, inode, cookie } };
  if (kind === "process" && (role === "daemon" || role === "shim") && isPid(pid) && isCount(startTicks))
    return { event, owned: { kind, role, pid, startTicks } };
  return undefined;
}

/** A node's name becomes a path: no slash, no leading dot. */
const NODE = /^@?[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const INODE = /^\d+:\d+$/;
const COOKIE = /^\d*$/;
const isText = (value: unknown, form: RegExp): value is string => typeof value === "string" && form.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
/** Signals to pid 0, 1 and below go to groups or to init. */
const isPid = (value: unknown): value is number => isCount(value) && value > 1;

function signatureOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.ino} ${found.size} ${found.mtimeMs}` : "";
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
