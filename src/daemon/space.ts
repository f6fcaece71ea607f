/** What the shim is asked to make around a process: the namespaces and files of a container, or of a node of the world. */
import { NETNS_DIR, netnsPath } from "../kernel/manifest.ts";
import type { ContainerSpace, NodeSpace } from "../kernel/shim/mounts.ts";
import { type LabName, type NodeName, netnsName } from "../net/name.ts";
import type { Layout } from "../plan/layout.ts";
import type { Container, State } from "../state/state.ts";
import { labsRoot } from "./place.ts";

/** Root's labs, wherever this one is. */
const LABS_OF_ROOT = "/run/docknet";

/** What is asked of an engine. */
export interface SpaceOwner {
  readonly lab: LabName;
  readonly directory: string;
  readonly state: State;
  readonly site: { readonly layout: Layout; sandboxOf(container: Container): NodeName | undefined };
  readonly files: { pathsOf(state: State, container: Container): ContainerSpace["files"] };
  record(id: string): { readonly privileged: boolean };
}

export function containerSpace(engine: SpaceOwner, container: Container): ContainerSpace {
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

export function nodeSpace(engine: SpaceOwner, node: NodeName): NodeSpace {
  return {
    kind: "node",
    netnsPath: netnsPath(engine.lab, node),
    names: netnsNames(engine),
    namesFolder: `${engine.directory}/netns`,
  };
}

/** The names below /run/netns that the lab has now. */
export function netnsNames(engine: SpaceOwner): string[] {
  return engine.site.layout.nodes.map(({ name }) => netnsName(engine.lab, name));
}

/** The id by which the shim knows a node of the world: no container's. */
export const nodeId = (node: NodeName): string => `node.${node.slice(1)}`;

/** What the kernel keeps of kernel.domainname, which Docker writes: the first line, at most 64 bytes (kernel/utsname_sysctl.c). */
function kernelDomainname(text: string): string {
  const [line = ""] = text.split("\n");
  return Buffer.from(line).subarray(0, 64).toString();
}
