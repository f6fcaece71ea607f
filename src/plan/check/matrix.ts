/**
 * Who reaches what, as a table: a row for each sender, a column for each port that is served or published, and in each cell the packet that
 * tells, with what the model says of it. Pure; observe/matrix.ts measures it.
 */
import { DocknetError, type Origin } from "../../errors.ts";
import { type Ipv4, isIpv4, isLoopback, LOCALHOST } from "../../net/address.ts";
import { HOST, INTERNET, NEIGHBOUR, type NodeName } from "../../net/name.ts";
import { type Port, type Proto, renderProtoPort } from "../../net/port.ts";
import { type Container, isHostAddress, type PortBinding, type State, sandboxOwner } from "../../state/state.ts";
import { addressFrom, isServed, publicEnd, sharesSandbox } from "../address-book.ts";
import type { Ruleset } from "../firewall/rule.ts";
import { predict } from "../predict/predict.ts";
import type { Prediction, ProbeSpec } from "../predict/prediction.ts";
import { type SampledRun, samplePorts } from "./port-sample.ts";

export interface MatrixPlan {
  /** Containers in the order of their making, then the host, the neighbour, the internet. */
  readonly rows: readonly MatrixRow[];
  /** Every served port, then every published one, in the order of the containers. */
  readonly columns: readonly MatrixColumn[];
  /** Row by row, each in the order of the columns. */
  readonly cells: readonly PlannedCell[];
  /** Runs of ports of which most have no column. */
  readonly sampled: readonly SampledRun[];
}

export interface MatrixRow {
  readonly node: NodeName;
  /** Whose network stack it uses: those of one send the very same packets. */
  readonly sandbox: NodeName;
  readonly container?: Container;
  readonly at?: Origin;
}

export interface MatrixColumn {
  readonly kind: "service" | "published";
  /** As a person writes the target: "db:5432", "dns:53/udp", "@host:8080", "127.0.0.1:3001". */
  readonly name: string;
  /** In full: "db:5432/tcp", "0.0.0.0:8080->80/tcp of web". */
  readonly label: string;
  readonly container: Container;
  /** Of the container. */
  readonly port: Port;
  readonly proto: Proto;
  /** Of a published port: where the host takes it. */
  readonly binding?: HostBinding;
  /** Asks the listener in its own namespace: it shows that the listener lives. Absent where the model knows of none. */
  readonly control?: PlannedProbe;
  readonly at?: Origin;
}

interface HostBinding extends PortBinding {
  readonly hostIp: Ipv4;
  readonly hostPort: Port;
}

export interface PlannedProbe {
  /** The network stack that sends it. */
  readonly sandbox: NodeName;
  readonly probe: ProbeSpec;
  readonly predicted: Prediction;
}

/** `none`: there is nothing to send, and why. */
export type PlannedCell = PlannedProbe | { readonly none: string };

/** Which rows and columns; what is left out means all. */
export interface MatrixChoice {
  /** Services, containers, @host, @neighbour, @internet. */
  readonly from?: readonly string[];
  /** Services and containers, or columns as they are headed: "db:5432", "@host:8080", "@host". */
  readonly to?: readonly string[];
}

interface Rules {
  readonly host: Ruleset;
  readonly router: Ruleset;
}

type Ask = (sandbox: NodeName, probe: ProbeSpec) => PlannedProbe;

/** @throws DocknetError NOT_FOUND when the choice names what is not there */
export function matrixOf(state: State, rules: Rules, choice: MatrixChoice = {}): MatrixPlan {
  const ask: Ask = (sandbox, probe) => ({ sandbox, probe, predicted: predict(state, probe, rules) });
  const running = state.containers.filter((c) => c.status === "running");
  const all = [
    ...running.flatMap((c) => c.serves.map((s) => serviceColumn(c, s.port, s.proto, s.at ?? c.at))),
    ...running.flatMap((c) => c.bindings.filter(isOnHost).map((b) => publishedColumn(c, b))),
  ];
  const rows = chosen(state, "row", rowsOf(state, running), choice.from, namesOfRow);
  const { columns: shown, sampled } = sampledOf(chosen(state, "column", all, choice.to, namesOfColumn), choice.to);
  const columns = shown.map((column) => withControl(state, column, ask));
  const cells = rows.flatMap((row) => columns.map((column) => cellOf(state, row, column, ask)));
  return { rows, columns, cells, sampled };
}

