/** Which of the four things that can happen to a probe an errno tells of. */
import { DocknetError } from "../../errors.ts";

export type ProbeOutcome = "reach" | "refuse" | "unreachable" | "silent";

/** EPERM is the namespace's own OUTPUT chain that dropped it: nothing went out, nobody will answer. */
const OUTCOMES: Readonly<Record<string, ProbeOutcome>> = {
  ECONNREFUSED: "refuse",
  ECONNRESET: "refuse",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENONET: "unreachable",
  EACCES: "unreachable",
  ENOPROTOOPT: "refuse",
  ETIMEDOUT: "silent",
  EPERM: "silent",
};

/** @throws DocknetError for an errno that the network cannot have caused: the request or this process is at fault */
export function decideErrno(errno: string): { readonly outcome: ProbeOutcome; readonly errno: string } {
  const outcome = OUTCOMES[errno];
  if (outcome !== undefined) return { outcome, errno };
  throw new DocknetError("KERNEL_REFUSED", `Cannot send the probe: ${errno}`, {
    ...(errno === "EADDRINUSE" || errno === "EADDRNOTAVAIL"
      ? { remedy: "Choose a source address that the node has, and a source port that is free" }
      : {}),
  });
}
