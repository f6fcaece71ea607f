/**
 * Whose a named namespace is, written in the file beneath its mount: it lasts as long as the name, when the lab's directory and its
 * manifest are gone. Others see the namespace, not this file. A mark proves something only together with the namespace that stands
 * there: its cookie is never used again.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { type LabName, type NodeName, netnsName } from "../net/name.ts";
import { closeFd, openTree, SystemError } from "./libc.ts";
import type { NetnsIdentity, NetnsOwner } from "./manifest.ts";

/** What nobody else gives a mount point (`ip netns` gives 0), atomic with its creation. */
export const MODE_OF_NAME = 0o1400;
/** A path (PATH_MAX) and a few words. */
const MAX_BYTES = 8192;

export interface MarkedName extends NetnsOwner {
  /** "lab.web" */
  readonly name: string;
  readonly identity: NetnsIdentity;
}

/** @param fd of the new file, before anything is mounted on it */
export const writeMark = (fd: number, { directory, node }: NetnsOwner, { inode, cookie }: NetnsIdentity): void =>
  void writeSync(fd, JSON.stringify({ directory, node, inode, cookie }));

/**
 * All names with a mark in a folder like /run/netns. Looks beneath the mounts by a copy of the folder's own mount (open_tree(2)); empty
 * where the kernel does not let us, as without CAP_SYS_ADMIN, and where nothing is.
 */
export function markedNames(folder: string): MarkedName[] {
  let tree: number;
  try {
    tree = openTree(folder);
  } catch (error) {
    if (error instanceof SystemError) return [];
    throw error;
  }
  try {
    const beneath = `/proc/self/fd/${tree}`;
    return readdirSync(beneath).flatMap((name) => readMark(`${beneath}/${name}`, name) ?? []);
  } finally {
    closeFd(tree);
  }
}

function readMark(path: string, name: string): MarkedName | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined; // it has gone, or is no file
  }
  try {
    const { mode, uid, size } = fstatSync(fd);
    const isOurs = (mode & 0o7777) === MODE_OF_NAME && uid === process.geteuid?.() && size <= MAX_BYTES;
    return isOurs ? parseMark(readFileSync(fd, "utf8"), name) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** Strict: what it names is going to be removed. */
function parseMark(text: string, name: string): MarkedName | undefined {
  let mark: unknown;
  try {
    mark = JSON.parse(text);
  } catch {
    return undefined; // its maker was killed over it
  }
  const { directory, node, inode, cookie } = (mark ?? {}) as Record<string, unknown>;
  if (typeof directory !== "string" || typeof node !== "string" || typeof inode !== "string") return undefined;
  if (typeof cookie !== "string") return undefined;
  const found = { name, directory, node: node as NodeName, identity: { inode, cookie } };
  return netnsName(basename(directory) as LabName, found.node) === name ? found : undefined;
}
