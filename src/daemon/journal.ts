/**
 * What the daemon must not forget, on a file system that outlives it. A change is written whole as an intent before the kernel is
 * touched, and becomes the journal by one rename when the kernel has it; so after `kill -9` at any moment the journal is what was
 * promised to somebody, and an intent, if there is one, is the step that was under way.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { DocknetError } from "../errors.ts";
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

interface Written extends Memory {
  readonly version: typeof VERSION;
}

/** Of the written State: another shape, another number. */
const VERSION = 2;

export class Journal {
  private readonly file: string;
  private readonly intent: string;

  /** @param directory made when it does not exist, mode 0700 */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.file = `${directory}/journal.json`;
    this.intent = `${directory}/intent.json`;
  }

  /** What was committed last, and the step that was under way when the last daemon died. @throws DocknetError INTERNAL for a file of another version */
  read(): { readonly committed?: Memory; readonly intended?: Memory } {
    const committed = readMemory(this.file);
    const intended = readMemory(this.intent);
    return { ...(committed ? { committed } : {}), ...(intended ? { intended } : {}) };
  }

  /** Before the kernel is touched. */
  begin(memory: Memory): void {
    const next: Written = { version: VERSION, ...memory };
    // written aside and renamed: an intent is whole or not there
    writeFileSync(`${this.intent}.new`, JSON.stringify(next), { mode: 0o600 });
    renameSync(`${this.intent}.new`, this.intent);
  }

  /** The kernel has what was begun. */
  commit(): void {
    renameSync(this.intent, this.file);
  }

  /** The kernel was put back. */
  abandon(): void {
    rmSync(this.intent, { force: true });
  }

  /** Nothing is left to remember. */
  remove(): void {
    // the intent to remove all goes last
    for (const file of [this.file, `${this.intent}.new`, this.intent]) rmSync(file, { force: true });
  }
}

function readMemory(file: string): Memory | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const { version, ...memory } = parse(file, text);
  if (version === VERSION) return memory;
  throw new DocknetError(
    "INTERNAL",
    `Cannot read ${file}: written by another docknet, version ${version}, wanted ${VERSION}`,
    {
      remedy: "Run `docknet clean`, then build the lab again",
    },
  );
}

function parse(file: string, text: string): Written {
  try {
    return JSON.parse(text) as Written;
  } catch (cause) {
    throw new DocknetError("INTERNAL", `Cannot read ${file}: it is not JSON`, {
      cause,
      remedy: "Run `docknet clean`, then build the lab again",
    });
  }
}
