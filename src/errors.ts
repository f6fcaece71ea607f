/** The one error class of docknet, and the place in a file that an error points at. No other file of src is imported here. */

/** A place in a lab file: 1-based line and column, as editors count them. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Stable codes; a caller switches on these, never on message text. */
export type ErrorCode =
  | "USAGE" //            the command line is wrong                          exit 2
  | "LAB_FILE" //         the lab file is wrong                              exit 2
  | "CONFLICT" //         Docker would refuse this (name, port, pool ...)    exit 2
  | "NOT_FOUND" //        a network, container or file does not exist        exit 2
  | "PRIVILEGE" //        this process may not do that                       exit 4
  | "KERNEL_FEATURE" //   this kernel or a tool of this machine lacks it     exit 4
  | "KERNEL_REFUSED" //   the kernel answered an operation with an errno     exit 4
  | "TIMEOUT" //          a fact did not come true before its deadline       exit 3
  | "ABORTED" //          Ctrl-C or an AbortSignal                           exit 130
  | "INTERNAL"; //        our own mistake                                    exit 1

/** One thing that is wrong, with its place when it has one. */
export interface Problem {
  readonly message: string;
  readonly at?: Origin;
  readonly remedy?: string;
}

export interface ErrorOptions {
  readonly cause?: unknown;
  /** One imperative sentence: what the reader should do. */
  readonly remedy?: string;
  readonly at?: Origin;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Message: action, object, found, wanted; one line, no final period. */
export class DocknetError extends Error {
  override readonly name = "DocknetError";
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly at: Origin | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.at = options.at;
    this.details = options.details ?? {};
  }

  /** This error as one problem, for lists that report all at once. */
  toProblem(fallback?: Origin): Problem {
    const at = this.at ?? fallback;
    return {
      message: this.message,
      ...(at ? { at } : {}),
      ...(this.remedy ? { remedy: this.remedy } : {}),
    };
  }
}

/** Several problems found in one go; `message` holds them all, a line each. */
export class ProblemsError extends DocknetError {
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, problems: readonly Problem[]) {
    super(code, problems.map(renderProblem).join("\n"), problems[0]?.at ? { at: problems[0].at } : {});
    this.problems = problems;
  }
}

/** `file:line:column: message`, the form that editors and CI annotations understand. */
export function renderProblem(problem: Problem): string {
  return problem.at ? `${renderOrigin(problem.at)}: ${problem.message}` : problem.message;
}

export function renderOrigin(at: Origin): string {
  return `${at.file}:${at.line}:${at.column}`;
}

/** Errnos that say what this machine cannot give just now; the words are those of errno(3). */
const SHORTAGES: Readonly<
  Record<string, { readonly what: string; readonly code: ErrorCode; readonly remedy: string }>
> = {
  EMFILE: {
    what: "this process may open no more files",
    code: "KERNEL_REFUSED",
    remedy: "Raise the limit: ulimit -n 4096",
  },
  ENFILE: { what: "this machine may open no more files", code: "KERNEL_REFUSED", remedy: "Raise sysctl fs.file-max" },
  ENOSPC: {
    what: "no space left",
    code: "KERNEL_REFUSED",
    remedy: "Make room there, or set DOCKNET_RUN_DIR elsewhere",
  },
  EDQUOT: {
    what: "the quota is used up",
    code: "KERNEL_REFUSED",
    remedy: "Make room there, or set DOCKNET_RUN_DIR elsewhere",
  },
  EROFS: { what: "the file system is read-only", code: "KERNEL_REFUSED", remedy: "Set DOCKNET_RUN_DIR elsewhere" },
  EIO: { what: "the device failed", code: "KERNEL_REFUSED", remedy: "Look at the kernel's log: dmesg" },
  ENOMEM: {
    what: "no memory left",
    code: "KERNEL_REFUSED",
    remedy: "End something that uses much, or build a smaller lab",
  },
  EACCES: { what: "permission denied", code: "PRIVILEGE", remedy: "Look at who owns it, and its mode" },
  EPERM: { what: "not permitted", code: "PRIVILEGE", remedy: "Run as root, or look at `docknet doctor`" },
};

/**
 * Whatever was thrown, when it is an error that a user can do something about: ours, or one of the system that says what this machine
 * lacks. Undefined: our own mistake.
 */
export function toDocknetError(error: unknown): DocknetError | undefined {
  if (error instanceof DocknetError) return error;
  const { code, path, syscall, message } = (error ?? {}) as NodeJS.ErrnoException;
  const shortage = code !== undefined && Object.hasOwn(SHORTAGES, code) ? SHORTAGES[code] : undefined;
  if (!shortage) return undefined;
  const doing = [syscall ?? "go on", path].filter(Boolean).join(" ");
  const text = path === undefined && syscall === undefined ? message : `Cannot ${doing}: ${shortage.what} (${code})`;
  return new DocknetError(shortage.code, text, { cause: error, remedy: shortage.remedy });
}

/** Of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
