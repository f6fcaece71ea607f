/** `GET /containers/json`: what `docker ps` gets. Field order as dockerd 28.5.2. Source: moby daemon/list.go, daemon/container/view.go. */
import { findContainer } from "../../state/find.ts";
import { publishingEndpoint } from "../../state/port-binding.ts";
import { type Container, gatewayEndpoint, type State } from "../../state/state.ts";
import { humanDuration } from "../human-duration.ts";
import type { ContainerRecord } from "../record.ts";
import { namesOf, networkMode } from "./container-json.ts";
import { networkSummaries } from "./endpoint-json.ts";
import type { Filters } from "./filter.ts";
import { imageId, parseImageName } from "./image-name.ts";
import { sortedMap } from "./json.ts";
import { atoi } from "./query.ts";
import { httpError } from "./refuse.ts";

export interface ListRequest {
  /** Those that do not run too. */
  readonly all: boolean;
  /** The last so many, running or not; 0 or less: no limit. */
  readonly limit: number;
  readonly filters: Filters;
}

export const LIST_FILTERS: readonly string[] = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "isolation",
  "is-task",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];
const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTHS = ["none", "starting", "healthy", "unhealthy"];

/** Newest first. @param now milliseconds since the epoch. @throws DocknetError for a filter that Docker refuses */
export function listContainers(
  state: State,
  records: Readonly<Record<string, ContainerRecord>>,
  request: ListRequest,
  now: number,
): object[] {
  const chosen = chooseContainers(state, records, request);
  return chosen.map((container) => summary(state, container, records[container.id], now));
}

function chooseContainers(
  state: State,
  records: Readonly<Record<string, ContainerRecord>>,
  { all, limit, filters }: ListRequest,
): Container[] {
  checkFilters(filters);
  const newest = [...state.containers].reverse();
  const position = (ref: string): number => state.containers.indexOf(findContainer(state, ref));
  const before = filters.get("before").map(position);
  const since = filters.get("since").map(position);
  const exited = filters.get("exited").map((text) => atoi(text, 400, `invalid filter 'exited=${text}': `));
  const ports = { publish: portSet(filters, "publish"), expose: portSet(filters, "expose") };
  const showAll = all || limit > 0 || filters.has("status");
  const matching = newest.filter((c) => {
    const at = state.containers.indexOf(c);
    return (
      (showAll || c.status === "running") &&
      before.every((p) => at < p) &&
      since.every((p) => at > p) &&
      (exited.length === 0 || (c.status === "exited" && exited.includes(c.exitCode))) &&
      filters.exact("status", c.status) &&
      matchesNames(state, c, filters) &&
      filters.labels("label", c.labels) &&
      filters.exact("health", "none") &&
      matchesNetwork(c, filters) &&
      matchesAncestor(c, filters) &&
      matchesPorts(portsOf(state, c), ports) &&
      !filters.has("volume") &&
      filters.flag("is-task") !== true &&
      records[c.id] !== undefined
    );
  });
  return limit > 0 ? matching.slice(0, limit) : matching;
}

function checkFilters(filters: Filters): void {
  filters.check(LIST_FILTERS);
  oneOf(filters, "status", "state", STATUSES);
  oneOf(filters, "health", "health", HEALTHS);
  const tasks = filters.get("is-task");
  if (tasks.some((t) => !["true", "1", "false", "0"].includes(t)))
    throw httpError(400, `invalid filter 'is-task=[${tasks.join(" ")}]'`);
}

function oneOf(filters: Filters, key: string, what: string, values: readonly string[]): void {
  const bad = filters.get(key).find((value) => !values.includes(value));
  if (bad === undefined) return;
  throw httpError(
    400,
    `invalid filter '${key}=${bad}': invalid value for ${what} (${bad}): must be one of ${values.join(", ")}`,
  );
}

function matchesNames(state: State, container: Container, filters: Filters): boolean {
  const names = namesOf(state, container);
  return filters.match("id", container.id) && filters.match("name", ...names, ...names.map((n) => n.slice(1)));
}

