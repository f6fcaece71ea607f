/** `docker create`, `rename` and `rm` as transitions, and `docker run` as create and start. Source: moby daemon/create.go, rename.go, delete.go. */
import { DocknetError, type Origin } from "../errors.ts";
import {
  type ContainerName,
  containerNode,
  type NodeName,
  parseContainerName,
  parseSysctlKey,
  WORLD_NODES,
} from "../net/name.ts";
import { type ProtoPort, uniquePorts } from "../net/port.ts";
import { changeContainers, indexOf } from "./container-index.ts";
import { attachmentOf, type EndpointRequest, endpointFault } from "./endpoint-settings.ts";
import { containerById, findContainer, lookupNetwork, replaceContainer } from "./find.ts";
import { deriveId } from "./id.ts";
import { exposedPorts } from "./image.ts";
import { type StartOptions, startContainer, stopContainer } from "./lifecycle.ts";
import { originOf, prefixRefusals, refusal } from "./refusal.ts";
import {
  type Attachment,
  type Container,
  type DnsSettings,
  type ExtraHost,
  NEVER,
  type PortRequest,
  type SandboxMode,
  type ServedPort,
  type State,
  type Timestamp,
} from "./state.ts";

export type { EndpointRequest } from "./endpoint-settings.ts";

/** As the user says it: `container:X` names X by name, id or id prefix. */
export type SandboxRequest =
  | { readonly kind: "own" | "none" | "host" }
  | { readonly kind: "container"; readonly name: string };

export interface ContainerRequest {
  /** 64 hex digits, not in use; absent: derived from the state. */
  readonly id?: string;
  readonly now?: Timestamp;
  readonly name: ContainerName;
  readonly node?: NodeName;
  readonly service?: string;
  readonly image?: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly extraHosts?: readonly ExtraHost[];
  readonly dns?: DnsSettings;
  /** `--link` on the default bridge; the target by name, id or id prefix. */
  readonly links?: readonly { readonly target: string; readonly alias: string }[];
  readonly sandbox: SandboxRequest;
  readonly endpoints: readonly EndpointRequest[];
  readonly publish?: readonly PortRequest[];
  readonly publishAll?: boolean;
  readonly exposed?: readonly ProtoPort[];
  readonly serves?: readonly ServedPort[];
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly at?: Origin;
}

/** What `hostname` prints on the emulated host, and so in containers of host mode. */
export const HOST_NAME = "host";

/** Appends a container that does not run yet. @throws DocknetError in Docker's words; the state is then unchanged */
export function createContainer(state: State, request: ContainerRequest): State {
  checkMode(request);
  checkSysctls(request.sysctls);
  checkName(state, request.name);
  const sandbox = resolveSandbox(state, request);
  const attachments = resolveAttachments(state, request);
  const id = request.id ?? deriveId("container", state.lab, String(state.clock), request.name);
  if (indexOf(state).byId(id)) throw new Error(`container id ${id} is in use`);
  const container: Container = {
    id,
    name: request.name,
    node: freeNode(state, [request.node, containerNode(request.name)], id),
    ...(request.service ? { service: request.service } : {}),
    ...(request.image ? { image: request.image } : {}),
    status: "created",
    created: request.now ?? NEVER,
    startedAt: NEVER,
    finishedAt: NEVER,
    exitCode: 0,
    error: "",
    hostname: request.hostname ?? (sandbox.kind === "host" ? HOST_NAME : id.slice(0, 12)),
    hostnameSet: request.hostname !== undefined,
    domainname: request.domainname ?? "",
    extraHosts: request.extraHosts ?? [],
    dns: request.dns ?? { servers: [], search: [], options: [] },
    links: resolveLinks(state, request),
    sandbox,
    sandboxId: "",
    resolver: false,
    attachments,
    endpoints: [],
    publish: request.publish ?? [],
    publishAll: request.publishAll ?? false,
    bindings: [],
    exposed: uniquePorts([...(request.exposed ?? []), ...exposedPorts(request.image)]),
    serves: request.serves ?? [],
    sysctls: request.sysctls ?? {},
    labels: request.labels ?? {},
    programmedAt: 0,
    ...originOf(request),
  };
  return { ...state, containers: changeContainers(state, undefined, container), clock: state.clock + 1 };
}

