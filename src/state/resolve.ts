/**
 * From a lab file's Spec to the State that `docker compose up` would leave: networks in file order, then containers in
 * dependency order. Every refusal of the engine is collected with the place in the file; all are reported at once.
 */
import { DocknetError, type Origin, type Problem, ProblemsError } from "../errors.ts";
import { type ContainerName, type NodeName, parseContainerName } from "../net/name.ts";
import { portKey, uniquePorts } from "../net/port.ts";
import { SEVERAL_SUBNETS } from "../spec/ipam.ts";
import type { AttachmentSpec, NetworkSpec, ServiceSpec, Spec } from "../spec/spec.ts";
import { clashes } from "./clash.ts";
import { type ContainerRequest, type EndpointRequest, runContainer, type SandboxRequest } from "./container.ts";
import { ignoredSettings } from "./engine-profile.ts";
import { inferredPool } from "./external-network.ts";
import { deriveId } from "./id.ts";
import { exposedPorts } from "./image.ts";
import { nameWarnings } from "./name-warning.ts";
import { createNetwork, emptyState } from "./network.ts";
import type { NetworkRequest } from "./network-request.ts";
import { indexSpec } from "./spec-index.ts";
import {
  type Container,
  gatewayEndpoint,
  hasDefaultGateway,
  isMacvlan,
  networkById,
  type ServedPort,
  type State,
} from "./state.ts";
import { overlapsOfWorld, stolenAddresses } from "./world-conflict.ts";

export interface Resolved {
  readonly state: State;
  readonly warnings: readonly Problem[];
}

/** @throws ProblemsError CONFLICT with everything that Docker would refuse */
export function resolveState(spec: Spec): Resolved {
  const problems: Problem[] = [];
  const attempt = (state: State, at: Origin | undefined, step: (s: State) => State): State => {
    try {
      return step(state);
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      problems.push(...(error instanceof ProblemsError ? error.problems : [error.toProblem(at)]));
      return state;
    }
  };
  const inferred: Problem[] = [];
  let state = emptyState(spec.name, spec.engine, spec.world);
  for (const network of usedNetworks(spec)) {
    if (network.external && state.networks.some((n) => n.name === network.name)) continue;
    const pool = inferredPool(spec, network);
    if (pool) inferred.push(pool.warning);
    // an id of its own for each name: a network that the file gains changes nothing of the others
    const id = deriveId("network", spec.name, network.name);
    state = attempt(state, network.at, (s) =>
      createNetwork(s, {
        ...networkRequest(network),
        ...(pool ? { subnet: pool.subnet, gateway: pool.gateway } : {}),
        id,
      }),
    );
  }
  problems.push(...overlapsOfWorld(state));
  if (problems.length > 0) throw new ProblemsError("CONFLICT", problems);
  const plan: Planned[] = [];
  state = attempt(state, undefined, (s) => {
    plan.push(...plannedContainers(spec));
    return s;
  });
  for (const { request, at } of plan) {
    const id = deriveId("container", spec.name, request.name);
    state = attempt(state, at, (s) => runContainer(s, { ...request, id }, { endpointSalt: spec.name }));
  }
  problems.push(...stolenAddresses(state));
  if (problems.length > 0) throw new ProblemsError("CONFLICT", problems);
  return {
    state,
    warnings: [
      ...spec.warnings,
      ...inferred,
      ...ignoredSettings(spec),
      ...discardedPorts(state),
      ...silentServices(spec, state),
      ...sctpPorts(state),
      ...nameWarnings(state),
      ...clashes(state),
    ],
  };
}

export function networkRequest(network: NetworkSpec): NetworkRequest {
  const [pool, second] = network.ipam;
  if (second) throw new DocknetError("LAB_FILE", severalSubnets(network.driver), { at: second.at });
  return {
    name: network.name,
    driver: network.driver,
    ...(pool?.subnet ? { subnet: pool.subnet } : {}),
    ...(pool?.ipRange ? { ipRange: pool.ipRange } : {}),
    ...(pool?.gateway ? { gateway: pool.gateway } : {}),
    auxAddresses: pool?.auxAddresses ?? {},
    internal: network.internal,
    options: network.driverOpts,
    labels: network.labels,
    at: network.at,
  };
}

