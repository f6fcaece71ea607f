/** Exit codes, documented once (README, docknet --help) and tested. */
import type { DocknetError } from "../index.ts";

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  inconclusive: 3,
  machine: 4,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

const BY_CODE: Readonly<Record<DocknetError["code"], number>> = {
  USAGE: EXIT.usage,
  LAB_FILE: EXIT.usage,
  CONFLICT: EXIT.usage,
  NOT_FOUND: EXIT.usage,
  PRIVILEGE: EXIT.machine,
  KERNEL_FEATURE: EXIT.machine,
  KERNEL_REFUSED: EXIT.machine,
  TIMEOUT: EXIT.inconclusive,
  ABORTED: EXIT.interrupted,
  INTERNAL: EXIT.failed,
};

export const exitCodeOf = (error: DocknetError): number => BY_CODE[error.code];

export const EXIT_HELP = `
Exit codes:
  0  all is well               3  nothing failed, but not all could be measured
  1  a check failed            4  this machine cannot (privilege, kernel, tools)
  2  usage, or the lab file    130  interrupted`;
