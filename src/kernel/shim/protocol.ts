/**
 * What daemon and shim say to each other over a unix socket.
 *
 * A connection begins with JSON, one object a line: {"n":1,"op":"start",...}; the answer carries the same n with "ok" or "error". On a
 * control connection more requests follow, and {"event":"exit",...} comes unasked. After op "attach" the connection is a stream of
 * frames, both ways: Docker's header of 8 bytes (stream 0 stdin, 1 stdout, 2 stderr; 0 0 0; length, big-endian), then the bytes. A
 * frame of stdin without bytes is the end of stdin; closing the connection leaves stdin open.
 *
 * Requests are parsed here and only here: every field by name and type, no field too many, all sizes bounded.
 */
import { DocknetError, type ErrorCode } from "../../errors.ts";
import type { Command } from "./container-process.ts";
import type { ContainerSpace, NodeSpace, Space } from "./mounts.ts";
import type { TerminalSize } from "./pty.ts";

/** Rises when daemon and shim of different versions would not understand each other. */
export const PROTOCOL = 2;
/** Said on the shim's standard input by who started it, when its process is written down. */
export const RECORDED = "recorded\n";
/** Bytes of one line of JSON: argv and environment of a process are in it. */
export const LINE_MAX = 1 << 20;

/** Where the shim of a lab listens. */
export const socketPath = (directory: string): string => `${directory}/shim.sock`;

export interface StartSpec {
  readonly id: string;
  readonly space: Space;
  readonly command: Command;
  /** json-file log of stdout and stderr; none without */
  readonly logPath?: string | undefined;
  /** then it is rotated, once; 10 MB without */
  readonly logMaxBytes?: number | undefined;
}

export interface ExecSpec {
  /** of the container or node */
  readonly id: string;
  readonly execId: string;
  /** its namespaces, for the case that it has no process yet: then a pause process becomes its PID 1 */
  readonly space: Space;
  readonly command: Command;
}

/** One process of a container or node, by the container's id and, where it is not its PID 1, an exec's. */
export interface ProcessKey {
  readonly id: string;
  readonly execId?: string | undefined;
}

export interface ProcessInfo extends ProcessKey {
  /** pause: PID 1 of a container or node that has no process of its own */
  readonly kind: "init" | "exec" | "pause";
  /** as the machine numbers it */
  readonly pid: number;
  /** clock ticks since boot */
  readonly startTicks: number;
  /** RFC 3339 with nanoseconds, UTC */
  readonly startedAt: string;
  readonly tty: boolean;
  /** undefined while it runs */
  readonly exit: ProcessExit | undefined;
}

export interface ProcessExit {
  /** 128 + n when signal n ended it */
  readonly exitCode: number;
  readonly finishedAt: string;
}

export interface ExitEvent extends ProcessKey, ProcessExit {}

export interface ShimInfo {
  readonly protocol: number;
  readonly pid: number;
  readonly startTicks: number;
}

export type Request =
  | { readonly op: "hello" | "list" | "shutdown" }
  | { readonly op: "start"; readonly spec: StartSpec }
  | { readonly op: "exec"; readonly spec: ExecSpec }
  | { readonly op: "signal"; readonly key: ProcessKey; readonly signal: number }
  | { readonly op: "resize"; readonly key: ProcessKey; readonly size: TerminalSize }
  | { readonly op: "attach"; readonly key: ProcessKey }
  | { readonly op: "acknowledge"; readonly key: ProcessKey }
  | { readonly op: "names"; readonly id: string; readonly space: NodeSpace };

export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The head of a request; what it asks for is read by `parseOperation`, so that a wrong one can be answered by its number. @throws DocknetError USAGE */
export function parseHead(line: string): { readonly n: number; readonly op: unknown; readonly rest: Fields } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new DocknetError("USAGE", "Request is not JSON", { cause: error });
  }
  const { n, op, ...rest } = record(value, "request");
  return { n: integer(n, "n", 0, Number.MAX_SAFE_INTEGER), op, rest };
}

/** @throws DocknetError USAGE saying which field is wrong */
export function parseOperation(op: unknown, rest: Fields): Request {
  switch (op) {
    case "hello":
    case "list":
    case "shutdown":
      only(rest, op, []);
      return { op };
    case "start":
      only(rest, op, ["spec"]);
      return { op, spec: parseStart(rest.spec) };
    case "exec":
      only(rest, op, ["spec"]);
      return { op, spec: parseExec(rest.spec) };
    case "signal":
      only(rest, op, ["key", "signal"]);
      return { op, key: parseKey(rest.key), signal: integer(rest.signal, "signal", 1, 64) };
    case "resize":
      only(rest, op, ["key", "size"]);
      return { op, key: parseKey(rest.key), size: parseSize(rest.size) };
    case "attach":
    case "acknowledge":
      only(rest, op, ["key"]);
      return { op, key: parseKey(rest.key) };
    case "names":
      only(rest, op, ["id", "space"]);
      return { op, id: identifier(rest.id, "id"), space: parseNode(record(rest.space, "space")) };
    default:
      throw wrong("op", "an operation of the shim");
  }
}

