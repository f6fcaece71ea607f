/** Reads the texts of a lab: every file once, bounded in size, as UTF-8, under the name that messages show. */
import { closeSync, openSync, readSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { DocknetError } from "../errors.ts";
import { MAX_FILE_BYTES } from "./document.ts";

/** Standard input, as `docker compose -f -` has it. */
export const STDIN = "-";

export class SourceFiles {
  /** Compose files read, in order, as messages name them. */
  readonly composeFiles: string[] = [];
  private readonly texts = new Map<string, string | Error>();
  private readonly cwd: string;
  private readonly readFile: (path: string) => string;

  constructor(cwd: string, readFile: (path: string) => string = readUtf8) {
    this.cwd = cwd;
    this.readFile = readFile;
  }

  /** @throws DocknetError LAB_FILE with the operating system's reason */
  read(path: string): string {
    const text = this.lookUp(path);
    if (typeof text === "string") return text;
    if (text instanceof DocknetError) throw text;
    throw new DocknetError("LAB_FILE", `open ${path}: ${describeReason(text)}`, { cause: text });
  }

  exists(path: string): boolean {
    const found = this.lookUp(path);
    return typeof found === "string" || reasonOf(found) === "EACCES" || found instanceof DocknetError;
  }

  /** The path as messages show it: relative to the working directory when inside it. */
  displayName(path: string): string {
    if (path === STDIN) return path;
    const name = relative(this.cwd, path);
    return name === "" || name === ".." || name.startsWith(`..${sep}`) || isAbsolute(name) ? path : name;
  }

  resolve(directory: string, path: string): string {
    return path === STDIN ? path : resolve(this.cwd, directory, path);
  }

  private lookUp(path: string): string | Error {
    const known = this.texts.get(path);
    if (known !== undefined) return known;
    let text: string | Error;
    try {
      text = this.readFile(path);
    } catch (error) {
      text = error instanceof Error ? error : new Error(String(error));
    }
    this.texts.set(path, text);
    return text;
  }
}

function reasonOf(error: Error): string | undefined {
  return "code" in error ? String(error.code) : undefined;
}

function describeReason(error: Error): string {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    ENOTDIR: "not a directory",
    EISDIR: "is a directory",
    EACCES: "permission denied",
  };
  const code = reasonOf(error);
  return (code === undefined ? undefined : reasons[code]) ?? (error.message.split("\n")[0] || "cannot be read");
}

/** Reads no more than the limit, so that `/dev/zero` ends too. Works for pipes (`-f <(...)`) and standard input. @throws as node:fs, DocknetError LAB_FILE */
export function readUtf8(path: string): string {
  const fd = path === STDIN ? 0 : openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    let total = 0;
    for (;;) {
      const chunk = Buffer.alloc(64 * 1024);
      const count = readSync(fd, chunk, 0, chunk.length, null);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      total += count;
      if (total > MAX_FILE_BYTES)
        throw new DocknetError(
          "LAB_FILE",
          `${path}: the file is too large: more than ${MAX_FILE_BYTES / 1024 / 1024} MiB`,
        );
    }
    return decodeUtf8(Buffer.concat(chunks), path);
  } finally {
    if (path !== STDIN) closeSync(fd);
  }
}

function decodeUtf8(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DocknetError("LAB_FILE", `${path}: yaml: invalid UTF-8`, {
      cause,
      remedy: "Save the file as UTF-8 text",
    });
  }
}