/** Depth first along depends_on, links and shared sandboxes, in file order; compose does the same, in parallel. However deep they go. */
function startOrder(spec: Spec): ServiceSpec[] {
  const { services } = indexSpec(spec);
  const order = new Set<ServiceSpec>();
  const way: { readonly service: ServiceSpec; readonly needs: Iterator<string> }[] = [];
  const onWay = new Set<string>();
  const enter = (service: ServiceSpec): void => {
    if (order.has(service)) return;
    if (onWay.has(service.key))
      throw new DocknetError("LAB_FILE", `dependency cycle detected: ${[...onWay, service.key].join(" -> ")}`, {
        at: service.at,
      });
    onWay.add(service.key);
    way.push({ service, needs: needsOf(service).values() });
  };
  for (const first of spec.services) {
    enter(first);
    for (let last = way.at(-1); last; last = way.at(-1)) {
      const { done, value } = last.needs.next();
      if (done) {
        way.pop();
        onWay.delete(last.service.key);
        order.add(last.service);
      } else {
        const next = services.get(value);
        if (next) enter(next);
      }
    }
  }
  return [...order];
}

const needsOf = ({ dependsOn, links, mode }: ServiceSpec): readonly string[] => [
  ...dependsOn,
  ...links.filter((l) => !l.external).map((l) => l.service),
  ...(mode.kind === "service" ? [mode.service] : []),
];

export interface Planned {
  readonly service: ServiceSpec;
  /** Of several replicas, from 1. */
  readonly index: number;
  readonly request: ContainerRequest;
  readonly at: Origin;
}

/** In the order in which they start. @throws DocknetError LAB_FILE for a cycle */
export function plannedContainers(spec: Spec): Planned[] {
  return startOrder(spec).flatMap((service) =>
    Array.from({ length: service.replicas }, (_, i) => ({
      service,
      index: i + 1,
      request: containerRequest(spec, service, i + 1),
      at: service.at,
    })),
  );
}

/** Like compose, only networks that a service uses are made. */
export function usedNetworks(spec: Spec): NetworkSpec[] {
  const used = new Set(
    spec.services.filter((s) => s.mode.kind === "networks").flatMap((s) => s.attachments.map((a) => a.network)),
  );
  return spec.networks.filter((n) => used.has(n.key));
}

function containerRequest(spec: Spec, service: ServiceSpec, index: number): ContainerRequest {
  const exposed = service.expose.map(({ port, proto }) => ({ port, proto }));
  return {
    name: containerName(spec, service, index),
    node: nodeName(spec, service, index),
    service: service.key,
    ...(service.image ? { image: service.image } : {}),
    ...(service.hostname ? { hostname: service.hostname } : {}),
    ...(service.domainname ? { domainname: service.domainname } : {}),
    extraHosts: service.extraHosts.map(({ host, address }) => ({ name: host, address })),
    dns: { servers: service.dns, search: service.dnsSearch, options: service.dnsOpt },
    ...(service.mode.kind === "networks" ? {} : { links: linksOf(spec, service) }),
    sandbox: sandboxOf(spec, service),
    endpoints: endpointsOf(spec, service),
    publish: service.ports,
    exposed,
    serves: servedPorts(service),
    sysctls: service.sysctls,
    labels: service.labels,
    at: service.at,
  };
}

function containerName(spec: Spec, service: ServiceSpec, index: number): ContainerName {
  return service.containerName ?? parseContainerName(`${spec.name}-${service.key}-${index}`);
}

/** Short where it is clear: the service's own name, numbered when it has several replicas. */
function nodeName(spec: Spec, service: ServiceSpec, index: number): NodeName {
  const short = service.replicas === 1 ? service.key : `${service.key}-${index}`;
  const clash = indexSpec(spec)
    .servicesCalled(short)
    .some((s) => s !== service);
  return (clash ? containerName(spec, service, index) : short) as string as NodeName;
}

function sandboxOf(spec: Spec, service: ServiceSpec): SandboxRequest {
  const { mode } = service;
  if (mode.kind === "none" || mode.kind === "host") return { kind: mode.kind };
  if (mode.kind === "container") return { kind: "container", name: parseContainerName(mode.container) };
  if (mode.kind !== "service") return { kind: "own" };
  const target = indexSpec(spec).services.get(mode.service);
  if (!target)
    throw new DocknetError(
      "LAB_FILE",
      `service "${service.key}" shares the network of undefined service "${mode.service}"`,
      { at: service.at },
    );
  return { kind: "container", name: containerName(spec, target, 1) };
}

function endpointsOf(spec: Spec, service: ServiceSpec): EndpointRequest[] {
  if (service.mode.kind === "bridge")
    return [{ network: "bridge", ...(service.mac ? { mac: service.mac } : {}), at: service.at }];
  if (service.mode.kind !== "networks") return [];
  // higher priority joins first, so that it is eth0; Docker itself follows Go's random map order
  const ordered = [...service.attachments].sort((a, b) => b.priority - a.priority);
  return ordered.map((attachment, i) => endpointRequest(spec, service, attachment, i === 0));
}

