/** What `--link` on the default bridge puts into the environment. Source: moby daemon/links/links.go; order and texts seen on 28.5.2. */
import type { Ipv4 } from "../net/address.ts";
import type { ProtoPort } from "../net/port.ts";
import { type Container, networkById, type State } from "./state.ts";

/** Not passed to others: they are of the image. */
const OWN: readonly string[] = ["HOME", "PATH"];

/**
 * "PG_PORT=tcp://172.17.0.3:5432" and so on, for every link whose target runs.
 * @param envOf "KEY=value" as that container was given it
 */
export function linkEnvironment(
  state: State,
  container: Container,
  envOf: (id: string) => readonly string[],
): readonly string[] {
  return container.links.flatMap(({ target, alias }) => {
    const child = state.containers.find((c) => c.id === target);
    const endpoint = child?.endpoints.find((e) => networkById(state, e.network).isDefault);
    if (!child || !endpoint) return [];
    const prefix = alias.toUpperCase().replaceAll("-", "_");
    return [
      ...portLines(prefix, endpoint.address, [...child.exposed].sort(tcpFirst)),
      `${prefix}_NAME=/${container.name}/${alias}`,
      ...envOf(target).flatMap((pair) => {
        const equals = pair.indexOf("=");
        return equals < 0 || OWN.includes(pair.slice(0, equals)) ? [] : [`${prefix}_ENV_${pair}`];
      }),
    ];
  });
}

/** The first port, then each; a range of consecutive ports comes when it is over, after the port that ended it. */
function portLines(prefix: string, address: Ipv4, ports: readonly ProtoPort[]): string[] {
  const url = ({ port, proto }: ProtoPort): string => `${proto}://${address}:${port}`;
  const called = ({ port, proto }: ProtoPort): string => `${prefix}_PORT_${port}_${proto.toUpperCase()}`;
  const lines: string[] = [];
  let [start, end] = [ports[0], ports[0]];
  for (const [i, p] of ports.entries()) {
    if (i === 0) lines.push(`${prefix}_PORT=${url(p)}`);
    const name = called(p);
    lines.push(`${name}=${url(p)}`, `${name}_ADDR=${address}`, `${name}_PORT=${p.port}`, `${name}_PROTO=${p.proto}`);
    const goesOn = end !== undefined && p.port === end.port + 1 && p.proto === end.proto;
    if (goesOn) end = p;
    if (goesOn && i < ports.length - 1) continue;
    if (start && end && start !== end) {
      const range = called(start);
      lines.push(`${range}_START=${url(start)}`, `${range}_PORT_START=${start.port}`);
      lines.push(`${range}_END=${url(end)}`, `${range}_PORT_END=${end.port}`);
    }
    [start, end] = [p, p];
  }
  return lines;
}

function tcpFirst(a: ProtoPort, b: ProtoPort): number {
  if (a.proto === b.proto) return a.port - b.port;
  if (a.proto === "tcp" || b.proto === "tcp") return a.proto === "tcp" ? -1 : 1;
  return a.proto < b.proto ? -1 : 1;
}
