/** What the API refuses, and the HTTP status of every error of docknet. Source: moby daemon/server/httpstatus/status.go. */
import { DocknetError, type ErrorCode, messageOf, toDocknetError } from "../../errors.ts";

/** @param status the HTTP status that dockerd 28.5.2 answers with */
export function httpError(status: number, message: string): DocknetError {
  return new DocknetError(codeOf(status), message, { details: { status } });
}

/** For the parts of Docker that a lab has not. @param what a noun: "volumes" */
export function notEmulated(what: string): DocknetError {
  return httpError(501, `docknet does not emulate ${what}`);
}

function codeOf(status: number): ErrorCode {
  if (status === 404) return "NOT_FOUND";
  if (status === 501) return "KERNEL_FEATURE";
  return status === 400 ? "USAGE" : "CONFLICT";
}

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  NOT_FOUND: 404,
  CONFLICT: 409,
  LAB_FILE: 400,
  USAGE: 400,
  KERNEL_FEATURE: 501,
};

export function statusOf(error: unknown): number {
  if (!(error instanceof DocknetError)) return 500;
  const { status, exitCode } = error.details;
  if (typeof status === "number") return status;
  // a program that cannot be started is the fault of who named it (moby daemon/start_unix.go)
  return typeof exitCode === "number" ? 400 : (STATUS[error.code] ?? 500);
}

/** `{"message":"..."}`: the body of every refusal. */
export function errorBody(error: unknown): { readonly message: string } {
  const known = toDocknetError(error);
  // a client of Docker's shows no remedy but what the message says
  const remedy = known && known !== error && known.remedy ? `. ${known.remedy}` : "";
  return { message: `${messageOf(known ?? error)}${remedy}` };
}