function endpointRequest(
  spec: Spec,
  service: ServiceSpec,
  attachment: AttachmentSpec,
  first: boolean,
): EndpointRequest {
  const network = indexSpec(spec).networks.get(attachment.network);
  if (!network)
    throw new DocknetError("LAB_FILE", `service "${service.key}" refers to undefined network ${attachment.network}`, {
      at: attachment.at,
    });
  const mac = attachment.mac ?? (first ? service.mac : undefined);
  return {
    network: network.name,
    ...(attachment.ipv4 ? { address: attachment.ipv4 } : {}),
    ...(mac ? { mac } : {}),
    ...(attachment.interfaceName ? { ifName: attachment.interfaceName } : {}),
    // compose adds the service's name as an alias; the default bridge takes none
    aliases: network.name === "bridge" ? attachment.aliases : [...new Set([service.key, ...attachment.aliases])],
    linkLocal: attachment.linkLocalIps,
    driverOpts: attachment.driverOpts,
    links: linksOf(spec, service),
    gwPriority: attachment.gwPriority,
    at: attachment.at,
  };
}

/** Compose links every replica by the link's alias, by service and number, and by project, service and number. */
function linksOf(spec: Spec, service: ServiceSpec): { readonly target: string; readonly alias: string }[] {
  return service.links.flatMap((link) => {
    const linked = indexSpec(spec).services.get(link.service);
    if (link.external || !linked) return [{ target: link.service, alias: link.alias }];
    return Array.from({ length: linked.replicas }, (_, i) => i + 1).flatMap((n) => {
      const target = containerName(spec, linked, n);
      const aliases = [link.alias, `${linked.key}-${n}`, `${spec.name}-${linked.key}-${n}`];
      return aliases.map((alias) => ({ target, alias }));
    });
  });
}

/** Where a responder must stand: published targets, exposed ports, `serve`, and what a well-known image exposes. */
function servedPorts(service: ServiceSpec): readonly ServedPort[] {
  const known: readonly ServedPort[] = [...service.expose, ...service.serve, ...exposedPorts(service.image)];
  const isKnown = new Set(known.map(({ port, proto }) => portKey(port, proto)));
  const published = service.ports.map(({ target, proto, at }): ServedPort => {
    const presumed = isKnown.has(portKey(target, proto)) ? {} : { presumed: true as const };
    return { port: target, proto, ...presumed, at };
  });
  return uniquePorts<ServedPort>([...published, ...known]);
}

const severalSubnets = (driver: string): string =>
  driver === "macvlan" ? SEVERAL_SUBNETS : "bridge driver doesn't support multiple subnets";

/** Nothing stands in for a service whose ports nobody names: then nothing of it is proven. */
function silentServices(spec: Spec, state: State): Problem[] {
  const silent = new Set(state.containers.filter((c) => c.serves.length === 0).map((c) => c.service));
  return spec.services
    .filter((s) => silent.has(s.key) && !isBare(s))
    .map((s) => ({
      message: `service ${s.key} serves no port: what image ${s.image} exposes is not known`,
      remedy: 'Name its ports with expose, or with x-docknet: { serve: ["8080"] }',
      at: s.at,
    }));
}

function sctpPorts(state: State): Problem[] {
  return state.containers.flatMap((c) => {
    const port = c.serves.find((s) => s.proto === "sctp");
    if (!port) return [];
    return [
      {
        message: `port ${port.port}/sctp of ${c.node} is not checked: docknet sends and serves no SCTP; its rules are there`,
        ...(port.at ? { at: port.at } : {}),
      },
    ];
  });
}

/** Images that are tools, not servers. */
const isBare = (service: ServiceSpec): boolean =>
  service.image === undefined || /^(busybox|alpine|debian|ubuntu|curlimages\/curl)(:|@|$)/.test(service.image);

/** Docker ignores -p silently where nothing can lead in; a lab says so. */
function discardedPorts(state: State): Problem[] {
  return state.containers.flatMap((c) => {
    const bound = new Set(c.bindings.map(({ target, proto }) => `${target}/${proto}`));
    const lost = c.publish.find(({ target, proto }) => !bound.has(`${target}/${proto}`));
    if (!lost || c.sandbox.kind === "container") return [];
    return [
      {
        message: `published ports of ${c.node} are discarded: ${discardReason(state, c)}`,
        ...(lost.at ? { at: lost.at } : {}),
      },
    ];
  });
}

function discardReason(state: State, { sandbox, endpoints }: Container): string {
  if (sandbox.kind !== "own") return `its network mode is ${sandbox.kind}`;
  if (endpoints.length === 0) return "it has no network";
  if (endpoints.every((e) => !hasDefaultGateway(networkById(state, e.network)))) return "it has only internal networks";
  const way = gatewayEndpoint(state, endpoints);
  const network = way && networkById(state, way.network);
  if (network && isMacvlan(network))
    return `its way out is network ${network.name}, and the macvlan driver does not support port mappings`;
  return "nothing leads from an IPv6 host address to it";
}
