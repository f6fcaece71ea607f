/** One owner per lab: a lock in the lab's directory that the kernel frees when its holder ends, however it ends. */
import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { flock } from "./libc.ts";

/** Not inherited by children: Node opens with O_CLOEXEC. */
export interface DirectoryLock {
  /** Idempotent. */
  close(): void;
}

/** @returns undefined when another process has it, or when the directory went away. Never waits. */
export function lockDirectory(directory: string): DirectoryLock | undefined {
  const path = `${directory}/lock`;
  let fd: number | undefined = openOrNothing(path);
  if (fd === undefined) return undefined;
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  // who had it before may have removed the directory: then this is a lock on a file that nobody else will ever see
  if (flock(fd) && isStillThere(fd, path)) return { close };
  close();
  return undefined;
}

function openOrNothing(path: string): number | undefined {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isStillThere(fd: number, path: string): boolean {
  const [held, found] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
  return found !== undefined && found.ino === held.ino && found.dev === held.dev;
}
