/** The commands of Docker's grammar: by which words each is called, what it is for, and the file that does it, loaded when called. */
import type { CommandSpec } from "./command.ts";

export interface CommandEntry {
  /** Every way to call it, as --help lists them. */
  readonly paths: readonly [string, ...string[]];
  readonly about: string;
  /** Shown first in `docknet --help`. */
  readonly common?: true;
  readonly load: () => Promise<CommandSpec>;
}

/** Words that only lead to commands, and what they are about. */
export const GROUPS: Readonly<Record<string, string>> = {
  container: "Manage containers",
  network: "Manage networks",
  system: "Manage Docker",
};

/** Is it a word that only leads to commands? */
export const isGroup = (word: string): boolean => Object.hasOwn(GROUPS, word);

export const COMMANDS: readonly CommandEntry[] = [
  {
    paths: ["container run", "run"],
    about: "Create and run a new container from an image",
    common: true,
    load: async () => (await import("./run.ts")).run,
  },
  {
    paths: ["container exec", "exec"],
    about: "Execute a command in a running container",
    common: true,
    load: async () => (await import("./exec.ts")).exec,
  },
  {
    paths: ["container ls", "container list", "container ps", "ps"],
    about: "List containers",
    common: true,
    load: async () => (await import("./ps.ts")).ps,
  },
  {
    paths: ["version"],
    about: "Show the Docker version information",
    common: true,
    load: async () => (await import("./version.ts")).version,
  },
  {
    paths: ["system info", "info"],
    about: "Display system-wide information",
    common: true,
    load: async () => (await import("./info.ts")).info,
  },
  {
    paths: ["container attach", "attach"],
    about: "Attach local standard input, output, and error streams to a running container",
    load: async () => (await import("./attach.ts")).attach,
  },
  {
    paths: ["container create", "create"],
    about: "Create a new container",
    load: async () => (await import("./container-create.ts")).create,
  },
  {
    paths: ["system events", "events"],
    about: "Get real time events from the server",
    load: async () => (await import("./events.ts")).events,
  },
  {
    paths: ["inspect"],
    about: "Return low-level information on Docker objects",
    load: async () => (await import("./inspect.ts")).inspect,
  },
  {
    paths: ["container inspect"],
    about: "Display detailed information on one or more containers",
    load: async () => (await import("./inspect.ts")).inspectContainer,
  },
  {
    paths: ["container kill", "kill"],
    about: "Kill one or more running containers",
    load: async () => (await import("./container-verbs.ts")).kill,
  },
  {
    paths: ["container logs", "logs"],
    about: "Fetch the logs of a container",
    load: async () => (await import("./logs.ts")).logs,
  },
  {
    paths: ["container pause", "pause"],
    about: "Pause all processes within one or more containers",
    load: async () => (await import("./container-verbs.ts")).pause,
  },
  {
    paths: ["container port", "port"],
    about: "List port mappings or a specific mapping for the container",
    load: async () => (await import("./port.ts")).port,
  },
  {
    paths: ["container prune"],
    about: "Remove all stopped containers",
    load: async () => (await import("./prune.ts")).pruneContainers,
  },
  {
    paths: ["container rename", "rename"],
    about: "Rename a container",
    load: async () => (await import("./container-verbs.ts")).rename,
  },
  {
    paths: ["container restart", "restart"],
    about: "Restart one or more containers",
    load: async () => (await import("./container-verbs.ts")).restart,
  },
  {
    paths: ["container rm", "container remove", "rm"],
    about: "Remove one or more containers",
    load: async () => (await import("./container-verbs.ts")).rm,
  },
  {
    paths: ["container start", "start"],
    about: "Start one or more stopped containers",
    load: async () => (await import("./start.ts")).start,
  },
  {
    paths: ["container stop", "stop"],
    about: "Stop one or more running containers",
    load: async () => (await import("./container-verbs.ts")).stop,
  },
  {
    paths: ["container unpause", "unpause"],
    about: "Unpause all processes within one or more containers",
    load: async () => (await import("./container-verbs.ts")).unpause,
  },
  {
    paths: ["container wait", "wait"],
    about: "Block until one or more containers stop, then print their exit codes",
    load: async () => (await import("./container-verbs.ts")).wait,
  },
  {
    paths: ["network connect"],
    about: "Connect a container to a network",
    load: async () => (await import("./network-connect.ts")).connect,
  },
  {
    paths: ["network create"],
    about: "Create a network",
    load: async () => (await import("./network-create.ts")).create,
  },
  {
    paths: ["network disconnect"],
    about: "Disconnect a container from a network",
    load: async () => (await import("./network-connect.ts")).disconnect,
  },
  {
    paths: ["network inspect"],
    about: "Display detailed information on one or more networks",
    load: async () => (await import("./inspect.ts")).inspectNetwork,
  },
  {
    paths: ["network ls", "network list"],
    about: "List networks",
    load: async () => (await import("./network-ls.ts")).ls,
  },
  {
    paths: ["network prune"],
    about: "Remove all unused networks",
    load: async () => (await import("./prune.ts")).pruneNetworks,
  },
  {
    paths: ["network rm", "network remove"],
    about: "Remove one or more networks",
    load: async () => (await import("./network-rm.ts")).rm,
  },
];

export interface FoundCommand {
  readonly entry: CommandEntry;
  /** The name under which it speaks of itself: the first of its kind in `paths`. */
  readonly path: string;
  /** What follows the command's words. */
  readonly rest: readonly string[];
}

/** The command that the words begin with. */
export function findCommand(words: readonly string[]): FoundCommand | undefined {
  const length = words[0] !== undefined && isGroup(words[0]) ? 2 : 1;
  const typed = words.slice(0, length).join(" ");
  const entry = COMMANDS.find((c) => c.paths.includes(typed));
  if (!entry || words.length < length) return undefined;
  const path = entry.paths.find((p) => p.split(" ").length === length) ?? typed;
  return { entry, path, rest: words.slice(length) };
}

/** Whether the word starts a command of Docker's grammar. */
export const isDockerWord = (word: string): boolean =>
  isGroup(word) || COMMANDS.some((c) => c.paths.some((p) => p.split(" ")[0] === word));
