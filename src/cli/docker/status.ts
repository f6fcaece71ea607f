/** How a command of Docker's grammar ends: the text for stderr and the exit code. Nothing else of the CLI is imported here. */

/** The name that the program gives itself in every text. */
export const PROGRAM = "docknet";

/** A failure with its exit code; `message` goes to stderr as it is (nothing is written when it is empty). */
export class StatusError extends Error {
  override readonly name: string = "StatusError";
  readonly code: number;

  constructor(message: string, code = 1) {
    super(message);
    this.code = code;
  }
}
