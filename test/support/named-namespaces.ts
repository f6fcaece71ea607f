/** Names that `ip netns` shows, to see that a command leaves none. */
import { existsSync, readdirSync } from "node:fs";

/** But those of labs that other test files make at the same time: t<pid>... and kp<pid>... */
export function namedNamespaces(): string[] {
  if (!existsSync("/run/netns")) return [];
  return readdirSync("/run/netns")
    .filter((name) => !/^(t|kp)\d+/.test(name))
    .sort();
}
