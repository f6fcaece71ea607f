/** Signals that this process gets are sent on to a container. Source: docker/cli cli/command/container/signals.go. */
import type { EngineClient } from "./client.ts";

/** Those that a process can catch and a person or a shell sends. */
const FORWARDED = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGABRT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGWINCH",
] as const;

/** @returns what ends it and gives the signals their own effect back */
export function proxySignals(client: EngineClient, id: string): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    // a container that has just ended gets no signal: the wait reports its exit
    void client
      .post(`/containers/${encodeURIComponent(id)}/kill`, { query: { signal: signal.slice("SIG".length) } })
      .catch(() => undefined);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return () => {
    for (const signal of FORWARDED) process.off(signal, forward);
  };
}