function parseStart(value: unknown): StartSpec {
  const spec = only(record(value, "spec"), "spec", ["id", "space", "command", "logPath", "logMaxBytes"]);
  return {
    id: identifier(spec.id, "id"),
    space: parseSpace(spec.space),
    command: parseCommand(spec.command),
    logPath: optional(spec.logPath, (path) => absolute(path, "logPath")),
    logMaxBytes: optional(spec.logMaxBytes, (bytes) => integer(bytes, "logMaxBytes", 1, 1 << 30)),
  };
}

function parseExec(value: unknown): ExecSpec {
  const spec = only(record(value, "spec"), "spec", ["id", "execId", "space", "command"]);
  return {
    id: identifier(spec.id, "id"),
    execId: identifier(spec.execId, "execId"),
    space: parseSpace(spec.space),
    command: parseCommand(spec.command),
  };
}

function parseKey(value: unknown): ProcessKey {
  const key = only(record(value, "key"), "key", ["id", "execId"]);
  return { id: identifier(key.id, "id"), execId: optional(key.execId, (id) => identifier(id, "execId")) };
}

function parseSpace(value: unknown): Space {
  const space = record(value, "space");
  switch (space.kind) {
    case "node":
      return parseNode(space);
    case "container":
      return parseContainer(space);
    default:
      throw wrong("space.kind", "container or node");
  }
}

function parseNode(space: Fields): NodeSpace {
  only(space, "space", ["kind", "netnsPath", "names", "namesFolder"]);
  if (space.kind !== "node") throw wrong("space.kind", "node");
  const names = texts(space.names, "space.names");
  // each becomes a file below /run/netns
  if (names.some((name) => !/^[A-Za-z0-9@_][A-Za-z0-9@_.-]*$/.test(name)))
    throw wrong("space.names", "names of namespaces");
  return {
    kind: "node",
    netnsPath: absolute(space.netnsPath, "netnsPath"),
    names,
    namesFolder: absolute(space.namesFolder, "space.namesFolder"),
  };
}

function parseContainer(space: Fields): ContainerSpace {
  only(space, "space", ["kind", "netnsPath", "hostname", "domainname", "files", "hidden", "privileged"]);
  const files = only(record(space.files, "files"), "files", ["hosts", "hostname", "resolvConf"]);
  return {
    kind: "container",
    netnsPath: absolute(space.netnsPath, "netnsPath"),
    hostname: text(space.hostname, "hostname", 64), // sethostname(2): HOST_NAME_MAX
    domainname: text(space.domainname, "domainname", 64),
    files: {
      hosts: absolute(files.hosts, "files.hosts"),
      hostname: absolute(files.hostname, "files.hostname"),
      resolvConf: absolute(files.resolvConf, "files.resolvConf"),
    },
    hidden: texts(space.hidden, "space.hidden").map((path) => absolute(path, "space.hidden")),
    privileged: flag(space.privileged, "space.privileged"),
  };
}

function parseCommand(value: unknown): Command {
  const fields = ["argv", "env", "cwd", "tty", "openStdin", "size", "privileged"];
  const command = only(record(value, "command"), "command", fields);
  const argv = texts(command.argv, "argv");
  if (argv.length === 0) throw wrong("argv", "at least a program");
  const env = texts(command.env, "env");
  if (env.some((pair) => pair.indexOf("=") < 1)) throw wrong("env", "NAME=value");
  return {
    argv,
    env,
    cwd: absolute(command.cwd, "cwd"),
    tty: flag(command.tty, "tty"),
    openStdin: flag(command.openStdin, "openStdin"),
    size: optional(command.size, parseSize),
    privileged: flag(command.privileged, "privileged"),
  };
}

function parseSize(value: unknown): TerminalSize {
  const size = only(record(value, "size"), "size", ["rows", "columns"]);
  return { rows: integer(size.rows, "rows", 0, 65535), columns: integer(size.columns, "columns", 0, 65535) };
}

export type Fields = Readonly<Record<string, unknown>>;

const wrong = (what: string, wanted: string): DocknetError =>
  new DocknetError("USAGE", `Request has a wrong ${what}: must be ${wanted}`);

function record(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(what, "an object");
  return value as Fields;
}

function only(fields: Fields, what: string, known: readonly string[]): Fields {
  const unknown = Object.keys(fields).find((key) => !known.includes(key));
  if (unknown !== undefined) throw wrong(what, `without ${JSON.stringify(unknown)}`);
  return fields;
}

function text(value: unknown, what: string, max = LINE_MAX): string {
  if (typeof value !== "string" || value.length > max || value.includes("\0"))
    throw wrong(what, `text of at most ${max} characters without NUL`);
  return value;
}

function texts(value: unknown, what: string): string[] {
  if (!Array.isArray(value)) throw wrong(what, "a list");
  return value.map((each) => text(each, what));
}

function identifier(value: unknown, what: string): string {
  const id = text(value, what, 128);
  if (!/^[A-Za-z0-9@][A-Za-z0-9@_.-]*$/.test(id)) throw wrong(what, "an id");
  return id;
}

function absolute(value: unknown, what: string): string {
  const path = text(value, what, 4095); // PATH_MAX less the NUL
  if (!path.startsWith("/")) throw wrong(what, "an absolute path");
  return path;
}

function integer(value: unknown, what: string, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
    throw wrong(what, `a whole number of ${min}..${max}`);
  return value as number;
}

function flag(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw wrong(what, "true or false");
  return value;
}

function optional<T>(value: unknown, parse: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : parse(value);
}