function matchesNetwork({ attachments }: Container, filters: Filters): boolean {
  if (!filters.has("network")) return true;
  return filters
    .get("network")
    .some((ref) => attachments.some((a) => a.network === ref || (ref !== "" && a.networkId?.startsWith(ref))));
}

function matchesAncestor({ image }: Container, filters: Filters): boolean {
  if (!filters.has("ancestor")) return true;
  if (!image) return false;
  const id = imageId(parseImageName(image));
  return filters.get("ancestor").some((text) => text === id || idOfName(text) === id || isIdPrefix(text, id));
}

function idOfName(text: string): string | undefined {
  try {
    return imageId(parseImageName(text));
  } catch {
    return undefined;
  }
}

const isIdPrefix = (text: string, id: string): boolean =>
  /^[0-9a-f]{4,64}$/.test(text) && id.slice("sha256:".length).startsWith(text);

interface ShownPort {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

/** By port and protocol; what is only exposed has no public port. None when no network of the container leads out, or a macvlan does. */
function portsOf(state: State, container: Container): ShownPort[] {
  if (!gatewayEndpoint(state, container.endpoints)) return [];
  const bound = container.bindings.map(
    (b): ShownPort => ({
      IP: b.hostIp,
      PrivatePort: b.target,
      ...(b.hostPort === undefined ? {} : { PublicPort: b.hostPort }),
      Type: b.proto,
    }),
  );
  const exposed = publishingEndpoint(state, container) ? container.exposed : [];
  const open = exposed
    .filter(({ port, proto }) => !container.bindings.some((b) => b.target === port && b.proto === proto))
    .map(({ port, proto }): ShownPort => ({ PrivatePort: port, Type: proto }));
  return [...bound, ...open].sort(
    (a, b) => a.PrivatePort - b.PrivatePort || (a.Type < b.Type ? -1 : 1) * Number(a.Type !== b.Type),
  );
}

/** "80", "80/udp", "80-90/tcp" as "80/tcp" each. */
function portSet(filters: Filters, key: "publish" | "expose"): ReadonlySet<string> {
  const ports = filters.get(key).flatMap((text) => {
    const [range = "", proto = "tcp"] = text.split("/");
    const [first = "", last = first] = range.split("-");
    const [low, high] = [first, last].map((t) => parseUint(t, key, text)) as [number, number];
    return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => `${low + i}/${proto}`);
  });
  return new Set(ports);
}

function parseUint(text: string, key: string, whole: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw httpError(
    500,
    `error while looking up for ${key} ${whole}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

function matchesPorts(
  ports: readonly ShownPort[],
  { publish, expose }: { readonly publish: ReadonlySet<string>; readonly expose: ReadonlySet<string> },
): boolean {
  if (publish.size === 0 && expose.size === 0) return true;
  return ports.some((p) => publish.has(`${p.PublicPort ?? 0}/${p.Type}`) || expose.has(`${p.PrivatePort}/${p.Type}`));
}

function summary(state: State, container: Container, record: ContainerRecord | undefined, now: number): object {
  const [path = "", ...args] = record?.argv ?? [];
  const words = args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg));
  return {
    Id: container.id,
    Names: namesOf(state, container),
    Image: container.image ?? "",
    ImageID: container.image ? imageId(parseImageName(container.image)) : "",
    Command: [path, ...words].join(" "),
    Created: Math.floor(Date.parse(container.created) / 1000),
    Ports: portsOf(state, container),
    Labels: sortedMap(container.labels),
    State: container.status,
    Status: statusText(container, now),
    HostConfig: { NetworkMode: networkMode(container, record?.hostConfig ?? {}) },
    NetworkSettings: { Networks: networkSummaries(state, container) },
    Mounts: [],
  };
}

/** "Up 3 seconds", "Exited (137) 2 minutes ago", "Created" (moby daemon/container/state.go String). */
export function statusText({ status, startedAt, finishedAt, exitCode }: Container, now: number): string {
  if (status === "running") return `Up ${humanDuration(now - Date.parse(startedAt))}`;
  if (status === "created") return "Created";
  return `Exited (${exitCode}) ${humanDuration(now - Date.parse(finishedAt))} ago`;
}
