/** Files of KEY[=VALUE] lines: --env-file and --label-file. Source: docker/cli pkg/kvfile/kvfile.go of 28.2. */
import { readFileSync } from "node:fs";
import { cut } from "./flag-value.ts";
import { FlagValueError } from "./flags.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  EROFS: "read-only file system",
  ENOSPC: "no space left on device",
};

/** Why a file could not be opened, in Go's words. */
export function fileReason(error: unknown): string {
  const { code = "unknown error" } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? code;
}

/** A file that a flag names, as text. Throws FlagValueError in Go's words. */
export function readNamedFile(path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const { errno, syscall } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw new FlagValueError(`invalid env file (${path}): invalid utf8 bytes`);
    throw new FlagValueError(`${syscall === "read" ? "read" : "open"} ${path}: ${fileReason(error)}`);
  }
}

/** The lines of the files, one after another; a name without value gets the one that `lookup` gives, or is left out. */
export function readKeyValueFiles(
  paths: readonly string[],
  readFile: (path: string) => string,
  lookup?: (key: string) => string | undefined,
): string[] {
  return paths.flatMap((path) =>
    readFile(path)
      .replace(/\n$/, "")
      .split("\n")
      .flatMap((line) => readLine(path, line.replace(/\r$/, ""), lookup)),
  );
}

function readLine(path: string, raw: string, lookup?: (key: string) => string | undefined): string[] {
  const line = raw.trimStart();
  if (line === "" || line.startsWith("#")) return [];
  const [key, value] = cut(line, "=");
  if (key === "") throw new FlagValueError(`invalid env file (${path}): no variable name on line '${line}'`);
  if (/[ \t]/.test(key)) throw new FlagValueError(`invalid env file (${path}): variable '${key}' contains whitespaces`);
  if (value !== undefined) return [line];
  const found = lookup?.(key);
  return found === undefined ? [] : [`${key}=${found}`];
}

/** The environment that --env-file and -e ask for, files first. A name without `=` takes its value from `env`, when it is there. */
export function readEnvironment(
  files: readonly string[],
  given: readonly string[],
  readFile: (path: string) => string,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const fromFlags = given.map((text) => {
    const own = text.includes("=") ? undefined : env[text];
    return own === undefined ? text : `${text}=${own}`;
  });
  return [...readKeyValueFiles(files, readFile, (key) => env[key]), ...fromFlags];
}