/** Creates and starts. @throws DocknetError in Docker's words; the state is then unchanged */
export function runContainer(state: State, request: ContainerRequest, start: StartOptions = {}): State {
  return startContainer(createContainer(state, request), request.name, {
    ...(request.now ? { now: request.now } : {}),
    ...start,
  });
}

/** A running container keeps its node, whose namespace has been made under it. @throws DocknetError in Docker's words */
export function renameContainer(state: State, ref: string, name: string): State {
  if (ref === "" || name === "") throw refusal(400, "Neither old nor new names may be empty");
  const container = findContainer(state, ref);
  const bare = name.replace(/^\//, "");
  if (bare === container.name) throw refusal(400, "Renaming a container with the same name as its current name");
  const wanted = parseNewName(state, bare);
  const others = { ...state, containers: state.containers.filter((c) => c !== container) };
  const node =
    container.status === "running" ? container.node : freeNode(others, [containerNode(wanted)], container.id);
  return { ...replaceContainer(state, { ...container, name: wanted, node }), clock: state.clock + 1 };
}

function parseNewName(state: State, text: string): ContainerName {
  return prefixRefusals("Error when allocating new name: ", () => {
    try {
      const name = parseContainerName(text);
      checkName(state, name);
      return name;
    } catch (error) {
      // here dockerd names it as it keeps it, with its slash
      if (!(error instanceof DocknetError) || error.code !== "LAB_FILE") throw error;
      throw refusal(400, `Invalid container name (/${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
    }
  });
}

export interface RemoveOptions {
  /** Stops it before. */
  readonly force?: boolean;
}

/** Containers that share its sandbox stay, with nothing but lo (`sandboxOwner`). @throws DocknetError in Docker's words */
export function removeContainer(state: State, ref: string, options: RemoveOptions = {}): State {
  const container = findContainer(state, ref);
  if (container.status === "running" && !options.force) {
    throw refusal(
      409,
      `cannot remove container "${ref.replace(/^\//, "")}": container is running: stop the container before removing or force remove`,
    );
  }
  const stopped = stopContainer(state, container.id, { exitCode: 137 });
  const gone = containerById(stopped, container.id);
  return { ...stopped, containers: changeContainers(stopped, gone, undefined), clock: stopped.clock + 1 };
}

/** `docker rm --link parent/alias`: the containers stay. @throws DocknetError in Docker's words; the state is then unchanged */
export function removeLink(state: State, ref: string): State {
  const [name, alias, ...more] = ref.replace(/^\//, "").split("/");
  if (alias === undefined) {
    findContainer(state, ref);
    throw refusal(500, "Conflict, cannot remove the default link name of the container");
  }
  const parent = state.containers.find((c) => c.name === name);
  const links = parent?.links.filter((link) => link.alias !== alias) ?? [];
  if (!parent || more.length > 0 || links.length === parent.links.length)
    throw refusal(404, `No such container: ${ref.replace(/^\//, "")}`);
  return { ...replaceContainer(state, { ...parent, links }), clock: state.clock + 1 };
}

function checkName(state: State, name: ContainerName): void {
  const rival = indexOf(state).byName(name);
  if (!rival) return;
  throw refusal(
    409,
    `Conflict. The container name "/${name}" is already in use by container "${rival.id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
}

/** The first name that no other node of the lab has. */
function freeNode(state: State, wanted: readonly (NodeName | undefined)[], id: string): NodeName {
  // a container called "host" would share the name of @host's namespace (net/name.ts netnsName)
  const isFree = (node: NodeName): boolean =>
    !WORLD_NODES.includes(`@${node}` as NodeName) && !indexOf(state).hasNode(node);
  const free = wanted.find((node) => node !== undefined && isFree(node));
  return free ?? (id.slice(0, 12) as NodeName);
}

/** One that is not there is looked for again at start. */
function resolveSandbox(state: State, request: ContainerRequest): SandboxMode {
  const { sandbox } = request;
  if (sandbox.kind !== "container") return sandbox;
  if (sandbox.name === "") throw refusal(400, "invalid network mode: invalid container format container:<name|id>");
  const named = indexOf(state).byId(sandbox.name) ?? indexOf(state).byName(sandbox.name);
  if (named) return { kind: "container", id: named.id };
  const [begun, ...more] = state.containers.filter((c) => c.id.startsWith(sandbox.name));
  return { kind: "container", id: begun && more.length === 0 ? begun.id : sandbox.name };
}

/** Source: moby runconfig/hostconfig_unix.go validateNetMode. */
function checkMode({ sandbox, ...request }: ContainerRequest): void {
  const undefinedBehavior = "can't be used with links. This would result in undefined behavior";
  if (sandbox.kind === "host" && request.links?.length)
    throw refusal(400, `conflicting options: host type networking ${undefinedBehavior}`);
  if (sandbox.kind !== "container") return;
  if (request.hostname !== undefined) throw refusal(400, "conflicting options: hostname and the network mode");
  if (request.links?.length) throw refusal(400, `conflicting options: container type network ${undefinedBehavior}`);
  if (request.dns?.servers.length) throw refusal(400, "conflicting options: dns and the network mode");
  if (request.extraHosts?.length)
    throw refusal(400, "conflicting options: custom host-to-IP mapping and the network mode");
  if (request.publish?.length || request.publishAll)
    throw refusal(400, "conflicting options: port publishing and the container type network mode");
  if (request.exposed?.length)
    throw refusal(400, "conflicting options: port exposing and the container type network mode");
}

function checkSysctls(sysctls: Readonly<Record<string, string>> = {}): void {
  for (const key of Object.keys(sysctls)) {
    parseSysctlKey(key);
    if (!/^net\.(ipv4|ipv6|mpls)\.(conf|neigh)\.(?!all\.|default\.)/.test(key)) continue;
    throw refusal(
      500,
      `interface specific sysctl setting "${key}" must be supplied using driver option 'com.docker.network.endpoint.sysctls'`,
    );
  }
}

function resolveLinks(state: State, { links = [] }: ContainerRequest): Container["links"] {
  return links.map(({ target, alias }) => {
    const child = prefixRefusals(`could not get container for ${target}: `, () => findContainer(state, target), 400);
    if (child.sandbox.kind === "host") {
      throw refusal(
        400,
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
    return { target: child.id, alias };
  });
}

/** A network need not be there before the start. The modes host and none are attachments too, and exclude others; a sharer has none. */
function resolveAttachments(state: State, { sandbox, endpoints }: ContainerRequest): readonly Attachment[] {
  const isMode = ({ network }: EndpointRequest): boolean =>
    sandbox.kind === "container" ? network === `container:${sandbox.name}` : network === sandbox.kind;
  if (endpoints.some((e) => sandbox.kind !== "own" && !isMode(e)))
    throw refusal(400, "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  const names = endpoints.map((e) => e.network);
  const twice = endpoints.find(({ network }, i) => names.indexOf(network) !== i);
  if (twice) throw refusal(400, `network "${twice.network}" is specified multiple times`, originOf(twice));
  const asked = endpoints.map((e) => {
    const network = lookupNetwork(state, e.network);
    const fault = endpointFault(e.network, network, e, `invalid config for network ${e.network}: `);
    if (fault) throw fault;
    return attachmentOf(e, network?.name ?? e.network);
  });
  if (sandbox.kind === "container") return [];
  if (asked.length > 0 || sandbox.kind === "own") return asked;
  return [attachmentOf({ network: sandbox.kind }, sandbox.kind)];
}
