/** One owner per lab: a lock in the lab's directory that the kernel frees when its holder ends, however it ends. */
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { tryLock } from "./libc.ts";
import { openOwnLog, type TrustedDirectory } from "./trusted-directory.ts";

/** Not inherited by children: Node opens with O_CLOEXEC. */
export interface DirectoryLock {
  /** Idempotent. */
  close(): void;
}

/** @param directory or a way to it (trusted-directory.ts). @returns undefined when another process has it, or when the directory went away. Never waits. */
export function lockDirectory(directory: string): DirectoryLock | undefined {
  const path = `${directory}/lock`;
  let fd: number | undefined = openOrNothing(path);
  if (fd === undefined) return undefined;
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  // who had it before may have removed the directory: then this is a lock on a file that nobody else will ever see
  if (tryLock(fd) && isStillThere(fd, path)) return { close };
  close();
  return undefined;
}

/**
 * Cleaners of old files leave a directory alone that somebody has locked (tmpfiles.d(5): "BSD file lock"). Held as long as the process
 * lives.
 */
export function lockFromCleaners(place: TrustedDirectory): void {
  tryLock(openSync(place.base, constants.O_RDONLY | constants.O_DIRECTORY));
}

function openOrNothing(path: string): number | undefined {
  try {
    return openOwnLog(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isStillThere(fd: number, path: string): boolean {
  const [held, found] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
  return found !== undefined && found.ino === held.ino && found.dev === held.dev;
}
