/**
 * `docker start` and `stop` as transitions. A start makes a new sandbox: addresses, interfaces and host ports are taken then and
 * given back at stop; what the container was asked to be stays. Source: moby daemon/start.go, daemon/container_operations.go.
 */
import { DocknetError } from "../errors.ts";
import { isConfig, withoutEndpoints } from "./config-network.ts";
import { addEndpoint } from "./endpoint.ts";
import { containerById, findContainer, findNetwork, isUserDefined, replaceContainer } from "./find.ts";
import { deriveId } from "./id.ts";
import { takenPorts } from "./listening.ts";
import { bindPorts } from "./port-binding.ts";
import { originOf, prefixRefusals, refusal, sharesNetwork } from "./refusal.ts";
import {
  type AnyNetwork,
  type Attachment,
  type Container,
  type FailedBind,
  hasAddresses,
  NEVER,
  networkById,
  type State,
  type Timestamp,
} from "./state.ts";

export interface StartOptions {
  readonly now?: Timestamp;
  /** What the ids and MACs of this start are drawn from, another for each start; absent: the clock of the state. */
  readonly endpointSalt?: string;
}

export interface StopOptions {
  readonly now?: Timestamp;
  readonly exitCode: number;
}

/**
 * A container that runs stays as it is; one whose program cannot bind a port that it serves has ended when this returns.
 * @throws DocknetError in Docker's words; the state is then unchanged
 */
export function startContainer(state: State, ref: string, options: StartOptions = {}): State {
  const container = findContainer(state, ref);
  if (container.status === "running") return state;
  checkHostSysctls(container);
  const salt = options.endpointSalt ?? String(state.clock);
  const { failedBinds: _, ...asked } = container;
  const started = replaceContainer(state, {
    ...asked,
    ...openSandbox(state, container, salt),
    status: "running",
    startedAt: options.now ?? NEVER,
    exitCode: 0,
    error: "",
  });
  const attached = prefixRefusals("failed to set up container networking: ", () => {
    // Docker lets one that does not run be connected, and refuses its start
    if (container.sandbox.kind === "container" && container.attachments.length > 0) throw sharesNetwork();
    const joined = container.attachments.reduce((s, a) => attach(s, container.id, a, salt), started);
    return programPorts(joined, container.id);
  });
  const next = startResolver(attached, container.id);
  checkLinks(next, containerById(next, container.id));
  checkHostname(containerById(next, container.id));
  const taken = takenPorts(next, containerById(next, container.id));
  return taken.length > 0 ? failBinds(next, container.id, taken, options) : next;
}

/** What a server ends with that cannot bind. */
const BIND_EXIT_CODE = 1;

/** The engine has started it, and its program ends at once: it finds ports taken that it wants. @throws DocknetError NOT_FOUND */
export function failBinds(
  state: State,
  ref: string,
  failedBinds: readonly FailedBind[],
  { now }: Pick<StopOptions, "now"> = {},
): State {
  const stopped = stopContainer(state, ref, { ...(now ? { now } : {}), exitCode: BIND_EXIT_CODE });
  return replaceContainer(stopped, { ...findContainer(stopped, ref), failedBinds });
}

/** Everything that it held is free again. A container that does not run stays as it is. @throws DocknetError NOT_FOUND */
export function stopContainer(state: State, ref: string, options: StopOptions): State {
  const container = findContainer(state, ref);
  if (container.status !== "running") return state;
  const stopped: Container = {
    ...container,
    status: "exited",
    finishedAt: options.now ?? NEVER,
    exitCode: options.exitCode,
    sandboxId: "",
    resolver: false,
    endpoints: [],
    bindings: [],
  };
  return { ...replaceContainer(state, stopped), clock: state.clock + 1 };
}

/**
 * Notes why a start failed; the status stays.
 * @param exitCode 126 or 127 when the command cannot be run; absent: 128, unless the last run left another
 * @throws DocknetError NOT_FOUND
 */
export function failStart(state: State, ref: string, message: string, exitCode?: number): State {
  const container = findContainer(state, ref);
  const failed = { ...container, error: message, exitCode: exitCode ?? (container.exitCode || 128) };
  return { ...replaceContainer(state, failed), clock: state.clock + 1 };
}

