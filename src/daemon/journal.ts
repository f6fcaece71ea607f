/**
 * What the daemon must not forget, on a file system that outlives it. A change is written whole as an intent before the kernel is
 * touched, and becomes the journal by one rename when the kernel has it; so after `kill -9` at any moment the journal is what was
 * promised to somebody, and an intent, if there is one, is the step that was under way.
 */
import { closeSync, constants, fstatSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { crc32 } from "node:zlib";
import { DocknetError } from "../errors.ts";
import { openOwn, type TrustedDirectory, writeOwnNew } from "../kernel/trusted-directory.ts";
import type { LabName } from "../net/name.ts";
import type { Spec } from "../spec/spec.ts";
import type { State } from "../state/state.ts";
import type { ContainerRecord } from "./record.ts";

/** All that a daemon knows. */
export interface Memory {
  readonly state: State;
  /** By container id: what the Engine API keeps of a container and the network does not need. */
  readonly records: Readonly<Record<string, ContainerRecord>>;
  /** Of the file that `docknet up` read last: its own checks, and its name for reports. */
  readonly spec?: Pick<Spec, "checks" | "files">;
}

/** Of the file and of the written State: another shape, another number. */
const VERSION = 3;
/** Far more than any lab has; what is larger was not written by us. */
const MAX_BYTES = 1024 * 1024 * 1024;

export class Journal {
  private readonly place: TrustedDirectory;
  private readonly lab: LabName;
  private readonly file: string;
  private readonly intent: string;
  /** Which file was committed last, as stat(2) tells it. */
  private written: string | undefined;

  constructor(place: TrustedDirectory, lab: LabName) {
    this.place = place;
    this.lab = lab;
    this.file = place.at(FILE);
    this.intent = place.at(INTENT);
  }

  /**
   * What was committed last, and the step that was under way when the last daemon died.
   * @throws DocknetError INTERNAL for a file that no daemon of this version and lab wrote so
   */
  read(): { readonly committed?: Memory; readonly intended?: Memory } {
    const committed = this.readMemory(FILE);
    const intended = this.readMemory(INTENT);
    return { ...(committed ? { committed } : {}), ...(intended ? { intended } : {}) };
  }

  /** Before the kernel is touched. */
  begin(memory: Memory): void {
    const body = Buffer.from(JSON.stringify({ state: memory.state, records: memory.records, spec: memory.spec }));
    const head = Buffer.from(`${JSON.stringify(headOf(this.lab, body))}\n`);
    // written aside and renamed: an intent is whole or not there
    writeOwnNew(`${this.intent}.new`, Buffer.concat([head, body]));
    renameSync(`${this.intent}.new`, this.intent);
  }

  /** The kernel has what was begun. */
  commit(): void {
    renameSync(this.intent, this.file);
    this.written = signatureOf(this.file);
  }

  /** The kernel was put back. */
  abandon(): void {
    rmSync(this.intent, { force: true });
  }

  /** Nobody but us has changed or removed what was committed last. */
  isWhole(): boolean {
    return this.written === undefined || signatureOf(this.file) === this.written;
  }

  /** Nothing is left to remember. */
  remove(): void {
    // the intent to remove all goes last
    for (const file of [this.file, `${this.intent}.new`, this.intent]) rmSync(file, { force: true });
    this.written = undefined;
  }

  private readMemory(name: string): Memory | undefined {
    const named = `${this.place.path}/${name}`;
    const content = readWhole(this.place.at(name), named);
    if (content === undefined) return undefined;
    const end = content.indexOf("\n");
    const body = content.subarray(end + 1);
    const found = parseHead(content.toString("utf8", 0, end < 0 ? content.length : end));
    const wanted = headOf(this.lab, body);
    if (!found) throw unreadable(named, "it is no journal of docknet");
    if (found.version !== wanted.version)
      throw unreadable(named, `written by another docknet, version ${found.version}, wanted ${wanted.version}`);
    if (found.lab !== wanted.lab) throw unreadable(named, `it is of lab ${found.lab}, wanted ${wanted.lab}`);
    if (found.bytes !== wanted.bytes || found.crc !== wanted.crc)
      throw unreadable(named, "somebody has changed it since it was written");
    return JSON.parse(body.toString("utf8")) as Memory;
  }
}

const FILE = "journal.json";
const INTENT = "intent.json";

/**
 * The first line of the file, before the memory itself. With the sum no other shape than the one that was written is ever taken up, by
 * whatever hand or failing disk it came about.
 */
interface Head {
  readonly version: number;
  readonly lab: string;
  /** Of the rest. */
  readonly bytes: number;
  readonly crc: number;
}

const headOf = (lab: string, body: Buffer): Head => ({ version: VERSION, lab, bytes: body.length, crc: crc32(body) });

function parseHead(text: string): Head | undefined {
  try {
    const { version, lab, bytes, crc } = JSON.parse(text) as Record<string, unknown>;
    // before version 3 there was no such line
    return Number.isSafeInteger(version)
      ? { version: Number(version), lab: String(lab), bytes: Number(bytes), crc: Number(crc) }
      : undefined;
  } catch {
    return undefined;
  }
}

function readWhole(path: string, named: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openOwn(path, constants.O_RDONLY, named);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    if (fstatSync(fd).size > MAX_BYTES) throw unreadable(named, `it has more than ${MAX_BYTES} bytes`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function signatureOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.ino} ${found.size} ${found.mtimeMs}` : "";
}

const unreadable = (file: string, why: string): DocknetError =>
  new DocknetError("INTERNAL", `Cannot read ${file}: ${why}`, {
    remedy: "Run `docknet clean`, then build the lab again",
  });