/** Of a long run of ports some have a column, and each that was chosen by its own name. */
function sampledOf(
  columns: readonly MatrixColumn[],
  wanted: readonly string[] = [],
): { columns: readonly MatrixColumn[]; sampled: readonly SampledRun[] } {
  const containers = [...new Set(columns.map((c) => c.container))];
  if (containers.every((c) => samplePorts(c).runs.length === 0)) return { columns, sampled: [] };
  const kept = new Set(
    containers.flatMap((c) => [
      ...samplePorts(c).serves.map((s) => serviceColumn(c, s.port, s.proto, undefined).label),
      ...samplePorts(c)
        .bindings.filter(isOnHost)
        .map((b) => publishedColumn(c, b).label),
    ]),
  );
  const names = new Set(wanted);
  const own = (column: MatrixColumn): boolean => namesOfPort(column).some((name) => names.has(name));
  const left = columns.filter((column) => !kept.has(column.label) && !own(column));
  const without = new Set(left.map(({ container, kind }) => `${container.id} ${kind}`));
  const leaves = (run: SampledRun): boolean =>
    without.has(`${run.container.id} ${run.what === "served" ? "service" : "published"}`);
  const gone = new Set(left);
  return {
    columns: columns.filter((column) => !gone.has(column)),
    sampled: containers.flatMap((c) => samplePorts(c).runs).filter(leaves),
  };
}

// --- rows and columns ------------------------------------------------------------------------------------------------

function rowsOf(state: State, running: readonly Container[]): MatrixRow[] {
  const containers = running.map((container): MatrixRow => {
    return {
      node: container.node,
      sandbox: sandboxOf(state, container),
      container,
      ...(container.at ? { at: container.at } : {}),
    };
  });
  return [...containers, ...[HOST, NEIGHBOUR, INTERNET].map((node): MatrixRow => ({ node, sandbox: node }))];
}

function sandboxOf(state: State, container: Container): NodeName {
  const owner = sandboxOwner(state, container);
  return owner === "host" ? HOST : owner === "gone" ? container.node : owner.node;
}

function serviceColumn(container: Container, port: Port, proto: Proto, at: Origin | undefined): MatrixColumn {
  const { node } = container;
  return {
    kind: "service",
    name: `${node}:${shortPort(port, proto)}`,
    label: `${node}:${renderProtoPort({ port, proto })}`,
    container,
    port,
    proto,
    ...(at ? { at } : {}),
  };
}

function publishedColumn(container: Container, binding: HostBinding): MatrixColumn {
  const { hostIp, hostPort, target, proto } = binding;
  const at = binding.at ?? container.at;
  return {
    kind: "published",
    name: `${hostIp === "0.0.0.0" ? HOST : hostIp}:${shortPort(hostPort, proto)}`,
    label: `${hostIp}:${hostPort}->${renderProtoPort({ port: target, proto })} of ${container.node}`,
    container,
    port: target,
    proto,
    binding,
    ...(at ? { at } : {}),
  };
}

/** Routed networks bind nothing on the host; docknet sends no IPv6. */
function isOnHost(binding: PortBinding): binding is HostBinding {
  return binding.hostPort !== undefined && isIpv4(binding.hostIp);
}

const shortPort = (port: Port, proto: Proto): string => (proto === "tcp" ? `${port}` : `${port}/${proto}`);

