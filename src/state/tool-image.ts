/** Images that are tools, not servers: without a command they run a shell. What their Dockerfiles say in CMD. */
const SHELLS: ReadonlyMap<string, readonly string[]> = new Map([
  ["alpine", ["/bin/sh"]],
  ["amazonlinux", ["/bin/bash"]],
  ["archlinux", ["/usr/bin/bash"]],
  ["bash", ["bash"]],
  ["busybox", ["sh"]],
  ["centos", ["/bin/bash"]],
  ["debian", ["bash"]],
  ["fedora", ["/bin/bash"]],
  ["nicolaka/netshoot", ["sh"]],
  ["rockylinux", ["/bin/bash"]],
  ["ubuntu", ["/bin/bash"]],
]);

/** @param name without tag and without docker.io/library: "busybox". @returns undefined for an image that is a server */
export function defaultCommand(name: string): readonly string[] | undefined {
  return SHELLS.get(name);
}
