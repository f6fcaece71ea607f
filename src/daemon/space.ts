/** What the shim is asked to make around a process: the namespaces and files of a container, or of a node of the world. */
import { NETNS_DIR, netnsPath } from "../kernel/manifest.ts";
import type { ContainerSpace, NodeSpace } from "../kernel/shim-mounts.ts";
import { type NodeName, netnsName } from "../net/name.ts";
import type { Container } from "../state/state.ts";
import type { Engine } from "./engine.ts";
import { labsRoot } from "./place.ts";

/** Root's labs, wherever this one is. */
const LABS_OF_ROOT = "/run/docknet";

export function containerSpace(engine: Engine, container: Container): ContainerSpace {
  return {
    kind: "container",
    netnsPath: netnsPath(engine.lab, engine.site.sandboxOf(container) ?? container.node),
    hostname: container.hostname,
    domainname: kernelDomainname(container.domainname),
    files: engine.files.pathsOf(engine.state, container),
    hidden: [labsRoot(), LABS_OF_ROOT, NETNS_DIR],
    privileged: engine.record(container.id).privileged,
  };
}

export function nodeSpace(engine: Engine, node: NodeName): NodeSpace {
  return {
    kind: "node",
    netnsPath: netnsPath(engine.lab, node),
    names: netnsNames(engine),
    namesFolder: `${engine.directory}/netns`,
  };
}

/** The names below /run/netns that the lab has now. */
export function netnsNames(engine: Engine): string[] {
  return engine.site.layout.nodes.map(({ name }) => netnsName(engine.lab, name));
}

/** The id by which the shim knows a node of the world: no container's. */
export const nodeId = (node: NodeName): string => `node.${node.slice(1)}`;

/** What the kernel keeps of kernel.domainname, which Docker writes: the first line, at most 64 bytes (kernel/utsname_sysctl.c). */
function kernelDomainname(text: string): string {
  const [line = ""] = text.split("\n");
  return Buffer.from(line).subarray(0, 64).toString();
}
