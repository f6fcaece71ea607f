/** Signals by the names that `docker kill --signal` takes (moby/sys signal package). */
import { constants } from "node:os";
import { DocknetError } from "../errors.ts";

/** Those of the C library's own use, 32 and 33, have no name and are not sent (signal(7)). */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

const NAMES: ReadonlyMap<string, number> = new Map([
  ...Object.entries(constants.signals)
    .filter(([name]) => name !== "SIGUNUSED")
    .map(([name, number]) => [name.slice("SIG".length), number] as const),
  ["CLD", constants.signals.SIGCHLD],
  ...[...Array(16).keys()].map((i) => [i === 0 ? "RTMIN" : `RTMIN+${i}`, SIGRTMIN + i] as const),
  ...[...Array(15).keys()].map((i) => [i === 0 ? "RTMAX" : `RTMAX-${i}`, SIGRTMAX - i] as const),
]);

/** @param text a number or a name, with or without SIG, in any case. @returns 1..64. @throws DocknetError USAGE with Docker's text */
export function parseSignal(text: string): number {
  const invalid = new DocknetError("USAGE", `invalid signal: ${text}`);
  if (!/^[+-]?\d+$/.test(text)) {
    const number = NAMES.get(text.toUpperCase().replace(/^SIG/, ""));
    if (number === undefined) throw invalid;
    return number;
  }
  const number = Number(text);
  if (number === 0) throw invalid;
  if (![...NAMES.values()].includes(number))
    throw new DocknetError("USAGE", `the linux daemon does not support signal ${number}`);
  return number;
}