/** Takes the host ports where they are not held yet; when any of them moves, the container's rules are programmed as one block. @throws DocknetError */
export function programPorts(state: State, id: string): State {
  const container = containerById(state, id);
  const { bindings, lastPorts } = bindPorts(state, container);
  const held = container.bindings;
  const moved = bindings.length !== held.length || bindings.some((b, i) => b !== held[i]);
  const programmedAt = moved ? state.clock : container.programmedAt;
  return { ...replaceContainer(state, { ...container, bindings, programmedAt }), lastPorts, clock: state.clock + 1 };
}

/** Notes that a running container has its embedded DNS server, once it is on a user-defined network. */
export function startResolver(state: State, id: string): State {
  const container = containerById(state, id);
  const needed = container.endpoints.some((e) => isUserDefined(networkById(state, e.network)));
  return needed && !container.resolver ? replaceContainer(state, { ...container, resolver: true }) : state;
}

/** A sharer has the host name of whom it joins. */
function openSandbox(state: State, container: Container, salt: string): Partial<Container> {
  const { sandbox } = container;
  if (sandbox.kind !== "container") return { sandboxId: deriveId("sandbox", salt, container.id) };
  const joining = "joining network namespace of container: ";
  const owner = prefixRefusals(joining, () => findContainer(state, sandbox.id), 500);
  if (owner.status !== "running") {
    throw refusal(
      409,
      `cannot join network namespace of a non running container: container ${owner.name} is ${owner.status}`,
    );
  }
  return { sandboxId: owner.sandboxId, hostname: owner.hostname, domainname: owner.domainname };
}

/** A container that has run before looks for its networks by id: one that was removed and made again is another (reference 9.3). */
function attach(state: State, id: string, attachment: Attachment, salt: string): State {
  const network = findAttached(state, attachment);
  if (isConfig(network)) throw withoutEndpoints();
  const container = containerById(state, id);
  const known = { ...attachment, network: network.name, networkId: network.id };
  const attachments = container.attachments.map((a) => (a === attachment ? known : a));
  const next = replaceContainer(state, { ...container, attachments });
  return hasAddresses(network) ? addEndpoint(next, id, network, known, salt) : next;
}

function findAttached(state: State, attachment: Attachment): AnyNetwork {
  const { network, networkId } = attachment;
  try {
    const found = findNetwork(state, networkId ?? network);
    if (networkId === undefined || found.id === networkId) return found;
  } catch (error) {
    if (!(error instanceof DocknetError)) throw error;
    throw refusal(error.code === "NOT_FOUND" ? 404 : 400, error.message, originOf(attachment));
  }
  throw refusal(404, `network ${networkId} not found`, originOf(attachment));
}

/** In the words of the runtime, which finds it out when the container is there already. */
function checkHostSysctls({ sandbox, sysctls }: Container): void {
  if (sandbox.kind !== "host") return;
  const key = Object.keys(sysctls).find((k) => k.startsWith("net."));
  if (key === undefined) return;
  throw refusal(
    500,
    `failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl "${key}" not allowed in host network namespace`,
  );
}

/** sethostname(2): the kernel takes any text of so many bytes, and Docker with it. */
const MAX_HOSTNAME_BYTES = 64;

function checkHostname({ hostname, sandbox }: Container): void {
  if (sandbox.kind === "container" || Buffer.byteLength(hostname) <= MAX_HOSTNAME_BYTES) return;
  throw refusal(
    500,
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: sethostname: invalid argument",
    {
      remedy: `Choose a host name of at most ${MAX_HOSTNAME_BYTES} bytes: ${hostname} has ${Buffer.byteLength(hostname)}`,
    },
  );
}

/** Legacy links lead to running containers of the default bridge; one whose target has been removed is forgotten. */
function checkLinks(state: State, container: Container): void {
  for (const { target, alias } of container.links) {
    const child = state.containers.find((c) => c.id === target);
    if (!child) continue;
    if (child.status !== "running")
      throw refusal(500, `Cannot link to a non running container: /${child.name} AS /${container.name}/${alias}`);
    if (!child.endpoints.some((e) => networkById(state, e.network).isDefault))
      throw refusal(500, `container ${child.id} not attached to default bridge network`);
  }
}
