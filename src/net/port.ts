import { DocknetError } from "../errors.ts";
import type { Brand } from "./brand.ts";

/** 1..65535; "choose one" is undefined, never 0 */
export type Port = Brand<number, "Port">;
export type Proto = "tcp" | "udp" | "sctp";

/** Both ends included. */
export interface PortRange {
  readonly first: Port;
  readonly last: Port;
}

/** A port of a container with its protocol: "80/tcp". */
export interface ProtoPort {
  readonly port: Port;
  readonly proto: Proto;
}

export function isPort(value: number): value is Port {
  return Number.isInteger(value) && value >= 1 && value <= 65535;
}

/** Decimal without sign or leading zeros. @param what names the value in the message: "hostPort". @throws DocknetError LAB_FILE */
export function parsePort(text: string, what = "port"): Port {
  const value = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!isPort(value)) throw new DocknetError("LAB_FILE", `invalid ${what}: ${text}`);
  return value;
}

/** "8000" or "8000-8010". @throws DocknetError LAB_FILE */
export function parsePortRange(text: string, what = "port"): PortRange {
  const dash = text.indexOf("-");
  const [low, high] = dash < 0 ? [text, text] : [text.slice(0, dash), text.slice(dash + 1)];
  const range = { first: parsePort(low, what), last: parsePort(high, what) };
  if (range.last < range.first) throw new DocknetError("LAB_FILE", `invalid ${what}: ${text}`);
  return range;
}

/** @throws DocknetError LAB_FILE, in Docker's words */
export function parseProto(text: string): Proto {
  const proto = text.toLowerCase();
  if (proto === "tcp" || proto === "udp" || proto === "sctp") return proto;
  throw new DocknetError("LAB_FILE", `invalid proto: ${text}`);
}

/** "80", "80/udp". @throws DocknetError LAB_FILE */
export function parseProtoPort(text: string): ProtoPort {
  const slash = text.indexOf("/");
  return {
    port: parsePort(slash < 0 ? text : text.slice(0, slash)),
    proto: slash < 0 ? "tcp" : parseProto(text.slice(slash + 1)),
  };
}

export function renderProtoPort({ port, proto }: ProtoPort): string {
  return `${port}/${proto}`;
}

export function renderPortRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

const PROTOS: readonly Proto[] = ["tcp", "udp", "sctp"];

/** The key of a port in a map: the same number for the same port and protocol. */
export function portKey(port: Port, proto: Proto): number {
  return port + 65536 * PROTOS.indexOf(proto);
}

/** The first of each port and protocol, in order. */
export function uniquePorts<T extends ProtoPort>(ports: readonly T[]): readonly T[] {
  const first = new Map<number, T>();
  for (const item of ports) {
    const key = portKey(item.port, item.proto);
    if (!first.has(key)) first.set(key, item);
  }
  return [...first.values()];
}

/** Every port of a range, in order. */
export function portsOf({ first, last }: PortRange): Port[] {
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) as Port);
}
