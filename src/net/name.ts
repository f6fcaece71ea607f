/** Names that the kernel, Docker or a path must bear, each with the rule of the one who bears it. */
import { DocknetError } from "../errors.ts";
import type { Brand } from "./brand.ts";

/** 1..15 bytes, no "/", ":" or space, not "." or ".." (IFNAMSIZ is 16 with the NUL; net/core/dev.c dev_valid_name) */
export type IfName = Brand<string, "IfName">;
/** [a-zA-Z0-9][a-zA-Z0-9_.-]+ (moby daemon/names/names.go) */
export type ContainerName = Brand<string, "ContainerName">;
/** A node of a lab: a container's name, or @host, @router, @neighbour, @internet, @lan */
export type NodeName = Brand<string, "NodeName">;
/** A lab's name: compose's rule, lower-case letters, digits, dashes, underscores, letter or digit first */
export type LabName = Brand<string, "LabName">;

const MAX_IFNAME_BYTES = 15;

/** @throws DocknetError LAB_FILE */
export function parseIfName(text: string): IfName {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0 || text === "." || text === "..") {
    throw new DocknetError("LAB_FILE", `invalid interface name "${text}": no interface can bear it`);
  }
  if (bytes > MAX_IFNAME_BYTES) {
    throw new DocknetError("LAB_FILE", `invalid interface name "${text}": numerical result out of range`, {
      remedy: `Choose a name of at most ${MAX_IFNAME_BYTES} bytes; this one has ${bytes}`,
    });
  }
  // the kernel takes more, but "+" is a wildcard to iptables, quotes and a leading dash mean something to every tool, and "%" is
  // no character but a format: "eth%d" becomes the next free number, anything else is EINVAL (net/core/dev.c dev_get_valid_name)
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.@=,-]*$/.test(text)) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid interface name ${JSON.stringify(text)}: wanted letters, digits and . _ - @ = , with a letter or digit first`,
    );
  }
  return text as IfName;
}

/** @throws DocknetError LAB_FILE, in Docker's words */
export function parseContainerName(text: string): ContainerName {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(text)) {
    throw new DocknetError("LAB_FILE", `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  return text as ContainerName;
}

/** @throws DocknetError LAB_FILE, in Compose's words */
export function parseLabName(text: string): LabName {
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(text)) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid project name "${text}": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number`,
    );
  }
  return text as LabName;
}

export const HOST = "@host" as NodeName;
export const ROUTER = "@router" as NodeName;
export const NEIGHBOUR = "@neighbour" as NodeName;
export const INTERNET = "@internet" as NodeName;
export const LAN = "@lan" as NodeName;
export const WORLD_NODES: readonly NodeName[] = [HOST, ROUTER, NEIGHBOUR, INTERNET, LAN];

export const containerNode = (name: ContainerName): NodeName => name as unknown as NodeName;

/** The name under which `ip netns` shows a node: `<lab>.<container>`, `<lab>.host`. */
export function netnsName(lab: LabName, node: NodeName): string {
  return `${lab}.${node.startsWith("@") ? node.slice(1) : node}`;
}

/**
 * A network sysctl, "net.ipv4.conf.eth0.log_martians"; "/" stands for a dot inside a name (sysctl(8)). Strict, because it becomes
 * a path below /proc/sys. @throws DocknetError LAB_FILE
 */
export function parseSysctlKey(text: string): string {
  const segments = text.split(".");
  const ok =
    segments.length >= 3 &&
    segments[0] === "net" &&
    segments.every((s) => /^[A-Za-z0-9_-][A-Za-z0-9_/@=%,-]*$/.test(s) && !s.includes("//"));
  if (!ok) throw new DocknetError("LAB_FILE", `invalid sysctl ${JSON.stringify(text)}: wanted net.<group>.<name>`);
  return text;
}
