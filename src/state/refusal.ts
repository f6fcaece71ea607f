/** What the engine refuses, in Docker's words and with the HTTP status that Docker gives it: an API and a lab file say the same. */
import { DocknetError, type ErrorCode, type ErrorOptions, type Origin } from "../errors.ts";

export type HttpStatus = 400 | 403 | 404 | 409 | 500;

/** `details.status` is the status that dockerd 28.5.2 answers with. */
export function refusal(
  status: HttpStatus,
  message: string,
  options: Omit<ErrorOptions, "details"> = {},
): DocknetError {
  return new DocknetError(codeOf(status), message, { ...options, details: { status } });
}

function codeOf(status: HttpStatus): ErrorCode {
  if (status === 400) return "LAB_FILE";
  return status === 404 ? "NOT_FOUND" : "CONFLICT";
}

/** Runs a step; a refusal gets `prefix` before its text, and the status when one is given. */
export function prefixRefusals<T>(prefix: string, step: () => T, status?: HttpStatus): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof DocknetError)) throw error;
    throw new DocknetError(status ? codeOf(status) : error.code, prefix + error.message, {
      cause: error,
      ...(error.remedy ? { remedy: error.remedy } : {}),
      ...originOf(error),
      details: status ? { ...error.details, status } : error.details,
    });
  }
}

/** Faults found together: one stands alone on its line, several are a list (moby internal/multierror). */
export function joinFaults(faults: readonly string[]): string {
  return (faults.length > 1 ? faults.map((fault) => `* ${fault}`) : faults).join("\n");
}

/** The place in the lab file of what is refused, where it has one. */
export const originOf = ({ at }: { readonly at?: Origin | undefined }): { readonly at?: Origin } => (at ? { at } : {});

/** One whose network is another's cannot have networks of its own. */
export const sharesNetwork = (): DocknetError =>
  refusal(
    400,
    "container sharing network namespace with another container or host cannot be connected to any other network",
  );
