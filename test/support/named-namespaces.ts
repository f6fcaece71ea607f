/** Names that `ip netns` shows, to see that a command leaves none. Other labs of this machine come and go meanwhile. */
import { existsSync, readdirSync } from "node:fs";

/** @param lab its name, or what the names of several begin with; DOCKNET_PROJECT gives one to all that a process makes */
export function namedNamespaces(lab: string): string[] {
  if (!existsSync("/run/netns")) return [];
  return readdirSync("/run/netns")
    .filter((name) => name.startsWith(lab))
    .sort();
}
