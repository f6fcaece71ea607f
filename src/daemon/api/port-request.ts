/** `-p` and `--expose` as clients send them. Source: docker/go-connections nat, moby daemon/container.go verifyPortBindings. */
import { isIpv4, isIpv6, parseIpv6 } from "../../net/address.ts";
import { type PortRange, type ProtoPort, parsePortRange, parseProtoPort, renderProtoPort } from "../../net/port.ts";
import type { PortRequest } from "../../state/state.ts";
import type { JsonObject } from "../record.ts";
import { Fields, isObject } from "./fields.ts";
import { httpError } from "./refuse.ts";

const MAX_PORTS = 65_536;

/** Every port that is exposed or published, once. @throws DocknetError USAGE */
export function exposedSet(exposed: JsonObject | undefined, bindings: JsonObject | undefined): readonly ProtoPort[] {
  const ports = [...Object.keys(exposed ?? {}), ...Object.keys(bindings ?? {})].map(containerPort);
  const byText = new Map(ports.map((p) => [renderProtoPort(p), p]));
  return [...byText.values()];
}

/** `{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}`. @throws DocknetError USAGE */
export function portRequests(host: Fields): readonly PortRequest[] {
  const requests = Object.entries(host.object("PortBindings") ?? {}).flatMap(([key, list]) => {
    const { port, proto } = containerPort(key);
    if (list !== null && !Array.isArray(list)) throw badBinding(key);
    return (list ?? []).map((item: unknown): PortRequest => {
      const binding = new Fields(isObject(item as JsonObject) ? (item as JsonObject) : {}, "PortBinding");
      const published = hostPort(binding.text("HostPort"));
      const hostIp = hostAddress(binding.text("HostIp"));
      return { target: port, proto, ...(published ? { published } : {}), ...(hostIp ? { hostIp } : {}) };
    });
  });
  if (requests.length > MAX_PORTS) throw httpError(400, `too many ports are published: ${requests.length}`);
  return requests;
}

function containerPort(text: string): ProtoPort {
  try {
    return parseProtoPort(text);
  } catch {
    throw invalidPort(text.split("/")[0] ?? text);
  }
}

/** "" and "0": one of the engine's choice. */
function hostPort(text: string): PortRange | undefined {
  if (text === "" || text === "0") return undefined;
  try {
    return parsePortRange(text);
  } catch {
    throw invalidPort(text);
  }
}

function hostAddress(text: string): PortRequest["hostIp"] {
  if (text === "") return undefined;
  if (isIpv4(text)) return text;
  if (isIpv6(text)) return parseIpv6(text);
  throw httpError(400, `invalid IP address: ${text}`);
}

const invalidPort = (text: string): Error => httpError(400, `invalid port specification: ${JSON.stringify(text)}`);
const badBinding = (key: string): Error =>
  httpError(
    400,
    `invalid JSON: json: cannot unmarshal object into Go struct field .HostConfig.PortBindings.${key} of type []nat.PortBinding`,
  );
