/** The PORTS column. Source: docker/cli cli/command/formatter/container.go DisplayablePorts. */

/** A port of GET /containers/json; without IP it is only exposed. */
export interface PortSummary {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

/** An IPv6 address stands in brackets. */
export const joinHostPort = (host: string, port: string | number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** `74/tcp, 0.0.0.0:94->94/udp`: ports that follow each other and are published under their own numbers are joined to ranges. */
export function renderPorts(ports: readonly PortSummary[]): string {
  const ranges: string[] = [];
  const open = new Map<string, { readonly ip: string; readonly type: string; first: number; last: number }>();
  const mapped: string[] = [];
  for (const { IP: ip = "", PrivatePort, PublicPort = 0, Type: type } of [...ports].sort(comparePorts)) {
    if (ip !== "" && PublicPort !== PrivatePort) {
      mapped.push(`${joinHostPort(ip, PublicPort)}->${PrivatePort}/${type}`);
      continue;
    }
    const key = `${ip}/${type}`;
    const range = open.get(key);
    if (range && PrivatePort === range.last + 1) {
      range.last = PrivatePort;
      continue;
    }
    if (range) {
      ranges.push(renderRange(range));
      Object.assign(range, { first: PrivatePort, last: PrivatePort });
    } else open.set(key, { ip, type, first: PrivatePort, last: PrivatePort });
  }
  return [...ranges, ...[...open.values()].map(renderRange), ...mapped].join(", ");
}

function renderRange(range: {
  readonly ip: string;
  readonly type: string;
  readonly first: number;
  readonly last: number;
}): string {
  const numbers = range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
  return `${range.ip === "" ? "" : `${joinHostPort(range.ip, numbers)}->`}${numbers}/${range.type}`;
}

function comparePorts(a: PortSummary, b: PortSummary): number {
  if (a.PrivatePort !== b.PrivatePort) return a.PrivatePort - b.PrivatePort;
  const [ipA, ipB] = [a.IP ?? "", b.IP ?? ""];
  if (ipA !== ipB) return ipA < ipB ? -1 : 1;
  const [publicA, publicB] = [a.PublicPort ?? 0, b.PublicPort ?? 0];
  if (publicA !== publicB) return publicA - publicB;
  return a.Type < b.Type ? -1 : a.Type > b.Type ? 1 : 0;
}
