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
import { appendFileSync, lstatSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { DocknetError } from "../errors.ts";
import { type LabName, type NodeName, netnsName, parseLabName } from "../net/name.ts";

/** What tells one network namespace from all others of this boot. */
export interface NetnsIdentity {
  /** "<device>:<inode>" of its nsfs file; the inode is used again when it is gone. */
  readonly inode: string;
  /** SO_NETNS_COOKIE: never used again. "" where the kernel has none (before Linux 5.14): there the inode alone must do. */
  readonly cookie: string;
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
const MODE_OF_DIRECTORY = 0o700;
/** Records of what has gone that may stay in the file: so many that it is seldom written anew, few against MAX_BYTES. */
const SPARE_LINES = 10_000;

export class Manifest {
  readonly lab: LabName;
  private readonly file: string;
  private readonly owned: Map<string, Owned>;
  /** Records in the file. */
  private lines = 0;

  /**
   * Makes the directory when it does not exist, reads what was recorded, and writes it anew without what has gone. One process at a
   * time: the caller holds the lab (lockDirectory).
   * @param directory ends with the lab's name. @throws DocknetError INTERNAL when it is not ours alone, LAB_FILE for its name
   */
  constructor(directory: string) {
    this.lab = labOf(directory);
    mkdirSync(directory, { recursive: true, mode: MODE_OF_DIRECTORY });
    checkDirectory(directory);
    this.file = `${directory}/${FILE}`;
    this.owned = readOwned(directory);
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
    this.append("gone", owned);
    // one that lives for months must not grow until nobody may read it
    if (this.lines > 2 * this.owned.size + SPARE_LINES) this.rewrite();
  }

  private add(owned: Owned): void {
    this.append("made", owned);
    this.owned.set(keyOf(owned), owned);
  }

  private append(event: Event, owned: Owned): void {
    appendFileSync(this.file, line(event, owned));
    this.lines += 1;
  }

  /** Without what has gone; whole, or not at all. */
  private rewrite(): void {
    writeFileSync(`${this.file}.new`, [...this.owned.values()].map((o) => line("made", o)).join(""), { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
    this.lines = this.owned.size;
  }
}

/** What the manifest of a lab's directory names and has not taken back; empty without a manifest. @throws DocknetError INTERNAL when it is too big */
export function readOwned(directory: string): Map<string, Owned> {
  const owned = new Map<string, Owned>();
  for (const text of readBounded(`${directory}/${FILE}`).split("\n")) {
    const record = parseLine(text);
    if (record?.event === "made") owned.set(keyOf(record.owned), record.owned);
    if (record?.event === "gone") owned.delete(keyOf(record.owned));
  }
  return owned;
}

/** @throws DocknetError LAB_FILE */
export const labOf = (directory: string): LabName => parseLabName(basename(directory));

/** A directory that others can write could name anything. @throws DocknetError INTERNAL */
export function checkDirectory(directory: string): void {
  const found = lstatSync(directory);
  if (found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0) return;
  throw new DocknetError(
    "INTERNAL",
    `Cannot trust ${directory}: wanted a directory of user ${process.geteuid?.()} with mode 0700`,
    {
      remedy: "Look at what is in it, and remove it",
    },
  );
}

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

/** Is it the process that was recorded, and does it run? */
export const isRunning = (p: OwnedProcess): boolean => startTicksOf(p.pid) === p.startTicks;

// --- lines -----------------------------------------------------------------------------------------------------------

type Event = "made" | "gone";

const keyOf = (o: Owned): string => (o.kind === "netns" ? `netns ${o.node}` : `process ${o.pid} ${o.startTicks}`);

/** The line break before it ends what a killed writer left half written. */
const line = (event: Event, owned: Owned): string => `\n${JSON.stringify({ event, ...owned })}\n`;

function readBounded(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES)
      throw new DocknetError("INTERNAL", `Cannot read ${file}: it has ${size} bytes, wanted at most ${MAX_BYTES}`);
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
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

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
