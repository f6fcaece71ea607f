/** The record of a container that `docknet up` makes: as if its service had been asked for with `docker run`. */
import type { ServiceSpec } from "../../spec/spec.ts";
import type { ContainerRequest } from "../../state/container.ts";
import type { ContainerRecord, JsonObject } from "../record.ts";
import { normaliseConfig, normaliseHostConfig } from "./config-fields.ts";
import { Fields } from "./fields.ts";

const STOP_TIMEOUT_S = 10;

/** A service runs its command only when its file says so (x-docknet: run: true); else responders stand in for it. */
export function containerRecord(service: ServiceSpec, request: ContainerRequest): ContainerRecord {
  const argv = service.run ? (service.command ?? []) : [];
  const body: JsonObject = {
    Image: service.image ?? "",
    Hostname: request.hostname ?? "",
    Domainname: request.domainname ?? "",
    Cmd: argv,
    Labels: request.labels ?? {},
    HostConfig: { NetworkMode: networkMode(request), PortBindings: portBindings(request) },
  };
  const fields = new Fields(body, "");
  return {
    argv,
    env: [],
    workingDir: "",
    privileged: false,
    tty: false,
    openStdin: false,
    stdinOnce: false,
    autoRemove: false,
    stopSignal: "SIGTERM",
    stopTimeoutS: STOP_TIMEOUT_S,
    config: normaliseConfig(fields),
    hostConfig: normaliseHostConfig(fields.child("HostConfig")),
  };
}

function networkMode({ sandbox, endpoints }: ContainerRequest): string {
  if (sandbox.kind === "container") return `container:${sandbox.name}`;
  return sandbox.kind === "own" ? (endpoints[0]?.network ?? "none") : sandbox.kind;
}

function portBindings({ publish = [] }: ContainerRequest): JsonObject {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { target, proto, hostIp, published } of publish) {
    const range =
      published && (published.first === published.last ? `${published.first}` : `${published.first}-${published.last}`);
    const key = `${target}/${proto}`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostIp ?? "", HostPort: range ?? "" }];
  }
  return bindings;
}