/** Over loopback, in the namespace of the listener itself. */
function withControl(state: State, column: MatrixColumn, ask: Ask): MatrixColumn {
  const { container, port, proto } = column;
  const owner = sandboxOwner(state, container);
  const served = owner === "host" || owner === "gone" || isServed(state, owner, { port, proto });
  if (owner === "gone" || !served || proto === "sctp") return column;
  return {
    ...column,
    control: ask(sandboxOf(state, container), { from: container.node, address: LOCALHOST, port, proto }),
  };
}

// --- cells -----------------------------------------------------------------------------------------------------------

function cellOf(state: State, row: MatrixRow, column: MatrixColumn, ask: Ask): PlannedCell {
  const { binding, container, proto } = column;
  const target = binding ? publishedEnd(state, row, binding) : serviceEnd(state, row, column);
  if (!target) return { none: `${container.node} has no address` };
  const planned = ask(row.sandbox, { from: row.node, ...target, proto });
  const { outcome, server } = planned.predicted;
  // two may have one port of the host, each at its own address
  if (outcome === "reach" && server !== undefined && !sharesSandbox(state, server, container))
    return { none: `for ${row.node} ${target.address}:${target.port} is ${server}` };
  return planned;
}

interface End {
  readonly address: Ipv4;
  readonly port: Port;
}

function serviceEnd(state: State, row: MatrixRow, { container, port }: MatrixColumn): End | undefined {
  const address = addressFrom(state, row.node, container);
  return address && { address, port };
}

/** A port on loopback is looked for at the host's address by all others: there it must not be. */
function publishedEnd(state: State, { sandbox }: MatrixRow, { hostIp, hostPort, proto }: HostBinding): End {
  const { world } = state;
  if (sandbox === INTERNET) return publicEnd(world, hostPort, proto);
  const bound = hostIp !== "0.0.0.0" && isHostAddress(state, hostIp) && (sandbox === HOST || !isLoopback(hostIp));
  return { address: bound ? hostIp : world.host, port: hostPort };
}

// --- choosing --------------------------------------------------------------------------------------------------------

const namesOfContainer = ({ node, name, service }: Container): readonly (string | undefined)[] => [node, name, service];

const namesOfRow = ({ node, container }: MatrixRow): readonly (string | undefined)[] =>
  container ? namesOfContainer(container) : [node];

function namesOfColumn(column: MatrixColumn): readonly (string | undefined)[] {
  const { node, name, service } = column.container;
  const host = column.kind === "published" ? [HOST] : [];
  return [node, name, service, ...host, ...namesOfPort(column)];
}

/** Of this column alone, or of this port in several protocols. */
function namesOfPort({ kind, name, label, container, port, proto }: MatrixColumn): readonly string[] {
  return [name, label, kind === "published" ? `${name}/${proto}` : `${container.node}:${port}`];
}

function chosen<T>(
  state: State,
  what: "row" | "column",
  all: readonly T[],
  wanted: readonly string[] | undefined,
  namesOf: (item: T) => readonly (string | undefined)[],
): readonly T[] {
  if (!wanted) return all;
  for (const name of wanted) {
    if (all.some((item) => namesOf(item).includes(name))) continue;
    const container = state.containers.find((c) => namesOfContainer(c).includes(name));
    if (container && container.status !== "running")
      throw new DocknetError("NOT_FOUND", `The matrix has no ${what} "${name}": it does not run`, {
        remedy: `Start it: docknet start ${container.name}`,
      });
    const none = container && what === "column" ? ": it serves and publishes no port" : "";
    const known = [...new Set(all.flatMap((item) => namesOf(item)[0] ?? []))];
    const shown = known.slice(0, 12).join(", ");
    throw new DocknetError("NOT_FOUND", `The matrix has no ${what} "${name}"${none}`, {
      remedy:
        known.length > 0 ? `There are ${shown}${known.length > 12 ? " and more" : ""}` : "No service serves a port",
    });
  }
  return all.filter((item) => wanted.some((name) => namesOf(item).includes(name)));
}
